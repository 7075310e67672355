"""What followers of a job see: every event once and in order, also over cut connections and after a requeue."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from raylane_common.errors import JobNotFound
from raylane_common.redis.connection import connect
from raylane_common.redis.queue import JobQueue, LaneQueue
from raylane_common.redis.queue.scripts import EVENTS_MAX
from raylane_common.settings import RedisSettings
from raylane_common.wire.jobs import EventType, JobStatus, Progress
from tests.helpers.claims import PERMANENT, TRANSIENT, end, finals, run, take
from tests.helpers.lanes import DONE, a_job
from tests.helpers.queue_keys import keys
from tests.helpers.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from redis.asyncio import Redis

    from raylane_common.wire.jobs import JobEvent
    from raylane_worker.embedded import EmbeddedValkey


@pytest.fixture
async def far(valkey: EmbeddedValkey) -> AsyncIterator[Redis]:
    """Another connection, like that of another process."""
    client = connect(RedisSettings.model_validate({"url": valkey.url}))
    yield client
    await client.aclose()


def contents(events: list[JobEvent]) -> list[str]:
    return [str(it.line or it.text or (it.progress.stage if it.progress else it.status)) for it in events]


async def everything(queue: JobQueue, job_id: str, **options: Any) -> list[JobEvent]:
    async with asyncio.timeout(20):
        return [event async for event in queue.follow(job_id, **options)]


async def test_each_type_of_event_carries_its_own_fields(queue: JobQueue, lane: LaneQueue) -> None:
    await queue.enqueue(a_job(id="j"))
    lease = await take(lane)
    progress = Progress(stage="reading", message="the file", done=1, total=3, unit="pages")
    await lease.progress(progress)
    await lease.log("a line")
    await lease.text("SELECT ")
    await lease.text("1\n")
    await end(lane, lease.failed(PERMANENT))
    events = await everything(queue, "j")
    assert [event.type for event in events] == ["status", "status", "progress", "log", "text", "text", "status"]
    assert events[1].attempt == 1
    assert events[2].progress == progress
    assert events[3].line == "a line"
    assert "".join(event.text or "" for event in events) == "SELECT 1\n"
    assert (events[6].status, events[6].error) == (JobStatus.FAILED, PERMANENT.info())
    assert all(event.at > 0 for event in events)


@pytest.mark.parametrize("piece", ["", " ", "\x00", "ünïcödé 🚂", "%s %d %", '{"a": "\\"}', "x" * 100_000])
async def test_text_arrives_as_it_was_written(queue: JobQueue, lane: LaneQueue, piece: str) -> None:
    await queue.enqueue(a_job(id="j"))
    lease = await take(lane)
    await lease.text(piece)
    await lease.log(piece)
    await end(lane, lease.succeeded(DONE))
    events = await everything(queue, "j")
    assert [event.text for event in events if event.type is EventType.TEXT] == [piece]
    assert [event.line for event in events if event.type is EventType.LOG] == [piece]


async def test_a_retry_is_announced_with_the_error_of_the_attempt(queue: JobQueue, lane: LaneQueue) -> None:
    await queue.enqueue(a_job(id="j"))
    await end(lane, (await take(lane)).retried(TRANSIENT, 0))
    await run(lane)
    events = await everything(queue, "j")
    assert contents(events) == ["queued", "running", "queued", "running", "succeeded"]
    assert [event.error and event.error.code for event in events] == [None, None, "storage_unavailable", None, None]
    assert [event.attempt for event in events][1:] == [1, 1, 2, 2]


async def test_a_stream_stays_bounded_and_always_holds_its_end(redis: Redis, queue: JobQueue, lane: LaneQueue) -> None:
    await queue.enqueue(a_job(id="j"))
    lease = await take(lane)
    for start in range(0, 3 * EVENTS_MAX, 100):
        await asyncio.gather(*(lease.log(f"line {start + number}") for number in range(100)))
    await end(lane, lease.succeeded(DONE))
    assert EVENTS_MAX <= await redis.xlen(keys.job_events("j")) < EVENTS_MAX + 200
    events = await everything(queue, "j")
    assert events[-1].status is JobStatus.SUCCEEDED
    assert events[-2].line is not None


async def test_a_follower_of_a_busy_job_sees_every_event_although_the_stream_is_trimmed(
    redis: Redis, queue: JobQueue, lane: LaneQueue
) -> None:
    await queue.enqueue(a_job(id="j"))
    lease = await take(lane)
    seen: list[JobEvent] = []

    async def follow() -> None:
        async for event in queue.follow("j"):
            seen.append(event)  # noqa: PERF401  # is looked at while it grows

    following = asyncio.create_task(follow())
    for start in range(0, 2 * EVENTS_MAX, 100):
        for number in range(start, start + 100):
            await lease.log(str(number))
        # The follower keeps up: it is never a thousand events behind.
        await until(lambda: len(seen) >= start + 100)  # noqa: B023  # awaited within the round
    await end(lane, lease.succeeded(DONE))
    await asyncio.wait_for(following, 60)
    assert contents(seen) == ["queued", "running", *map(str, range(2 * EVENTS_MAX)), "succeeded"]


async def test_a_follower_resumes_from_an_id_after_its_connection_was_cut(
    redis: Redis, far: Redis, lane: LaneQueue
) -> None:
    queue = JobQueue(far)
    await queue.enqueue(a_job(id="j"))
    lease = await take(lane)
    following = asyncio.create_task(everything(queue, "j"))
    for number in range(50):
        await lease.log(str(number))
        if number % 10 == 0:
            await _cut(redis, "xread")
    await end(lane, lease.succeeded(DONE))
    assert contents(await following) == ["queued", "running", *map(str, range(50)), "succeeded"]


async def _cut(redis: Redis, command: str) -> None:
    """Kills the connections that wait in the command."""

    async def found() -> bool:
        clients = [client for client in await redis.client_list() if client["cmd"] == command]
        for client in clients:
            await redis.client_kill_filter(_id=client["id"])
        return bool(clients)

    await until(found)


async def test_a_follower_that_comes_back_to_a_running_job_gets_the_rest_and_nothing_twice(
    queue: JobQueue, lane: LaneQueue
) -> None:
    await queue.enqueue(a_job(id="j"))
    lease = await take(lane)
    position, seen = "0-0", []
    for number in range(5):
        await lease.log(str(number))
        # Stops following after each event.
        async for event in queue.follow("j", after=position):
            seen.append(event)
            position = event.id
            break
    await end(lane, lease.succeeded(DONE))
    seen += await everything(queue, "j", after=position)
    assert seen == await everything(queue, "j")
    assert contents(seen) == ["queued", "running", *map(str, range(5)), "succeeded"]


async def test_following_an_ended_job_ends_at_once(queue: JobQueue, lane: LaneQueue) -> None:
    await queue.enqueue(a_job(id="j"))
    await run(lane)
    events = await everything(queue, "j")
    assert await everything(queue, "j", after=events[-1].id) == []
    assert await everything(queue, "j", after=events[0].id) == events[1:]


async def test_following_from_a_position_behind_the_end_ends_at_once(queue: JobQueue, lane: LaneQueue) -> None:
    await queue.enqueue(a_job(id="j"))
    await run(lane)
    assert await everything(queue, "j", after="9999999999999-0") == []


async def test_a_follower_that_saw_the_end_sees_the_events_after_a_requeue(
    redis: Redis, queue: JobQueue, lane: LaneQueue
) -> None:
    await queue.enqueue(a_job(id="j"))
    lease = await take(lane)
    # The newest event is ahead of the server's clock, as after the clock was set back.
    [(last, _)] = await redis.xrevrange(keys.job_events("j"), count=1)
    await redis.execute_command("XSETID", keys.job_events("j"), f"{int(last.split('-')[0]) + 3_600_000}-0")  # type: ignore[no-untyped-call]  # redis-py leaves it untyped
    await end(lane, lease.failed(TRANSIENT))
    seen = await everything(queue, "j")
    assert contents(seen) == ["queued", "running", "failed"]
    await queue.requeue("j")
    await run(lane)
    assert contents(await everything(queue, "j", after=seen[-1].id)) == ["queued", "running", "succeeded"]


async def test_the_events_of_a_requeued_job_begin_anew(redis: Redis, queue: JobQueue, lane: LaneQueue) -> None:
    await queue.enqueue(a_job(id="j"))
    await end(lane, (await take(lane)).failed(TRANSIENT))
    await queue.requeue("j")
    following = asyncio.create_task(everything(queue, "j"))
    await run(lane)
    assert contents(await following) == ["queued", "running", "succeeded"]
    assert await finals(redis, "j") == ["succeeded"]


async def test_many_followers_see_the_same(queue: JobQueue, lane: LaneQueue) -> None:
    await queue.enqueue(a_job(id="j"))
    following = [asyncio.create_task(everything(queue, "j")) for _ in range(50)]
    lease = await take(lane)
    for number in range(20):
        await lease.log(str(number))
    await end(lane, lease.succeeded(DONE))
    seen = await asyncio.gather(*following)
    assert contents(seen[0]) == ["queued", "running", *map(str, range(20)), "succeeded"]
    assert all(events == seen[0] for events in seen)


async def test_a_follower_of_a_job_whose_record_vanishes_gets_an_error(
    redis: Redis, queue: JobQueue, lane: LaneQueue
) -> None:
    await queue.enqueue(a_job(id="j"))
    follower = queue.follow("j")
    assert (await anext(follower)).status is JobStatus.QUEUED
    await redis.delete(keys.job("j"), keys.job_events("j"))
    with pytest.raises(JobNotFound):
        await asyncio.wait_for(anext(follower), 10)


async def test_waiting_for_a_requeued_job_does_not_end_with_the_events_before_the_requeue(
    queue: JobQueue, lane: LaneQueue
) -> None:
    await queue.enqueue(a_job(id="j"))
    await end(lane, (await take(lane)).failed(TRANSIENT))
    await queue.requeue("j")
    waiting = asyncio.create_task(queue.wait("j", timeout_s=10))
    await run(lane)
    assert (await waiting).status is JobStatus.SUCCEEDED


async def test_a_job_that_is_requeued_when_a_waiter_learns_of_its_end_has_not_ended(
    queue: JobQueue, lane: LaneQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    await queue.enqueue(a_job(id="j"))
    ask, requeued = queue._reader.ask, asyncio.Event()

    async def ask_after_a_requeue(*commands: tuple[Any, ...]) -> list[Any]:
        if commands[0][0] == "HGETALL" and not requeued.is_set():
            await queue.requeue("j")
            requeued.set()
        return list(await ask(*commands))

    monkeypatch.setattr(queue._reader, "ask", ask_after_a_requeue)
    waiting = asyncio.create_task(queue.result("j", timeout_s=60))
    await end(lane, (await take(lane)).failed(TRANSIENT))
    await requeued.wait()
    await run(lane)
    assert await waiting == DONE


async def test_progress_replaces_the_records_and_log_lines_do_not_grow_it(
    redis: Redis, queue: JobQueue, lane: LaneQueue
) -> None:
    await queue.enqueue(a_job(id="j"))
    lease = await take(lane)
    before = set(await redis.hkeys(keys.job("j")))  # type: ignore[misc]  # redis-py's sync/async union
    for stage in ("one", "two"):
        await lease.progress(Progress(stage=stage))
        await lease.log(stage)
        await lease.text(stage)
    after = set(await redis.hkeys(keys.job("j")))  # type: ignore[misc]  # as above
    assert after - before == {"progress"}
    assert (await queue.record("j")).progress == Progress(stage="two")


async def test_followers_see_the_enqueueing_once_whether_they_come_before_or_after_the_start(
    redis: Redis, queue: JobQueue, lane: LaneQueue
) -> None:
    await queue.enqueue(a_job(id="j"))
    follower = queue.follow("j")
    first = await anext(follower)
    assert first.status == "queued"
    assert await redis.exists(keys.job_events("j")) == 0, "a job that only waits its turn costs no stream"
    await run(lane)
    assert contents([event async for event in follower]) == ["running", "succeeded"]
    seen = await everything(queue, "j")
    assert (seen[0], contents(seen)) == (first, ["queued", "running", "succeeded"])
    assert contents(await everything(queue, "j", after=first.id)) == ["running", "succeeded"]


async def test_events_up_to_now_are_read_without_waiting(queue: JobQueue, lane: LaneQueue) -> None:
    await queue.enqueue(a_job(id="j"))
    assert contents(await queue.events("j")) == ["queued"]
    lease = await take(lane)
    for number in range(450):
        await lease.log(f"line {number}")
    events = await queue.events("j")
    assert contents(events) == ["queued", "running", *(f"line {number}" for number in range(450))]
    assert contents(await queue.events("j", after=events[-2].id)) == ["line 449"]
    with pytest.raises(JobNotFound):
        await queue.events("unknown")


async def test_a_follower_may_leave_out_what_has_happened(queue: JobQueue, lane: LaneQueue) -> None:
    await queue.enqueue(a_job(id="j"))
    lease = await take(lane)
    await lease.log("old")
    seen: list[str] = []

    async def follow() -> None:
        async for event in queue.follow("j", after=None):
            seen.extend(contents([event]))

    async def has_begun() -> bool:
        await lease.log("new")
        return "new" in seen

    following = asyncio.create_task(follow())
    await until(has_begun)
    await end(lane, lease.succeeded(DONE))
    await following
    assert set(seen) == {"new", "succeeded"}
    assert await everything(queue, "j", after=None) == []
