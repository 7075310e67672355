"""Writes to Redis what only another program would write."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tests.helpers.queue_keys import keys

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from raylane_common.redis.queue import LaneQueue

NOT_UTF_8: Final = "w\udcff\x00\n"
"""Bytes that are not UTF-8, as our client reads and writes them."""


async def overwrite(redis: Redis, key: str) -> None:
    """Replaces the key's value by a hash, which no key has but the records, the sources and the settings."""
    await redis.delete(key)
    await redis.hset(key, "x", "y")  # type: ignore[misc]  # redis-py's sync/async union
    await redis.expire(key, 600)


async def sweep(redis: Redis, lane: LaneQueue) -> None:
    """One sweep that also searches for stray jobs, whoever swept before."""
    await redis.delete(keys.janitor(lane.lane))
    assert await lane.janitor().sweep()
