"""`JobQueue` with both sides driven by hand: no worker, so an in-process server will do."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import fakeredis
import pytest

from raylane_common import keys
from raylane_common.errors import InvalidRequest, JobIdTaken, JobNotFound, LeaseLost, StorageRejected, WaitTimeout
from raylane_common.jobs import JobStatus, NewJob, Progress
from raylane_common.limits import MAX_STAGED_BYTES
from raylane_common.queue import JobQueue, LaneQueue
from raylane_common.requests import GenerateRequest, ListTablesRequest, UploadRequest
from raylane_common.results import DatabasesResult

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from redis.asyncio import Redis

DONE = DatabasesResult(databases=())


@pytest.fixture
async def redis() -> AsyncIterator[Redis]:
    client = fakeredis.FakeAsyncRedis(decode_responses=True)
    yield client
    await client.aclose()


@pytest.fixture
def queue(redis: Redis) -> JobQueue:
    return JobQueue(redis, block_s=0.05)


@pytest.fixture
def lane(redis: Redis) -> LaneQueue:
    return LaneQueue(redis, "upload", worker="w", lease_s=10, max_attempts=3, result_ttl_s=60)


def a_job(job_id: str, database: str = "d") -> NewJob:
    return NewJob(request=ListTablesRequest(database=database), id=job_id)


async def test_the_same_id_twice_is_one_job(queue: JobQueue, redis: Redis) -> None:
    assert await queue.enqueue(a_job("j")) == "j"
    assert await queue.enqueue(a_job("j")) == "j"
    assert await redis.zcard(keys.queue("upload")) == 1
    assert await redis.xlen(keys.job_events("j")) == 1


async def test_the_same_id_for_another_request_is_refused_and_changes_nothing(queue: JobQueue) -> None:
    await queue.enqueue(a_job("j"))
    with pytest.raises(JobIdTaken, match="j belongs to another request"):
        await queue.enqueue(a_job("j", database="other"))
    assert (await queue.record("j")).payload == {"action": "list", "database": "d"}


async def test_the_same_id_after_the_end_returns_the_first_job(queue: JobQueue, lane: LaneQueue) -> None:
    await queue.enqueue(a_job("j"))
    await (await lane.claim(1)).leases[0].succeed(DONE)
    assert await queue.enqueue(a_job("j")) == "j"
    assert await queue.result("j", timeout_s=1) == DONE
    assert (await lane.claim(1)).leases == []


async def test_the_body_stands_beside_the_record_and_not_in_it(queue: JobQueue, redis: Redis, lane: LaneQueue) -> None:
    request = UploadRequest(filename="a.csv", size_bytes=4, sha256="0" * 64)
    await queue.enqueue(NewJob(request=request, session_id="s", id="j"), body=b"\x00\xff,1")
    record = await redis.hgetall(keys.job("j"))  # type: ignore[misc]  # redis-py's sync/async union
    assert not any("\x00" in value for value in record.values())
    (lease,) = (await lane.claim(1)).leases
    assert await lease.body() == b"\x00\xff,1"


async def test_a_body_beyond_8_mib_never_reaches_redis(queue: JobQueue, redis: Redis) -> None:
    with pytest.raises(InvalidRequest, match="body"):
        await queue.enqueue(a_job("j"), body=b"x" * (MAX_STAGED_BYTES + 1))
    assert await redis.dbsize() == 0


async def test_unknown_jobs_are_said_to_be_unknown(queue: JobQueue) -> None:
    with pytest.raises(JobNotFound, match="nope"):
        await queue.record("nope")
    with pytest.raises(JobNotFound):
        await queue.wait("nope", timeout_s=1)
    with pytest.raises(JobNotFound):
        await anext(queue.follow("nope"))


async def test_waiting_ends_with_the_job_or_with_the_callers_patience(queue: JobQueue, lane: LaneQueue) -> None:
    await queue.enqueue(a_job("j"))
    with pytest.raises(WaitTimeout, match="it goes on"):
        await queue.wait("j", timeout_s=0.1)
    waiting = asyncio.create_task(queue.wait("j", timeout_s=10))
    (lease,) = (await lane.claim(1)).leases
    await lease.fail(StorageRejected("no such bucket"))
    assert (await waiting).status is JobStatus.FAILED
    with pytest.raises(StorageRejected, match="no such bucket"):
        await queue.result("j", timeout_s=1)


async def test_a_follower_that_resumes_misses_nothing_and_sees_nothing_twice(queue: JobQueue, lane: LaneQueue) -> None:
    await queue.enqueue(a_job("j"))
    (lease,) = (await lane.claim(1)).leases
    await lease.progress(Progress(stage="one"))
    first = [await anext(follower) for follower in [queue.follow("j")] for _ in range(2)]
    await lease.log("two")
    await lease.succeed(DONE)
    rest = [event async for event in queue.follow("j", after=first[-1].id)]
    everything = [event async for event in queue.follow("j")]
    assert first + rest == everything
    assert [event async for event in queue.follow("j", after=everything[-1].id)] == []


async def test_running_jobs_do_not_stand_in_front_of_waiting_ones(queue: JobQueue, lane: LaneQueue) -> None:
    for number in range(30):
        await queue.enqueue(a_job(f"j{number}"))
    claimed = [lease.job_id for _ in range(30) for lease in (await lane.claim(1)).leases]
    assert sorted(claimed) == sorted(f"j{number}" for number in range(30))
    assert (await lane.claim(1)).leases == []


async def test_every_write_of_an_owner_that_lost_the_job_is_refused(
    queue: JobQueue, lane: LaneQueue, redis: Redis
) -> None:
    await queue.enqueue(a_job("j"))
    (old,) = (await lane.claim(1)).leases
    await redis.delete(keys.lease("j"))
    await redis.zadd(keys.queue("upload"), {"j": 1})
    (new,) = (await lane.claim(1)).leases
    before = await redis.hgetall(keys.job("j"))  # type: ignore[misc]  # redis-py's sync/async union
    for write in (
        old.renew(),
        old.progress(Progress(stage="x")),
        old.log("x"),
        old.succeed(DONE),
        old.fail(StorageRejected("x")),
        old.give_back(),
    ):
        with pytest.raises(LeaseLost):
            await write
    assert await redis.hgetall(keys.job("j")) == before  # type: ignore[misc]  # as above
    await new.succeed(DONE)
    with pytest.raises(LeaseLost):
        await new.succeed(DONE)


async def test_a_sessions_history_is_newest_first_and_its_own(queue: JobQueue) -> None:
    for number in range(5):
        await queue.enqueue(NewJob(request=GenerateRequest(prompt=f"p{number}"), session_id="s", id=f"j{number}"))
    await queue.enqueue(NewJob(request=GenerateRequest(prompt="x"), session_id="other", id="o"))
    assert [record.id for record in await queue.history("s")] == ["j4", "j3", "j2", "j1", "j0"]
    assert [record.id for record in await queue.history("s", limit=2)] == ["j4", "j3"]


async def test_every_key_but_the_queue_expires(queue: JobQueue, redis: Redis, lane: LaneQueue) -> None:
    request = UploadRequest(filename="a.csv", size_bytes=1, sha256="0" * 64)
    await queue.enqueue(NewJob(request=request, session_id="s", id="j"), body=b"x")
    await queue.enqueue(a_job("k"))
    (lease,) = (await lane.claim(1)).leases
    await lease.succeed(DONE)
    immortal = [key async for key in redis.scan_iter() if await redis.ttl(key) == -1]
    assert immortal == [keys.queue("upload")]
