"""`Outbox` writes each outcome once and in order, also after Redis was away, and no outcome holds up the others."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from raylane_common.errors import QueueUnavailable
from raylane_common.redis.queue import JobQueue, LaneQueue
from raylane_worker.lanes import outbox as outbox_module
from raylane_worker.lanes.outbox import Outbox
from tests.helpers.claims import PERMANENT, TRANSIENT, claimed, die, finals, patient_lane, record, statuses
from tests.helpers.lanes import DONE, a_job
from tests.helpers.queue_keys import keys
from tests.helpers.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from redis.asyncio import Redis

    from raylane_common.redis.queue import AttemptOutcome, Lease


class FlakyFinish:
    """Replaces a lane's `finish` by one that fails while `is_away`, and that notes which jobs each call wrote."""

    def __init__(self, lane: LaneQueue, monkeypatch: pytest.MonkeyPatch) -> None:
        self.is_away = False
        self.calls = 0
        self.written: list[list[str]] = []
        self._finish = lane.finish
        monkeypatch.setattr(lane, "finish", self._finish_or_fail)

    async def _finish_or_fail(self, outcomes: Sequence[AttemptOutcome]) -> list[bool]:
        self.calls += 1
        if self.is_away:
            raise QueueUnavailable("Redis did not answer")
        answers = await self._finish(outcomes)
        self.written.append([outcome.job_id for outcome in outcomes])
        return answers


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox_module, "_FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(outbox_module, "_LONGEST_PAUSE_S", 0.01)


@pytest.fixture
def finish(lane: LaneQueue, monkeypatch: pytest.MonkeyPatch) -> FlakyFinish:
    return FlakyFinish(lane, monkeypatch)


@asynccontextmanager
async def open_outbox(lane: LaneQueue) -> AsyncIterator[Outbox]:
    outbox = Outbox(lane)
    try:
        yield outbox
    finally:
        await outbox.close(0)


async def some_leases(redis: Redis, lane: LaneQueue, count: int) -> list[Lease]:
    await JobQueue(redis).enqueue_many([a_job(id=f"j{number}") for number in range(count)])
    return (await lane.claim(count)).leases


async def test_outcomes_of_the_same_moment_are_written_in_one_call_and_in_order(
    redis: Redis, lane: LaneQueue, finish: FlakyFinish
) -> None:
    leases = await some_leases(redis, lane, 50)
    async with open_outbox(lane) as outbox:
        await asyncio.gather(*(outbox.write(lease.succeeded(DONE)) for lease in leases))
    assert finish.written == [[lease.job_id for lease in leases]]
    assert set(await statuses(redis, *finish.written[0])) == {"succeeded"}


async def test_no_call_writes_more_than_a_batch(
    redis: Redis, lane: LaneQueue, finish: FlakyFinish, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox_module, "_LARGEST_BATCH", 20)
    leases = await some_leases(redis, lane, 50)
    async with open_outbox(lane) as outbox:
        await asyncio.gather(*(outbox.write(lease.succeeded(DONE)) for lease in leases))
    assert [len(batch) for batch in finish.written] == [20, 20, 10]


async def test_outcomes_are_kept_while_redis_is_away_and_then_written_in_order_and_once(
    redis: Redis, lane: LaneQueue, finish: FlakyFinish
) -> None:
    leases = await some_leases(redis, lane, 5)
    finish.is_away = True
    async with open_outbox(lane) as outbox:
        writing = []
        for lease in leases:
            writing.append(asyncio.create_task(outbox.write(lease.succeeded(DONE))))
            await until(lambda before=finish.calls: finish.calls > before)  # type: ignore[misc]  # bound in the round
        assert await statuses(redis, *(lease.job_id for lease in leases)) == ["running"] * 5
        assert not any(task.done() for task in writing)
        finish.is_away = False
        await asyncio.gather(*writing)
    assert [job_id for batch in finish.written for job_id in batch] == [lease.job_id for lease in leases]
    for lease in leases:
        assert await finals(redis, lease.job_id) == ["succeeded"]


async def test_an_outcome_is_written_once_when_redis_wrote_it_and_the_answer_was_lost(
    redis: Redis, lane: LaneQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    real_finish, lost = lane.finish, list[list[bool]]()

    async def lose_the_first_answer(outcomes: Sequence[AttemptOutcome]) -> list[bool]:
        answers = await real_finish(outcomes)
        if not lost:
            lost.append(answers)
            raise QueueUnavailable("the connection broke")
        return answers

    monkeypatch.setattr(lane, "finish", lose_the_first_answer)
    [first, second, third] = await some_leases(redis, lane, 3)
    outcomes = [first.succeeded(DONE), second.retried(TRANSIENT, 0), third.returned()]
    async with open_outbox(lane) as outbox:
        await asyncio.gather(*(outbox.write(outcome) for outcome in outcomes))
    assert lost == [[True, True, True]]
    assert await statuses(redis, "j0", "j1", "j2") == ["succeeded", "queued", "queued"]
    assert await finals(redis, "j0") == ["succeeded"]
    assert len(await JobQueue(redis).attempts("j1")) == 1
    assert ((await record(redis, "j1")).attempt, (await record(redis, "j2")).attempt) == (1, 0)


async def test_an_outcome_that_redis_refuses_waits_and_loses_no_others_when_redis_then_is_away(
    redis: Redis, lane: LaneQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    real_finish, calls, is_mended = lane.finish, list[list[str]](), asyncio.Event()

    async def refuse_one(outcomes: Sequence[AttemptOutcome]) -> list[bool]:
        calls.append([outcome.job_id for outcome in outcomes])
        if any(outcome.job_id == "j1" for outcome in outcomes) and not is_mended.is_set():
            raise QueueUnavailable("Redis refused the login", retryable=False)
        if len(calls) < 6:
            raise QueueUnavailable("Redis did not answer")
        return await real_finish(outcomes)

    monkeypatch.setattr(lane, "finish", refuse_one)
    leases = await some_leases(redis, lane, 3)
    async with open_outbox(lane) as outbox:
        first, refused, last = (asyncio.create_task(outbox.write(lease.succeeded(DONE))) for lease in leases)
        await asyncio.gather(first, last)
        assert await statuses(redis, "j0", "j1", "j2") == ["succeeded", "running", "succeeded"]
        is_mended.set()
        assert await refused
    assert await statuses(redis, "j0", "j1", "j2") == ["succeeded"] * 3


async def test_an_outcome_is_given_up_after_its_time_and_the_next_one_is_written(
    redis: Redis,
    lane: LaneQueue,
    finish: FlakyFinish,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    old, new = await some_leases(redis, lane, 2)
    async with open_outbox(lane) as outbox:
        finish.is_away = True
        monkeypatch.setattr(outbox_module, "GIVE_UP_S", 0.0)
        await asyncio.wait_for(outbox.write(old.succeeded(DONE)), 10)
        assert "job j0: outcome could not be written" in caplog.text
        finish.is_away = False
        await asyncio.wait_for(outbox.write(new.succeeded(DONE)), 10)
    assert await statuses(redis, "j0", "j1") == ["running", "succeeded"]


async def test_the_outcome_of_a_job_that_another_worker_has_is_dropped(
    redis: Redis, lane: LaneQueue, caplog: pytest.LogCaptureFixture
) -> None:
    [lease] = await some_leases(redis, lane, 1)
    await die(redis, "j0")
    assert await claimed(patient_lane(redis, name="other")) == ["j0"]
    async with open_outbox(lane) as outbox:
        await outbox.write(lease.failed(PERMANENT))
    assert "another worker has the job" in caplog.text
    assert await statuses(redis, "j0") == ["running"]


async def test_closing_writes_what_it_can_and_logs_what_it_cannot(
    redis: Redis, lane: LaneQueue, finish: FlakyFinish, caplog: pytest.LogCaptureFixture
) -> None:
    good, bad = await some_leases(redis, lane, 2)
    outbox = Outbox(lane)
    outbox.add(good.succeeded(DONE))
    await outbox.close(10)
    finish.is_away = True
    outbox.add(bad.succeeded(DONE))
    await outbox.close(0.05)
    assert await statuses(redis, "j0", "j1") == ["succeeded", "running"]
    assert "job j1: outcome was not written before the worker stopped" in caplog.text
    assert "j0" not in caplog.text


async def test_what_was_written_is_written_again_once_when_the_server_was_replaced(
    redis: Redis, lane: LaneQueue, finish: FlakyFinish, caplog: pytest.LogCaptureFixture
) -> None:
    kept, lost, taken = await some_leases(redis, lane, 3)
    async with open_outbox(lane) as outbox:
        await asyncio.gather(*(outbox.write(lease.succeeded(DONE)) for lease in (kept, lost)))
        await outbox.write(taken.returned())
        assert await claimed(patient_lane(redis, name="other")) == ["j2"]
        # The new server has the record as it was before the end.
        await redis.hset(keys.job("j1"), "status", "running")  # type: ignore[misc]  # redis-py's sync/async union
        lane.server = "another"
        for _ in range(2):
            lane.on_answer()
            await until(lambda: len(finish.written) == 3)
        assert await lane.renew([]) == []
        await until(lambda: len(finish.written) == 4)
    assert [sorted(batch) for batch in finish.written] == [["j0", "j1"], ["j2"], ["j0", "j1", "j2"], ["j0", "j1"]]
    assert await statuses(redis, "j0", "j1", "j2") == ["succeeded", "succeeded", "running"]
    assert await finals(redis, "j0") == ["succeeded"]
    assert "another worker has the job" not in caplog.text


async def test_a_writer_that_is_cancelled_while_it_waits_does_not_stop_the_writing(
    redis: Redis, lane: LaneQueue, finish: FlakyFinish
) -> None:
    [lease] = await some_leases(redis, lane, 1)
    finish.is_away = True
    async with open_outbox(lane) as outbox:
        writing = asyncio.create_task(outbox.write(lease.succeeded(DONE)))
        await until(lambda: finish.calls > 0)
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
        finish.is_away = False
        await until(lambda: bool(finish.written))
    assert await statuses(redis, "j0") == ["succeeded"]
