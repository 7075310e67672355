"""A producer on an in-process Redis, and the worker's side of it driven by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import fakeredis
import pytest

from raylane.backend import RedisBackend
from raylane.producer import Producer
from tests.unit.producer.hand import Hand
from tests.unit.producer.rig import MemoryRig, RedisRig

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from redis.asyncio import Redis

    from tests.unit.producer.hand import Held
    from tests.unit.producer.rig import Rig


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
def claim(redis: Redis) -> Callable[[str], Awaitable[Held]]:
    """Takes the one job that is due in a lane."""

    async def take(lane: str) -> Held:
        [held] = await Hand(redis).claim(lane)
        return held

    return take


@pytest.fixture(params=["memory", "redis"])
async def rig(request: pytest.FixtureRequest, redis: Redis) -> AsyncIterator[Rig]:
    """What the shipped test double and the real producer must do alike."""
    rig = MemoryRig() if request.param == "memory" else RedisRig(redis)
    async with rig.producer:
        yield rig
