"""Faults that the queue's scripts once had, each with the shortest history that shows it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from raylane_common.redis.queue import JobQueue
from tests.helpers import queue_keys
from tests.helpers.claims import PERMANENT, claimed, die, error_code, patient_lane, run, statuses, take
from tests.helpers.lanes import DONE, a_job
from tests.helpers.queue_keys import keys

if TYPE_CHECKING:
    from redis.asyncio import Redis

DAY_S = timedelta(days=1).total_seconds()


async def test_no_lease_is_lost_if_a_renewal_is_the_first_contact_after_the_server_was_away(
    redis: Redis,
) -> None:
    await JobQueue(redis).enqueue_many([a_job(id="a"), a_job(id="b")])
    first, second = patient_lane(redis, name="w1"), patient_lane(redis, name="w2")
    lease, other = await take(first), await take(second)
    for job_id in ("a", "b"):
        await die(redis, job_id)
    _, of_server = str(await redis.get(queue_keys.pulse("upload"))).split()
    await redis.set(queue_keys.pulse("upload"), f"1 {of_server}", keepttl=True)
    assert await first.renew([lease]) == ["held"]
    assert await claimed(patient_lane(redis, name="w3")) == []
    assert await second.renew([other]) == ["held"]


async def test_the_owner_of_a_job_that_failed_as_lost_is_not_told_that_its_own_outcome_was_written(
    redis: Redis,
) -> None:
    await JobQueue(redis).enqueue(a_job(id="a", max_attempts=1))
    lane = patient_lane(redis)
    lease = await take(lane)
    await die(redis, "a")
    assert await claimed(lane) == []
    assert await error_code(redis, "a") == "worker_lost"
    assert await lane.finish([lease.succeeded(DONE)]) == [False]


async def test_the_record_of_a_delayed_job_that_waits_outlives_its_delay(redis: Redis) -> None:
    queue, lane = JobQueue(redis), patient_lane(redis)
    await queue.enqueue_many([a_job(id="a"), a_job(id="b", after=("a",), delay_s=20 * DAY_S)])
    assert await lane.janitor().sweep()
    assert await run(lane) == "a"
    assert await statuses(redis, "b") == ["scheduled"]
    assert await redis.ttl(keys.job("b")) == -1


async def test_a_later_job_with_the_same_id_does_not_inherit_failed_attempts(redis: Redis) -> None:
    queue, lane = JobQueue(redis), patient_lane(redis, result_ttl_s=60)
    await queue.enqueue(a_job(id="a"))
    lease = await take(lane)
    assert await lane.finish([lease.failed(PERMANENT)]) == [True]
    assert [attempt.error.code for attempt in await queue.attempts("a")] == [PERMANENT.code]
    assert 0 < await redis.ttl(keys.job_attempts("a")) <= 60


async def test_what_a_sweep_writes_for_a_parked_job_has_a_time_to_live(redis: Redis) -> None:
    # The fixture's check for keys without a time to live fails here.
    await JobQueue(redis).enqueue_many([a_job(id="a", session_id="s"), a_job(id="b", session_id="s")])
    lane = patient_lane(redis, per_session=1)
    assert await claimed(lane) == ["a"]
    await redis.delete(queue_keys.session_parked("s", "upload"))
    assert await lane.janitor().sweep()
    assert await redis.zscore(queue_keys.session_parked("s", "upload"), "b") is not None


async def test_no_expired_job_starts_however_many_have_expired_at_once(redis: Redis) -> None:
    jobs = [a_job(expires_s=DAY_S) for _ in range(1100)]
    await JobQueue(redis).enqueue_many(jobs)
    async with redis.pipeline(transaction=False) as pipe:
        for job in jobs:
            pipe.hset(keys.job(job.id), "expires_at", "1")
            pipe.zadd(queue_keys.expiring("upload"), {job.id: 1})
        await pipe.execute()
    assert await claimed(patient_lane(redis)) == []
    assert await redis.exists(keys.queue("upload"), queue_keys.expiring("upload")) == 0


async def test_a_later_job_with_the_same_id_does_not_wait_for_what_an_expired_one_waited_for(redis: Redis) -> None:
    queue, lane = JobQueue(redis), patient_lane(redis)
    await queue.enqueue_many([a_job(id="a"), a_job(id="b", after=("a",), expires_s=DAY_S)])
    await redis.zadd(queue_keys.expiring("upload"), {"b": 1})
    assert await claimed(lane) == ["a"]
    assert await statuses(redis, "b") == ["failed"]
    assert await redis.exists(queue_keys.job_after("b")) == 0
