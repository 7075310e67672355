"""Producers on an in-process Redis: one whose jobs a test claims itself, and the one that services use in tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import fakeredis
import pytest

from raylane.backend import RedisBackend
from raylane.producer import Producer
from raylane.testing import MemoryProducer
from tests.unit.producer.claiming import claim_all

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from redis.asyncio import Redis

    from tests.unit.producer.claiming import ClaimedJob


@pytest.fixture
async def redis() -> AsyncIterator[Redis]:
    client = fakeredis.FakeAsyncRedis(decode_responses=True)
    yield client
    await client.aclose()


@pytest.fixture
async def producer(redis: Redis) -> AsyncIterator[Producer]:
    async with Producer(backend=RedisBackend(redis)) as opened:
        yield opened


@pytest.fixture
def claim(redis: Redis) -> Callable[[str], Awaitable[ClaimedJob]]:
    """Claims the one job that is due in a lane."""

    async def take(lane: str) -> ClaimedJob:
        [claimed] = await claim_all(redis, lane)
        return claimed

    return take


@pytest.fixture
async def memory() -> AsyncIterator[MemoryProducer]:
    async with MemoryProducer() as opened:
        yield opened
