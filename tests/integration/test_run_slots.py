"""The counted limit of runs per cluster: the scripts on a real server, one step at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from raylane_common.errors import LeaseLost
from raylane_common.wire.jobs import ClusterRuns
from tests.helpers.claims import PERMANENT, TRANSIENT, claimed, come_due, die, end, statuses
from tests.helpers.lanes import DONE, a_job
from tests.helpers.queue_keys import keys

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from raylane_common.redis.queue import JobQueue, LaneQueue, Lease, QueueOverview
    from raylane_common.wire.jobs import Priority

CLUSTER = "session_1"


async def running(queue: JobQueue, lane: LaneQueue, *names: str, **options: Any) -> list[Lease]:
    """Enqueues jobs and claims them. A name such as `a1` is the first job of session `a`; `-1` has no session."""
    for name in names:
        await queue.enqueue(a_job(id=f"j{name}", session_id=name[:-1].strip("-") or None, **options))
    leases = {lease.job_id: lease for lease in (await lane.claim(100)).leases}
    return [leases[f"j{name}"] for name in names]


async def ask(lease: Lease, limit: int = 2, cluster: str = CLUSTER) -> bool:
    """Asks for a slot; returns whether the job has one."""
    return bool((await lease.take_run_slot(cluster, limit)).is_held)


async def holders(redis: Redis, cluster: str = CLUSTER) -> list[str]:
    return sorted(await redis.zrange(keys.run_slots(cluster), 0, -1))


async def line(redis: Redis, cluster: str = CLUSTER) -> list[str]:
    return list(await redis.zrange(keys.run_line(cluster), 0, -1))


async def swept(redis: Redis, lane: LaneQueue) -> None:
    await redis.delete(keys.janitor("upload"))
    assert await lane.janitor().sweep()


async def test_no_more_jobs_than_the_limit_get_a_slot(redis: Redis, queue: JobQueue, lane: LaneQueue) -> None:
    leases = await running(queue, lane, "a1", "b1", "c1", "d1")
    assert [await ask(lease) for lease in leases] == [True, True, False, False]
    slot = await leases[3].take_run_slot(CLUSTER, 2)
    assert (slot.taken, slot.waiting, slot.is_in_the_way) == (2, 2, "no")
    assert await ask(leases[0]), "a job that asks again still has its slot"
    assert await holders(redis) == ["ja1", "jb1"]


@pytest.mark.parametrize("ending", ["succeeded", "failed", "cancelled"])
async def test_the_end_of_a_job_gives_its_slot_to_the_next_in_line(
    redis: Redis, queue: JobQueue, lane: LaneQueue, ending: str
) -> None:
    first, second, third = await running(queue, lane, "a1", "b1", "c1")
    assert [await ask(each, 1) for each in (first, second, third)] == [True, False, False]
    ends = {"failed": first.failed, "cancelled": first.cancelled}
    await end(lane, ends[ending](PERMANENT) if ending in ends else first.succeeded(DONE))
    assert await holders(redis) == ["jb1"]
    assert await line(redis) == ["jc1"]
    assert await ask(second, 1)
    await end(lane, second.succeeded(DONE))
    await end(lane, third.succeeded(DONE))
    assert await redis.exists(keys.run_slots(CLUSTER), keys.run_line(CLUSTER)) == 0


async def test_sessions_take_turns_and_a_session_keeps_its_order(
    redis: Redis, queue: JobQueue, lane: LaneQueue
) -> None:
    leases = await running(queue, lane, "a1", "a2", "a3", "a4", "b1", "b2", "c1", "-1", "-2")
    by_id = {lease.job_id: lease for lease in leases}
    for lease in reversed(leases):
        await ask(lease, 1)
    # The last one asked first and found a free slot.
    order = await holders(redis)
    while by_id:
        await end(lane, by_id.pop(order[-1]).succeeded(DONE))
        order += await holders(redis)
    assert order == ["j-2", "ja1", "jb1", "jc1", "j-1", "ja2", "jb2", "ja3", "ja4"]


async def test_the_session_with_the_fewest_runs_goes_first(redis: Redis, queue: JobQueue, lane: LaneQueue) -> None:
    leases = await running(queue, lane, "a1", "a2", "a3", "a4", "b1", "b2", "c1", "-1", "-2")
    by_id = {lease.job_id: lease for lease in leases}
    assert [await ask(lease, 3) for lease in leases] == [True] * 3 + [False] * 6
    served: list[str] = []
    for name in ("ja1", "ja2", "jb1", "ja3", "jc1", "j-1"):
        before = await holders(redis)
        await end(lane, by_id[name].succeeded(DONE))
        served += sorted(set(await holders(redis)) - set(before))
    # Jobs without a session count as one session.
    assert served == ["jb1", "jc1", "j-1", "ja4", "jb2", "j-2"]


async def test_a_job_of_high_priority_is_further_ahead_in_line(redis: Redis, queue: JobQueue, lane: LaneQueue) -> None:
    first, normal = await running(queue, lane, "a1", "b1")
    priority: Priority | str = "high"
    (urgent,) = await running(queue, lane, "c1", priority=priority)
    assert [await ask(each, 1) for each in (first, normal, urgent)] == [True, False, False]
    await end(lane, first.succeeded(DONE))
    assert await holders(redis) == ["jc1"]


async def test_the_next_attempt_of_a_job_has_its_slot(redis: Redis, queue: JobQueue, lane: LaneQueue) -> None:
    first, second, waiting = await running(queue, lane, "a1", "b1", "c1", max_attempts=5)
    assert [await ask(each) for each in (first, second, waiting)] == [True, True, False]
    await die(redis, "ja1")
    await end(lane, second.retried(TRANSIENT, 600))
    assert await holders(redis) == ["ja1", "jb1"]
    await come_due(redis, "jb1")
    again = (await lane.claim(10)).leases
    assert sorted(lease.job_id for lease in again) == ["ja1", "jb1"]
    assert [await ask(each) for each in again] == [True, True]
    with pytest.raises(LeaseLost):
        await ask(first)
    assert not await ask(waiting)


async def test_a_job_that_holds_a_slot_is_claimed_before_all_others(
    redis: Redis, queue: JobQueue, lane: LaneQueue
) -> None:
    (holder,) = await running(queue, lane, "a1")
    assert await ask(holder)
    await queue.enqueue(a_job(id="urgent", priority="high"))
    await end(lane, holder.returned())
    assert await claimed(lane, 1) == ["ja1"]


async def test_a_job_of_a_lost_worker_frees_its_slot_when_its_attempts_are_used_up(
    redis: Redis, queue: JobQueue, lane: LaneQueue
) -> None:
    first, second = await running(queue, lane, "a1", "b1", max_attempts=1)
    assert [await ask(first, 1), await ask(second, 1)] == [True, False]
    await die(redis, "ja1")
    assert await claimed(lane) == []
    assert await statuses(redis, "ja1") == ["failed"]
    assert await holders(redis) == ["jb1"]


async def test_who_returns_to_the_lane_keeps_the_place_in_line(redis: Redis, queue: JobQueue, lane: LaneQueue) -> None:
    leases = await running(queue, lane, "a1", "b1", "c1")
    assert [await ask(lease, 1) for lease in leases] == [True, False, False]
    await end(lane, leases[1].returned())
    assert await line(redis) == ["jc1"]
    [again] = (await lane.claim(10)).leases
    assert not await ask(again, 1)
    assert await line(redis) == ["jb1", "jc1"]


async def test_a_slot_goes_to_no_job_whose_attempt_is_gone(redis: Redis, queue: JobQueue, lane: LaneQueue) -> None:
    leases = await running(queue, lane, "a1", "b1", "c1", "d1", "e1")
    assert [await ask(lease, 1) for lease in leases] == [True] + [False] * 4
    await die(redis, "jb1")
    await lane.claim(0)
    await queue.cancel("jc1")
    await redis.delete(keys.job("jd1"))
    await end(lane, leases[0].succeeded(DONE))
    assert await holders(redis) == ["je1"]
    assert await line(redis) == []


async def test_a_job_that_is_cancelled_while_it_waits_leaves_the_line(
    redis: Redis, queue: JobQueue, lane: LaneQueue
) -> None:
    first, second = await running(queue, lane, "a1", "b1")
    assert [await ask(first, 1), await ask(second, 1)] == [True, False]
    await queue.cancel("jb1")
    await end(lane, second.cancelled(PERMANENT))
    assert await line(redis) == []


async def test_the_slot_of_a_vanished_job_is_taken_by_who_asks(redis: Redis, queue: JobQueue, lane: LaneQueue) -> None:
    first, second = await running(queue, lane, "a1", "b1")
    assert [await ask(first, 1), await ask(second, 1)] == [True, False]
    await redis.delete(keys.job("ja1"))
    assert await ask(second, 1)


async def test_a_later_job_with_the_id_of_a_vanished_one_has_no_slot(
    redis: Redis, queue: JobQueue, lane: LaneQueue
) -> None:
    first, second = await running(queue, lane, "a1", "b1")
    assert [await ask(first, 1), await ask(second, 1)] == [True, False]
    await redis.delete(keys.job("ja1"))
    await queue.enqueue(a_job(id="ja1"))
    assert await ask(second, 1)


async def test_the_janitor_passes_on_the_slot_of_a_vanished_job(redis: Redis, queue: JobQueue, lane: LaneQueue) -> None:
    first, second = await running(queue, lane, "a1", "b1")
    assert [await ask(first, 1), await ask(second, 1)] == [True, False]
    await redis.delete(keys.job("ja1"))
    await swept(redis, lane)
    assert await holders(redis) == ["jb1"]
    await end(lane, second.succeeded(DONE))
    await swept(redis, lane)
    assert await redis.exists(keys.run_limits) == 0


async def test_a_higher_limit_lets_more_jobs_run_and_a_lower_one_stops_none(
    redis: Redis, queue: JobQueue, lane: LaneQueue
) -> None:
    leases = await running(queue, lane, "a1", "b1", "c1", "d1")
    assert [await ask(lease, 1) for lease in leases] == [True, False, False, False]
    assert await ask(leases[3], 3) is False
    assert await holders(redis) == ["ja1", "jb1", "jc1"]
    assert await ask(leases[3], 1) is False
    await end(lane, leases[0].succeeded(DONE))
    await end(lane, leases[1].succeeded(DONE))
    assert await holders(redis) == ["jc1"]


async def test_two_clusters_do_not_share_a_limit(redis: Redis, queue: JobQueue, lane: LaneQueue) -> None:
    first, second, third = await running(queue, lane, "a1", "b1", "c1")
    assert await ask(first, 1, "one")
    assert await ask(second, 1, "two")
    assert not await ask(third, 1, "one")


async def test_a_job_whose_cluster_was_replaced_asks_for_a_slot_of_the_new_one(
    redis: Redis, queue: JobQueue, lane: LaneQueue
) -> None:
    first, second, third = await running(queue, lane, "a1", "b1", "c1")
    assert [await ask(each, 1, "old") for each in (first, second, third)] == [True, False, False]
    assert await ask(second, 1, "new")
    assert await line(redis, "old") == ["jc1"]
    assert not await ask(first, 1, "new")
    assert await holders(redis, "old") == ["jc1"], "the slot of the old cluster is passed on"
    assert await line(redis, "new") == ["ja1"]


async def test_a_slot_can_be_freed_before_the_end(redis: Redis, queue: JobQueue, lane: LaneQueue) -> None:
    first, second = await running(queue, lane, "a1", "b1")
    assert [await ask(first, 1), await ask(second, 1)] == [True, False]
    await first.free_run_slot()
    await first.free_run_slot()
    assert await holders(redis) == ["jb1"]
    await end(lane, first.succeeded(DONE))
    assert await holders(redis) == ["jb1"]
    with pytest.raises(LeaseLost):
        await first.free_run_slot()


async def test_a_waiting_job_learns_that_queued_jobs_need_its_place(
    redis: Redis, queue: JobQueue, lane: LaneQueue
) -> None:
    first, second = await running(queue, lane, "a1", "b1")
    await ask(first, 1)
    assert (await second.take_run_slot(CLUSTER, 1)).is_in_the_way == "no"
    await queue.enqueue(a_job(id="queued"))
    assert (await second.take_run_slot(CLUSTER, 1)).is_in_the_way == "yes"


@pytest.mark.parametrize("state", ["its worker died", "queued", "due"])
async def test_one_waiting_job_gives_way_at_once_to_a_job_that_holds_a_slot(
    redis: Redis, queue: JobQueue, lane: LaneQueue, state: str
) -> None:
    first, second, third = await running(queue, lane, "a1", "b1", "c1")
    await ask(first, 1)
    if state == "its worker died":
        await die(redis, "ja1")
    else:
        await end(lane, first.returned(TRANSIENT, 0 if state == "queued" else 600))
    if state == "due":
        assert (await second.take_run_slot(CLUSTER, 1)).is_in_the_way == "no"
        await come_due(redis, "ja1")
    needs = [(await each.take_run_slot(CLUSTER, 1)).is_in_the_way for each in (second, third)]
    assert needs == ["now", "yes"]
    await end(lane, second.returned(None, 600))
    assert await claimed(lane, 1) == ["ja1"]


async def test_a_hundred_slots_are_given_out_when_the_limit_rises(
    redis: Redis, queue: JobQueue, lane: LaneQueue
) -> None:
    leases = await running(queue, lane, *(f"s{number}" for number in range(10, 100)))
    for lease in leases:
        await ask(lease, 1)
    for lease in leases[:9]:
        await ask(lease, 60)
    assert await redis.zcard(keys.run_slots(CLUSTER)) == 60


async def test_an_operator_sees_the_runs_of_each_cluster(
    queue: JobQueue, lane: LaneQueue, overview: QueueOverview
) -> None:
    assert await overview.cluster_runs() == []
    for lease in await running(queue, lane, "a1", "b1", "c1"):
        await ask(lease, 2)
    assert await overview.cluster_runs() == [ClusterRuns(CLUSTER, taken=2, limit=2, waiting=1)]


async def test_nothing_that_is_kept_for_runs_lives_forever(redis: Redis, queue: JobQueue, lane: LaneQueue) -> None:
    for lease in await running(queue, lane, "a1", "b1", "c1"):
        await ask(lease, 2)
    for key in (keys.run_limits, keys.run_slots(CLUSTER), keys.run_line(CLUSTER)):
        assert 0 < await redis.ttl(key) <= 30 * 24 * 3600
