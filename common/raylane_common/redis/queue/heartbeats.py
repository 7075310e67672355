"""Signs of life: each lane of each worker gives one every few seconds, and hears whether it is to drain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from raylane_common.redis import keys
from raylane_common.redis.connection import queue_errors
from raylane_common.wire.base import Lane

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from raylane_common.redis.queue.leases import LaneQueue
    from raylane_common.redis.queue.scripts import Argument

_DRAIN_REQUEST_TTL_S: Final = 3600


async def beat(queue: LaneQueue, ttl_s: float) -> bool:
    """Shows that this worker is alive in its lane; True if it was asked to drain. Raises `QueueUnavailable`."""
    arguments: list[Argument] = [
        keys.workers(queue.lane),
        queue.worker,
        int(ttl_s * 1000),
        keys.worker_drain(queue.worker),
    ]
    return bool(await queue.scripts.run("beat", arguments))


async def silence(queue: LaneQueue) -> None:
    """Takes the sign of life away: the worker has stopped. Raises `QueueUnavailable`."""
    with queue_errors("remove a heartbeat"):
        await queue.redis.zrem(keys.workers(queue.lane), queue.worker)


async def living_workers(redis: Redis, host: str) -> dict[str, list[str]]:
    """The living workers on `host`, each with its lanes. Raises `QueueUnavailable`."""
    found: dict[str, list[str]] = {}
    with queue_errors("look for workers"):
        seconds, _ = await redis.time()
        for lane in Lane:
            for worker in await redis.zrangebyscore(keys.workers(lane), seconds * 1000, "+inf"):
                if worker.rpartition("-")[0] == host:
                    found.setdefault(worker, []).append(lane)
    return dict(sorted(found.items()))


async def ask_to_drain(redis: Redis, worker: str) -> None:
    """Has the worker end its jobs and stop, at its next sign of life. Raises `QueueUnavailable`."""
    with queue_errors("ask a worker to drain"):
        await redis.set(keys.worker_drain(worker), "1", ex=_DRAIN_REQUEST_TTL_S)


async def forget_drain(redis: Redis, worker: str) -> None:
    """Takes back what `ask_to_drain` asked of a worker before this one: in containers all have the same name.

    Raises `QueueUnavailable`.
    """
    with queue_errors("start the worker"):
        await redis.delete(keys.worker_drain(worker))
