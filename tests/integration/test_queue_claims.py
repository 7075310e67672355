"""Claiming: every due job is claimed once, whoever competes for it and whatever other programs wrote into the lane."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from raylane_common.errors import QueueUnavailable
from raylane_common.redis.queue import JobQueue, LaneQueue
from raylane_common.redis.queue.scripts import Scripts
from tests.helpers import queue_keys
from tests.helpers.claims import claimed, die, end, error_code, fail, patient_lane, record, run, statuses, take
from tests.helpers.lanes import DONE, a_job, succeed, worker
from tests.helpers.queue_keys import keys
from tests.helpers.waiting import until

if TYPE_CHECKING:
    from typing import Any

    from redis.asyncio import Redis

LONG = 5_000


async def test_thousands_of_running_jobs_do_not_hide_new_ones_and_competitors_never_share_a_job(
    redis: Redis, queue: JobQueue, lane: LaneQueue
) -> None:
    await queue.enqueue_many([a_job(id=f"long{number}") for number in range(LONG)])
    assert len(await claimed(lane, LONG)) == LONG
    new = [f"new{number}" for number in range(400)]
    await queue.enqueue_many([a_job(id=name) for name in new])
    lanes = [patient_lane(redis, name=f"w{number}") for number in range(20)]
    found = await asyncio.gather(*(claimed(each, 20) for each in lanes))
    assert [len(ids) for ids in found] == [20] * 20, "each got its share in its first look"
    assert sorted(job_id for ids in found for job_id in ids) == sorted(new)
    assert await redis.zcard(keys.running("upload")) == LONG + 400


async def test_jobs_that_are_enqueued_while_many_workers_compete_run_once_each(redis: Redis, queue: JobQueue) -> None:
    names = [f"j{number}" for number in range(300)]
    lanes = [patient_lane(redis, name=f"w{number}") for number in range(10)]
    taken: list[str] = []

    async def work(lane: LaneQueue) -> None:
        while len(taken) < len(names):
            leases = (await lane.claim(7)).leases
            taken.extend(lease.job_id for lease in leases)
            assert all(await lane.finish([lease.succeeded(DONE) for lease in leases]))

    async def produce() -> None:
        for start in range(0, len(names), 30):
            await queue.enqueue_many([a_job(id=name) for name in names[start : start + 30]])

    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        group.create_task(produce())
        for lane in lanes:
            group.create_task(work(lane))
    assert sorted(taken) == sorted(names)
    assert {(await record(redis, name)).attempt for name in names} == {1}


async def test_a_claim_takes_no_more_than_its_limit(queue: JobQueue, lane: LaneQueue) -> None:
    await queue.enqueue_many([a_job(id=f"j{number}") for number in range(10)])
    claim = await lane.claim(3)
    assert ([lease.job_id for lease in claim.leases], claim.next_due_s) == (["j0", "j1", "j2"], 0)
    assert await claimed(lane, 3) == ["j3", "j4", "j5"]


async def test_a_claim_on_an_empty_lane_says_that_no_job_is_scheduled(lane: LaneQueue) -> None:
    claim = await lane.claim(5)
    assert (claim.leases, claim.next_due_s, claim.unreadable) == ([], None, [])


async def claim_and_lose_the_answer(lane: LaneQueue, limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server carries the claim out, but its answer does not arrive."""
    run = Scripts.run

    async def run_and_lose(scripts: Scripts, *arguments: Any, **options: Any) -> object:
        await run(scripts, *arguments, **options)
        raise QueueUnavailable("the connection broke") from RedisConnectionError()

    with monkeypatch.context() as patch:
        patch.setattr(Scripts, "run", run_and_lose)
        with pytest.raises(QueueUnavailable):
            await lane.claim(limit)


async def test_a_claim_whose_answer_was_lost_gives_the_same_jobs_again(
    redis: Redis, queue: JobQueue, lane: LaneQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    await queue.enqueue_many([a_job(id=f"j{number}") for number in range(5)])
    await claim_and_lose_the_answer(lane, 2, monkeypatch)
    assert await claimed(patient_lane(redis, name="other"), 1) == ["j2"]
    leases = (await lane.claim(3)).leases
    assert [(lease.job_id, lease.record.attempt) for lease in leases] == [("j0", 1), ("j1", 1), ("j3", 1)]
    assert await lane.finish([lease.succeeded(DONE) for lease in leases]) == [True] * 3
    assert await claimed(lane) == ["j4"]


async def test_jobs_of_a_lost_claim_that_another_worker_took_are_not_given_again(
    redis: Redis, queue: JobQueue, lane: LaneQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    await queue.enqueue(a_job(id="j"))
    await claim_and_lose_the_answer(lane, 1, monkeypatch)
    await die(redis, "j")
    assert await claimed(patient_lane(redis, name="other")) == ["j"]
    assert await claimed(lane) == []


async def test_a_lost_claim_that_is_repeated_after_its_leases_ran_out_gives_each_job_once(
    redis: Redis, queue: JobQueue, lane: LaneQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    await queue.enqueue_many([a_job(id="a"), a_job(id="b")])
    await claim_and_lose_the_answer(lane, 2, monkeypatch)
    await die(redis, "a")
    await die(redis, "b")
    leases = (await lane.claim(5)).leases
    assert sorted(lease.job_id for lease in leases) == ["a", "b"]
    assert await claimed(patient_lane(redis, name="other")) == []
    assert await lane.renew(leases) == ["held", "held"]


async def test_an_id_without_a_record_leaves_the_lane_and_does_not_stop_it(
    redis: Redis, queue: JobQueue, lane: LaneQueue
) -> None:
    await redis.set(keys.job("text"), "not a hash", ex=60)
    await redis.rpush(keys.job("list"), "x")  # type: ignore[misc]  # redis-py's sync/async union
    await redis.expire(keys.job("list"), 60)
    assert await claimed(lane) == []
    for set_of in (keys.queue, keys.schedule, keys.running, queue_keys.expiring):
        await redis.zadd(set_of("upload"), {"text": 1, "list": 1, "vanished": 1})
    await queue.enqueue(a_job(id="j"))
    assert await claimed(lane) == ["j"]
    for set_of in (keys.queue, keys.schedule, queue_keys.expiring):
        assert await redis.zcard(set_of("upload")) == 0
    assert await redis.zrange(keys.running("upload"), 0, -1) == ["j"]
    assert await redis.get(keys.job("text")) == "not a hash"


@pytest.mark.parametrize("missing", ["attempt", "lane", "enqueued_at", "payload", "kind", "v"])
async def test_a_record_that_lacks_a_field_fails_or_runs_and_does_not_stop_the_lane(redis: Redis, missing: str) -> None:
    queue = JobQueue(redis)
    await queue.enqueue_many([a_job(id="odd"), a_job(id="next")])
    await redis.hdel(keys.job("odd"), missing)  # type: ignore[misc]  # redis-py's sync/async union
    async with worker(redis, succeed):
        assert await queue.result("next", timeout_s=10) == DONE

        async def has_ended() -> bool:
            status = await redis.hget(keys.job("odd"), "status")  # type: ignore[misc]  # as above
            return status in ("succeeded", "failed")

        await until(has_ended)
    assert await redis.zcard(keys.running("upload")) == 0


@pytest.mark.parametrize(
    "change",
    [
        {"at": "soon"},
        {"attempt": "many"},
        {"max_attempts": "x"},
        {"expires_at": "x"},
        {"priority": "top"},
        {"owner": ""},
        {"started_at": "x"},
    ],
)
@pytest.mark.parametrize("status", ["queued", "scheduled", "running"])
async def test_a_record_with_an_odd_field_does_not_stop_the_lane(
    redis: Redis, queue: JobQueue, lane: LaneQueue, change: dict[str, str], status: str
) -> None:
    assert await claimed(lane) == []
    await queue.enqueue_many([a_job(id="odd"), a_job(id="next")])
    await redis.zrem(keys.queue("upload"), "odd")
    await redis.hset(keys.job("odd"), mapping={"status": status, **change})  # type: ignore[misc]  # redis-py's union
    place = {"queued": keys.queue, "scheduled": keys.schedule, "running": keys.running}[status]
    await redis.zadd(place("upload"), {"odd": 1})
    claim = await lane.claim(5)
    assert "next" in [lease.job_id for lease in claim.leases]
    everything = [*(lease.job_id for lease in claim.leases), *(each.job_id for each in claim.unreadable)]
    assert "odd" in everything


async def test_an_unreadable_record_is_claimed_so_that_it_can_fail(
    redis: Redis, queue: JobQueue, lane: LaneQueue
) -> None:
    await queue.enqueue_many([a_job(id="odd"), a_job(id="next")])
    await redis.hset(keys.job("odd"), "payload", "{")  # type: ignore[misc]  # redis-py's sync/async union
    claim = await lane.claim(5)
    assert [lease.job_id for lease in claim.leases] == ["next"]
    [unreadable] = claim.unreadable
    await end(lane, unreadable)
    assert await redis.hget(keys.job("odd"), "status") == "failed"  # type: ignore[misc]  # as above


async def test_an_overwritten_record_does_not_end_the_leases_of_others(
    redis: Redis, queue: JobQueue, lane: LaneQueue
) -> None:
    await queue.enqueue_many([a_job(id="a"), a_job(id="odd"), a_job(id="b")])
    leases = (await lane.claim(3)).leases
    await redis.set(keys.job("odd"), "not a hash", ex=60)
    assert await lane.renew(leases) == ["held", "lost", "held"]
    assert await lane.finish([lease.succeeded(DONE) for lease in leases]) == [True, False, True]


async def test_an_event_stream_that_was_overwritten_stops_neither_the_job_nor_the_lane(
    redis: Redis, queue: JobQueue, lane: LaneQueue
) -> None:
    await queue.enqueue_many([a_job(id="a"), a_job(id="odd"), a_job(id="b")])
    await redis.set(keys.job_events("odd"), "not a stream", ex=60)
    await redis.set(keys.job_attempts("odd"), "not a list", ex=60)
    leases = (await lane.claim(3)).leases
    assert [lease.job_id for lease in leases] == ["a", "odd", "b"]
    await die(redis, "odd")
    again = await take(lane)
    assert await lane.finish([lease.succeeded(DONE) for lease in (leases[0], again, leases[2])]) == [True] * 3
    assert await statuses(redis, "a", "odd", "b") == ["succeeded"] * 3


async def test_a_lease_that_ran_out_is_renewed_if_no_worker_has_claimed_the_job(
    redis: Redis, queue: JobQueue, lane: LaneQueue
) -> None:
    await queue.enqueue(a_job(id="j"))
    lease = await take(lane)
    await die(redis, "j")
    await lane.claim(0)
    assert await statuses(redis, "j") == ["queued"]
    assert await lane.renew([lease]) == ["held"]
    assert await statuses(redis, "j") == ["running"]
    assert await claimed(lane) == []
    await end(lane, lease.succeeded(DONE))


async def now_ms(redis: Redis) -> int:
    seconds, micros = await redis.time()
    return int(seconds * 1000 + micros // 1000)


async def test_an_attempt_that_began_on_a_server_that_was_replaced_is_not_booked_on_its_worker(
    redis: Redis, queue: JobQueue, lane: LaneQueue
) -> None:
    await queue.enqueue(a_job(id="j", max_attempts=2))
    await take(lane)
    # Its end may have been written to the old server only.
    await redis.set(queue_keys.pulse("upload"), "1 0123abcd", ex=60)
    assert await claimed(lane) == []
    replaced_at_ms = await now_ms(redis)

    async def a_millisecond_has_passed() -> bool:
        return await now_ms(redis) > replaced_at_ms

    await until(a_millisecond_has_passed)
    await die(redis, "j")
    assert (await take(lane)).record.attempt == 1
    assert await queue.attempts("j") == []
    await die(redis, "j")
    assert (await take(lane)).record.attempt == 2
    assert [attempt.error.code for attempt in await queue.attempts("j")] == ["worker_lost"]
    await die(redis, "j")
    assert await claimed(lane) == []
    assert await error_code(redis, "j") == "worker_lost"


async def test_leases_outlast_an_absence_of_the_server(redis: Redis, queue: JobQueue, lane: LaneQueue) -> None:
    await queue.enqueue(a_job(id="j"))
    lease = await take(lane)
    # No worker reached the server for longer than a lease, so the server was away.
    await redis.set(queue_keys.pulse("upload"), "1", ex=60)
    await die(redis, "j")
    assert await claimed(patient_lane(redis, name="other")) == []
    assert await lane.renew([lease]) == ["held"]


async def test_claims_of_one_lane_do_not_touch_another(redis: Redis, queue: JobQueue) -> None:
    await queue.enqueue(a_job(id="j"))
    before = await redis.zrange(keys.queue("upload"), 0, -1, withscores=True)
    ray = LaneQueue(redis, "ray", worker="w", lease_s=60, max_attempts={}, result_ttl_s=60)
    assert await claimed(ray) == []
    assert await redis.zrange(keys.queue("upload"), 0, -1, withscores=True) == before


async def test_many_outcomes_are_written_in_one_call_each_for_itself(
    redis: Redis, queue: JobQueue, lane: LaneQueue
) -> None:
    await queue.enqueue_many([a_job(id=f"j{number}") for number in range(4)])
    assert [await run(lane), await fail(lane)] == ["j0", "j1"]
    leases = (await lane.claim(2)).leases
    await die(redis, "j2")
    other = await take(patient_lane(redis, name="other"))
    assert await lane.finish([lease.succeeded(DONE) for lease in leases]) == [False, True]
    assert (other.job_id, await statuses(redis, "j2", "j3")) == ("j2", ["running", "succeeded"])
