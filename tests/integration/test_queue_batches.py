"""Many jobs in one call: they are written in their order, and each is written or refused for itself."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from raylane_common.errors import JobIdTaken, QueueUnavailable
from raylane_common.redis.connection import connect
from raylane_common.redis.queue import JobQueue, LaneQueue
from raylane_common.settings import RedisSettings
from raylane_common.wire.base import JobKind, Lane
from raylane_common.wire.generate import GenerateRequest
from raylane_common.wire.jobs import NewJob
from raylane_common.wire.ray import RayRunRequest, RaySubmitRequest
from raylane_common.wire.tables import ListTablesRequest
from raylane_common.wire.upload import UploadRequest
from tests.helpers.claims import claimed, patient_lane, run, statuses, take
from tests.helpers.lanes import a_job, succeed, worker
from tests.helpers.queue_keys import keys

if TYPE_CHECKING:
    from redis.asyncio import Redis


def a_mixed_job(number: int) -> NewJob:
    """Jobs of all kinds in turn, each different from the others; every tenth comes after the one before it."""
    session, body = f"s{number % 50}", b"%d," % number * 10
    requests = (
        UploadRequest(filename=f"f{number}.csv", size_bytes=len(body), sha256="0" * 64),
        ListTablesRequest(database=f"d{number}"),
        GenerateRequest(prompt=f"count {number} things"),
        RaySubmitRequest(code=f"print({number})"),
        RayRunRequest(submission_id=f"s{number}"),
    )
    request = requests[number % len(requests)]
    return NewJob(
        id=f"j{number}",
        request=request,
        session_id=session,
        body=body if isinstance(request, UploadRequest) else b"",
        after=(f"j{number - 1}",) if number % 10 == 9 else (),
        delay_s=3600 if number % 10 == 3 else None,
        priority="high" if number % 10 == 5 else "normal",
    )


async def test_ten_thousand_jobs_of_all_kinds_are_written(redis: Redis, queue: JobQueue) -> None:
    jobs = [a_mixed_job(number) for number in range(10_000)]
    outcomes = await queue.enqueue_many(jobs)
    assert [(it.id, it.created, it.error) for it in outcomes] == [(job.id, True, None) for job in jobs]
    lanes = {lane: [job for job in jobs if job.lane is lane] for lane in Lane}
    for lane, expected in lanes.items():
        standing: set[str] = set()
        for set_of in (keys.queue, keys.schedule, keys.waiting):
            standing |= set(await redis.zrange(set_of(lane), 0, -1))
        assert standing == {job.id for job in expected}
    async with redis.pipeline(transaction=False) as pipe:
        for job in jobs:
            pipe.hmget(keys.job(job.id), ["kind", "session_id", "payload", "status"])
        found = await pipe.execute()
    for job, (kind, session, payload, status) in zip(jobs, found, strict=True):
        assert (kind, session, payload) == (job.kind, job.session_id, job.request.model_dump_json())
        assert status == ("waiting" if job.after else "scheduled" if job.delay_s else "queued")


async def test_the_same_batch_again_creates_nothing_new(redis: Redis, queue: JobQueue) -> None:
    jobs = [a_mixed_job(number) for number in range(500)]
    await queue.enqueue_many(jobs)
    before = await _contents(redis)
    outcomes = await queue.enqueue_many(jobs)
    assert [(it.id, it.created, it.error) for it in outcomes] == [(job.id, False, None) for job in jobs]
    assert await _contents(redis) == before


async def _contents(redis: Redis) -> dict[str, object]:
    """Every key with its value; a hash by its fields, whose order in a dump may change."""
    found = [key async for key in redis.scan_iter(count=1000)]
    async with redis.pipeline(transaction=False) as pipe:
        for key in found:
            pipe.type(key)
        types = await pipe.execute()
        for key, type_ in zip(found, types, strict=True):
            pipe.hgetall(key) if type_ == "hash" else pipe.dump(key)
        return dict(zip(found, await pipe.execute(), strict=True))


async def test_the_order_of_a_batch_is_kept(queue: JobQueue, lane: LaneQueue) -> None:
    names = [f"j{(number * 7919) % 1000}" for number in range(1000)]
    await queue.enqueue_many([a_job(id=name) for name in names])
    taken: list[str] = []
    while batch := await claimed(lane, 37):
        taken += batch
    assert taken == names


async def test_the_order_is_kept_from_one_batch_to_the_next(queue: JobQueue, lane: LaneQueue) -> None:
    names = [f"j{number}" for number in range(60)]
    for start in range(0, 60, 20):
        await queue.enqueue_many([a_job(id=name) for name in reversed(names[start : start + 20])])
    taken = await claimed(lane)
    assert taken == [name for start in (0, 20, 40) for name in reversed(names[start : start + 20])]


async def test_each_staged_body_comes_with_its_own_job_and_unchanged(queue: JobQueue, lane: LaneQueue) -> None:
    bodies = {f"j{number}": bytes([number]) * 100_000 + b"\x00\xff\r\n" for number in range(40)}
    await queue.enqueue_many(
        [
            NewJob(
                request=UploadRequest(filename="a.csv", size_bytes=len(body), sha256="0" * 64),
                session_id="s",
                id=job_id,
                body=body,
            )
            for job_id, body in bodies.items()
        ]
    )
    found = {lease.job_id: await lease.body() for lease in (await lane.claim(100)).leases}
    assert found == bodies


async def test_a_refused_job_has_its_error_in_the_answer_and_the_others_are_written(
    redis: Redis, queue: JobQueue
) -> None:
    await queue.enqueue(NewJob(id="taken", request=ListTablesRequest(database="other")))
    await queue.enqueue(a_job(id="holder", unique="u"))
    jobs = [
        a_job(id="a"),
        NewJob(id="taken", request=ListTablesRequest(database="mine")),
        a_job(id="b", unique="u"),
        a_job(id="c", after=("nope",)),
        a_job(id="a"),
        a_job(id="d", after=("a",)),
    ]
    outcomes = await queue.enqueue_many(jobs)
    assert [(it.id, it.created, it.error and it.error.code) for it in outcomes] == [
        ("a", True, None),
        ("taken", False, "job_id_taken"),
        ("holder", False, None),
        ("c", False, "invalid_request"),
        ("a", False, None),
        ("d", True, None),
    ]
    assert await redis.exists(keys.job("b"), keys.job("c")) == 0
    assert (await queue.record("taken")).payload["database"] == "other"


async def test_a_job_whose_key_another_program_uses_is_refused_alone(redis: Redis, queue: JobQueue) -> None:
    await redis.set(keys.job("odd"), "not a record", ex=60)
    outcomes = await queue.enqueue_many([a_job(id="a"), a_job(id="odd"), a_job(id="b", after=("a",)), a_job(id="c")])
    assert [(it.id, it.created) for it in outcomes] == [("a", True), ("odd", False), ("b", True), ("c", True)]
    assert isinstance(outcomes[1].error, JobIdTaken)


async def test_a_job_whose_dependency_is_not_a_record_is_refused_alone(redis: Redis, queue: JobQueue) -> None:
    await redis.set(keys.job("odd"), "not a record", ex=60)
    outcomes = await queue.enqueue_many([a_job(id="a"), a_job(id="b", after=("odd",)), a_job(id="c")])
    assert [(it.created, it.error and it.error.code) for it in outcomes] == [
        (True, None),
        (False, "invalid_request"),
        (True, None),
    ]
    assert await redis.exists(keys.job("b")) == 0


async def test_the_same_job_twice_in_a_batch_is_one_job(redis: Redis, queue: JobQueue) -> None:
    outcomes = await queue.enqueue_many([a_job(id="a"), a_job(id="a")])
    assert [it.created for it in outcomes] == [True, False]
    assert await redis.zcard(keys.queue("upload")) == 1


async def test_unique_keys_hold_within_a_batch(queue: JobQueue) -> None:
    outcomes = await queue.enqueue_many([a_job(id="a", unique="u"), a_job(id="b", unique="u")])
    assert [(it.id, it.created) for it in outcomes] == [("a", True), ("a", False)]


async def test_an_empty_batch_has_an_empty_answer(queue: JobQueue) -> None:
    assert await queue.enqueue_many([]) == []


async def test_two_batches_with_the_same_jobs_at_once_create_each_job_once(queue: JobQueue, lane: LaneQueue) -> None:
    jobs = [a_job(id=f"j{number}") for number in range(600)]
    outcomes = await asyncio.gather(*(queue.enqueue_many(jobs) for _ in range(3)))
    created = [sum(it.created for it in same) for same in zip(*outcomes, strict=True)]
    assert created == [1] * len(jobs)
    assert len(await claimed(lane, 2000)) == len(jobs)


async def test_without_redis_every_job_of_the_batch_carries_the_error() -> None:
    client = connect(
        RedisSettings.model_validate({"url": "redis://127.0.0.1:1/0", "socket_timeout_s": 1.05, "give_up_s": 1.1})
    )
    try:
        outcomes = await JobQueue(client).enqueue_many([a_job(id=f"j{number}") for number in range(500)])
    finally:
        await client.aclose()
    assert [it.id for it in outcomes] == [f"j{number}" for number in range(500)]
    assert all(isinstance(it.error, QueueUnavailable) for it in outcomes)


async def test_workers_run_the_first_jobs_of_a_batch_while_the_rest_is_written(redis: Redis, queue: JobQueue) -> None:
    names = [f"j{number}" for number in range(1000)]
    async with worker(redis, succeed, concurrency=50):
        await queue.enqueue_many([a_job(id=name) for name in names])
        await queue.wait(names[-1], timeout_s=60)
        for name in names:
            assert (await queue.wait(name, timeout_s=60)).status == "succeeded"


async def test_a_chain_of_jobs_may_span_many_chunks_of_a_batch(redis: Redis, queue: JobQueue) -> None:
    lane = patient_lane(redis)
    jobs = [a_job(id=f"j{number}", after=(f"j{number - 1}",) if number else ()) for number in range(450)]
    assert all(it.created for it in await queue.enqueue_many(jobs))
    assert [await run(lane) for _ in jobs] == [job.id for job in jobs]


async def test_jobs_of_a_batch_keep_kind_and_lane(redis: Redis, queue: JobQueue) -> None:
    await queue.enqueue_many([a_mixed_job(number) for number in (0, 1)])
    assert [(await take(patient_lane(redis))).record.kind for _ in range(2)] == [JobKind.UPLOAD, JobKind.TABLES]
    assert await statuses(redis, "j0", "j1") == ["running", "running"]
