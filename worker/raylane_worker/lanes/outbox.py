"""Writes how attempts ended, many in one step; what Redis cannot take now is kept and written when it is back."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from raylane_common.errors import QueueUnavailable

if TYPE_CHECKING:
    from raylane_common.redis.queue import AttemptOutcome, LaneQueue

logger = logging.getLogger("raylane.worker")

PATIENCE_S: Final = 600.0
_PAUSE_S: Final = 1.0
_MOST_AT_ONCE: Final = 200


@dataclass(frozen=True)
class _Pending:
    end: AttemptOutcome
    written: asyncio.Future[None]
    give_up_at: float


class Outbox:
    """The ends that one lane of one worker has to write. A job counts as running until its end is written."""

    def __init__(self, queue: LaneQueue) -> None:
        self._queue = queue
        self._pending: list[_Pending] = []
        self._writer: asyncio.Task[None] | None = None

    def add(self, end: AttemptOutcome) -> asyncio.Future[None]:
        """Has the end written; the future is done when it is, or when it was given up."""
        loop = asyncio.get_running_loop()
        pending = _Pending(end, loop.create_future(), loop.time() + PATIENCE_S)
        self._pending.append(pending)
        if self._writer is None:
            # Starts in the loop's next round: what ends in this one is written with it.
            self._writer = asyncio.create_task(self._write_all(), name=f"ends of {self._queue.lane}")
        return pending.written

    async def write(self, end: AttemptOutcome) -> None:
        """Has the end written and waits for it."""
        await asyncio.shield(self.add(end))

    async def close(self, timeout_s: float) -> None:
        """Gives what is pending this long to be written; the leases of the rest run out."""
        writer = self._writer
        if writer is not None:
            await asyncio.wait({writer}, timeout=timeout_s)
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)
        for pending in self._pending:
            logger.error("job %s: its end was not written before the worker stopped", pending.end.job_id)

    async def _write_all(self) -> None:
        try:
            while self._pending:
                batch = self._pending[:_MOST_AT_ONCE]
                try:
                    await self._write(batch)
                except QueueUnavailable as error:
                    await self._bear(error, batch)
        finally:
            self._writer = None

    async def _write(self, batch: list[_Pending]) -> None:
        answers = await self._queue.finish([pending.end for pending in batch])
        for pending, written in zip(batch, answers, strict=True):
            if not written:
                logger.warning("job %s: its end was not written; another worker has the job", pending.end.job_id)
            self._done(pending)

    async def _bear(self, error: QueueUnavailable, batch: list[_Pending]) -> None:
        """The work itself is not repeated because its end cannot be written: the end is tried again and again."""
        if not error.retryable and len(batch) > 1:
            # One of them is what Redis refuses; it must not hold up the others.
            for pending in batch:
                try:
                    await self._write([pending])
                except QueueUnavailable as its_error:
                    await self._bear(its_error, [pending])
            return
        now_s = asyncio.get_running_loop().time()
        for pending in batch:
            if not error.retryable or now_s > pending.give_up_at:
                logger.error("job %s: its end could not be written: %s", pending.end.job_id, error)
                self._done(pending)
        if error.retryable:
            logger.warning("lane %s: %d ends are not written yet: %s", self._queue.lane, len(self._pending), error)
            await asyncio.sleep(_PAUSE_S)

    def _done(self, pending: _Pending) -> None:
        self._pending.remove(pending)
        if not pending.written.done():
            pending.written.set_result(None)
