"""Writes the outcomes of attempts in batches: later if Redis cannot take them now, and again if it has lost them.

See docs/decisions/0006 and 0015.
"""

from __future__ import annotations

import asyncio
from contextvars import copy_context
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from raylane_common.backoff import Backoff
from raylane_common.errors import QueueUnavailable
from raylane_common.logs import get_logger
from raylane_worker.lanes.recurring import Recurring
from raylane_worker.lanes.written import WrittenOutcomes

if TYPE_CHECKING:
    from raylane_common.redis.queue import AttemptOutcome, LaneQueue

logger = get_logger("raylane.worker")

# Longer than a failover, or a restart with a large append-only file. Until then the job occupies a slot of the lane.
GIVE_UP_S: Final = 600.0
# Each command has already retried for `redis.give_up_s`, so short pauses do not overload Redis.
_FIRST_PAUSE_S: Final = 0.5
_LONGEST_PAUSE_S: Final = 2.0
# The script blocks Redis while it writes a batch: 200 outcomes take a few milliseconds.
_LARGEST_BATCH: Final = 200
# A confirmation may take the server a second, and all these outcomes are sent again with it.
_LARGEST_CONFIRMATION: Final = 2000


@dataclass(frozen=True)
class _Pending:
    outcome: AttemptOutcome
    written: asyncio.Future[bool]
    give_up_at_s: float
    is_repeated: bool


class Outbox:
    """The outcomes that one lane of one worker must still write. A job counts as running until that is done."""

    def __init__(self, queue: LaneQueue) -> None:
        self._queue = queue
        # The tasks serve all jobs, so what they log must not have the ids of the one that starts them.
        self._context = copy_context()
        self._pending: list[_Pending] = []
        self._writer: asyncio.Task[None] | None = None
        self._problems = Recurring(logger)
        self._pauses = Backoff(first_s=_FIRST_PAUSE_S, cap_s=_LONGEST_PAUSE_S, jitter=0.5)
        self._written = WrittenOutcomes()
        self._server = queue.server
        self._confirmer: asyncio.Task[None] | None = None
        queue.on_answer = self._server_answered

    def add(self, outcome: AttemptOutcome, *, is_repeated: bool = False) -> asyncio.Future[bool]:
        """Starts writing the outcome. The future says whether it is written; else it was refused or given up.

        `is_repeated` says that it was written before, to a server that may have lost it.
        """
        loop = asyncio.get_running_loop()
        pending = _Pending(outcome, loop.create_future(), loop.time() + GIVE_UP_S, is_repeated)
        self._pending.append(pending)
        if self._writer is None:
            # The task starts in the next round of the loop, so all outcomes of this round are in one batch.
            self._writer = asyncio.create_task(
                self._write_all(), name=f"outbox of {self._queue.lane}", context=self._context.copy()
            )
        return pending.written

    async def write(self, outcome: AttemptOutcome) -> bool:
        """Writes the outcome. Returns whether it is written; else it was refused or given up."""
        return await asyncio.shield(self.add(outcome))

    async def close(self, timeout_s: float) -> None:
        """Waits up to `timeout_s` for pending outcomes. If one is not written, its job runs again after the lease."""
        deadline_s = asyncio.get_running_loop().time() + timeout_s
        await _end(self._writer, deadline_s)
        await _end(self._confirmer, deadline_s)
        for pending in self._pending:
            logger.error("job %s: outcome was not written before the worker stopped", pending.outcome.job_id)

    async def _write_all(self) -> None:
        try:
            while self._pending:
                batch = self._pending[:_LARGEST_BATCH]
                try:
                    await self._write(batch)
                except QueueUnavailable as error:
                    await self._keep_or_drop(batch, error)
        finally:
            self._writer = None

    async def _write(self, batch: list[_Pending]) -> None:
        accepted = await self._queue.finish([pending.outcome for pending in batch])
        self._pauses.reset()
        now_s = asyncio.get_running_loop().time()
        for pending, was_accepted in zip(batch, accepted, strict=True):
            if was_accepted:
                self._written.add(pending.outcome, now_s)
            elif not pending.is_repeated:
                logger.warning("job %s: outcome dropped; another worker has the job", pending.outcome.job_id)
            self._remove(pending, is_written=was_accepted)
        if self._queue.needs_confirmation and self._confirmer is None:
            self._confirmer = asyncio.create_task(
                self._confirm_all(), name=f"confirmation of {self._queue.lane}", context=self._context.copy()
            )

    def _server_answered(self) -> None:
        """Writes outcomes again if the server was restarted or replaced by another one: it may not have them."""
        known, self._server = self._server, self._queue.server
        if known in ("", self._server):
            if not self._queue.needs_confirmation:
                self._written.forget_old(asyncio.get_running_loop().time())
            return
        outcomes = self._written.all()
        self._written.forget(outcomes)
        if outcomes:
            logger.warning(
                "lane %s: the server was replaced; writing %d outcomes again", self._queue.lane, len(outcomes)
            )
        for outcome in outcomes:
            self.add(outcome, is_repeated=True)

    async def _confirm_all(self) -> None:
        """Has the server confirm the written outcomes, and then forgets them. Until then the server may lose them."""
        pauses = Backoff(first_s=_FIRST_PAUSE_S, cap_s=_LONGEST_PAUSE_S, jitter=0.5)
        try:
            while self._written:
                outcomes = self._written.all()[:_LARGEST_CONFIRMATION]
                try:
                    await self._queue.confirm(outcomes)
                except QueueUnavailable as error:
                    self._problems.warning(f"lane {self._queue.lane}: outcomes not confirmed", error)
                    await asyncio.sleep(pauses.next_s())
                else:
                    pauses.reset()
                    self._written.forget(outcomes)
        finally:
            self._confirmer = None

    async def _keep_or_drop(self, batch: list[_Pending], error: QueueUnavailable) -> None:
        """Keeps the outcomes and tries again after a pause, so that work that is done need not be repeated.

        Drops those that have waited for `GIVE_UP_S`. Until then somebody may also mend what Redis refuses, such as a
        login or a certificate.
        """
        if error.retryable or len(batch) == 1:
            self._drop_late(batch, error)
        else:
            error = await self._write_each(batch, error)
        self._problems.warning(f"lane {self._queue.lane}: outcomes wait for Redis", error)
        await asyncio.sleep(self._pauses.next_s())

    async def _write_each(self, batch: list[_Pending], error: QueueUnavailable) -> QueueUnavailable:
        """Writes each outcome alone, since one may make Redis refuse them all. Returns the last error."""
        for pending in batch:
            try:
                await self._write([pending])
            except QueueUnavailable as single_error:
                error = single_error
                self._drop_late([pending], error)
                if error.retryable:
                    break
        return error

    def _drop_late(self, batch: list[_Pending], error: QueueUnavailable) -> None:
        now_s = asyncio.get_running_loop().time()
        for pending in batch:
            if now_s > pending.give_up_at_s:
                logger.error("job %s: outcome could not be written: %s", pending.outcome.job_id, error)
                self._remove(pending, is_written=False)

    def _remove(self, pending: _Pending, *, is_written: bool) -> None:
        self._pending.remove(pending)
        if not pending.written.done():
            pending.written.set_result(is_written)


async def _end(task: asyncio.Task[None] | None, deadline_s: float) -> None:
    """Waits for the task until the loop time `deadline_s`, then cancels it."""
    if task is not None:
        await asyncio.wait({task}, timeout=max(0.0, deadline_s - asyncio.get_running_loop().time()))
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
