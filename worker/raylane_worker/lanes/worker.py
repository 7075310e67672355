"""One lane of one worker: arq's `Worker` with our own claim, renewal and finish.

It uses three parts of arq 0.28: the main loop with its burst mode, the table of running tasks, and the counters.
`tests/unit/test_arq_contract.py` compares the names that are overridden here with the installed arq.
See docs/decisions/0001.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from importlib import metadata
from typing import TYPE_CHECKING, Any, Final, NoReturn

from arq.worker import Worker, func

from raylane_common.errors import QueueUnavailable
from raylane_common.logs import get_logger
from raylane_common.redis.connection import keys_of, queue_errors
from raylane_common.telemetry.definitions import PLACES, PLACES_TAKEN
from raylane_common.telemetry.ids import bind
from raylane_common.telemetry.metrics import Reading
from raylane_worker.lanes.about import about
from raylane_worker.lanes.attempts import AttemptRunner
from raylane_worker.lanes.leases import HeldLeases
from raylane_worker.lanes.outbox import Outbox
from raylane_worker.lanes.recurring import Recurring
from raylane_worker.telemetry.jobs import JobMetrics

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from arq.connections import ArqRedis

    from raylane_common.redis.queue import AttemptOutcome, LaneQueue, Lease
    from raylane_common.settings import LaneSettings, LanesSettings
    from raylane_common.wire.base import JobKind, RetryPolicy
    from raylane_common.wire.jobs import JobRecord
    from raylane_worker.context import Handlers, Resources

logger = get_logger("raylane.worker")

# A worker counts as dead after three missed heartbeats, that is, after 15 s.
BEAT_EVERY_S: Final = 5.0
_BEATS_UNTIL_DEAD: Final = 3
# Each command has already retried for `redis.give_up_s`; a longer pause would only delay the next claim.
_PAUSE_AFTER_QUEUE_ERROR_S: Final = 1.0
# How long `drain` waits at least for a claim in progress, and then for the last outcomes. Each is one round trip. If it
# takes longer, Redis does not answer, and the worker may be killed soon.
_LAST_CLAIM_S: Final = 5.0
_LAST_WRITE_S: Final = 5.0
_RUNS_JOBS_ITSELF: Final = "LaneWorker runs jobs itself, and arq must not"


class LaneWorker(Worker):
    """Runs the jobs of one lane: `async_run()` until cancelled. Call `drain()` before, so that no attempt is lost."""

    def __init__(
        self,
        queue: LaneQueue,
        pool: ArqRedis,
        handlers: Handlers,
        resources: Resources,
        *,
        lane: LaneSettings,
        lanes: LanesSettings,
        retries: Mapping[JobKind, RetryPolicy],
        on_drain: Callable[[], None],
    ) -> None:
        """Sets up the lane. Nothing is sent to Redis before `async_run`.

        `queue` is this worker's side of the lane, and `pool` the client that arq's main loop needs. `handlers` are
        those of the lane's kinds, and `resources` what they may use. `lane`, `lanes` and `retries` are the settings of
        this lane, of all lanes, and of each kind. `on_drain` is called when an operator asks this worker to drain.
        """
        super().__init__(
            # arq does not start without a function for each job name, but it never calls these.
            functions=[func(_never_called_by_arq, name=kind.value) for kind in handlers],
            queue_name=keys_of(pool).queue(queue.lane),
            redis_pool=pool,
            max_jobs=lane.concurrency,
            job_timeout=lane.timeout_s,
            handle_signals=False,
            poll_delay=0,
            job_serializer=lambda value: json.dumps(value).encode(),
            job_deserializer=json.loads,
        )
        self.lane_queue = queue
        self._attempts = AttemptRunner(handlers, resources, timeout_s=lane.timeout_s, retries=retries)
        self._on_drain = on_drain
        self._resources = resources
        self._started_at_ms = int(time.time() * 1000)
        self._version = metadata.version("raylane")
        # Below 0.6 of a lease: after a longer pause between claims, jobs.lua assumes that Redis was unavailable.
        self._poll_s = min(lanes.poll_s, queue.lease_s * 0.4)
        self._leases = HeldLeases(queue)
        self._outbox = Outbox(queue)
        self._metrics = JobMetrics(resources.metrics, queue.lane, handlers)
        self._problems = Recurring(logger)
        self._janitor = queue.janitor()
        self._wake = asyncio.Event()
        self._picking = asyncio.Lock()

    def wake(self, _job_id: str = "") -> None:
        """Claims jobs now instead of at the next poll."""
        self._wake.set()

    def cancel(self, job_id: str) -> None:
        """Stops a job at its user's request, if it runs in this lane."""
        self._leases.cancel(job_id)

    async def async_run(self) -> None:
        """Runs jobs, renews their leases and sends heartbeats, until cancelled."""
        tasks = [asyncio.create_task(self._leases.keep_renewed()), asyncio.create_task(self._send_heartbeats())]
        try:
            while True:
                try:
                    # arq asks Redis for its version before the loop starts, and raises if Redis does not answer.
                    with queue_errors("start the lane"):
                        return await super().async_run()
                except QueueUnavailable as error:
                    logger.warning("lane %s: %s; trying again", self.lane_queue.lane, error)
                    await asyncio.sleep(_PAUSE_AFTER_QUEUE_ERROR_S)
        finally:
            await _cancel(*tasks)

    async def drain(self, timeout_s: float) -> None:
        """Claims no more jobs, waits up to `timeout_s` seconds for running ones, and returns the rest to the queue.

        The attempts of returned jobs do not count.
        """
        self.allow_pick_jobs = False
        self.wake()
        ends_at_s = self.loop.time() + timeout_s
        running = [task for task in self.tasks.values() if not task.done()]
        if running:
            logger.info("lane %s: waiting up to %g s for %d jobs", self.lane_queue.lane, timeout_s, len(running))
            await asyncio.wait(running, timeout=timeout_s)
        await _cancel(*running)
        # A claim in progress may still bring jobs, which `_start` returns.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(_LAST_CLAIM_S, ends_at_s - self.loop.time())), self._picking:
                pass
        await self._outbox.close(_LAST_WRITE_S)
        if self.main_task is not None:
            self.main_task.cancel()
        with contextlib.suppress(QueueUnavailable):
            await self.lane_queue.stop_beating()

    def readings(self) -> Iterator[Reading]:
        """Yields how many jobs this lane can run at once, and how many run now."""
        yield Reading(PLACES, self.max_jobs, (self.lane_queue.lane,))
        yield Reading(PLACES_TAKEN, sum(not task.done() for task in self.tasks.values()), (self.lane_queue.lane,))

    async def why_not_ready(self) -> str | None:
        """Returns why this lane takes no jobs, or None."""
        if not self.allow_pick_jobs:
            return "draining"
        if time.monotonic() - self.lane_queue.answered_at_s < BEAT_EVERY_S * _BEATS_UNTIL_DEAD:
            return None
        return "has claimed no jobs and renewed no leases for a while"

    async def heart_beat(self) -> None:
        """Sends a heartbeat and lets the janitor sweep. Replaces arq's health key and cron jobs, which are not used."""
        beat_s = BEAT_EVERY_S * _BEATS_UNTIL_DEAD
        # Made anew each time: it has the clock, and settings that may change while the worker runs.
        said = about(self._version, self._started_at_ms, self._resources.settings, int(beat_s * 1000))
        if await self.lane_queue.beat(beat_s, said.model_dump_json(exclude_none=True)):
            self._on_drain()
        await self._janitor.sweep()

    async def _send_heartbeats(self) -> NoReturn:
        while True:
            try:
                await self.heart_beat()
            except QueueUnavailable as error:
                self._problems.warning(f"lane {self.lane_queue.lane}: no heartbeat", error)
            await asyncio.sleep(BEAT_EVERY_S)

    async def _poll_iteration(self) -> None:
        """Claims as many jobs as there are free slots, then sleeps until the next poll or wake-up."""
        self._wake.clear()
        try:
            async with self._picking:
                pause_s = await self._pick()
        except QueueUnavailable as error:
            self._problems.warning(f"lane {self.lane_queue.lane}: no jobs claimed, trying again", error)
            pause_s = 0.0
            # New work does not end this pause, because the next claim would probably fail as well.
            await asyncio.sleep(_PAUSE_AFTER_QUEUE_ERROR_S)
        for key in [key for key, task in self.tasks.items() if task.done()]:
            task = self.tasks.pop(key)
            problem = None if task.cancelled() else task.exception()
            if problem is not None:
                logger.error("%s: bug in the worker; it runs again after its lease", task.get_name(), exc_info=problem)
        if not self.burst and pause_s > 0:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await self._wake.wait()

    async def _pick(self) -> float:
        """Claims and starts jobs for the free slots; returns the seconds until the next claim."""
        free = self.max_jobs - sum(not task.done() for task in self.tasks.values())
        if not self.allow_pick_jobs or free <= 0:
            return self._poll_s
        claim = await self.lane_queue.claim(free)
        for outcome in claim.unreadable:
            logger.warning("job %s: its record cannot be read: %s", outcome.job_id, outcome.value)
            self._write(outcome, None, 0.0)
        for lease in claim.leases:
            self._start(lease)
        if claim.next_due_s is None or len(claim.leases) >= free:
            return self._poll_s
        return min(self._poll_s, claim.next_due_s)

    def _start(self, lease: Lease) -> None:
        """Starts an attempt; returns the job to the queue if the worker was told to drain since it asked for jobs."""
        if not self.allow_pick_jobs:
            self._write(lease.returned(), lease.record, 0.0)
            return
        task = self.loop.create_task(self._run(lease), name=f"job {lease.job_id}")
        # The key is unique per lease: after a lost lease, a job may be claimed again before its old attempt has ended.
        self.tasks[f"{lease.job_id} {id(lease)}"] = task
        task.add_done_callback(lambda _: self.wake())

    async def _run(self, lease: Lease) -> None:
        """Runs one attempt, and holds its lease until the outcome is written."""
        record, started_s = lease.record, time.monotonic()
        bind(job_id=record.id, session_id=record.session_id, lane=self.lane_queue.lane, attempt=record.attempt)
        self._metrics.started(lease)
        logger.debug("job %s: %s, attempt %d of %s", record.id, record.kind, record.attempt, record.max_attempts)
        with self._leases.hold(lease) as held:
            try:
                outcome = await self._attempts.run(lease, held)
            except asyncio.CancelledError:
                logger.info("job %s: returned to the queue because the worker is stopping", record.id)
                self._write(lease.returned(), record, time.monotonic() - started_s)
                raise
            held.attempt_ended, elapsed_s = True, time.monotonic() - started_s
            if outcome is None:
                self._metrics.ended(record, None, elapsed_s)
                return
            self.jobs_complete += outcome.verdict == "succeeded"
            self.jobs_failed += outcome.verdict in ("failed", "dead", "retry")
            await asyncio.shield(self._write(outcome, record, elapsed_s))

    def _write(self, outcome: AttemptOutcome, job: JobRecord | None, elapsed_s: float) -> asyncio.Future[bool]:
        """Starts writing the outcome of an attempt, which is counted once it is written."""
        written = self._outbox.add(outcome)
        written.add_done_callback(lambda done: self._metrics.ended(job, outcome if done.result() else None, elapsed_s))
        return written

    async def run_job(self, job_id: str, score: int) -> NoReturn:
        """Raises `AssertionError`. `_run` replaces this method of arq, which the main loop never calls."""
        raise AssertionError(_RUNS_JOBS_ITSELF)


async def _cancel(*tasks: asyncio.Task[Any]) -> None:
    """Cancels the tasks and waits for them. Their results and errors were handled or logged elsewhere."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _never_called_by_arq(ctx: dict[Any, Any]) -> NoReturn:
    raise AssertionError(_RUNS_JOBS_ITSELF)
