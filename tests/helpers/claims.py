"""Drives the worker's side of a lane step by step, without a loop or a handler."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raylane_common.errors import StorageRejected, StorageUnavailable
from raylane_common.redis.connection import keys_of
from raylane_common.redis.keys import Keys
from raylane_common.redis.queue import JobQueue
from tests.helpers import queue_keys
from tests.helpers.lanes import DONE, lane_queue

if TYPE_CHECKING:
    from typing import Any

    from redis.asyncio import Redis

    from raylane_common.redis.queue import AttemptOutcome, LaneQueue, Lease
    from raylane_common.wire.jobs import JobRecord

PERMANENT = StorageRejected("no such bucket")
TRANSIENT = StorageUnavailable("try again")


def patient_lane(redis: Redis, **options: Any) -> LaneQueue:
    """Returns the upload lane with leases of 60 s, which do not run out on a slow machine either."""
    return lane_queue(redis, **({"lease_s": 60} | options))


async def claimed(lane: LaneQueue, limit: int = 100) -> list[str]:
    """Claims jobs and returns their ids, in the order of the answer."""
    return [lease.job_id for lease in (await lane.claim(limit)).leases]


async def take(lane: LaneQueue) -> Lease:
    """Claims the next job; fails if there is none."""
    [lease] = (await lane.claim(1)).leases
    return lease


async def end(lane: LaneQueue, outcome: AttemptOutcome) -> None:
    """Writes the outcome; fails if Redis does not accept it."""
    assert await lane.finish([outcome]) == [True]


async def run(lane: LaneQueue) -> str:
    """Claims the next job and writes its success; returns its id."""
    lease = await take(lane)
    await end(lane, lease.succeeded(DONE))
    return lease.job_id


async def fail(lane: LaneQueue) -> str:
    """Claims the next job and writes a permanent failure; returns its id."""
    lease = await take(lane)
    await end(lane, lease.failed(PERMANENT))
    return lease.job_id


async def die(redis: Redis, job_id: str) -> None:
    """Makes the job's lease run out, as it does after the job's worker has died."""
    assert await redis.zadd(keys_of(redis).running("upload"), {job_id: 1}, xx=True, ch=True) == 1


async def come_due(redis: Redis, job_id: str) -> None:
    """Moves the time of a scheduled job to now."""
    record = await JobQueue(redis).record(job_id)
    if record.at is not None:
        await redis.hset(keys_of(redis).job(job_id), "at", str(record.enqueued_at))  # type: ignore[misc]  # redis-py's union
    assert await redis.zadd(keys_of(redis).schedule(record.lane), {job_id: record.enqueued_at}, xx=True, ch=True) == 1


async def expire(redis: Redis, job_id: str, lane: str = "upload") -> None:
    """Moves the time by which a job must have started into the past."""
    assert await redis.zadd(queue_keys.expiring(lane), {job_id: 1}, xx=True, ch=True) == 1


async def let_expire(redis: Redis, job_id: str) -> None:
    """Sets a time to live on everything that belongs to the job, as its end does."""
    for key in [key async for key in redis.scan_iter(count=1000) if queue_keys.job_of(key, keys_of(redis)) == job_id]:
        await redis.expire(key, 60)


async def statuses(redis: Redis, *job_ids: str) -> list[str]:
    """Returns the statuses of the jobs."""
    return [(await record(redis, job_id)).status.value for job_id in job_ids]


async def record(redis: Redis, job_id: str) -> JobRecord:
    """Returns the job's record."""
    return await JobQueue(redis).record(job_id)


async def error_code(redis: Redis, job_id: str) -> str:
    """Returns the code of the job's error; fails if it has none."""
    error = (await record(redis, job_id)).error
    assert error is not None
    return error.code


async def finals(redis: Redis, job_id: str) -> list[str]:
    """Returns the final statuses among the job's events."""
    entries = await redis.xrange(keys_of(redis).job_events(job_id))
    found = [fields.get("status", "") for _, fields in entries]
    return [status for status in found if status in ("succeeded", "failed", "cancelled")]


async def immortal_keys(redis: Redis) -> list[str]:
    """Returns the keys without a time to live that should have one: those of ended jobs, and of no job or lane."""
    found = [key async for key in redis.scan_iter(count=1000)]
    async with redis.pipeline(transaction=False) as pipe:
        for key in found:
            pipe.ttl(key)
        ttls = await pipe.execute()
    lasting = [key for key, ttl in zip(found, ttls, strict=True) if ttl == -1 and not _is_immortal(key)]
    records = [await _record_of(redis, key) for key in lasting]
    async with redis.pipeline(transaction=False) as pipe:
        for record in records:
            pipe.hget(record or "none", "status")
        statuses = await pipe.execute(raise_on_error=False)
    # What is left of a job without a record is removed when a worker comes across it.
    return [
        key
        for key, record, status in zip(lasting, records, statuses, strict=True)
        if not record or status in ("succeeded", "failed", "cancelled")
    ]


def _keys_of(key: str) -> Keys:
    # A test may use several prefixes.
    return Keys(key.rpartition("}:")[0].removeprefix("{"))


def _is_immortal(key: str) -> bool:
    return key.startswith(_keys_of(key).immortal)


async def _record_of(redis: Redis, key: str) -> str:
    """Returns the key of the record of the job that `key` belongs to; '' if it belongs to none."""
    keys = _keys_of(key)
    job_id = str(await redis.get(key)) if queue_keys.is_unique(key, keys) else queue_keys.job_of(key, keys)
    return keys.job(job_id) if job_id else ""
