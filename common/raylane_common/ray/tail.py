"""Follows the output of a job across broken connections and failovers, without gaps or repeats.

Ray's websocket sends the log from its first character on every connection (`job_head.tail_job_logs` in Ray's source),
and a log only grows, so the characters that were already seen are counted and skipped. Ray closes the websocket in
order even when lines are missing, so the rest is read from the whole log once the job has ended. If no websocket gets
through, the whole log is read again and again. See docs/decisions/0008.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING, Final

from raylane_common.backoff import Backoff
from raylane_common.errors import RayError, RayServerError
from raylane_common.ray.answers import PathFault, check
from raylane_common.ray.calls import Deadline
from raylane_common.ray.models import LogPiece, RayRun, RunStatus
from raylane_common.ray.parsing import read, unexpected
from raylane_common.ray.transport import Request

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from raylane_common.ray.calls import Calls

# Between two looks at a job that has not started, or after a broken connection: followers see its output within 2 s.
_FIRST_PAUSE_S: Final = 0.2
_LONGEST_PAUSE_S: Final = 2.0
# After so many failures in a row no proxy on the way lets websockets through.
_MAX_WEBSOCKET_FAILURES: Final = 3


class LogTail:
    """The log of one job, followed from a position."""

    def __init__(
        self, calls: Calls, submission_id: str, *, after: int, look_timeout_s: float, max_outage_s: float
    ) -> None:
        """`after`: characters to skip. `look_timeout_s` limits one request, `max_outage_s` the time without answer."""
        self._calls = calls
        self._id = submission_id
        self._position = after
        self._look_timeout_s = look_timeout_s
        self._max_outage_s = max_outage_s
        self._websocket_failures = 0

    async def pieces(self) -> AsyncGenerator[LogPiece, None]:
        """Yields what the job prints, until it has ended and everything was yielded.

        Raises `RunNotFound`, and the error that has kept the cluster away for `max_outage_s`.
        """
        loop = asyncio.get_running_loop()
        pauses = Backoff(_FIRST_PAUSE_S, _LONGEST_PAUSE_S)
        answered_at_s = loop.time()
        while True:
            try:
                job = await self._look()
                answered_at_s = loop.time()
                # Ray has no log yet for a job that has not started, and a websocket would wait for it without a sign.
                if job.status is not RunStatus.PENDING:
                    seen = 0
                    async with aclosing(self._texts(ended=job.status.is_final)) as texts:
                        async for text in texts:
                            before, seen = seen, seen + len(text)
                            if seen > self._position:
                                new, self._position = text[max(0, self._position - before) :], seen
                                answered_at_s = loop.time()
                                pauses.reset()
                                yield LogPiece(text=new, end=seen)
                    if job.status.is_final:
                        return
            except PathFault:
                # The next look shows whether the cluster can be reached at all.
                self._websocket_failures += 1
            except RayError as error:
                if not error.retryable or loop.time() - answered_at_s > self._max_outage_s:
                    raise
            await asyncio.sleep(pauses.next_s())

    async def _look(self) -> RayRun:
        request = Request("job", "GET", f"/api/jobs/{self._id}")
        answer = await self._calls.exchange(request, Deadline(self._look_timeout_s))
        check(answer, f"find {self._id}")
        return read(RayRun, answer)

    async def _texts(self, *, ended: bool) -> AsyncGenerator[str, None]:
        """Yields the log from its beginning, in pieces."""
        path, deadline = f"/api/jobs/{self._id}/logs", Deadline(self._look_timeout_s)
        if ended or self._websocket_failures >= _MAX_WEBSOCKET_FAILURES:
            try:
                yield await self._whole(path, deadline)
                return
            except RayServerError as error:
                # A log that is too long to be read at once can still be followed.
                if "limit_bytes" not in error.details:
                    raise
        async with aclosing(self._calls.frames(f"{path}/tail", deadline)) as frames:
            async for text in frames:
                self._websocket_failures = 0
                yield text

    async def _whole(self, path: str, deadline: Deadline) -> str:
        answer = await self._calls.exchange(Request("logs", "GET", path), deadline)
        check(answer, f"read the logs of {self._id}")
        logs = answer.data.get("logs") if isinstance(answer.data, dict) else None
        if not isinstance(logs, str):
            raise unexpected(answer, "`logs`")
        return logs
