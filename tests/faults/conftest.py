"""Fixtures of the fault tests: a seed, a server per test, workers as processes, and a check for leaks at the end."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from raylane import Producer
from raylane.testing import Address, FakeRay
from raylane_common.redis.connection import connect
from raylane_common.settings import RedisSettings
from raylane_worker.embedded import ACCESS_KEY_ID, REGION, SECRET_ACCESS_KEY
from tests.faults.processes import Workers
from tests.faults.server import Server
from tests.faults.warehouse import Warehouse
from tests.helpers import queue_keys
from tests.helpers.answering_ray import AnsweringRay
from tests.helpers.claims import immortal_keys
from tests.helpers.profiles import seed
from tests.helpers.queue_keys import keys

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from redis.asyncio import Redis

    from raylane_worker.embedded import EmbeddedMoto


@pytest.fixture
def chance() -> random.Random:
    """All random choices of a test. RAYLANE_SEED repeats those of a failed run."""
    return random.Random(seed())


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    """A server for this test only, with its append-only file."""
    async with Server(tmp_path / "valkey") as running:
        yield running


@pytest.fixture
async def redis(server: Server) -> AsyncIterator[Redis]:
    """A direct connection to the test's server."""
    client = connect(RedisSettings.model_validate({"url": server.url}))
    yield client
    await client.aclose()


@pytest.fixture
async def producer(server: Server) -> AsyncIterator[Producer]:
    """A producer on the test's server."""
    async with Producer(redis_url=server.url) as opened:
        yield opened


@pytest.fixture(autouse=True)
async def _nothing_is_left(server: Server, redis: Redis) -> AsyncIterator[None]:
    """Checks that only the lanes' sets never expire, that they are empty, and that no lease or session slot is left."""
    yield
    if not server.is_running:
        await server.start()
    server.resume()
    assert await immortal_keys(redis) == [], "keys without a time to live"
    if not server.keeps_jobs:
        found = [key async for key in redis.scan_iter(count=1000)]
        held = [key for key in found if key.startswith((*keys.immortal, queue_keys.lease(""))) or ":slots:" in key]
        assert held == [], "jobs, leases or slots left in the lanes"


@pytest.fixture
def cluster(moto: EmbeddedMoto) -> FakeRay:
    """A fake Ray cluster whose runs last until the test ends them."""
    return AnsweringRay(s3_url=moto.url)


@pytest.fixture
async def warehouse(moto: EmbeddedMoto) -> Warehouse:
    """A bucket and a database for this test only."""
    return await Warehouse.build(moto.url)


@pytest.fixture
async def workers(server: Server, cluster: FakeRay, warehouse: Warehouse, tmp_path: Path) -> AsyncIterator[Workers]:
    """Starts workers on the test's server, cluster and warehouse."""
    async with Address(cluster) as address:
        settings = {
            "redis__url": server.url,
            "aws__endpoint_url": warehouse.url,
            "aws__region": REGION,
            "aws__access_key_id": ACCESS_KEY_ID,
            "aws__secret_access_key": SECRET_ACCESS_KEY,
            "storage__bucket": warehouse.bucket,
            "ray__private_url": address.url,
            "ray__poll_interval_s": 0.3,
            # The fake cluster has two CPUs, but more runs than two at once find more faults.
            "ray__max_runs": 16,
            "generation__generator": "template",
        }
        async with Workers(settings, tmp_path) as started:
            yield started
