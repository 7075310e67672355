"""Clients of a Redis server that a test configures, and how one of them is refused."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from raylane_common.errors import QueueUnavailable
from raylane_common.redis.connection import connect, queue_errors
from raylane_common.settings import RedisSettings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from redis.asyncio import Redis


@asynccontextmanager
async def client_of(url: str, **settings: Any) -> AsyncIterator[Redis]:
    async with client_of_settings(RedisSettings.model_validate({"url": url, **settings})) as client:
        yield client


@asynccontextmanager
async def client_of_settings(settings: RedisSettings) -> AsyncIterator[Redis]:
    client = connect(settings)
    try:
        yield client
    finally:
        await client.aclose()


async def refused(client: Redis) -> str:
    """Returns the message of an error that comes at once and is not retryable."""
    with pytest.raises(QueueUnavailable) as raised, queue_errors("look"):
        await client.get("k")
    assert not raised.value.retryable
    assert "gave up" not in raised.value.message
    return raised.value.message
