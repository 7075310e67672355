"""A follower is told which events it cannot see because they are no longer kept."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from raylane_common.redis.queue.scripts import EVENTS_MAX
from raylane_common.wire.jobs import EventType, JobStatus
from tests.helpers.claims import TRANSIENT, end, run, take
from tests.helpers.lanes import DONE, a_job
from tests.helpers.queue_keys import keys
from tests.helpers.waiting import until

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from raylane_common.redis.queue import JobQueue, LaneQueue, Lease
    from raylane_common.wire.jobs import JobEvent

ENQUEUED_AND_STARTED = 2


async def everything(queue: JobQueue, job_id: str, **options: Any) -> list[JobEvent]:
    async with asyncio.timeout(60):
        return [event async for event in queue.follow(job_id, **options)]


async def print_lines(lease: Lease, first: int, last: int) -> None:
    """Adds the lines `first` to `last - 1`, in this order."""
    for number in range(first, last):
        await lease.log(str(number))


def lines(events: list[JobEvent]) -> list[int]:
    return [int(event.line) for event in events if event.line is not None]


async def test_a_late_follower_of_many_events_is_told_how_many_it_cannot_see(queue: JobQueue, lane: LaneQueue) -> None:
    await queue.enqueue(a_job(id="j"))
    lease = await take(lane)
    await print_lines(lease, 0, 2 * EVENTS_MAX)
    await end(lane, lease.succeeded(DONE))
    gap, *kept = await everything(queue, "j")
    assert gap.type is EventType.GAP
    assert gap.missing == ENQUEUED_AND_STARTED + lines(kept)[0] > 0
    assert lines(kept) == list(range(lines(kept)[0], 2 * EVENTS_MAX))
    assert kept[-1].status is JobStatus.SUCCEEDED
    assert gap.at == kept[0].at


async def test_a_follower_of_a_short_job_is_told_of_no_gap(queue: JobQueue, lane: LaneQueue) -> None:
    await queue.enqueue(a_job(id="j"))
    lease = await take(lane)
    await print_lines(lease, 0, EVENTS_MAX // 2)
    await end(lane, lease.succeeded(DONE))
    assert all(event.type is not EventType.GAP for event in await everything(queue, "j"))


async def test_a_follower_that_falls_behind_is_told_exactly_what_it_missed(queue: JobQueue, lane: LaneQueue) -> None:
    await queue.enqueue(a_job(id="j"))
    lease = await take(lane)
    await print_lines(lease, 0, 10)
    follower = queue.follow("j")
    seen = [await anext(follower) for _ in range(ENQUEUED_AND_STARTED + 5)]
    await print_lines(lease, 10, 2 * EVENTS_MAX)
    await end(lane, lease.succeeded(DONE))
    seen += [event async for event in follower]
    [(place, gap)] = [(place, event) for place, event in enumerate(seen) if event.type is EventType.GAP]
    before, after = lines(seen[:place]), lines(seen[place:])
    assert before == list(range(len(before)))
    assert after == list(range(after[0], 2 * EVENTS_MAX))
    assert gap.missing == after[0] - len(before)


async def test_a_follower_that_has_seen_all_that_was_dropped_is_told_of_no_gap(
    redis: Redis, queue: JobQueue, lane: LaneQueue
) -> None:
    await queue.enqueue(a_job(id="j"))
    lease = await take(lane)
    await print_lines(lease, 0, 10)
    follower = queue.follow("j")
    seen = [await anext(follower) for _ in range(ENQUEUED_AND_STARTED + 10)]
    await print_lines(lease, 10, 300)
    await end(lane, lease.succeeded(DONE))
    assert await redis.xtrim(keys.job_events("j"), minid=seen[-1].id, approximate=False) == len(seen) - 1
    await redis.xtrim(keys.job_events("j"), maxlen=290 + 1, approximate=False)
    seen += [event async for event in follower]
    assert lines(seen) == list(range(300))
    assert all(event.type is not EventType.GAP for event in seen)


async def test_a_follower_that_waits_in_a_blocking_read_learns_of_a_gap_too(
    redis: Redis, queue: JobQueue, lane: LaneQueue
) -> None:
    await queue.enqueue(a_job(id="j"))
    lease = await take(lane)
    seen: list[JobEvent] = []
    go_on = asyncio.Event()

    async def follow() -> None:
        async for event in queue.follow("j"):
            seen.append(event)
            if event.line == "0":
                await go_on.wait()

    following = asyncio.create_task(follow())
    await print_lines(lease, 0, 1)
    await until(lambda: lines(seen) == [0])
    await print_lines(lease, 1, 2 * EVENTS_MAX)
    go_on.set()
    await end(lane, lease.succeeded(DONE))
    await asyncio.wait_for(following, 60)
    [gap] = [event for event in seen if event.type is EventType.GAP]
    assert gap.missing == lines(seen)[1] - 1


async def test_continuing_after_an_event_that_is_no_longer_kept_tells_of_a_gap_of_unknown_size(
    queue: JobQueue, lane: LaneQueue
) -> None:
    await queue.enqueue(a_job(id="j"))
    lease = await take(lane)
    await print_lines(lease, 0, 10)
    follower = queue.follow("j")
    last_seen = [await anext(follower) for _ in range(6)][-1]
    await print_lines(lease, 10, 2 * EVENTS_MAX)
    await end(lane, lease.succeeded(DONE))
    gap, *kept = await everything(queue, "j", after=last_seen.id)
    assert (gap.type, gap.missing) == (EventType.GAP, None)
    assert await everything(queue, "j", after=gap.id) == kept, "who has been told continues without being told again"
    assert await everything(queue, "j", after=kept[0].id) == kept[1:]


async def test_the_events_that_a_requeue_removes_are_no_gap(queue: JobQueue, lane: LaneQueue) -> None:
    await queue.enqueue(a_job(id="j"))
    lease = await take(lane)
    await print_lines(lease, 0, 5)
    await end(lane, lease.failed(TRANSIENT))
    last_seen = (await everything(queue, "j"))[-1]
    await queue.requeue("j")
    await run(lane)
    statuses = ["queued", "running", "succeeded"]
    assert [event.status for event in await everything(queue, "j")] == statuses
    assert [event.status for event in await everything(queue, "j", after=last_seen.id)] == statuses


async def test_a_gap_after_a_requeue_counts_only_the_events_of_the_new_round(
    redis: Redis, queue: JobQueue, lane: LaneQueue
) -> None:
    await queue.enqueue(a_job(id="j"))
    lease = await take(lane)
    await print_lines(lease, 0, 50)
    await end(lane, lease.failed(TRANSIENT))
    await queue.requeue("j")
    lease = await take(lane)
    await print_lines(lease, 0, 2 * EVENTS_MAX)
    await end(lane, lease.succeeded(DONE))
    gap, *kept = await everything(queue, "j")
    assert (gap.type, gap.missing) == (EventType.GAP, ENQUEUED_AND_STARTED + lines(kept)[0])
    assert int(await redis.hget(keys.job("j"), "cleared_events") or 0) == ENQUEUED_AND_STARTED + 50 + 1  # type: ignore[misc]  # redis-py's union


async def test_waiting_for_a_job_with_many_events_returns_its_record(queue: JobQueue, lane: LaneQueue) -> None:
    await queue.enqueue(a_job(id="j"))
    lease = await take(lane)
    waiting = asyncio.create_task(queue.wait("j", 60))
    await print_lines(lease, 0, EVENTS_MAX)
    await end(lane, lease.succeeded(DONE))
    assert (await waiting).status is JobStatus.SUCCEEDED


@pytest.mark.parametrize(
    ("after", "told"),
    [
        ("0-0", ["gap", "status"]),
        ("1-0", ["status"]),
        ("18446744073709551615-18446744073709551615", []),
    ],
)
async def test_a_stream_that_was_emptied_does_not_stop_its_follower(
    redis: Redis, queue: JobQueue, lane: LaneQueue, after: str, told: list[str]
) -> None:
    await queue.enqueue(a_job(id="j"))
    lease = await take(lane)
    await end(lane, lease.succeeded(DONE))
    await redis.xtrim(keys.job_events("j"), maxlen=0)
    assert [event.type for event in await everything(queue, "j", after=after)] == told
