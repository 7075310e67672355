"""A bounded number of a session's jobs runs at once; the others wait in order, whatever happens to those."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from tests.helpers import queue_keys
from tests.helpers.claims import PERMANENT, TRANSIENT, claimed, come_due, die, end, patient_lane, run, statuses, take
from tests.helpers.lanes import DONE, a_job, worker
from tests.helpers.queue_keys import keys
from tests.helpers.waiting import until

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from raylane_common.redis.queue import JobQueue, LaneQueue
    from raylane_common.wire.jobs import NewJob
    from raylane_common.wire.tables import DatabasesResult
    from raylane_worker.context import JobContext


@pytest.fixture
def lane(redis: Redis) -> LaneQueue:
    return patient_lane(redis, per_session=1)


def of_session(session_id: str, *names: str, **options: Any) -> list[NewJob]:
    return [a_job(id=name, session_id=session_id, **options) for name in names]


async def swept(redis: Redis, lane: LaneQueue) -> None:
    await redis.delete(keys.janitor("upload"))
    assert await lane.janitor().sweep()


async def test_one_job_of_a_session_runs_at_a_time_and_others_wait_in_their_order(
    redis: Redis, queue: JobQueue, lane: LaneQueue
) -> None:
    await queue.enqueue_many(of_session("s", "a", "b", "c"))
    assert await claimed(lane) == ["a"]
    assert await claimed(lane) == []
    assert await statuses(redis, "a", "b", "c") == ["running", "queued", "queued"]
    await die(redis, "a")
    assert [await run(lane) for _ in range(3)] == ["a", "b", "c"]


async def test_other_sessions_and_jobs_without_a_session_are_not_held_up(queue: JobQueue, lane: LaneQueue) -> None:
    await queue.enqueue_many(
        [*of_session("s", "a", "b"), *of_session("t", "x", "y"), a_job(id="free"), a_job(id="too")]
    )
    assert await claimed(lane) == ["a", "x", "free", "too"]


async def test_a_limit_of_two_lets_two_run(queue: JobQueue, redis: Redis) -> None:
    lane = patient_lane(redis, per_session=2)
    await queue.enqueue_many(of_session("s", "a", "b", "c", "d"))
    leases = (await lane.claim(10)).leases
    assert [lease.job_id for lease in leases] == ["a", "b"]
    await end(lane, leases[1].succeeded(DONE))
    assert await claimed(lane) == ["c"]
    await end(lane, leases[0].succeeded(DONE))
    assert await claimed(lane) == ["d"]


async def test_a_worker_never_runs_two_jobs_of_a_session_and_keeps_their_order(redis: Redis, queue: JobQueue) -> None:
    running: dict[str, int] = {}
    seen: dict[str, list[str]] = {}
    most = 0

    async def work(request: Any, ctx: JobContext) -> DatabasesResult:
        nonlocal most
        session = ctx.session_id
        running[session] = running.get(session, 0) + 1
        most = max(most, running[session])
        seen.setdefault(session, []).append(ctx.job_id)
        await asyncio.sleep(0)
        running[session] -= 1
        return DONE

    names = {session: [f"{session}{number}" for number in range(20)] for session in ("a", "b", "c")}
    batch = [of_session(session, names[session][number])[0] for number in range(20) for session in names]
    async with worker(redis, work, per_session=1), worker(redis, work, per_session=1, name="w2"):
        await queue.enqueue_many(batch)
        await asyncio.gather(*(queue.wait(job.id, timeout_s=60) for job in batch))
    assert most == 1
    assert seen == names


async def test_a_job_that_is_tried_again_keeps_its_slot(redis: Redis, queue: JobQueue, lane: LaneQueue) -> None:
    await queue.enqueue_many(of_session("s", "a", "b"))
    await end(lane, (await take(lane)).retried(TRANSIENT, 600))
    assert await claimed(lane) == []
    await come_due(redis, "a")
    assert await run(lane) == "a"
    assert await run(lane) == "b"


async def test_a_job_that_was_put_back_keeps_its_slot(redis: Redis, queue: JobQueue, lane: LaneQueue) -> None:
    await queue.enqueue_many(of_session("s", "a", "b"))
    await end(lane, (await take(lane)).returned())
    other = patient_lane(redis, per_session=1, name="w2")
    assert await claimed(other) == ["a"]


async def test_a_job_whose_worker_died_keeps_its_slot_until_it_fails_as_lost(
    redis: Redis, queue: JobQueue, lane: LaneQueue
) -> None:
    await queue.enqueue_many(of_session("s", "a", "b", max_attempts=2))
    for _ in range(2):
        assert await claimed(lane) == ["a"]
        await die(redis, "a")
    assert await claimed(lane) == ["b"]
    assert await statuses(redis, "a", "b") == ["failed", "running"]


@pytest.mark.parametrize("ending", ["failed", "cancelled", "succeeded"])
async def test_the_next_job_of_a_session_runs_however_the_one_before_it_ends(
    redis: Redis, queue: JobQueue, lane: LaneQueue, ending: str
) -> None:
    await queue.enqueue_many(of_session("s", "a", "b"))
    lease = await take(lane)
    assert await claimed(lane) == []
    ends = {"failed": lease.failed, "cancelled": lease.cancelled}
    await end(lane, ends[ending](PERMANENT) if ending in ends else lease.succeeded(DONE))
    assert await claimed(lane) == ["b"]
    assert await redis.smembers(queue_keys.session_slots("s", "upload")) == {"b"}  # type: ignore[misc]  # redis-py's union


async def test_a_vanished_job_does_not_keep_its_slot(redis: Redis, queue: JobQueue, lane: LaneQueue) -> None:
    await queue.enqueue_many(of_session("s", "a"))
    await take(lane)
    await redis.delete(keys.job("a"))
    await queue.enqueue_many(of_session("s", "b"))
    assert await claimed(lane) == ["b"]


async def test_the_janitor_gives_the_slot_of_a_vanished_job_to_the_next_one(
    redis: Redis, queue: JobQueue, lane: LaneQueue
) -> None:
    await queue.enqueue_many(of_session("s", "a", "b", "c"))
    await take(lane)
    assert await claimed(lane) == []
    await redis.delete(keys.job("a"))
    await swept(redis, lane)
    assert await claimed(lane) == ["b"]
    assert await statuses(redis, "c") == ["queued"]


async def test_the_janitor_gives_out_more_slots_when_the_limit_was_raised(
    redis: Redis, queue: JobQueue, lane: LaneQueue
) -> None:
    await queue.enqueue_many(of_session("s", "a", "b", "c"))
    await take(lane)
    assert await claimed(lane) == []
    await swept(redis, patient_lane(redis, per_session=2))
    assert await claimed(patient_lane(redis, per_session=2)) == ["b"]


async def test_without_a_limit_the_janitor_gives_every_job_a_slot(
    redis: Redis, queue: JobQueue, lane: LaneQueue
) -> None:
    names = [f"j{number}" for number in range(10)]
    await queue.enqueue_many(of_session("s", *names))
    assert await claimed(lane) == ["j0"]
    free = patient_lane(redis)
    await swept(redis, free)
    assert await claimed(free) == names[1:]


@pytest.mark.parametrize("ending", ["cancelled", "vanished"])
async def test_a_slot_is_passed_on_when_its_job_ends_before_it_was_claimed(
    redis: Redis, queue: JobQueue, lane: LaneQueue, ending: str
) -> None:
    await queue.enqueue_many(of_session("s", "a", "b", "c"))
    lease = await take(lane)
    assert await claimed(lane) == []
    await end(lane, lease.succeeded(DONE))
    if ending == "cancelled":
        await queue.cancel("b")
    else:
        await redis.delete(keys.job("b"))
        assert await claimed(lane) == []
        await swept(redis, lane)
    assert await claimed(lane) == ["c"]


async def test_a_parked_job_of_higher_priority_goes_first(redis: Redis, queue: JobQueue, lane: LaneQueue) -> None:
    await queue.enqueue_many(of_session("s", "a", "b"))
    await queue.enqueue_many(of_session("s", "urgent", priority="high"))
    assert await claimed(lane) == ["urgent"]
    await die(redis, "urgent")
    assert [await run(lane) for _ in range(3)] == ["urgent", "a", "b"]


async def test_thousands_of_parked_jobs_do_not_hide_the_others(redis: Redis, queue: JobQueue) -> None:
    gate = asyncio.Event()

    async def hold_the_session(request: Any, ctx: JobContext) -> DatabasesResult:
        if ctx.record.session_id == "busy":
            await gate.wait()
        return DONE

    await queue.enqueue_many(of_session("busy", *(f"b{number}" for number in range(4000))))
    async with worker(redis, hold_the_session, concurrency=2, per_session=1):
        await queue.enqueue_many(of_session("quick", "x", "y"))
        assert await queue.result("y", timeout_s=10) == DONE
        assert await statuses(redis, "b0", "b1", "b3999") == ["running", "queued", "queued"]

        async def all_parked() -> bool:
            return bool(await redis.zcard(keys.parked("upload")) == 3999)

        await until(all_parked)


async def test_nothing_of_a_session_is_left_when_its_jobs_have_ended(
    redis: Redis, queue: JobQueue, lane: LaneQueue
) -> None:
    await queue.enqueue_many(of_session("s", "a", "b", "c"))
    assert [await run(lane) for _ in range(3)] == ["a", "b", "c"]
    held = [queue_keys.session_slots("s", "upload"), queue_keys.session_parked("s", "upload"), keys.parked("upload")]
    assert await redis.exists(*held) == 0
