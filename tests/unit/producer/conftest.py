"""A producer on an in-process Redis, and the worker's side of it driven by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import fakeredis
import pytest

from raylane.producer import Producer, RedisBackend
from raylane_common.queue import LaneQueue

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from redis.asyncio import Redis

    from raylane_common.queue import Lease


@pytest.fixture
async def redis() -> AsyncIterator[Redis]:
    client = fakeredis.FakeAsyncRedis(decode_responses=True)
    yield client
    await client.aclose()


@pytest.fixture
async def producer(redis: Redis) -> AsyncIterator[Producer]:
    async with Producer(backend=RedisBackend(redis, block_s=0.05)) as opened:
        yield opened


@pytest.fixture
def claim(redis: Redis) -> Callable[[str], Awaitable[Lease]]:
    """Takes the one job that is due in a lane."""

    async def take(lane: str) -> Lease:
        queue = LaneQueue(redis, lane, worker="w", lease_s=10, max_attempts=3, result_ttl_s=60)
        [lease] = (await queue.claim(10)).leases
        return lease

    return take
