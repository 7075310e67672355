"""Lists the workers that are alive, and asks one to drain. A worker reads the request at its next heartbeat."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from raylane_common.redis.connection import keys_of, queue_errors
from raylane_common.redis.queue.events import job_not_found
from raylane_common.redis.queue.scripts import Scripts, calls
from raylane_common.rules import printable
from raylane_common.wire.base import Lane
from raylane_common.wire.jobs import LaneWorkers

if TYPE_CHECKING:
    from redis.asyncio import Redis

# A worker reads the request within seconds, unless it is cut off from Redis for a while.
_DRAIN_REQUEST_TTL_MS: Final = 3600 * 1000


async def living_workers(redis: Redis, host: str) -> dict[str, list[str]]:
    """Returns the living workers on `host`, each with its lanes. Raises `QueueUnavailable`."""
    found: dict[str, list[str]] = {}
    with queue_errors("look for workers"):
        seconds, _ = await redis.time()
    for lane in Lane:
        key = keys_of(redis).workers(lane)
        with queue_errors("look for workers", key):
            living = await redis.zrangebyscore(key, seconds * 1000, "+inf")
        for worker in living:
            if worker.rpartition("-")[0] == host:
                found.setdefault(worker, []).append(lane)
    return dict(sorted(found.items()))


async def workers_of(redis: Redis, job_id: str) -> LaneWorkers:
    """Returns who takes the job. Raises `JobNotFound` and `QueueUnavailable`."""
    keys = keys_of(redis)
    with queue_errors("look for workers"):
        async with redis.pipeline(transaction=False) as pipe:
            pipe.time()
            pipe.hget(keys.job(job_id), "lane")
            pipe.exists(keys.lease(job_id))
            (seconds, _), lane, leases = await pipe.execute()
    if lane is None:
        raise job_not_found(job_id)
    with queue_errors("look for workers", keys.workers(lane)):
        living = await redis.zrangebyscore(keys.workers(lane), seconds * 1000, "+inf")
    return LaneWorkers(printable(lane), tuple(sorted(map(printable, living))), is_held=bool(leases))


async def ask_to_drain(redis: Redis, worker: str) -> None:
    """Asks the worker to finish its jobs and stop. Raises `QueueUnavailable`."""
    await calls.ask_to_drain(Scripts(redis), worker, _DRAIN_REQUEST_TTL_MS)


async def forget_drain(redis: Redis, worker: str) -> None:
    """Removes a request that was meant for an earlier worker: in containers, successive workers have the same name.

    Raises `QueueUnavailable`.
    """
    with queue_errors("start the worker"):
        await redis.delete(keys_of(redis).worker_drain(worker))
