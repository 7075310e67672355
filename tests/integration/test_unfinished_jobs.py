"""Every accepted job ends with a final record, however long nobody works, and also if its record was deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from raylane_common.wire.jobs import JobStatus, NewJob
from raylane_common.wire.upload import UploadRequest
from tests.helpers import queue_keys
from tests.helpers.claims import (
    TRANSIENT,
    claimed,
    die,
    end,
    error_code,
    finals,
    patient_lane,
    run,
    statuses,
    take,
)
from tests.helpers.lanes import a_job
from tests.helpers.queue_keys import keys

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from raylane_common.redis.queue import JobQueue, LaneQueue, QueueOverview

DAY_S: Final = 24 * 3600


async def pass_time(redis: Redis, days: int) -> None:
    """Moves every time that the server holds into the past: times to live, records, and scores of the lanes' sets."""
    milliseconds = days * DAY_S * 1000
    records = keys.job("")
    for key in [key async for key in redis.scan_iter(count=1000)]:
        left_ms = await redis.pttl(key)
        if 0 <= left_ms <= milliseconds:
            await redis.delete(key)
            continue
        if left_ms > 0:
            await redis.pexpire(key, left_ms - milliseconds)
        if key.startswith(keys.immortal) and await redis.type(key) == "zset":
            for member in await redis.zrange(key, 0, -1):
                await redis.zincrby(key, -milliseconds, member)
        if key.startswith(records) and await redis.type(key) == "hash":
            record = await redis.hgetall(key)  # type: ignore[misc]  # redis-py's sync/async union
            for name in record.keys() & {"enqueued_at", "started_at", "finished_at", "at", "expires_at"}:
                await redis.hincrby(key, name, -milliseconds)  # type: ignore[misc]  # as above


def an_upload(job_id: str) -> NewJob:
    request = UploadRequest(filename="a.csv", size_bytes=1, sha256="0" * 64)
    return NewJob(request=request, session_id="s", id=job_id, body=b"x")


async def test_a_job_that_was_queued_60_days_ago_runs(redis: Redis, queue: JobQueue, lane: LaneQueue) -> None:
    await queue.enqueue_many([an_upload("old"), a_job(id="after", after=("old",)), a_job(id="unique", unique="u")])
    await pass_time(redis, days=60)
    assert await statuses(redis, "old", "after", "unique") == ["queued", "waiting", "queued"]
    assert await queue.enqueue(a_job(id="another", unique="u")) == "unique"
    lease = await take(lane)
    assert (lease.job_id, await lease.body()) == ("old", b"x")
    await end(lane, lease.retried(TRANSIENT, 0))
    assert {await run(lane) for _ in range(3)} == {"old", "unique", "after"}
    assert (await anext(queue.follow("after"))).status == "waiting"


@pytest.mark.parametrize("by", ["sweep", "claim"])
async def test_a_job_that_may_wait_for_20_days_expires_at_the_first_look_afterwards(
    redis: Redis, queue: JobQueue, lane: LaneQueue, overview: QueueOverview, by: str
) -> None:
    await queue.enqueue_many([a_job(id="j", expires_s=20 * DAY_S), a_job(id="after", after=("j",))])
    await pass_time(redis, days=19)
    assert await lane.janitor().sweep()
    assert await statuses(redis, "j") == ["queued"]
    await pass_time(redis, days=2)
    if by == "sweep":
        assert await lane.janitor().sweep()
    else:
        assert await claimed(lane) == []
    assert [await error_code(redis, job_id) for job_id in ("j", "after")] == ["expired", "dependency_failed"]
    assert [await finals(redis, job_id) for job_id in ("j", "after")] == [["failed"], ["failed"]]
    assert [(found.queued, found.waiting) for found in await overview.lanes()] == [(0, 0)] * 3


async def test_a_job_for_a_time_in_a_month_runs_then(redis: Redis, queue: JobQueue, lane: LaneQueue) -> None:
    await queue.enqueue(a_job(id="j", delay_s=30 * DAY_S, session_id="s"))
    await pass_time(redis, days=29)
    assert await claimed(lane) == []
    await pass_time(redis, days=2)
    assert await claimed(lane) == ["j"]


async def test_a_job_with_a_long_pause_before_its_next_attempt_keeps_its_history(
    redis: Redis, queue: JobQueue, lane: LaneQueue
) -> None:
    await queue.enqueue(an_upload("j"))
    await end(lane, (await take(lane)).retried(TRANSIENT, 40 * DAY_S))
    await pass_time(redis, days=41)
    lease = await take(lane)
    assert (lease.record.attempt, await lease.body()) == (2, b"x")
    assert [attempt.number for attempt in await queue.attempts("j")] == [1]


async def test_what_belongs_to_a_job_expires_once_the_job_has_ended(
    redis: Redis, queue: JobQueue, lane: LaneQueue
) -> None:
    await queue.enqueue_many([an_upload("a"), an_upload("b"), a_job(id="c", after=("a",), unique="u")])
    await end(lane, (await take(lane)).retried(TRANSIENT, 0))
    assert {await redis.ttl(keys.job(name)) for name in "abc"} == {-1}
    assert {await run(lane) for _ in range(3)} == set("abc")
    lasting = [key async for key in redis.scan_iter() if await redis.ttl(key) == -1]
    assert lasting == []


async def test_a_job_of_a_client_that_set_a_time_to_live_keeps_its_record_once_a_worker_has_seen_it(
    redis: Redis, queue: JobQueue
) -> None:
    lane = patient_lane(redis, per_session=1)
    await queue.enqueue_many(
        [a_job(id="a", session_id="s"), a_job(id="parked", session_id="s"), a_job(id="waiting", after=("a",))]
    )
    for name in ("a", "parked", "waiting"):
        for key in (keys.job(name), queue_keys.arq_job(name)):
            await redis.expire(key, 7 * DAY_S)
    await pass_time(redis, days=2)
    assert await claimed(lane) == ["a"]
    assert await lane.janitor().sweep()
    for name in ("a", "parked", "waiting"):
        assert [await redis.ttl(key) for key in (keys.job(name), queue_keys.arq_job(name))] == [-1, -1]


@pytest.mark.parametrize("status", ["queued", "scheduled", "waiting", "parked", "running"])
async def test_a_job_whose_record_was_deleted_leaves_nothing_and_fails_the_jobs_after_it(
    redis: Redis, queue: JobQueue, overview: QueueOverview, status: str
) -> None:
    lane, gone = patient_lane(redis, per_session=1), f"{status}-job"
    await queue.enqueue_many([an_upload("running-job"), an_upload("parked-job")])
    await queue.enqueue(a_job(id="waiting-job", after=("running-job",)))
    [running] = (await lane.claim(10)).leases
    await running.log("a line")
    await queue.enqueue_many([a_job(id="queued-job"), a_job(id="scheduled-job", delay_s=600, expires_s=900)])
    await queue.enqueue_many([a_job(id="after", after=(gone,)), a_job(id="last", after=("after",))])
    await redis.delete(keys.job(gone))
    if status == "running":
        await die(redis, gone)
        await lane.claim(0)
    assert await lane.janitor().sweep()

    assert [await error_code(redis, job_id) for job_id in ("after", "last")] == ["dependency_failed"] * 2
    assert (await queue.wait("last", timeout_s=5)).status is JobStatus.FAILED
    assert [key async for key in redis.scan_iter("*") if gone in key] == []
    found = next(found for found in await overview.lanes() if found.lane == "upload")
    counted = {"waiting": found.waiting, "scheduled": found.scheduled, "queued": found.queued, "running": found.running}
    expected = {"waiting": 1, "scheduled": 1, "queued": 2, "running": 1}
    if status == "running":
        # The job that waited for it has failed, too.
        expected["waiting"] = 0
    expected["queued" if status == "parked" else status] -= 1
    assert counted == expected


async def test_what_is_left_of_a_job_in_no_set_is_found(redis: Redis, queue: JobQueue, lane: LaneQueue) -> None:
    await queue.enqueue_many([an_upload("gone"), a_job(id="after", after=("gone",))])
    await redis.delete(keys.job("gone"))
    await redis.zrem(keys.queue("upload"), "gone")
    assert await lane.janitor().sweep()
    assert await error_code(redis, "after") == "dependency_failed"
    assert [key async for key in redis.scan_iter("*gone*")] == []
