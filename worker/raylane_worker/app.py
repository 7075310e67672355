"""A worker process: opens the resources, runs its lanes, and stops in order."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from arq.connections import ArqRedis

from raylane_common.logs import get_logger
from raylane_common.ray.client import RayClient
from raylane_common.redis.connection import connect, durability_of, keys_of, queue_errors
from raylane_common.redis.queue import JobQueue, LaneQueue
from raylane_common.redis.queue.heartbeats import forget_drain
from raylane_common.redis.queue.wake import listen
from raylane_common.redis.source_store import SourceStore
from raylane_common.telemetry.ids import bind
from raylane_common.telemetry.metrics import NO_METRICS
from raylane_common.telemetry.ray import RayMetrics, endpoint_readings
from raylane_common.wire.base import Lane
from raylane_common.wire.registry import lane_of
from raylane_worker.context import CurrentSettings, Resources
from raylane_worker.data.scratch import remove_left
from raylane_worker.first_use import catalog_of, storage_of
from raylane_worker.handlers import HANDLERS
from raylane_worker.lanes.worker import LaneWorker
from raylane_worker.live_settings import LiveSettings
from raylane_worker.run_slots import RunSlots
from raylane_worker.runs.warm import WarmRuns
from raylane_worker.startup import check
from raylane_worker.sweeping import TransferSweep
from raylane_worker.telemetry.logs import keep_content_private
from raylane_worker.telemetry.report import reporting

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from redis.asyncio import Redis

    from raylane_common.settings import LaneSettings, Settings
    from raylane_common.telemetry.metrics import Metrics
    from raylane_worker.context import Handlers

logger = get_logger("raylane.worker")


@contextlib.asynccontextmanager
async def open_resources(settings: Settings, redis: Redis, metrics: Metrics = NO_METRICS) -> AsyncIterator[Resources]:
    """Opens the resources that the handlers of all lanes share, and closes them when the block ends.

    `redis` is the client for sources and records. `metrics` counts what they do. Raises `InvalidRequest` for a wrong
    Ray address.
    """
    async with contextlib.AsyncExitStack() as stack:
        ray = await stack.enter_async_context(RayClient(settings.ray, observer=RayMetrics(metrics)))
        metrics.read(lambda: endpoint_readings(ray.endpoints()))
        yield Resources(
            settings=settings,
            ray=ray,
            sources=SourceStore(redis),
            run_slots=RunSlots(ray),
            records=JobQueue(redis),
            metrics=metrics,
            storage=await stack.enter_async_context(storage_of(settings, metrics)),
            catalog=await stack.enter_async_context(catalog_of(settings, metrics)),
        )


async def run(
    settings: Settings,
    lanes: Sequence[Lane],
    *,
    ready: asyncio.Event,
    stop: asyncio.Event,
    handlers: Handlers = HANDLERS,
) -> None:
    """Runs the jobs of `lanes` until `stop` is set, then drains for up to `settings.lanes.drain_s` seconds.

    Sets `ready` once the lanes take jobs; returns without that if `stop` is set while the settings are checked. Tests
    and benchmarks replace the handler table with `handlers`. Raises `QueueUnavailable` if Redis does not answer at the
    start; later the worker waits until Redis is back. Raises what `startup.check` raises for settings that the jobs of
    these lanes could not use, and what `telemetry.report.reporting` raises.
    """
    keep_content_private(except_traces=settings.telemetry.trace_content)
    name = f"{socket.gethostname()}-{os.getpid()}"
    bind(worker=name)
    # An orchestrator may start the worker together with its server.
    redis = connect(settings.redis, is_patient=True)
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(redis.aclose)
        report = await stack.enter_async_context(reporting(settings, redis))
        with queue_errors("start the worker"):
            await durability_of(redis).check(redis)
        await forget_drain(redis, name)
        if not await _checked(settings, lanes, stop):
            logger.info("stopped")
            return
        if Lane.UPLOAD in lanes:
            await asyncio.to_thread(remove_left, settings.uploads.scratch_dir)
        resources = await stack.enter_async_context(open_resources(settings, redis, report.metrics))
        current = CurrentSettings(settings)
        warm = _warm_runs(resources, current, lanes)
        resources = replace(resources, current=current, warm=warm)
        live = LiveSettings(redis, resources.ray, current)
        await live.take()
        sweeping = _sweep(settings, redis, resources, name) if Lane.UPLOAD in lanes else None
        workers = [lane_worker(lane, settings, redis, resources, name, handlers, stop.set) for lane in lanes]
        if warm is not None:
            await stack.enter_async_context(warm)
        for worker in workers:
            report.metrics.read(worker.readings)
        report.working({worker.lane_queue.lane: worker.why_not_ready for worker in workers})
        await _work(workers, live, sweeping, resources.run_slots, redis, settings.lanes.drain_s, ready, stop)


async def _checked(settings: Settings, lanes: Sequence[Lane], stop: asyncio.Event) -> bool:
    """Checks the settings; returns False if `stop` is set before the check ends. It can take minutes."""
    checking, stopped = asyncio.create_task(check(settings, lanes)), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({checking, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if checking.done():
            checking.result()
        return checking.done()
    finally:
        for task in (checking, stopped):
            task.cancel()
        await asyncio.gather(checking, stopped, return_exceptions=True)


def stop_on_signals(stop: asyncio.Event) -> None:
    """Makes SIGTERM and SIGINT set `stop`."""
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, stop.set)


def lane_worker(
    lane: Lane,
    settings: Settings,
    redis: Redis,
    resources: Resources,
    name: str,
    handlers: Handlers,
    on_drain: Callable[[], None],
) -> LaneWorker:
    """Builds one lane of the worker `name`, with the handlers of the kinds that run in that lane.

    `redis` and `resources` are shared by all lanes. `on_drain` is called when an operator asks the worker to drain.
    """
    lane_settings: LaneSettings = getattr(settings.lanes, lane.value)
    kinds = [kind for kind in handlers if lane_of(kind) is lane]
    queue = LaneQueue(
        redis,
        lane.value,
        worker=name,
        lease_s=settings.lanes.lease_s,
        max_attempts={kind.value: settings.retries[kind].max_attempts for kind in kinds},
        per_session=lane_settings.per_session,
        result_ttl_s=settings.result_ttl_s,
        dead_ttl_s=settings.dead_ttl_s,
    )
    return LaneWorker(
        queue,
        ArqRedis(redis.connection_pool),
        {kind: handlers[kind] for kind in kinds},
        resources,
        lane=lane_settings,
        lanes=settings.lanes,
        retries=settings.retries,
        on_drain=on_drain,
    )


def _sweep(settings: Settings, redis: Redis, resources: Resources, name: str) -> TransferSweep:
    """Returns the sweep of abandoned uploads."""
    assert resources.storage is not None
    return TransferSweep(redis, resources.storage, worker=name, abandoned_s=settings.uploads.abandoned_after_s)


def _warm_runs(resources: Resources, current: CurrentSettings, lanes: Sequence[Lane]) -> WarmRuns | None:
    """Returns the runs that this worker starts ahead of time; None without the lane that uses them."""
    if Lane.GENERATE not in lanes or resources.storage is None:
        return None
    return WarmRuns(resources.ray, current, resources.storage)


async def _work(
    workers: Sequence[LaneWorker],
    live: LiveSettings,
    sweeping: TransferSweep | None,
    run_slots: RunSlots,
    redis: Redis,
    drain_s: float,
    ready: asyncio.Event,
    stop: asyncio.Event,
) -> None:
    keys = keys_of(redis)
    channels: dict[str, Callable[[str], None]] = {
        keys.settings_changed: live.changed,
        keys.run_granted: run_slots.wake,
    }
    for worker in workers:
        channels |= {keys.wake(worker.lane_queue.lane): worker.wake, keys.cancel(worker.lane_queue.lane): worker.cancel}
    listener = asyncio.create_task(listen(redis, channels))
    following = asyncio.create_task(live.follow())
    running = [asyncio.create_task(worker.async_run()) for worker in workers]
    stopped = asyncio.create_task(stop.wait())
    everything: list[asyncio.Task[Any]] = [listener, following, *running, stopped]
    if sweeping is not None:
        everything.append(asyncio.create_task(sweeping.run()))
    try:
        ready.set()
        logger.info("taking jobs: lanes %s", ", ".join(worker.lane_queue.lane for worker in workers))
        done, _ = await asyncio.wait(everything, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        run_slots.drain()
        await asyncio.gather(*(worker.drain(drain_s) for worker in workers))
        for task in everything:
            task.cancel()
        await asyncio.gather(*everything, return_exceptions=True)
        logger.info("stopped")
