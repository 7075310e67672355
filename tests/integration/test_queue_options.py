"""The options of a job: after, delay and at, expires, priority, unique, max_attempts."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from raylane_common.errors import DependencyFailed, InvalidRequest, JobExpired, StorageUnavailable
from raylane_common.redis.queue import JobQueue, LaneQueue
from raylane_common.wire.jobs import JobStatus, NewJob
from raylane_common.wire.tables import ListTablesRequest
from raylane_common.wire.upload import UploadRequest
from tests.helpers import queue_keys
from tests.helpers.claims import (
    PERMANENT,
    TRANSIENT,
    claimed,
    come_due,
    die,
    end,
    error_code,
    expire,
    fail,
    finals,
    patient_lane,
    record,
    run,
    statuses,
    take,
)
from tests.helpers.lanes import DONE, a_job, succeed, worker
from tests.helpers.queue_keys import keys

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from raylane_worker.context import JobContext

HOUR_MS = 3_600_000


async def test_a_job_starts_after_all_that_it_comes_after_have_succeeded(
    redis: Redis, queue: JobQueue, lane: LaneQueue
) -> None:
    await queue.enqueue_many([a_job(id="a"), a_job(id="b"), a_job(id="last", after=("a", "b", "a"))])
    assert await statuses(redis, "last") == ["waiting"]
    assert [await run(lane), await statuses(redis, "last")] == ["a", ["waiting"]]
    assert [await run(lane), await statuses(redis, "last")] == ["b", ["queued"]]
    assert await run(lane) == "last"
    seen = [event.status async for event in queue.follow("last")]
    assert seen == ["waiting", "queued", "running", "succeeded"]


async def test_a_retry_neither_releases_nor_fails_the_jobs_that_wait(
    redis: Redis, queue: JobQueue, lane: LaneQueue
) -> None:
    await queue.enqueue_many([a_job(id="a"), a_job(id="b", after=("a",))])
    await end(lane, (await take(lane)).retried(TRANSIENT, 0))
    assert await statuses(redis, "a", "b") == ["queued", "waiting"]


async def test_a_job_fails_with_its_dependency_and_names_it(redis: Redis, queue: JobQueue, lane: LaneQueue) -> None:
    await queue.enqueue_many([a_job(id="a"), a_job(id="b", after=("a",))])
    assert await fail(lane) == "a"
    with pytest.raises(DependencyFailed, match="job a, which this job comes after, failed") as caught:
        await queue.result("b", timeout_s=5)
    assert caught.value.details == {"job_id": "a"}
    assert await claimed(lane) == []


async def test_all_jobs_after_a_cancelled_one_fail_and_each_end_is_announced_once(
    redis: Redis, queue: JobQueue
) -> None:
    await queue.enqueue_many(
        [
            a_job(id="root"),
            a_job(id="left", after=("root",)),
            a_job(id="right", after=("root",)),
            a_job(id="both", after=("left", "right")),
            a_job(id="leaf", after=("both",)),
        ]
    )
    assert await queue.cancel("root") is JobStatus.CANCELLED
    assert await statuses(redis, "root", "left", "right", "both", "leaf") == ["cancelled", *["failed"] * 4]
    for job_id in ("left", "right", "both", "leaf"):
        assert (await finals(redis, job_id), await error_code(redis, job_id)) == (["failed"], "dependency_failed")
    assert await redis.zcard(keys.waiting("upload")) == 0


async def test_a_chain_across_lanes_runs_in_its_order(redis: Redis, queue: JobQueue) -> None:
    seen: list[str] = []

    async def note(request: Any, ctx: JobContext) -> Any:
        seen.append(ctx.job_id)
        return DONE

    names = [f"j{number}" for number in range(10)]
    upload = UploadRequest(filename="a.csv", size_bytes=1, sha256="0" * 64)
    jobs = [NewJob(request=upload, session_id="s", id="j0", body=b"x")]
    jobs += [a_job(id=name, after=(before,)) for before, name in itertools.pairwise(names)]
    async with worker(redis, note):
        await queue.enqueue_many(jobs)
        assert await queue.result("j9", timeout_s=60) == DONE
    assert seen == names


async def test_a_job_after_one_that_does_not_exist_is_refused_and_nothing_is_written(
    redis: Redis, queue: JobQueue
) -> None:
    await queue.enqueue(a_job(id="a"))
    before = {key async for key in redis.scan_iter()}
    with pytest.raises(InvalidRequest, match="no job nope") as caught:
        await queue.enqueue(a_job(id="b", session_id="s", after=("a", "nope"), unique="u", expires_s=9))
    assert caught.value.details["field"] == "after"
    assert {key async for key in redis.scan_iter()} == before


async def test_a_job_after_itself_is_refused(queue: JobQueue) -> None:
    with pytest.raises(InvalidRequest, match="no job b"):
        await queue.enqueue(a_job(id="b", after=("b",)))


async def test_a_job_after_ended_ones_starts_at_once_or_fails_at_once(
    redis: Redis, queue: JobQueue, lane: LaneQueue
) -> None:
    await queue.enqueue_many([a_job(id="good"), a_job(id="bad"), a_job(id="gone")])
    assert [await run(lane), await fail(lane), await queue.cancel("gone")] == ["good", "bad", "cancelled"]
    await queue.enqueue_many([a_job(id="1", after=("good",)), a_job(id="2", after=("good", "bad"))])
    await queue.enqueue(a_job(id="3", after=("gone",)))
    assert await statuses(redis, "1", "2", "3") == ["queued", "failed", "failed"]
    assert [await finals(redis, job_id) for job_id in ("2", "3")] == [["failed"], ["failed"]]
    with pytest.raises(DependencyFailed, match="job gone, which this job comes after, was cancelled"):
        await queue.result("3", timeout_s=5)
    assert await claimed(lane) == ["1"]


async def test_a_batch_refuses_only_the_job_whose_dependency_is_missing_and_the_jobs_after_it(
    queue: JobQueue, lane: LaneQueue
) -> None:
    outcomes = await queue.enqueue_many(
        [a_job(id="a"), a_job(id="b", after=("later",)), a_job(id="c", after=("b",)), a_job(id="later")]
    )
    assert [(it.id, it.created, it.error and it.error.code) for it in outcomes] == [
        ("a", True, None),
        ("b", False, "invalid_request"),
        ("c", False, "invalid_request"),
        ("later", True, None),
    ]
    assert await claimed(lane) == ["a", "later"]


async def test_a_delayed_job_is_scheduled_and_not_taken_before_its_time(
    redis: Redis, queue: JobQueue, lane: LaneQueue
) -> None:
    at = datetime.now(UTC) + timedelta(hours=2)
    await queue.enqueue_many([a_job(id="delay", delay_s=3600), a_job(id="at", at=at), a_job(id="now")])
    assert await statuses(redis, "delay", "at", "now") == ["scheduled", "scheduled", "queued"]
    assert await claimed(lane) == ["now"]
    assert (await record(redis, "at")).at == int(at.timestamp() * 1000 + 0.999)
    claim = await lane.claim(1)
    assert claim.next_due_s is not None
    assert claim.next_due_s <= 60, "the running job's lease ends before the delay does"


async def test_a_job_for_a_time_that_has_passed_starts_now(redis: Redis, queue: JobQueue, lane: LaneQueue) -> None:
    await queue.enqueue(a_job(id="late", at=datetime(2020, 1, 1, tzinfo=UTC)))
    assert await statuses(redis, "late") == ["queued"]
    assert await claimed(lane) == ["late"]


async def test_scheduled_jobs_run_in_the_order_of_their_times_and_behind_jobs_that_were_ready_before(
    redis: Redis, queue: JobQueue, lane: LaneQueue
) -> None:
    delays = {"third": 0.3, "first": 0.1, "second": 0.2}
    await queue.enqueue_many([a_job(id=name, delay_s=delay_s) for name, delay_s in delays.items()])
    await queue.enqueue(a_job(id="ready"))
    taken: list[str] = []
    while len(taken) < 4:
        taken += await claimed(lane, 1)
    assert taken == ["ready", "first", "second", "third"]
    seen = [event.status async for event in _until_running(queue, "first")]
    assert seen == ["scheduled", "queued", "running"]


async def _until_running(queue: JobQueue, job_id: str) -> Any:
    async for event in queue.follow(job_id):
        yield event
        if event.status is JobStatus.RUNNING:
            return


async def test_a_worker_sleeps_until_a_scheduled_job_is_due_and_then_runs_it(redis: Redis, queue: JobQueue) -> None:
    async with worker(redis, succeed):
        job_id = await queue.enqueue(a_job(delay_s=0.5))
        assert await queue.result(job_id, timeout_s=10) == DONE
    done = await record(redis, job_id)
    assert done.started_at is not None
    assert done.at is not None
    assert done.started_at >= done.at


async def test_a_delayed_job_with_dependencies_waits_for_both(redis: Redis, queue: JobQueue, lane: LaneQueue) -> None:
    await queue.enqueue_many([a_job(id="a"), a_job(id="b", after=("a",), delay_s=3600)])
    assert await statuses(redis, "b") == ["waiting"]
    await run(lane)
    assert await statuses(redis, "b") == ["scheduled"]
    assert await claimed(lane) == []
    await come_due(redis, "b")
    assert await claimed(lane) == ["b"]


async def test_a_job_that_has_not_started_in_time_expires(redis: Redis, queue: JobQueue, lane: LaneQueue) -> None:
    await queue.enqueue_many(
        [a_job(id="first"), a_job(id="queued", expires_s=60), a_job(id="scheduled", expires_s=60, delay_s=600)]
    )
    await queue.enqueue(a_job(id="waiting", expires_s=60, after=("first",)))
    for job_id in ("queued", "scheduled", "waiting"):
        await expire(redis, job_id)
    assert await claimed(lane) == ["first"]
    for job_id in ("queued", "scheduled", "waiting"):
        with pytest.raises(JobExpired):
            await queue.result(job_id, timeout_s=5)
        assert await finals(redis, job_id) == ["failed"]
    lanes = (keys.queue, keys.schedule, keys.waiting, queue_keys.expiring)
    assert [await redis.zcard(set_of("upload")) for set_of in lanes] == [0, 0, 0, 0]


async def test_a_parked_job_expires_too(redis: Redis, queue: JobQueue) -> None:
    lane = patient_lane(redis, per_session=1)
    await queue.enqueue_many([a_job(id="holder", session_id="s"), a_job(id="parked", session_id="s", expires_s=60)])
    assert await claimed(lane) == ["holder"]
    assert await redis.zrange(keys.parked("upload"), 0, -1) == ["parked"]
    await expire(redis, "parked")
    await lane.claim(1)
    assert await error_code(redis, "parked") == "expired"
    assert await redis.exists(keys.parked("upload"), queue_keys.session_parked("s", "upload")) == 0


async def test_the_jobs_after_an_expired_one_fail(redis: Redis, queue: JobQueue, lane: LaneQueue) -> None:
    await queue.enqueue_many([a_job(id="a", expires_s=60), a_job(id="b", after=("a",))])
    await expire(redis, "a")
    assert await claimed(lane) == []
    assert await error_code(redis, "b") == "dependency_failed"


@pytest.mark.parametrize("way_back", ["running", "retried", "given back", "worker lost"])
async def test_a_job_that_started_in_time_does_not_expire(
    redis: Redis, queue: JobQueue, lane: LaneQueue, way_back: str
) -> None:
    await queue.enqueue(a_job(id="j", expires_s=60))
    lease = await take(lane)
    if way_back == "retried":
        await end(lane, lease.retried(TRANSIENT, 0))
    if way_back == "given back":
        await end(lane, lease.returned())
    if way_back == "worker lost":
        await die(redis, "j")
    await expire(redis, "j")
    expected = [] if way_back == "running" else ["j"]
    assert await claimed(lane) == expected
    assert await statuses(redis, "j") == ["running"]


async def test_a_lane_takes_high_before_normal_before_low_and_each_in_order(queue: JobQueue, lane: LaneQueue) -> None:
    names = [f"{priority}{number}" for number in range(2) for priority in ("low", "normal", "high")]
    await queue.enqueue_many([a_job(id=name, priority=name[:-1]) for name in names])
    assert await claimed(lane) == ["high0", "high1", "normal0", "normal1", "low0", "low1"]


async def test_a_low_job_that_has_waited_for_an_hour_comes_before_new_normal_ones(
    redis: Redis, queue: JobQueue, lane: LaneQueue
) -> None:
    await queue.enqueue_many([a_job(id="old", priority="low"), a_job(id="older", priority="low")])
    for job_id in ("old", "older"):
        await redis.zincrby(keys.queue("upload"), -HOUR_MS - 1000, job_id)
    await queue.enqueue_many([a_job(id="new"), a_job(id="urgent", priority="high")])
    assert await claimed(lane) == ["urgent", "old", "older", "new"]


async def test_a_job_keeps_its_priority_when_it_is_tried_again(queue: JobQueue, lane: LaneQueue) -> None:
    await queue.enqueue(a_job(id="low", priority="low"))
    lease = await take(lane)
    await queue.enqueue(a_job(id="normal"))
    await end(lane, lease.retried(TRANSIENT, 0))
    assert await claimed(lane) == ["normal", "low"]


async def test_enqueueing_returns_the_unfinished_job_with_the_same_unique_key(
    redis: Redis, queue: JobQueue, lane: LaneQueue
) -> None:
    assert await queue.enqueue(a_job(id="a", unique="u")) == "a"
    assert await queue.enqueue(a_job(id="b", unique="u")) == "a"
    await end(lane, (await take(lane)).retried(TRANSIENT, 600))
    [outcome] = await queue.enqueue_many([a_job(id="c", unique="u")])
    assert (outcome.id, outcome.created, outcome.error) == ("a", False, None)
    assert await redis.exists(keys.job("b"), keys.job("c")) == 0


@pytest.mark.parametrize("ending", ["succeeded", "failed", "cancelled", "expired", "vanished"])
async def test_a_unique_key_is_free_once_its_job_has_ended(
    redis: Redis, queue: JobQueue, lane: LaneQueue, ending: str
) -> None:
    await queue.enqueue(a_job(id="a", unique="u", expires_s=60))
    if ending == "cancelled":
        await queue.cancel("a")
    elif ending == "expired":
        await expire(redis, "a")
        await lane.claim(1)
    elif ending == "vanished":
        await redis.delete(keys.job("a"))
    else:
        lease = await take(lane)
        await end(lane, lease.succeeded(DONE) if ending == "succeeded" else lease.failed(PERMANENT))
    assert await queue.enqueue(a_job(id="b", unique="u")) == "b"
    assert await queue.enqueue(a_job(id="c", unique="u")) == "b"


async def test_a_unique_key_belongs_to_one_kind_of_job(queue: JobQueue) -> None:
    upload = UploadRequest(filename="a.csv", size_bytes=1, sha256="0" * 64)
    await queue.enqueue(a_job(id="tables", unique="u"))
    assert await queue.enqueue(NewJob(request=upload, session_id="s", id="up", body=b"x", unique="u")) == "up"


async def test_the_end_of_an_old_job_does_not_free_the_key_of_a_newer_one(redis: Redis, queue: JobQueue) -> None:
    await queue.enqueue(a_job(id="a", unique="u"))
    await redis.delete(queue_keys.unique("tables", "u"))
    await queue.enqueue(a_job(id="b", unique="u"))
    await queue.cancel("a")
    assert await queue.enqueue(a_job(id="c", unique="u")) == "b"


@pytest.mark.parametrize(("own", "attempts"), [(1, 1), (5, 5), (None, 3)])
async def test_a_job_may_have_its_own_number_of_attempts(redis: Redis, own: int | None, attempts: int) -> None:
    async def break_down(request: Any, ctx: JobContext) -> Any:
        raise StorageUnavailable("again")

    queue = JobQueue(redis)
    async with worker(redis, break_down, max_attempts=3):
        job_id = await queue.enqueue(a_job(max_attempts=own))
        ended = await queue.wait(job_id, timeout_s=60)
    assert (ended.status, ended.attempt, ended.max_attempts) == (JobStatus.FAILED, attempts, attempts)
    assert [attempt.number for attempt in await queue.attempts(job_id)] == list(range(1, attempts + 1))


async def test_the_same_id_with_other_options_is_still_the_first_job(redis: Redis, queue: JobQueue) -> None:
    request = ListTablesRequest(database="d")
    await queue.enqueue(NewJob(request=request, id="a"))
    assert await queue.enqueue(NewJob(request=request, id="a", delay_s=60, priority="low", unique="u")) == "a"
    assert (await record(redis, "a")).priority == "normal"
    assert await redis.zcard(keys.schedule("upload")) == 0
