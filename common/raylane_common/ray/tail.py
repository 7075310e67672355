"""Following what a job prints, over broken connections and changes of address, without gap or repeat.

Ray's websocket begins with the first character each time (`job_head.tail_job_logs` in Ray's source), and a log only
grows: what was seen before is counted off. That Ray closes it in order does not prove that all was sent, so what is
left at a job's end is read from the whole log. Where no websocket comes through, that is read again and again.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING, Final

from raylane_common.errors import RayError, RayServerError
from raylane_common.ray.answers import PathFault, check, read, unexpected
from raylane_common.ray.calls import Deadline
from raylane_common.ray.models import LogPiece, RayJob, RayJobStatus
from raylane_common.ray.transport import Request

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from raylane_common.ray.calls import Calls

_FIRST_PAUSE_S: Final = 0.2
_LONGEST_PAUSE_S: Final = 2.0
_WEBSOCKETS_TRIED: Final = 3


class LogTail:
    """One job's log, followed from a position on. Times are for one look at the job, and for a cluster that is away."""

    def __init__(
        self, calls: Calls, submission_id: str, *, after: int, look_timeout_s: float, patience_s: float
    ) -> None:
        self._calls = calls
        self._id = submission_id
        self._position = after
        self._look_timeout_s = look_timeout_s
        self._patience_s = patience_s
        self._websockets_failed = 0

    async def pieces(self) -> AsyncGenerator[LogPiece, None]:
        """What the job prints, until it has ended and all of it was seen.

        Raises `RunNotFound`, and whatever has kept it from the cluster for all its patience.
        """
        loop = asyncio.get_running_loop()
        pause_s, heard_at = _FIRST_PAUSE_S, loop.time()
        while True:
            try:
                job = await self._look()
                heard_at = loop.time()
                # Ray has no log yet for a job that has not begun, and would let the websocket wait for it unseen.
                if job.status is not RayJobStatus.PENDING:
                    seen = 0
                    async with aclosing(self._texts(ended=job.status.is_final)) as texts:
                        async for text in texts:
                            before, seen = seen, seen + len(text)
                            if seen > self._position:
                                new, self._position = text[max(0, self._position - before) :], seen
                                heard_at, pause_s = loop.time(), _FIRST_PAUSE_S
                                yield LogPiece(text=new, end=seen)
                    if job.status.is_final:
                        return
            except PathFault:
                # Health has been told; whether the cluster can be reached at all is for the next look to say.
                self._websockets_failed += 1
            except RayError as error:
                if not error.retryable or loop.time() - heard_at > self._patience_s:
                    raise
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)

    async def _look(self) -> RayJob:
        request = Request("job", "GET", f"/api/jobs/{self._id}")
        answer = await self._calls.exchange(request, Deadline(self._look_timeout_s))
        check(answer, f"find {self._id}")
        return read(RayJob, answer)

    async def _texts(self, *, ended: bool) -> AsyncGenerator[str, None]:
        """The log from its beginning, in pieces."""
        path, deadline = f"/api/jobs/{self._id}/logs", Deadline(self._look_timeout_s)
        if ended or self._websockets_failed >= _WEBSOCKETS_TRIED:
            try:
                yield await self._whole(path, deadline)
                return
            except RayServerError as error:
                # One too long to be read at once can still be followed.
                if "limit_bytes" not in error.details:
                    raise
        async with aclosing(self._calls.frames(f"{path}/tail", deadline)) as frames:
            async for text in frames:
                self._websockets_failed = 0
                yield text

    async def _whole(self, path: str, deadline: Deadline) -> str:
        answer = await self._calls.exchange(Request("logs", "GET", path), deadline)
        check(answer, f"read the logs of {self._id}")
        logs = answer.data.get("logs") if isinstance(answer.data, dict) else None
        if not isinstance(logs, str):
            raise unexpected(answer, "`logs`")
        return logs
