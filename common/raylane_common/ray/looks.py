"""Asks Ray for the state of runs at a bounded rate; callers that follow the same run share each look.

See docs/decisions/0018.
"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from raylane_common.backoff import Backoff
from raylane_common.errors import RayError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from raylane_common.ray.models import RayRun

# A look takes 3 ms of the head's CPU, and the read of a log that may go with it 6 ms. So one client takes less than a
# fifth of a core, however many runs it follows.
MAX_LOOKS_PER_S: Final = 20.0
# Pauses after a look that failed. A restart of the head takes half a minute.
_FIRST_PAUSE_S: Final = 0.2
_LONGEST_PAUSE_S: Final = 2.0
# The longest `Retry-After` that is obeyed, because the run may end in that time.
_MAX_RETRY_AFTER_S: Final = 20.0


class Looks:
    """The runs that the callers of one client follow."""

    def __init__(self, find: Callable[[str], Awaitable[RayRun]], *, interval_s: float) -> None:
        """`find` returns a run as it is now. `interval_s` is the shortest pause between two looks at the same run."""
        self.interval_s = interval_s
        self._find = find
        self._runs: dict[str, FollowedRun] = {}

    @contextmanager
    def following(self, submission_id: str) -> Iterator[FollowedRun]:
        """Follows a run during the block."""
        run = self._runs.setdefault(submission_id, FollowedRun(lambda: self._find(submission_id), self._pause_s))
        run.followers += 1
        try:
            yield run
        finally:
            run.followers -= 1
            if not run.followers:
                del self._runs[submission_id]

    def _pause_s(self) -> float:
        return max(self.interval_s, len(self._runs) / MAX_LOOKS_PER_S)


class FollowedRun:
    """A run that has followers. `followers` is their number."""

    def __init__(self, find: Callable[[], Awaitable[RayRun]], pause_s: Callable[[], float]) -> None:
        self.followers = 0
        self._find = find
        self._pause_s = pause_s
        self._failures = Backoff(_FIRST_PAUSE_S, _LONGEST_PAUSE_S)
        self._latest: RayRun | None = None
        self._answered_at_s = self._due_at_s = asyncio.get_running_loop().time()
        # One follower at a time looks, and the others wait for what it finds.
        self._looking = asyncio.Lock()

    @property
    def unanswered_s(self) -> float:
        """Seconds since Ray last answered, or since the first follower if it has not answered yet."""
        return asyncio.get_running_loop().time() - self._answered_at_s

    async def next(self, seen: RayRun | None) -> RayRun:
        """Returns the run as it is now, or as another follower has found it since this one got `seen`.

        Looks only after the pause since the last look, which is longer if that look failed. Raises what the look
        raises.
        """
        async with self._looking:
            if self._latest is not None and self._latest is not seen:
                return self._latest
            loop = asyncio.get_running_loop()
            await asyncio.sleep(max(0.0, self._due_at_s - loop.time()))
            try:
                self._latest = await self._find()
            except RayError as error:
                asked_s = min(error.retry_after_s or 0.0, _MAX_RETRY_AFTER_S)
                self._due_at_s = loop.time() + max(self._failures.next_s(), asked_s)
                raise
            self._failures.reset()
            self._answered_at_s = loop.time()
            self._due_at_s = self._answered_at_s + self._pause_s()
            return self._latest

    async def ended(self, seen: RayRun) -> None:
        """Returns once the run has ended. Raises a `RayError` that is not retryable; others do not end the wait."""
        while not seen.status.is_final:
            try:
                seen = await self.next(seen)
            except RayError as error:
                if not error.retryable:
                    raise
