"""The two fixtures of the tutorial."""

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from raylane.testing import MemoryProducer
from raylane_worker.embedded import EmbeddedValkey


@pytest.fixture
def redis_url(valkey: EmbeddedValkey, redis: Redis) -> str:
    """The address of a real, empty Redis."""
    return valkey.url


@pytest.fixture
async def producer() -> AsyncIterator[MemoryProducer]:
    """A `Producer` that needs no Redis server. The test takes the place of the worker: it says how each job ends."""
    async with MemoryProducer() as opened:
        yield opened
