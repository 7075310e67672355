"""The janitor: one worker repairs what a crash, an eviction or another program may leave in a lane."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import pytest

from raylane_common.errors import InvalidRequest
from raylane_common.redis.queue import JobQueue, LaneQueue, janitor
from raylane_common.redis.queue.janitor import SWEEP_EVERY_S
from raylane_common.wire.jobs import JobStatus, NewJob
from raylane_common.wire.upload import UploadRequest
from tests.helpers import queue_keys
from tests.helpers.claims import (
    TRANSIENT,
    claimed,
    die,
    end,
    error_code,
    expire,
    finals,
    let_expire,
    patient_lane,
    run,
    statuses,
    take,
)
from tests.helpers.lanes import DONE, a_job, succeed, worker
from tests.helpers.queue_keys import keys
from tests.helpers.waiting import until

if TYPE_CHECKING:
    from redis.asyncio import Redis


@pytest.fixture(autouse=True)
def _hears(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, logger="raylane.queue")


async def sweep(redis: Redis, lane: LaneQueue) -> None:
    """One sweep that also searches for stray jobs, whoever swept before."""
    await redis.delete(keys.janitor(lane.lane))
    assert await lane.janitor().sweep()


async def forget(redis: Redis, job_id: str) -> None:
    """Takes a job out of every set, as if the server had lost those writes."""
    removed = [await redis.zrem(key, job_id) for key in [key async for key in redis.scan_iter(_type="zset")]]
    assert sum(removed) >= 1


async def test_a_lane_in_order_is_left_as_it_is(
    redis: Redis, queue: JobQueue, caplog: pytest.LogCaptureFixture
) -> None:
    lane = patient_lane(redis, per_session=1)
    await queue.enqueue_many(
        [
            a_job(id="running", session_id="s"),
            a_job(id="parked", session_id="s"),
            a_job(id="parked-too", session_id="s"),
            a_job(id="scheduled", delay_s=600, expires_s=1000),
            a_job(id="waiting", after=("running",)),
        ]
    )
    await claimed(lane)
    await queue.enqueue(a_job(id="queued"))
    for _ in range(2):
        await sweep(redis, lane)
    assert await statuses(redis, "running", "parked", "scheduled", "waiting", "queued") == [
        *("running", "queued", "scheduled", "waiting", "queued")
    ]
    assert caplog.records == []
    assert await claimed(lane) == ["queued"]


async def test_a_session_whose_next_job_is_in_the_queue_is_left_as_it_is(
    redis: Redis, queue: JobQueue, caplog: pytest.LogCaptureFixture
) -> None:
    lane = patient_lane(redis, per_session=1)
    await queue.enqueue_many([a_job(id=name, session_id="s") for name in ("a", "b", "c", "d")])
    lease = await take(lane)
    assert await claimed(lane) == []
    await end(lane, lease.succeeded(DONE))
    for _ in range(3):
        await sweep(redis, lane)
    assert caplog.records == []
    assert await redis.zrange(keys.queue("upload"), 0, -1) == ["b"]


async def test_a_job_that_waits_for_a_vanished_one_fails_and_names_it(
    redis: Redis, queue: JobQueue, lane: LaneQueue
) -> None:
    await queue.enqueue_many([a_job(id="a"), a_job(id="b", after=("a",)), a_job(id="c", after=("b",))])
    await redis.delete(keys.job("a"))
    await sweep(redis, lane)
    assert [await error_code(redis, job_id) for job_id in ("b", "c")] == ["dependency_failed"] * 2
    assert (await finals(redis, "b"), await finals(redis, "c")) == (["failed"], ["failed"])
    assert await redis.zcard(keys.waiting("upload")) == 0


@pytest.mark.parametrize(
    ("status", "expected"), [("succeeded", "queued"), ("failed", "failed"), ("cancelled", "failed")]
)
async def test_a_waiting_job_that_missed_the_end_of_its_dependency_is_released_or_failed(
    redis: Redis, queue: JobQueue, lane: LaneQueue, status: str, expected: str
) -> None:
    await queue.enqueue_many([a_job(id="a"), a_job(id="b", after=("a",))])
    await redis.hset(keys.job("a"), "status", status)  # type: ignore[misc]  # redis-py's sync/async union
    await let_expire(redis, "a")
    await sweep(redis, lane)
    assert await statuses(redis, "b") == [expected]


async def test_a_job_that_waits_for_a_key_of_another_program_fails(
    redis: Redis, queue: JobQueue, lane: LaneQueue
) -> None:
    await queue.enqueue_many([a_job(id="a"), a_job(id="b", after=("a",)), a_job(id="c"), a_job(id="d", after=("c",))])
    await redis.set(keys.job("a"), "not a hash", ex=60)
    await sweep(redis, lane)
    assert await statuses(redis, "b", "d") == ["failed", "waiting"]


async def test_all_waiting_jobs_are_checked_in_turn(redis: Redis, queue: JobQueue, lane: LaneQueue) -> None:
    names = [f"w{number}" for number in range(250)]
    await queue.enqueue_many([a_job(id="a"), a_job(id="b"), *(a_job(id=name, after=("a",)) for name in names[:240])])
    await queue.enqueue_many([a_job(id=name, after=("b",)) for name in names[240:]])
    await redis.delete(keys.job("b"))
    for _ in range(3):
        await sweep(redis, lane)
    assert set(await statuses(redis, *names[240:])) == {"failed"}
    assert await redis.zcard(keys.waiting("upload")) == 240


async def test_a_waiting_or_parked_job_that_is_checked_does_not_expire_from_redis(
    redis: Redis, queue: JobQueue
) -> None:
    lane = patient_lane(redis, per_session=1)
    await queue.enqueue_many(
        [a_job(id="a", session_id="s"), a_job(id="parked", session_id="s"), a_job(id="waiting", after=("a",))]
    )
    await claimed(lane)
    for job_id in ("parked", "waiting"):
        await redis.expire(keys.job(job_id), 100)
    await sweep(redis, lane)
    for job_id in ("parked", "waiting"):
        assert await redis.ttl(keys.job(job_id)) == -1


async def test_entries_of_vanished_jobs_are_removed(redis: Redis, queue: JobQueue) -> None:
    lane = patient_lane(redis, per_session=1)
    for set_of in (keys.waiting, keys.parked, queue_keys.expiring):
        await redis.zadd(set_of("upload"), {"vanished": 1})
    await redis.zadd(queue_keys.session_parked("s", "upload"), {"vanished": 1})
    await redis.expire(queue_keys.session_parked("s", "upload"), 60)
    await sweep(redis, lane)
    assert await redis.exists(keys.waiting("upload"), keys.parked("upload"), queue_keys.expiring("upload")) == 0


async def test_jobs_expire_even_while_all_workers_are_busy(redis: Redis, queue: JobQueue, lane: LaneQueue) -> None:
    await queue.enqueue(a_job(id="j", expires_s=60))
    await expire(redis, "j")
    await sweep(redis, lane)
    assert await error_code(redis, "j") == "expired"


async def test_a_sessions_lost_list_of_parked_jobs_is_rebuilt(redis: Redis, queue: JobQueue) -> None:
    lane = patient_lane(redis, per_session=1)
    await queue.enqueue_many([a_job(id=name, session_id="s") for name in ("a", "b", "c")])
    lease = await take(lane)
    assert await claimed(lane) == []
    await redis.delete(queue_keys.session_parked("s", "upload"))
    await sweep(redis, lane)
    await end(lane, lease.succeeded(DONE))
    assert [await run(lane), await run(lane)] == ["b", "c"]


@pytest.mark.parametrize("status", ["queued", "scheduled", "waiting", "running", "parked"])
async def test_a_job_in_no_set_is_put_into_the_set_of_its_status(
    redis: Redis, queue: JobQueue, status: str, caplog: pytest.LogCaptureFixture
) -> None:
    lane = patient_lane(redis, per_session=1)
    await queue.enqueue_many(
        [a_job(id="first", session_id="s"), a_job(id="queued"), a_job(id="parked", session_id="s")]
    )
    await queue.enqueue_many([a_job(id="scheduled", delay_s=600), a_job(id="waiting", after=("first",))])
    first, *_ = (await lane.claim(10)).leases
    if status != "queued":
        await queue.cancel("queued")
    if status == "running":
        lost, before = "first", "running"
    else:
        lost, before = status, "queued" if status == "parked" else status
    if status == "queued":
        await queue.enqueue(a_job(id="another"))
        lost = "another"
    await forget(redis, lost)
    await sweep(redis, lane)
    assert lost in caplog.text
    assert await statuses(redis, lost) == [before]
    place = {"queued": keys.queue, "scheduled": keys.schedule, "waiting": keys.waiting, "running": keys.running}[before]
    assert await redis.zscore(place("upload"), lost) is not None
    caplog.clear()
    await sweep(redis, lane)
    assert lost not in caplog.text
    if status == "running":
        assert await lane.renew([first]) == ["held"]
    if status == "scheduled":
        assert await claimed(lane) == []


async def test_a_running_job_that_nobody_holds_runs_again(redis: Redis, queue: JobQueue, lane: LaneQueue) -> None:
    await queue.enqueue(a_job(id="j"))
    await take(lane)
    await forget(redis, "j")
    await sweep(redis, lane)
    await die(redis, "j")
    assert await claimed(lane) == ["j"]


async def test_broken_records_of_a_lane_end_and_stop_nothing(redis: Redis, queue: JobQueue, lane: LaneQueue) -> None:
    await redis.set(keys.job("a-string"), "x", ex=60)
    odd = {
        "no-status": {"kind": "tables", "lane": "upload"},
        "no-lane": {"status": "queued", "kind": "tables"},
        "odd-status": {"status": "dancing", "lane": "upload"},
        "odd-lane": {"status": "queued", "lane": "fast"},
    }
    for job_id, fields in odd.items():
        await redis.hset(keys.job(job_id), mapping=fields)  # type: ignore[misc]  # redis-py's sync/async union
        await redis.expire(keys.job(job_id), 60)
    await queue.enqueue(a_job(id="stray"))
    await forget(redis, "stray")
    await sweep(redis, lane)
    claim = await lane.claim(10)
    assert [lease.job_id for lease in claim.leases] == ["stray"]
    assert [outcome.job_id for outcome in claim.unreadable] == ["no-lane"]
    assert {key async for key in redis.scan_iter(keys.queue("*"))} == set()
    found = {job_id: await redis.hget(keys.job(job_id), "status") for job_id in odd}  # type: ignore[misc]  # as above
    assert found == {"no-status": "failed", "no-lane": "running", "odd-status": "failed", "odd-lane": "queued"}


def an_upload(job_id: str) -> NewJob:
    request = UploadRequest(filename="a.csv", size_bytes=1, sha256="0" * 64)
    return NewJob(request=request, session_id="s", id=job_id, body=b"x")


async def test_bodies_that_no_job_needs_are_deleted_and_the_others_kept(
    redis: Redis, queue: JobQueue, lane: LaneQueue
) -> None:
    await queue.enqueue_many([an_upload(name) for name in ("dead", "done", "running", "queued")])
    await end(lane, (await take(lane)).failed(TRANSIENT))
    assert [await run(lane), await claimed(lane, 1)] == ["done", ["running"]]
    for job_id in ("done", "orphan"):
        await redis.set(keys.job_body(job_id), b"x", ex=600)
    await sweep(redis, lane)
    kept = [job_id for job_id in ("dead", "done", "running", "queued", "orphan") if await _has_body(redis, job_id)]
    assert kept == ["dead", "running", "queued"]


async def _has_body(redis: Redis, job_id: str) -> bool:
    return bool(await redis.exists(keys.job_body(job_id)))


async def test_lists_of_ended_jobs_stay_bounded(
    redis: Redis, queue: JobQueue, lane: LaneQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(janitor, "_LONGEST_LIST", 5)
    await queue.enqueue_many([a_job(id=f"j{number}") for number in range(10)])
    leases = (await lane.claim(10)).leases
    await lane.finish([lease.failed(TRANSIENT) for lease in leases])
    for number, lease in enumerate(leases):
        await redis.zadd(keys.ended("upload"), {lease.job_id: number}, incr=True)
    await redis.zadd(keys.dead("upload"), {"j0": 1})
    await sweep(redis, lane)
    assert await redis.zrange(keys.ended("upload"), 0, -1) == [f"j{number}" for number in range(5, 10)]
    assert await redis.zscore(keys.dead("upload"), "j0") is None
    assert await redis.zcard(keys.dead("upload")) == 9


async def test_a_second_sweep_changes_nothing_more(
    redis: Redis, queue: JobQueue, lane: LaneQueue, caplog: pytest.LogCaptureFixture
) -> None:
    await queue.enqueue_many([a_job(id="a"), a_job(id="b", after=("a",)), a_job(id="c"), a_job(id="d", delay_s=600)])
    await redis.delete(keys.job("a"))
    for job_id in ("c", "d"):
        await forget(redis, job_id)
    await redis.set(keys.job_body("orphan"), b"x", ex=60)
    await sweep(redis, lane)
    assert caplog.records
    caplog.clear()
    before = await _places(redis)
    await sweep(redis, lane)
    assert (caplog.records, await _places(redis)) == ([], before)


async def _places(redis: Redis) -> dict[str, list[str]]:
    found = sorted([key async for key in redis.scan_iter(_type="zset")])
    return {key: await redis.zrange(key, 0, -1) for key in found}


async def test_one_of_many_janitors_sweeps(redis: Redis) -> None:
    janitors = [patient_lane(redis, name=f"w{number}").janitor() for number in range(10)]
    assert sorted(await asyncio.gather(*(each.sweep() for each in janitors))) == [False] * 9 + [True]
    assert 0 < await redis.pttl(keys.janitor("upload")) < SWEEP_EVERY_S * 1000


async def test_janitors_of_other_lanes_do_not_wait_for_each_other(redis: Redis) -> None:
    lanes = [
        LaneQueue(redis, name, worker="w", lease_s=60, max_attempts={}, result_ttl_s=60) for name in ("ray", "upload")
    ]
    assert [await each.janitor().sweep() for each in lanes] == [True, True]


async def test_all_records_are_checked_over_several_sweeps(
    redis: Redis, queue: JobQueue, lane: LaneQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(janitor, "_KEYS_PER_SEARCH", 20)
    names = [f"j{number}" for number in range(100)]
    await queue.enqueue_many([a_job(id=name) for name in names])
    await redis.delete(keys.queue("upload"))
    one = lane.janitor()

    async def all_back() -> bool:
        await redis.delete(keys.janitor("upload"))
        await one.sweep()
        return bool(await redis.zcard(keys.queue("upload")) == len(names))

    await until(all_back)
    assert sorted(await claimed(lane, 200)) == sorted(names)


async def test_every_worker_has_a_janitor(redis: Redis, queue: JobQueue) -> None:
    await queue.enqueue(a_job(id="j"))
    await redis.delete(keys.queue("upload"))
    async with worker(redis, succeed):
        assert await queue.result("j", timeout_s=10) == DONE


async def test_a_waiting_job_that_is_in_no_set_ends_with_the_job_that_it_comes_after(
    queue: JobQueue, lane: LaneQueue, redis: Redis
) -> None:
    await queue.enqueue_many([a_job(id="first"), a_job(id="second", after=("first",))])
    await redis.zrem(keys.waiting("upload"), "second")
    [lease] = (await lane.claim(1)).leases
    await lane.finish([lease.failed(InvalidRequest("no"))])
    record = await queue.record("second")
    assert record.status is JobStatus.FAILED
    assert record.error is not None
    assert record.error.code == "dependency_failed"
