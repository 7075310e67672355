"""All that a worker reports about itself while it runs: metrics and health, if a port is set."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from raylane_common.redis.queue import QueueOverview
from raylane_common.telemetry.health import Health
from raylane_common.telemetry.metrics import NO_METRICS, PrometheusMetrics
from raylane_common.telemetry.process import build, measure_lag
from raylane_common.telemetry.queue import QueueLook
from raylane_common.wire.base import Lane

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

    from redis.asyncio import Redis

    from raylane_common.settings import Settings
    from raylane_common.telemetry.metrics import Metrics


class WorkerReport:
    """The metrics and the health of one worker."""

    def __init__(self, metrics: Metrics, health: Health) -> None:
        self.metrics = metrics
        self.health = health
        self._is_working = False

    def working(self, lanes: Mapping[str, Callable[[], Awaitable[str | None]]]) -> None:
        """Reports that the worker takes jobs from now on: each lane by its name, with what says why it does not."""
        self._is_working = True
        for name, why_not in lanes.items():
            self.health.require(f"lane {name}", why_not)

    async def _is_starting(self) -> str | None:
        return None if self._is_working else "the worker has not started to take jobs"


@asynccontextmanager
async def reporting(settings: Settings, redis: Redis) -> AsyncIterator[WorkerReport]:
    """Serves metrics and health in the block, if `telemetry.port` is set.

    Raises `MissingPackage` without the extra `[metrics]`, and `InvalidRequest` if the address cannot be used.
    """
    health, telemetry = Health(), settings.telemetry
    if telemetry.port is None:
        yield WorkerReport(NO_METRICS, health)
        return
    from raylane_worker.telemetry.server import serve

    metrics, overview = PrometheusMetrics(), QueueOverview(redis)
    report = WorkerReport(metrics, health)
    look = QueueLook(
        overview.lanes,
        overview.cluster_runs,
        overview.ended_jobs,
        places={lane.value: getattr(settings.lanes, lane.value).concurrency for lane in Lane},
        target_wait_s=telemetry.target_wait_s,
    )
    metrics.read(look.readings)
    metrics.read(build)
    health.require("worker", report._is_starting)
    health.require("redis", overview.ping)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(serve(metrics, health, look.refresh, host=telemetry.host, port=telemetry.port))
        lag = asyncio.create_task(measure_lag(metrics), name="measure the lag of the event loop")
        try:
            yield report
        finally:
            lag.cancel()
            await asyncio.gather(lag, return_exceptions=True)
