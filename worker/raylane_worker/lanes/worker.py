"""One lane of one worker: arq's `Worker` with claim, renewal and finish replaced by ours.

Kept of arq 0.28: the main loop and its burst mode, the table of functions and tasks, the counters.
`tests/unit/test_arq_contract.py` holds the private names that are overridden here against the installed arq.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from typing import TYPE_CHECKING, Any, Final

from arq.worker import Worker, func

from raylane_common.errors import QueueUnavailable
from raylane_common.redis import keys
from raylane_common.redis.connection import queue_errors
from raylane_common.redis.queue.heartbeats import beat, silence
from raylane_common.redis.queue.janitor import Janitor
from raylane_worker.lanes.attempts import AttemptRunner
from raylane_worker.lanes.leases import HeldLeases
from raylane_worker.lanes.outbox import Outbox

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from arq.connections import ArqRedis

    from raylane_common.redis.queue import LaneQueue, Lease
    from raylane_common.settings import LaneSettings, LanesSettings
    from raylane_common.wire.base import JobKind, RetryPolicy
    from raylane_worker.context import Resources
    from raylane_worker.lanes.attempts import Cleanups, Handlers

logger = logging.getLogger("raylane.worker")

BEAT_EVERY_S: Final = 5.0
_PAUSE_AFTER_QUEUE_ERROR_S: Final = 1.0
_LAST_WRITE_S: Final = 5.0
_LAST_CLAIM_S: Final = 5.0


class LaneWorker(Worker):
    """Runs the jobs of one lane. `async_run()` until cancelled; `drain()` before that to lose no attempt."""

    def __init__(
        self,
        queue: LaneQueue,
        pool: ArqRedis,
        handlers: Handlers,
        resources: Resources,
        *,
        cleanups: Cleanups,
        lane: LaneSettings,
        lanes: LanesSettings,
        retries: Mapping[JobKind, RetryPolicy],
        on_drain: Callable[[], None],
    ) -> None:
        """`cleanups` undo, by kind, what a cancelled job has started; `on_drain` is called when an operator asks."""
        super().__init__(
            # arq wants a function per job name; ours are reached through `run_job` below and never by arq itself.
            functions=[func(_never_called_by_arq, name=kind.value) for kind in handlers],
            queue_name=keys.queue(queue.lane),
            redis_pool=pool,
            max_jobs=lane.concurrency,
            job_timeout=lane.timeout_s,
            handle_signals=False,
            poll_delay=0,
            job_serializer=lambda value: json.dumps(value).encode(),
            job_deserializer=json.loads,
        )
        self.lane_queue = queue
        self._attempts = AttemptRunner(handlers, cleanups, resources, timeout_s=lane.timeout_s, retries=retries)
        self._on_drain = on_drain
        # Some claim or renewal has to reach Redis more often than a gap that looks like an outage: see claim.lua.
        self._poll_s = min(lanes.poll_s, queue.lease_s * 0.4)
        self._claimed: dict[str, Lease] = {}
        self._holds = HeldLeases(queue)
        self._ends = Outbox(queue)
        self._janitor = Janitor(queue)
        self._wake = asyncio.Event()
        self._picking = asyncio.Lock()

    def wake(self, _job_id: str = "") -> None:
        """Looks into the queue now instead of at the next poll."""
        self._wake.set()

    def cancel(self, job_id: str) -> None:
        """Stops a job at its user's request, if it runs here."""
        self._holds.cancel(job_id)

    async def async_run(self) -> None:
        """Takes jobs until cancelled, renewing leases and giving signs of life meanwhile."""
        tasks = [asyncio.create_task(self._holds.renew_for_ever()), asyncio.create_task(self._keep_up())]
        try:
            while True:
                try:
                    # arq asks Redis about itself before its loop begins, and would end with a Redis that is away then.
                    with queue_errors("start the lane"):
                        return await super().async_run()
                except QueueUnavailable as error:
                    logger.warning("lane %s: %s; trying again", self.lane_queue.lane, error)
                    await asyncio.sleep(_PAUSE_AFTER_QUEUE_ERROR_S)
        finally:
            await _cancel(*tasks)

    async def drain(self, timeout_s: float) -> None:
        """Takes no more jobs, lets the running ones end for `timeout_s`, then gives the rest back unspent."""
        self.allow_pick_jobs = False
        self.wake()
        # What a claim on its way brings is ours too: it must be among the running jobs before they are counted.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LAST_CLAIM_S), self._picking:
                pass
        running = [task for task in self.tasks.values() if not task.done()]
        if running:
            logger.info("lane %s: waiting up to %g s for %d jobs", self.lane_queue.lane, timeout_s, len(running))
            await asyncio.wait(running, timeout=timeout_s)
        await _cancel(*running)
        await self._ends.close(_LAST_WRITE_S)
        if self.main_task is not None:
            self.main_task.cancel()
        with contextlib.suppress(QueueUnavailable):
            await silence(self.lane_queue)

    async def heart_beat(self) -> None:
        """A sign of life, and a turn of the janitor; arq's own health key and cron jobs are not used."""
        if await beat(self.lane_queue, ttl_s=BEAT_EVERY_S * 3):
            self._on_drain()
        await self._janitor.sweep()

    async def _keep_up(self) -> None:
        while True:
            try:
                await self.heart_beat()
            except QueueUnavailable as error:
                logger.warning("lane %s: %s", self.lane_queue.lane, error)
            await asyncio.sleep(BEAT_EVERY_S)

    async def _poll_iteration(self) -> None:
        """One look into the queue: claim what fits, then sleep until there is a reason to look again."""
        self._wake.clear()
        try:
            async with self._picking:
                pause_s = await self._pick()
        except QueueUnavailable as error:
            logger.warning("lane %s: %s; trying again", self.lane_queue.lane, error)
            pause_s = _PAUSE_AFTER_QUEUE_ERROR_S
        for key in [key for key, task in self.tasks.items() if task.done()]:
            task = self.tasks.pop(key)
            if not task.cancelled():
                task.result()
        if not self.burst and pause_s > 0:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await self._wake.wait()

    async def _pick(self) -> float:
        """Starts as many due jobs as there are free slots; returns the seconds until the next look."""
        free = self.max_jobs - sum(not task.done() for task in self.tasks.values())
        if not self.allow_pick_jobs or free <= 0:
            return self._poll_s
        claim = await self.lane_queue.claim(free)
        for end in claim.unreadable:
            logger.warning("job %s: refused: %s", end.job_id, end.value)
            self._ends.add(end)
        for lease in claim.leases:
            self._start(lease)
        if claim.next_due_s is None or len(claim.leases) >= free:
            return self._poll_s
        return min(self._poll_s, claim.next_due_s)

    def _start(self, lease: Lease) -> None:
        self._claimed[lease.job_id] = lease
        task = self.loop.create_task(self.run_job(lease.job_id, lease.record.enqueued_at), name=f"job {lease.job_id}")
        # By lease and not by job: an attempt that lost its lease may still be ending when the job comes back here.
        self.tasks[f"{lease.job_id} {id(lease)}"] = task
        task.add_done_callback(lambda _: self.wake())

    async def run_job(self, job_id: str, score: int) -> None:
        """One attempt of one job, held by its lease until its end is written."""
        lease = self._claimed.pop(job_id)
        record = lease.record
        logger.debug("job %s: %s, attempt %d of %s", job_id, record.kind, record.attempt, record.max_attempts)
        with self._holds.held(lease) as hold:
            try:
                end = await self._attempts.run(lease, hold)
            except asyncio.CancelledError:
                logger.info("job %s: given back, the worker stops", job_id)
                self._ends.add(lease.returned())
                raise
            hold.over = True
            if end is not None:
                self.jobs_complete += end.verdict == "succeeded"
                self.jobs_failed += end.verdict in ("failed", "dead", "retry")
                await self._ends.write(end)


async def _cancel(*tasks: asyncio.Task[Any]) -> None:
    """Cancels and awaits; what the tasks ended with has been dealt with, or belongs to another worker."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _never_called_by_arq(ctx: dict[Any, Any]) -> None:
    raise AssertionError("LaneWorker.run_job replaces arq's own")
