"""Our queue beside plain arq at its defaults: one run, one server. `make bench` writes `build/bench/queue.json`.

Ours runs as users run it: records, events and leases on. These machines are small and noisy, so read the ratios.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from arq.connections import ArqRedis, create_pool
from arq.connections import RedisSettings as ArqSettings
from arq.worker import Worker, func

from raylane_common.connection import connect
from raylane_common.jobs import NewJob
from raylane_common.queue import JobQueue, LaneQueue
from raylane_common.queue.wake import listen
from raylane_common.requests import JobKind, ListDatabasesRequest
from raylane_common.results import DatabasesResult
from raylane_common.settings import LaneSettings, LanesSettings, RedisSettings
from raylane_worker.embedded import embedded_valkey
from raylane_worker.lanes import LaneWorker

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from redis.asyncio import Redis

OUT = Path("build/bench/queue.json")
JOBS, CALLS, ARQ_CALLS = 2000, 200, 20


async def measure(
    enqueue: Callable[[], Awaitable[str]],
    working: Callable[[], Any],
    ended: Callable[[str], Awaitable[object]],
    calls: int,
) -> dict[str, float]:
    """Enqueue rate, drain rate of no-ops that wait already, and time from enqueue to result with an idle worker."""
    started = time.perf_counter()
    job_ids = [await enqueue() for _ in range(JOBS)]
    enqueue_s = time.perf_counter() - started
    started = time.perf_counter()
    async with working():
        await asyncio.gather(*(ended(job_id) for job_id in job_ids[-10:]))
        drain_s = time.perf_counter() - started
        latencies_ms = []
        for _ in range(calls):
            started = time.perf_counter()
            await ended(await enqueue())
            latencies_ms.append((time.perf_counter() - started) * 1000)
    quantiles = statistics.quantiles(latencies_ms, n=100)
    return {
        "enqueue_single_per_s": JOBS / enqueue_s,
        "drain_noop_per_s": JOBS / drain_s,
        "latency_p50_ms": quantiles[49],
        "latency_p99_ms": quantiles[98],
    }


async def raylane(url: str) -> dict[str, float]:
    """Ours, with a lane of 100 jobs at once."""
    redis = connect(RedisSettings.model_validate({"url": url}))
    queue = JobQueue(redis)

    async def no_op(request: object, ctx: object) -> DatabasesResult:
        return DatabasesResult(databases=())

    @asynccontextmanager
    async def working() -> AsyncIterator[None]:
        worker = _lane_worker(redis, no_op)
        tasks: list[asyncio.Task[Any]] = [asyncio.create_task(worker.async_run())]
        tasks.append(asyncio.create_task(listen(redis, {"upload": worker.wake})))
        yield
        await worker.drain(0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    try:
        return await measure(
            lambda: queue.enqueue(NewJob(request=ListDatabasesRequest())), working, queue.result, CALLS
        )
    finally:
        await redis.aclose()


def _lane_worker(redis: Redis, handler: Callable[..., Awaitable[DatabasesResult]]) -> LaneWorker:
    lanes = LanesSettings.model_validate({})
    return LaneWorker(
        LaneQueue(redis, "upload", worker="bench", lease_s=lanes.lease_s, max_attempts=3, result_ttl_s=3600),
        ArqRedis(redis.connection_pool),
        {JobKind.TABLES: handler},
        None,  # type: ignore[arg-type]  # the no-op uses no resources
        lane=LaneSettings(concurrency=100, timeout_s=60, max_attempts=3),
        lanes=lanes,
        name="bench",
    )


async def plain_arq(url: str) -> dict[str, float]:
    """arq as it comes."""
    pool = await create_pool(ArqSettings.from_dsn(url))

    async def no_op(ctx: dict[str, Any]) -> None:
        return None

    @asynccontextmanager
    async def working() -> AsyncIterator[None]:
        worker = Worker([func(no_op, name="no_op")], redis_pool=pool, handle_signals=False)
        task = asyncio.create_task(worker.async_run())
        yield
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    async def enqueue() -> str:
        job = await pool.enqueue_job("no_op")
        assert job is not None
        return job.job_id

    async def ended(job_id: str) -> object:
        from arq.jobs import Job

        return await Job(job_id, pool).result(timeout=60)

    try:
        return await measure(enqueue, working, ended, ARQ_CALLS)
    finally:
        await pool.aclose()


async def main() -> None:
    """Runs both, prints a table, writes the JSON."""
    async with embedded_valkey() as valkey:
        systems = {"raylane": await raylane(valkey.url), "arq": await plain_arq(valkey.url)}
    for figure, ours in systems["raylane"].items():
        theirs = systems["arq"][figure]
        print(f"{figure:22} raylane {ours:9.1f}   arq {theirs:9.1f}   ratio {ours / theirs:6.2f}")
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps({"systems": systems}, indent=2) + "\n")
    print(f"written to {OUT}")


if __name__ == "__main__":
    asyncio.run(main())
