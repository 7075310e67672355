"""Signs of life: each lane of each worker writes one every few seconds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raylane_common import keys
from raylane_common.connection import queue_errors

if TYPE_CHECKING:
    from redis.asyncio import Redis


async def beat(redis: Redis, lane: str, worker: str, ttl_s: float) -> None:
    """Shows that this worker is alive. Raises `QueueUnavailable`."""
    with queue_errors("write a heartbeat"):
        await redis.set(keys.worker_heartbeat(lane, worker), "1", px=int(ttl_s * 1000))


async def silence(redis: Redis, lane: str, worker: str) -> None:
    """Takes the sign of life away: the worker has stopped. Raises `QueueUnavailable`."""
    with queue_errors("remove a heartbeat"):
        await redis.delete(keys.worker_heartbeat(lane, worker))


async def living_workers(redis: Redis, host: str) -> list[str]:
    """`lane worker` of each living worker on `host`, sorted. Raises `QueueUnavailable`."""
    pattern = keys.worker_heartbeat("*", f"{host}-*")
    with queue_errors("look for workers"):
        found = [key async for key in redis.scan_iter(match=pattern, count=1000)]
    return sorted(" ".join(key.rsplit(":", 2)[1:]) for key in found)
