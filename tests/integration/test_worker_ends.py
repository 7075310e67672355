"""`Outbox`: how attempts ended is written in order and once, also when Redis was away; nothing holds up the rest."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from raylane_common.errors import QueueUnavailable
from raylane_common.redis import keys
from raylane_common.redis.queue import JobQueue, LaneQueue
from raylane_worker.lanes import outbox as ends_module
from raylane_worker.lanes.outbox import Outbox
from tests.helpers.claims import PERMANENT, TRANSIENT, claimed, die, finals, patient_lane, record, statuses
from tests.helpers.lanes import DONE, a_job
from tests.helpers.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from redis.asyncio import Redis

    from raylane_common.redis.queue import AttemptOutcome, Lease


class Away:
    """A lane whose server can be away, and that notes what was written in which call."""

    def __init__(self, lane: LaneQueue, monkeypatch: pytest.MonkeyPatch) -> None:
        self.is_away = False
        self.tries = 0
        self.written: list[list[str]] = []
        self._finish = lane.finish
        monkeypatch.setattr(lane, "finish", self._finish_or_not)

    async def _finish_or_not(self, ends: Sequence[AttemptOutcome]) -> list[bool]:
        self.tries += 1
        if self.is_away:
            raise QueueUnavailable("Redis did not answer")
        answers = await self._finish(ends)
        self.written.append([end.job_id for end in ends])
        return answers


@pytest.fixture
def away(lane: LaneQueue, monkeypatch: pytest.MonkeyPatch) -> Away:
    monkeypatch.setattr(ends_module, "_PAUSE_S", 0.01)
    return Away(lane, monkeypatch)


@asynccontextmanager
async def of(lane: LaneQueue) -> AsyncIterator[Outbox]:
    ends = Outbox(lane)
    try:
        yield ends
    finally:
        await ends.close(0)


async def some_leases(redis: Redis, lane: LaneQueue, count: int) -> list[Lease]:
    await JobQueue(redis).enqueue_many([a_job(id=f"j{number}") for number in range(count)])
    return (await lane.claim(count)).leases


async def test_what_ends_at_the_same_time_is_written_in_one_call_and_in_order(
    redis: Redis, lane: LaneQueue, away: Away
) -> None:
    leases = await some_leases(redis, lane, 50)
    async with of(lane) as ends:
        await asyncio.gather(*(ends.write(lease.succeeded(DONE)) for lease in leases))
    assert away.written == [[lease.job_id for lease in leases]]
    assert set(await statuses(redis, *away.written[0])) == {"succeeded"}


async def test_no_call_writes_more_than_its_share(
    redis: Redis, lane: LaneQueue, away: Away, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ends_module, "_MOST_AT_ONCE", 20)
    leases = await some_leases(redis, lane, 50)
    async with of(lane) as ends:
        await asyncio.gather(*(ends.write(lease.succeeded(DONE)) for lease in leases))
    assert [len(batch) for batch in away.written] == [20, 20, 10]


async def test_while_redis_is_away_ends_are_kept_and_then_written_in_order_and_once(
    redis: Redis, lane: LaneQueue, away: Away
) -> None:
    leases = await some_leases(redis, lane, 5)
    away.is_away = True
    async with of(lane) as ends:
        writing = []
        for lease in leases:
            writing.append(asyncio.create_task(ends.write(lease.succeeded(DONE))))
            await until(lambda before=away.tries: away.tries > before)  # type: ignore[misc]  # bound in the round
        assert await statuses(redis, *(lease.job_id for lease in leases)) == ["running"] * 5
        assert not any(task.done() for task in writing)
        away.is_away = False
        await asyncio.gather(*writing)
    assert [job_id for batch in away.written for job_id in batch] == [lease.job_id for lease in leases]
    for lease in leases:
        assert await finals(redis, lease.job_id) == ["succeeded"]


async def test_an_end_whose_answer_was_lost_is_written_once(
    redis: Redis, lane: LaneQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ends_module, "_PAUSE_S", 0.01)
    finish, lost = lane.finish, list[list[bool]]()

    async def answer_lost_once(ends: Sequence[AttemptOutcome]) -> list[bool]:
        answers = await finish(ends)
        if not lost:
            lost.append(answers)
            raise QueueUnavailable("the connection broke")
        return answers

    monkeypatch.setattr(lane, "finish", answer_lost_once)
    [first, second, third] = await some_leases(redis, lane, 3)
    written = [first.succeeded(DONE), second.retried(TRANSIENT, 0), third.returned()]
    async with of(lane) as ends:
        await asyncio.gather(*(ends.write(end) for end in written))
    assert lost == [[True, True, True]]
    assert await statuses(redis, "j0", "j1", "j2") == ["succeeded", "queued", "queued"]
    assert await finals(redis, "j0") == ["succeeded"]
    assert len(await JobQueue(redis).attempts("j1")) == 1
    assert ((await record(redis, "j1")).attempt, (await record(redis, "j2")).attempt) == (1, 0)


async def test_an_end_that_redis_refuses_does_not_hold_up_the_others(redis: Redis, lane: LaneQueue, away: Away) -> None:
    await JobQueue(redis).enqueue_many([a_job(id=f"j{number}", unique=f"u{number}") for number in range(5)])
    leases = (await lane.claim(5)).leases
    # Another program wrote where the job's unique key is.
    await redis.delete(keys.unique("tables", "u2"))
    await redis.hset(keys.unique("tables", "u2"), "a", "b")  # type: ignore[misc]  # redis-py's sync/async union
    await redis.expire(keys.unique("tables", "u2"), 60)
    async with of(lane) as ends:
        await asyncio.gather(*(ends.write(lease.succeeded(DONE)) for lease in leases))
    assert away.tries > 1
    assert await statuses(redis, "j0", "j1", "j3", "j4") == ["succeeded"] * 4


async def test_an_end_that_redis_refuses_while_it_is_away_for_others_does_not_lose_them(
    redis: Redis, lane: LaneQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ends_module, "_PAUSE_S", 0.01)
    finish, calls = lane.finish, []

    async def refuse_one(ends: Sequence[AttemptOutcome]) -> list[bool]:
        calls.append([end.job_id for end in ends])
        if any(end.job_id == "j1" for end in ends):
            raise QueueUnavailable("WRONGTYPE", retryable=False)
        if len(calls) < 6:
            raise QueueUnavailable("Redis did not answer")
        return await finish(ends)

    monkeypatch.setattr(lane, "finish", refuse_one)
    leases = await some_leases(redis, lane, 3)
    async with of(lane) as ends:
        await asyncio.gather(*(ends.write(lease.succeeded(DONE)) for lease in leases))
    assert await statuses(redis, "j0", "j1", "j2") == ["succeeded", "running", "succeeded"]


async def test_an_end_is_given_up_when_patience_is_at_its_end_and_the_writer_goes_on(
    redis: Redis, lane: LaneQueue, away: Away, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    old, new = await some_leases(redis, lane, 2)
    async with of(lane) as ends:
        away.is_away = True
        monkeypatch.setattr(ends_module, "PATIENCE_S", 0.0)
        await asyncio.wait_for(ends.write(old.succeeded(DONE)), 10)
        assert "job j0: its end could not be written" in caplog.text
        monkeypatch.undo()
        await asyncio.wait_for(ends.write(new.succeeded(DONE)), 10)
    assert await statuses(redis, "j0", "j1") == ["running", "succeeded"]


async def test_the_end_of_a_job_that_another_worker_has_is_dropped(
    redis: Redis, lane: LaneQueue, caplog: pytest.LogCaptureFixture
) -> None:
    [lease] = await some_leases(redis, lane, 1)
    await die(redis, "j0")
    assert await claimed(patient_lane(redis, name="other")) == ["j0"]
    async with of(lane) as ends:
        await ends.write(lease.failed(PERMANENT))
    assert "another worker has the job" in caplog.text
    assert await statuses(redis, "j0") == ["running"]


async def test_closing_waits_for_what_can_be_written_and_names_what_cannot(
    redis: Redis, lane: LaneQueue, away: Away, caplog: pytest.LogCaptureFixture
) -> None:
    good, bad = await some_leases(redis, lane, 2)
    ends = Outbox(lane)
    ends.add(good.succeeded(DONE))
    await ends.close(10)
    away.is_away = True
    ends.add(bad.succeeded(DONE))
    await ends.close(0.05)
    assert await statuses(redis, "j0", "j1") == ["succeeded", "running"]
    assert "job j1: its end was not written before the worker stopped" in caplog.text
    assert "j0" not in caplog.text


async def test_one_who_stops_waiting_does_not_stop_the_writing(redis: Redis, lane: LaneQueue, away: Away) -> None:
    [lease] = await some_leases(redis, lane, 1)
    away.is_away = True
    async with of(lane) as ends:
        writing = asyncio.create_task(ends.write(lease.succeeded(DONE)))
        await until(lambda: away.tries > 0)
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
        away.is_away = False
        await until(lambda: bool(away.written))
    assert await statuses(redis, "j0") == ["succeeded"]
