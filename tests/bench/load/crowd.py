"""Latency and memory beside many queued jobs, many finished ones and many followers."""

from __future__ import annotations

import asyncio
import statistics
import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from raylane import GenerateRequest, Producer, RayDeleteRequest, new_job
from tests.bench.load.gauge import Gauge
from tests.bench.load.worker import NOOP

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from raylane import JobEvent
    from tests.bench.server import Server

_AT_ONCE: Final = 10_000
_CALLS: Final = 500
_SETTLE_S: Final = 2.0


class Crowd(NamedTuple):
    """How many jobs are queued and finished, and how many followers wait."""

    queued: int
    finished: int
    followers: int


async def crowd(server: Server, sizes: Crowd) -> dict[str, Any]:
    """Returns for each stage the latency of a no-op in another lane, and the memory of the server and the producer."""
    found: dict[str, Any] = {}
    gauge = Gauge()
    async with Producer(redis_url=server.url) as producer:
        watching = asyncio.create_task(gauge.watch())

        async def measure(stage: str) -> None:
            await asyncio.sleep(_SETTLE_S)
            gauge.read()
            latency = await _latency_ms(producer)
            own = gauge.read().as_dict()
            found[stage] = {**latency, "server_mib": server.memory_mib(), "clients": server.clients(), "producer": own}
            print(stage, found[stage], flush=True)

        await measure("empty")
        for start in range(0, sizes.finished, _AT_ONCE):
            count = min(_AT_ONCE, sizes.finished - start)
            done = [new_job(RayDeleteRequest(submission_id=NOOP)) for _ in range(count)]
            await producer.enqueue_many(done)
            await producer.wait(done[-1].id, timeout_s=120)
        await measure(f"{sizes.finished:,} finished")
        waiting: list[str] = []
        for start in range(0, sizes.queued, _AT_ONCE):
            count = min(_AT_ONCE, sizes.queued - start)
            # No worker runs this lane, so these jobs stay queued.
            queued = [new_job(GenerateRequest(prompt="count"), session_id="crowd") for _ in range(count)]
            await producer.enqueue_many(queued)
            waiting = [job.id for job in queued]
        await measure(f"{sizes.queued:,} queued")
        followers = [asyncio.create_task(_count(producer.follow(job_id))) for job_id in waiting[: sizes.followers]]
        await measure(f"{sizes.followers} followers")
        for task in (*followers, watching):
            task.cancel()
        await asyncio.gather(*followers, watching, return_exceptions=True)
    return found


async def _count(events: AsyncIterator[JobEvent]) -> int:
    return len([event async for event in events])


async def _latency_ms(producer: Producer) -> dict[str, float]:
    taken_ms = []
    for _ in range(_CALLS):
        started_s = time.perf_counter()
        job = await producer.cluster.delete(NOOP)
        await job.result(timeout_s=60)
        taken_ms.append((time.perf_counter() - started_s) * 1000)
    cuts = statistics.quantiles(taken_ms, n=100, method="inclusive")
    return {"p50_ms": round(cuts[49], 2), "p99_ms": round(cuts[98], 2)}
