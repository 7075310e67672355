"""Follows the output of a job across broken connections and failovers, without gaps or repeats.

A log only grows, so the characters that were already seen are counted and skipped. A short log is read again and again
as a whole: Ray's websocket sends a line 1 to 3 s after it was printed. A long log comes over the websocket, which sends
it from its first character on every connection (`job_head.tail_job_logs` in Ray's source). Ray closes the websocket
late, and in order even when lines are missing, so the rest is read from the whole log as soon as the job has ended. See
docs/decisions/0008 and 0018.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING, Final

from raylane_common.backoff import Backoff
from raylane_common.errors import RayError, RayServerError
from raylane_common.ray.answers import PathFault, check
from raylane_common.ray.calls import Deadline
from raylane_common.ray.models import LogPiece, RunStatus
from raylane_common.ray.parsing import unexpected
from raylane_common.ray.transport import Request

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from raylane_common.ray.calls import Calls
    from raylane_common.ray.looks import FollowedRun, Looks
    from raylane_common.ray.models import RayRun

# A log of up to this length is read as a whole. A worker streams no more than that.
_SHORT_CHARACTERS: Final = 256 * 1024
# Short enough for a line to arrive within half a second. A read takes 6 ms of the head's CPU, twice as much as a look.
_READ_PAUSE_S: Final = 0.4
# The most that reading may transfer. A log of 256 KiB is read every half a second.
_CHARACTERS_PER_S: Final = 512 * 1024
# Between two tries to read a log that cannot be read.
_FIRST_PAUSE_S: Final = 0.2
_LONGEST_PAUSE_S: Final = 2.0
# After so many failures in a row no proxy on the way lets websockets through.
_MAX_WEBSOCKET_FAILURES: Final = 3


class LogTail:
    """The log of one job, followed from a position."""

    def __init__(
        self, calls: Calls, looks: Looks, submission_id: str, *, after: int, look_timeout_s: float, max_outage_s: float
    ) -> None:
        """Skips `after` characters. `look_timeout_s` limits one request, `max_outage_s` the time without an answer."""
        self._calls = calls
        self._looks = looks
        self._id = submission_id
        self._position = after
        self._look_timeout_s = look_timeout_s
        self._max_outage_s = max_outage_s
        self._websocket_failures = 0

    async def pieces(self) -> AsyncGenerator[LogPiece, None]:
        """Yields what the job prints, until it has ended and everything was yielded.

        Raises `RunNotFound`, and the last error if the cluster, or the log of an ended job, cannot be read for
        `max_outage_s` seconds.
        """
        loop = asyncio.get_running_loop()
        pauses = Backoff(_FIRST_PAUSE_S, _LONGEST_PAUSE_S)
        job: RayRun | None = None
        ended_at_s: float | None = None
        read_at_s = loop.time()
        with self._looks.following(self._id) as run:
            while True:
                try:
                    job = await run.next(job)
                except RayError as error:
                    if not error.retryable or run.unanswered_s > self._max_outage_s:
                        raise
                    continue
                looked_at_s = loop.time()
                if job.status.is_final:
                    ended_at_s = ended_at_s or looked_at_s
                # Ray has no log yet for a job that has not started.
                elif job.status is RunStatus.PENDING or looked_at_s < read_at_s:
                    continue
                try:
                    async with aclosing(self._new_pieces(run, job)) as pieces:
                        async for piece in pieces:
                            yield piece
                    if ended_at_s is not None:
                        return
                    pauses.reset()
                    read_at_s = looked_at_s + max(_READ_PAUSE_S, self._position / _CHARACTERS_PER_S)
                    continue
                except PathFault:
                    # The next look shows whether the cluster can be reached at all.
                    self._websocket_failures += 1
                except RayError as error:
                    # While a job runs, its log may end in the middle of a character. Then Ray cannot read it yet.
                    may_be_read = error.retryable or (ended_at_s is None and isinstance(error, RayServerError))
                    if not may_be_read or (ended_at_s is not None and loop.time() - ended_at_s > self._max_outage_s):
                        raise
                await asyncio.sleep(pauses.next_s())

    async def _new_pieces(self, run: FollowedRun, job: RayRun) -> AsyncGenerator[LogPiece, None]:
        """Yields what comes after the position."""
        seen = 0
        async with aclosing(self._texts(run, job)) as texts:
            async for text in texts:
                before, seen = seen, seen + len(text)
                if seen > self._position:
                    new, self._position = text[max(0, self._position - before) :], seen
                    yield LogPiece(text=new, end=seen)

    async def _texts(self, run: FollowedRun, job: RayRun) -> AsyncGenerator[str, None]:
        """Yields the log from its beginning, in pieces: as it is now, or over the websocket until the job has ended."""
        path, deadline = f"/api/jobs/{self._id}/logs", Deadline(self._look_timeout_s)
        is_short = self._position <= _SHORT_CHARACTERS
        if is_short or job.status.is_final or self._websocket_failures >= _MAX_WEBSOCKET_FAILURES:
            try:
                yield await self._whole(path, deadline)
                return
            except RayServerError as error:
                # A log that is too long to be read at once can still be followed.
                if "limit_bytes" not in error.details:
                    raise
        frames = self._calls.frames(f"{path}/tail", deadline)
        # A log that long cannot be read any other way, so the websocket of an ended job is read until Ray closes it.
        texts = frames if job.status.is_final else _until_end(run, job, frames)
        async with aclosing(frames), aclosing(texts):
            async for text in texts:
                self._websocket_failures = 0
                yield text

    async def _whole(self, path: str, deadline: Deadline) -> str:
        answer = await self._calls.exchange(Request("logs", "GET", path, key="logs", is_long=True), deadline)
        check(answer, f"read the logs of {self._id}")
        logs = answer.data.get("logs") if isinstance(answer.data, dict) else None
        if not isinstance(logs, str):
            raise unexpected(answer, "`logs`")
        return logs


async def _until_end(run: FollowedRun, job: RayRun, frames: AsyncGenerator[str, None]) -> AsyncGenerator[str, None]:
    """Yields the frames until there are no more, or the job has ended: Ray closes the websocket up to 3 s later."""
    ended = asyncio.create_task(run.ended(job), name=f"end of {job.submission_id}")
    try:
        while True:
            receiving = asyncio.create_task(_next(frames))
            try:
                await asyncio.wait({receiving, ended}, return_when=asyncio.FIRST_COMPLETED)
                text = receiving.result() if receiving.done() else None
            finally:
                receiving.cancel()
                await asyncio.gather(receiving, return_exceptions=True)
            if text is None:
                return
            yield text
    finally:
        ended.cancel()
        await asyncio.gather(ended, return_exceptions=True)


async def _next(frames: AsyncGenerator[str, None]) -> str | None:
    async for text in frames:
        return text
    return None
