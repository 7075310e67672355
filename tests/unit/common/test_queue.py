"""`JobQueue` and `LaneQueue` called step by step, on an in-process server and without a worker."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import fakeredis
import pytest

from raylane_common.errors import InvalidRequest, JobIdTaken, JobNotFound, LeaseLost, StorageRejected, WaitTimeout
from raylane_common.limits import MAX_STAGED_BYTES
from raylane_common.redis.queue import JobQueue, LaneQueue
from raylane_common.wire.generate import GenerateRequest
from raylane_common.wire.jobs import JobStatus, NewJob, Progress
from raylane_common.wire.tables import ListTablesRequest
from raylane_common.wire.upload import UploadRequest
from tests.helpers import queue_keys
from tests.helpers.claims import claimed, die, end, patient_lane, take
from tests.helpers.lanes import DONE
from tests.helpers.queue_keys import keys

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from redis.asyncio import Redis


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
    return patient_lane(redis)


def a_job(job_id: str, database: str = "d") -> NewJob:
    return NewJob(request=ListTablesRequest(database=database), id=job_id)


def an_upload(job_id: str, body: bytes) -> NewJob:
    request = UploadRequest(filename="a.csv", size_bytes=min(len(body), MAX_STAGED_BYTES), sha256="0" * 64)
    return NewJob(request=request, session_id="s", id=job_id, body=body)


async def test_the_same_id_twice_is_one_job(queue: JobQueue, redis: Redis) -> None:
    assert await queue.enqueue(a_job("j")) == "j"
    assert await queue.enqueue(a_job("j")) == "j"
    assert await redis.zcard(keys.queue("upload")) == 1


async def test_the_same_id_for_another_request_is_refused_and_changes_nothing(queue: JobQueue) -> None:
    await queue.enqueue(a_job("j"))
    with pytest.raises(JobIdTaken, match="j belongs to another request"):
        await queue.enqueue(a_job("j", database="other"))
    assert (await queue.record("j")).payload == {"action": "list", "database": "d", "limit": 100}


async def test_the_same_id_after_the_end_returns_the_first_job(queue: JobQueue, lane: LaneQueue) -> None:
    await queue.enqueue(a_job("j"))
    await end(lane, (await take(lane)).succeeded(DONE))
    assert await queue.enqueue(a_job("j")) == "j"
    assert await queue.result("j", timeout_s=1) == DONE
    assert await claimed(lane) == []


async def test_the_body_is_stored_beside_the_record_and_not_in_it(
    queue: JobQueue, redis: Redis, lane: LaneQueue
) -> None:
    await queue.enqueue(an_upload("j", b"\x00\xff,1"))
    record = await redis.hgetall(keys.job("j"))  # type: ignore[misc]  # redis-py's sync/async union
    assert not any("\x00" in value for value in record.values())
    assert await (await take(lane)).body() == b"\x00\xff,1"


def test_a_body_over_8_mib_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="body"):
        an_upload("j", b"x" * (MAX_STAGED_BYTES + 1))


async def test_an_unknown_id_is_an_error_that_names_it(queue: JobQueue) -> None:
    for call in (queue.record("nope"), queue.cancel("nope"), queue.requeue("nope"), queue.attempts("nope")):
        with pytest.raises(JobNotFound, match="nope"):
            await call
    with pytest.raises(JobNotFound):
        await queue.wait("nope", timeout_s=1)
    with pytest.raises(JobNotFound):
        await anext(queue.follow("nope"))


async def test_waiting_ends_with_the_job_or_with_the_timeout(queue: JobQueue, lane: LaneQueue) -> None:
    await queue.enqueue(a_job("j"))
    with pytest.raises(WaitTimeout, match="and continues"):
        await queue.wait("j", timeout_s=0.1)
    waiting = asyncio.create_task(queue.wait("j", timeout_s=10))
    await end(lane, (await take(lane)).failed(StorageRejected("no such bucket")))
    assert (await waiting).status is JobStatus.FAILED
    with pytest.raises(StorageRejected, match="no such bucket"):
        await queue.result("j", timeout_s=1)


async def test_waiting_for_no_time_returns_a_job_that_has_ended(queue: JobQueue) -> None:
    await queue.enqueue(a_job("j1"))
    for timeout_s in (0, -1):
        with pytest.raises(WaitTimeout, match="has not ended after 0 s"):
            await queue.wait("j1", timeout_s)
    await queue.cancel("j1")
    for timeout_s in (0, -1, 10**400):
        assert (await queue.wait("j1", timeout_s)).status is JobStatus.CANCELLED


async def test_a_follower_that_resumes_misses_nothing_and_sees_nothing_twice(queue: JobQueue, lane: LaneQueue) -> None:
    await queue.enqueue(a_job("j"))
    lease = await take(lane)
    await lease.progress(Progress(stage="one"))
    first = [await anext(follower) for follower in [queue.follow("j")] for _ in range(2)]
    await lease.log("two")
    await end(lane, lease.succeeded(DONE))
    rest = [event async for event in queue.follow("j", after=first[-1].id)]
    everything = [event async for event in queue.follow("j")]
    assert first + rest == everything
    assert [event async for event in queue.follow("j", after=everything[-1].id)] == []


async def test_running_jobs_do_not_hide_queued_ones(queue: JobQueue, lane: LaneQueue) -> None:
    for number in range(30):
        await queue.enqueue(a_job(f"j{number}"))
    taken = [job_id for _ in range(30) for job_id in await claimed(lane, 1)]
    assert taken == [f"j{number}" for number in range(30)]
    assert await claimed(lane) == []


async def test_every_write_of_an_owner_that_lost_the_job_is_refused(
    queue: JobQueue, lane: LaneQueue, redis: Redis
) -> None:
    await queue.enqueue(a_job("j"))
    old = await take(lane)
    await die(redis, "j")
    new = await take(lane)
    before = await redis.hgetall(keys.job("j"))  # type: ignore[misc]  # redis-py's sync/async union
    for write in (old.progress(Progress(stage="x")), old.log("x"), old.text("x")):
        with pytest.raises(LeaseLost):
            await write
    error = StorageRejected("x")
    ends = [old.succeeded(DONE), old.failed(error), old.cancelled(error), old.retried(error, 1), old.returned()]
    assert await lane.finish(ends) == [False] * len(ends)
    assert await lane.renew([old, new]) == ["lost", "held"]
    assert await redis.hgetall(keys.job("j")) == before  # type: ignore[misc]  # as above
    await end(lane, new.succeeded(DONE))
    with pytest.raises(LeaseLost):
        await new.log("after the end")


async def test_an_outcome_that_its_owner_writes_twice_counts_once(queue: JobQueue, lane: LaneQueue) -> None:
    await queue.enqueue(a_job("j"))
    lease = await take(lane)
    assert await lane.finish([lease.succeeded(DONE), lease.succeeded(DONE)]) == [True, True]
    assert [event.status async for event in queue.follow("j")] == ["queued", "running", "succeeded"]


async def test_a_job_that_its_owner_puts_back_twice_is_queued_once(queue: JobQueue, lane: LaneQueue) -> None:
    await queue.enqueue(a_job("j"))
    lease = await take(lane)
    assert await lane.finish([lease.returned(), lease.returned()]) == [True, True]
    assert await claimed(lane) == ["j"]
    assert (await queue.record("j")).attempt == 1


async def test_a_sessions_history_is_newest_first_and_without_other_sessions(queue: JobQueue) -> None:
    for number in range(5):
        await queue.enqueue(NewJob(request=GenerateRequest(prompt=f"p{number}"), session_id="s", id=f"j{number}"))
    await queue.enqueue(NewJob(request=GenerateRequest(prompt="x"), session_id="other", id="o"))
    assert [record.id for record in await queue.history("s")] == ["j4", "j3", "j2", "j1", "j0"]
    assert [record.id for record in await queue.history("s", limit=2)] == ["j4", "j3"]


async def test_only_the_queue_and_unfinished_jobs_do_not_expire(queue: JobQueue, redis: Redis, lane: LaneQueue) -> None:
    await queue.enqueue(an_upload("j", b"x"))
    await queue.enqueue(a_job("k"))
    await end(lane, (await take(lane)).succeeded(DONE))
    immortal = {key async for key in redis.scan_iter() if await redis.ttl(key) == -1}
    assert immortal == {keys.queue("upload"), keys.job("k"), queue_keys.arq_job("k")}
