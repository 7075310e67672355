"""Forty clients of a real gateway at once: nothing fails, nothing is lost, and the audit has every write.

`make bench-gateway` is the long form, with 500 clients for a minute.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from raylane import Producer
from tests.bench.gateway.clients import callers, run_clients
from tests.bench.gateway.worker import work
from tests.helpers.gateway_process import gateway_process
from tests.helpers.gateways import write_callers

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from redis.asyncio import Redis

    from raylane_worker.embedded import EmbeddedValkey

CLIENTS = 40
JOBS_EACH = 3


@asynccontextmanager
async def worker(url: str) -> AsyncIterator[None]:
    ready, stop = asyncio.Event(), asyncio.Event()
    working = asyncio.create_task(work(url, ready, stop))
    await ready.wait()
    try:
        yield
    finally:
        stop.set()
        await working


async def test_many_clients_at_once_lose_no_job(redis: Redis, valkey: EmbeddedValkey, tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAYLANE_")} | {
        "RAYLANE_REDIS__URL": valkey.url,
        "RAYLANE_GATEWAY__TOKENS_FILE": str(write_callers(tmp_path / "callers.json", **callers(CLIENTS))),
    }
    async with worker(valkey.url), gateway_process(environment, tmp_path / "gateway.log") as url:
        figures = await run_clients(url, CLIENTS, lambda done: done < JOBS_EACH)
    assert figures.errors == {}
    assert figures.done == figures.jobs == CLIENTS * JOBS_EACH
    async with Producer(redis_url=valkey.url) as producer:
        audit = await producer.operator.audit(limit=1000)
        assert len(audit) == figures.requests["enqueue"] + figures.requests["repeat"]
        assert len({entry.job_id for entry in audit}) == figures.jobs
        lanes = await producer.operator.lanes()
    assert sum(lane.queued + lane.running + lane.waiting for lane in lanes) == 0
