"""What an operator sees of the lanes: counts, and jobs by state, session and kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from raylane_common.wire.base import JobKind, Lane
from raylane_common.wire.generate import GenerateRequest
from raylane_common.wire.jobs import JobStatus, LaneOverview, NewJob
from raylane_common.wire.names import Priority
from raylane_common.wire.ray import RayStatusRequest
from raylane_common.wire.upload import UploadRequest
from tests.helpers.claims import PERMANENT, TRANSIENT, claimed, end, patient_lane, run, take
from tests.helpers.lanes import DONE, a_job
from tests.helpers.queue_keys import keys

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from raylane_common.redis.queue import JobQueue, LaneQueue, QueueOverview


@pytest.fixture
def lane(redis: Redis) -> LaneQueue:
    return patient_lane(redis, per_session=1)


async def upload_lane(overview: QueueOverview) -> LaneOverview:
    return next(lane for lane in await overview.lanes() if lane.lane == "upload")


async def ids(overview: QueueOverview, **filters: Any) -> list[str]:
    return [record.id for record in await overview.jobs(**filters)]


async def test_empty_lanes_are_shown_too(overview: QueueOverview) -> None:
    assert await overview.lanes() == [
        LaneOverview(
            lane=lane,
            waiting=0,
            scheduled=0,
            queued=0,
            parked=0,
            running=0,
            dead=0,
            oldest_s=None,
            ended_per_s=0,
            workers=(),
        )
        for lane in Lane
    ]


async def test_each_job_is_counted_in_its_state(queue: JobQueue, lane: LaneQueue, overview: QueueOverview) -> None:
    await queue.enqueue_many([a_job(id=f"ended{number}") for number in range(6)])
    for number in range(6):
        lease = await take(lane)
        await end(lane, lease.failed(TRANSIENT if number < 2 else PERMANENT))
    await queue.enqueue_many([a_job(id="a", session_id="s"), a_job(id="b", session_id="s"), a_job(id="c")])
    assert await claimed(lane) == ["a", "c"]
    await queue.enqueue_many([a_job(id="d"), a_job(id="e"), a_job(id="f", delay_s=600), a_job(id="g", after=("d",))])
    seen = await upload_lane(overview)
    assert (seen.running, seen.queued, seen.parked, seen.scheduled, seen.waiting, seen.dead) == (2, 3, 1, 1, 1, 2)
    assert seen.ended_per_s == 6 / 60


async def test_the_oldest_is_the_one_that_comes_next(redis: Redis, queue: JobQueue, overview: QueueOverview) -> None:
    await queue.enqueue_many([a_job(id="old"), a_job(id="new")])
    record = await queue.record("old")
    await redis.hset(keys.job("old"), "enqueued_at", str(record.enqueued_at - 90_000))  # type: ignore[misc]  # redis-py's union
    oldest_s = (await upload_lane(overview)).oldest_s
    assert oldest_s is not None
    assert oldest_s >= 90


async def test_a_job_is_no_older_than_the_time_at_which_it_could_start(
    redis: Redis, queue: JobQueue, lane: LaneQueue, overview: QueueOverview
) -> None:
    await queue.enqueue_many([a_job(id="a")])
    now_ms = (await queue.record("a")).enqueued_at
    for name in ("at", "started_at"):
        await redis.hdel(keys.job("a"), "at", "started_at")  # type: ignore[misc]  # as above
        changes = {"enqueued_at": str(now_ms - 90_000), name: str(now_ms)}
        await redis.hset(keys.job("a"), mapping=changes)  # type: ignore[misc]  # as above
        oldest_s = (await upload_lane(overview)).oldest_s
        assert oldest_s is not None
        assert oldest_s < 60


async def test_only_jobs_that_ended_in_the_last_minute_count_for_the_rate(
    redis: Redis, queue: JobQueue, lane: LaneQueue, overview: QueueOverview
) -> None:
    await queue.enqueue_many([a_job(id="a"), a_job(id="b")])
    assert [await run(lane), await run(lane)] == ["a", "b"]
    await redis.zincrby(keys.ended("upload"), -61_000, "a")
    assert (await upload_lane(overview)).ended_per_s == 1 / 60


async def test_living_workers_are_named_and_stopped_ones_are_not(redis: Redis, overview: QueueOverview) -> None:
    lanes = [patient_lane(redis, name=name) for name in ("host-2", "host-1", "gone-1")]
    for lane in lanes:
        assert await lane.beat(ttl_s=60) is False
    await redis.zadd(keys.workers("upload"), {"gone-1": 1})
    assert (await upload_lane(overview)).workers == ("host-1", "host-2")
    await lanes[0].stop_beating()
    assert (await upload_lane(overview)).workers == ("host-1",)


async def test_jobs_are_found_by_status(queue: JobQueue, lane: LaneQueue, overview: QueueOverview) -> None:
    await queue.enqueue_many([a_job(id=name) for name in ("succeeded", "failed")])
    await run(lane)
    await end(lane, (await take(lane)).failed(PERMANENT))
    await queue.enqueue_many([a_job(id="running", session_id="s"), a_job(id="parked", session_id="s")])
    assert await claimed(lane) == ["running"]
    await queue.enqueue_many(
        [a_job(id="queued"), a_job(id="scheduled", delay_s=600), a_job(id="waiting", after=("queued",)), a_job(id="x")]
    )
    await queue.cancel("x")
    for status in (JobStatus.SUCCEEDED, JobStatus.FAILED, JobStatus.RUNNING, JobStatus.SCHEDULED, JobStatus.WAITING):
        assert await ids(overview, status=status) == [status.value]
    assert sorted(await ids(overview, status=JobStatus.QUEUED)) == ["parked", "queued"]
    assert await ids(overview, status=JobStatus.CANCELLED) == ["x"]
    assert len(await ids(overview)) == 8


async def test_jobs_are_found_by_session_and_kind_in_all_lanes(queue: JobQueue, overview: QueueOverview) -> None:
    upload = UploadRequest(filename="a.csv", size_bytes=1, sha256="0" * 64)
    await queue.enqueue_many(
        [
            NewJob(request=upload, session_id="s", id="up", body=b"x"),
            NewJob(request=GenerateRequest(prompt="x"), session_id="s", id="gen"),
            NewJob(request=GenerateRequest(prompt="x"), session_id="t", id="other"),
            NewJob(request=RayStatusRequest(), id="ray"),
            a_job(id="tables", session_id="s"),
        ]
    )
    assert sorted(await ids(overview, session_id="s")) == ["gen", "tables", "up"]
    assert sorted(await ids(overview, kind=JobKind.GENERATE)) == ["gen", "other"]
    assert await ids(overview, kind=JobKind.TABLES, session_id="s", status=JobStatus.QUEUED) == ["tables"]
    assert await ids(overview, kind=JobKind.RAY, session_id="s") == []


async def test_the_newest_jobs_come_first_up_to_the_limit(
    redis: Redis, queue: JobQueue, overview: QueueOverview
) -> None:
    names = [f"j{number}" for number in range(300)]
    await queue.enqueue_many([a_job(id=name) for name in names])
    for number, name in enumerate(names[-10:]):
        await redis.hset(keys.job(name), "enqueued_at", str(9_000_000_000_000 + number))  # type: ignore[misc]  # as above
    assert await ids(overview, limit=3) == ["j299", "j298", "j297"]
    assert len(await ids(overview, limit=250)) == 250


@pytest.mark.parametrize("status", [JobStatus.QUEUED, JobStatus.SCHEDULED, None])
async def test_the_newest_jobs_that_have_not_ended_come_first_whatever_their_priority_and_delay(
    redis: Redis, queue: JobQueue, overview: QueueOverview, status: JobStatus | None
) -> None:
    urgent = a_job(id="high", priority=Priority.HIGH)
    jobs = [a_job(id="old"), a_job(id="late", delay_s=10_000), a_job(id="soon", delay_s=100), urgent]
    for number, job in enumerate(jobs):
        await queue.enqueue(job)
        await redis.hset(keys.job(job.id), "enqueued_at", str(9_000_000_000_000 + number))  # type: ignore[misc]  # as above
    [newest] = await overview.jobs(status=status, limit=1)
    assert newest.id == ("soon" if status is JobStatus.SCHEDULED else "high")


@pytest.mark.parametrize("paged", [False, True])
async def test_a_job_that_ends_while_the_sets_are_read_is_found(
    queue: JobQueue, lane: LaneQueue, overview: QueueOverview, monkeypatch: pytest.MonkeyPatch, *, paged: bool
) -> None:
    await queue.enqueue(a_job(id="j"))
    leases = [await take(lane)]

    def ends_after(read: Any) -> Any:
        async def read_and_end(*args: Any, **options: Any) -> Any:
            found = await read(*args, **options)
            if leases:
                await end(lane, leases.pop().succeeded(DONE))
            return found

        return read_and_end

    for reader, name in (
        (overview._search, "_of_set"),
        (overview._pages, "_by_score"),
        (overview._pages, "_unfinished"),
    ):
        monkeypatch.setattr(reader, name, ends_after(getattr(reader, name)))
    found = (await overview.page()).jobs if paged else await overview.jobs()
    assert [(job.id, job.status) for job in found] == [("j", JobStatus.SUCCEEDED)]
    assert leases == []


async def test_a_few_jobs_of_a_session_are_found_among_many(queue: JobQueue, overview: QueueOverview) -> None:
    await queue.enqueue_many([a_job(id="needle", session_id="s"), *(a_job(id=f"hay{number}") for number in range(500))])
    assert await ids(overview, session_id="s") == ["needle"]


async def test_vanished_and_unreadable_records_are_left_out(
    redis: Redis, queue: JobQueue, overview: QueueOverview
) -> None:
    await queue.enqueue_many([a_job(id=name) for name in ("good", "vanished", "odd", "text")])
    await redis.delete(keys.job("vanished"), keys.job("text"))
    await redis.set(keys.job("text"), "not a hash", ex=60)
    await redis.hset(keys.job("odd"), "progress", "{")  # type: ignore[misc]  # redis-py's sync/async union
    assert await ids(overview) == ["good"]
    assert (await upload_lane(overview)).queued == 4
