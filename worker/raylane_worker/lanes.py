"""One lane of one worker: arq's `Worker` with claim, renewal and finish replaced by ours.

Kept of arq 0.28: the main loop and its burst mode, the table of functions and tasks, the counters.
`tests/unit/test_arq_contract.py` holds the private names that are overridden here against the installed arq.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import random
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from arq.worker import Worker, func

from raylane_common import keys
from raylane_common.errors import (
    InternalError,
    InvalidRequest,
    JobTimeout,
    LeaseLost,
    QueueUnavailable,
    RaylaneError,
)
from raylane_common.jobs import parse_request
from raylane_common.queue.heartbeats import beat, silence
from raylane_common.requests import LANE_OF
from raylane_worker.context import JobContext

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from arq.connections import ArqRedis

    from raylane_common.queue import LaneQueue, Lease
    from raylane_common.requests import JobKind, Request
    from raylane_common.results import Result
    from raylane_common.settings import LaneSettings, LanesSettings
    from raylane_worker.context import Resources

logger = logging.getLogger("raylane.worker")

FINISH_PATIENCE_S: Final = 600.0
_PAUSE_AFTER_QUEUE_ERROR_S: Final = 1.0
_LAST_WRITE_S: Final = 5.0
_LAST_CLAIM_S: Final = 5.0


class LaneWorker(Worker):
    """Runs the jobs of one lane. `async_run()` until cancelled; `drain()` before that to lose no attempt."""

    def __init__(
        self,
        queue: LaneQueue,
        pool: ArqRedis,
        handlers: dict[JobKind, Callable[[Any, JobContext], Awaitable[Result]]],
        resources: Resources,
        *,
        lane: LaneSettings,
        lanes: LanesSettings,
        name: str,
    ) -> None:
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
        self._handlers = handlers
        self._resources = resources
        self._lane = lane
        self._lanes = lanes
        self._name = name
        self._leases: dict[str, Lease] = {}
        self._wake = asyncio.Event()
        self._picking = asyncio.Lock()
        self._last_beat_s = -lanes.lease_s

    def wake(self) -> None:
        """Looks into the queue now instead of at the next poll."""
        self._wake.set()

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
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        if self.main_task is not None:
            self.main_task.cancel()
        with contextlib.suppress(QueueUnavailable):
            await silence(self.lane_queue.redis, self.lane_queue.lane, self._name)

    async def _poll_iteration(self) -> None:
        """One look into the queue: claim what fits, then sleep until there is a reason to look again."""
        self._wake.clear()
        try:
            await self.heart_beat()
            async with self._picking:
                pause_s = await self._pick()
        except QueueUnavailable as error:
            logger.warning("lane %s: %s; trying again", self.lane_queue.lane, error)
            pause_s = _PAUSE_AFTER_QUEUE_ERROR_S
        for key in [key for key, task in self.tasks.items() if task.done()]:
            self.tasks.pop(key).result()
        if not self.burst:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await self._wake.wait()

    async def _pick(self) -> float:
        """Starts as many due jobs as there are free slots; returns the seconds until the next look."""
        free = self.max_jobs - sum(not task.done() for task in self.tasks.values())
        if not self.allow_pick_jobs or free <= 0:
            return self._lanes.poll_s
        claim = await self.lane_queue.claim(free)
        for lease in claim.leases:
            self._start(lease)
        if claim.next_due_s is None or len(claim.leases) == free:
            return self._lanes.poll_s
        return min(self._lanes.poll_s, claim.next_due_s)

    async def heart_beat(self) -> None:
        """A sign of life every third of a lease; arq's own health key and cron jobs are not used."""
        now_s = self.loop.time()
        if now_s - self._last_beat_s >= self._lanes.lease_s / 3:
            self._last_beat_s = now_s
            await beat(self.lane_queue.redis, self.lane_queue.lane, self._name, ttl_s=self._lanes.lease_s * 2)

    def _start(self, lease: Lease) -> None:
        self._leases[lease.job_id] = lease
        task = self.loop.create_task(self.run_job(lease.job_id, lease.record.enqueued_at), name=f"job {lease.job_id}")
        # By lease and not by job: an attempt that lost its lease may still be ending when the job comes back here.
        self.tasks[f"{lease.job_id} {id(lease)}"] = task
        task.add_done_callback(lambda _: self.wake())

    async def run_job(self, job_id: str, score: int) -> None:
        """One attempt of one job, held by its lease until its end is written."""
        lease = self._leases.pop(job_id)
        record = lease.record
        logger.info("job %s: %s, attempt %d of %s", job_id, record.kind, record.attempt, record.max_attempts)
        work = asyncio.create_task(self._handle(lease), name=f"attempt {job_id}")
        renewal = asyncio.create_task(self._renew(lease), name=f"renewal {job_id}")
        end: asyncio.Task[None] | None = None
        try:
            await asyncio.wait({work, renewal}, return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                end = asyncio.create_task(self._end(lease, work), name=f"end {job_id}")
                await asyncio.shield(end)
            else:
                logger.warning("job %s: lost its lease; another worker has it", job_id)
        except asyncio.CancelledError:
            if end is not None:
                await asyncio.wait({end}, timeout=_LAST_WRITE_S)
            else:
                await _cancel(work)
                await self._give_back(lease)
            raise
        finally:
            await _cancel(work, renewal, *([end] if end else []))

    async def _end(self, lease: Lease, work: asyncio.Task[Result]) -> None:
        """Writes how the attempt ended: result, next attempt, or final error."""
        record = lease.record
        try:
            result = work.result()
        except LeaseLost:
            logger.warning("job %s: lost its lease; another worker has it", record.id)
        except RaylaneError as error:
            self.jobs_failed += 1
            if error.retryable and record.attempt < (record.max_attempts or 1):
                ceiling_s = min(self._lane.backoff_cap_s, self._lane.backoff_base_s * 2 ** (record.attempt - 1))
                delay_s = random.uniform(0, ceiling_s)  # noqa: S311  # full jitter, not a secret
                logger.warning("job %s: %s; next attempt in %.1f s", record.id, error, delay_s)
                await _write(partial(lease.give_back, delay_s=delay_s, error=error), record.id)
            else:
                logger.warning("job %s: failed: %s", record.id, error)
                await _write(partial(lease.fail, error), record.id)
        else:
            self.jobs_complete += 1
            logger.info("job %s: succeeded", record.id)
            await _write(partial(lease.succeed, result), record.id)

    async def _give_back(self, lease: Lease) -> None:
        """Hands the job to the next worker; where that cannot be written, its lease simply runs out."""
        try:
            async with asyncio.timeout(_LAST_WRITE_S):
                await lease.give_back(refund=True)
            logger.info("job %s: given back, the worker stops", lease.job_id)
        except (LeaseLost, QueueUnavailable, TimeoutError) as error:
            logger.warning("job %s: not given back: %s", lease.job_id, error)

    async def _handle(self, lease: Lease) -> Result:
        """The handler's result. Everything that goes wrong leaves as a `RaylaneError`."""
        try:
            request: Request = parse_request(lease.record)
            handler = self._handlers.get(request.kind)
            if handler is None:
                raise InvalidRequest.field("lane", f"{request.kind} jobs belong into lane {LANE_OF[request.kind]}")
            async with asyncio.timeout(self._lane.timeout_s) as deadline:
                return await handler(request, JobContext(lease.record, lease, self._resources))
        except TimeoutError as error:
            if not deadline.expired():
                raise InternalError("a time limit inside the job was not handled; see the worker's log") from error
            raise JobTimeout(
                f"the job took longer than {self._lane.timeout_s:g} s (lanes.{self.lane_queue.lane}.timeout_s)"
            ) from error
        except RaylaneError:
            raise
        except Exception as error:  # the border between a job and the worker: a defect ends the job, not the worker
            logger.exception("job %s: defect in the %s handler", lease.job_id, lease.record.kind)
            raise InternalError(
                f"{type(error).__name__} in the {lease.record.kind} handler; the worker's log has the traceback"
            ) from error

    async def _renew(self, lease: Lease) -> None:
        """Returns when the lease is lost. A Redis that is away loses nothing by itself: only a new owner does."""
        while True:
            await asyncio.sleep(self._lanes.lease_s / 3)
            try:
                await lease.renew()
            except LeaseLost:
                return
            except QueueUnavailable as error:
                logger.warning("job %s: lease not renewed: %s", lease.job_id, error)


async def _write(write: Callable[[], Awaitable[None]], job_id: str) -> None:
    """Writes a job's end, again and again while Redis is away; the work itself is not repeated for that."""
    loop = asyncio.get_running_loop()
    give_up_at = loop.time() + FINISH_PATIENCE_S
    while True:
        try:
            return await write()
        except LeaseLost:
            logger.warning("job %s: its end was not written; another worker has the job", job_id)
            return None
        except QueueUnavailable as error:
            if loop.time() > give_up_at:
                logger.error("job %s: its end could not be written for %g s: %s", job_id, FINISH_PATIENCE_S, error)
                return None
            logger.warning("job %s: its end is not written yet: %s", job_id, error)
            await asyncio.sleep(_PAUSE_AFTER_QUEUE_ERROR_S)


async def _cancel(*tasks: asyncio.Task[Any]) -> None:
    """Cancels and awaits; what the tasks ended with has been dealt with, or belongs to another worker."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _never_called_by_arq(ctx: dict[Any, Any]) -> None:
    raise AssertionError("LaneWorker.run_job replaces arq's own")
