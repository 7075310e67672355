"""Cancelling a job in any state: it ends once, and what it had started is undone."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from raylane_common.errors import JobCancelled, RayUnreachable, StorageUnavailable
from raylane_common.redis.queue import JobQueue, LaneQueue
from raylane_common.wire.base import JobKind
from raylane_common.wire.jobs import EventType, JobStatus, Progress
from tests.helpers import queue_keys
from tests.helpers.claims import (
    PERMANENT,
    TRANSIENT,
    claimed,
    die,
    end,
    finals,
    patient_lane,
    record,
    run,
    statuses,
    take,
)
from tests.helpers.lanes import DONE, a_job, succeed, worker
from tests.helpers.queue_keys import keys
from tests.helpers.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from redis.asyncio import Redis

    from raylane_common.wire.tables import DatabasesResult
    from raylane_worker.context import JobContext
    from raylane_worker.lanes.worker import LaneWorker

CANCELLED = JobCancelled("the job was cancelled")


class Cleanup:
    """Records the contexts that it was called with. Ends once `may_end` is set, and raises `error` if there is one."""

    def __init__(self, error: Exception | None = None, *, may_end: asyncio.Event | None = None) -> None:
        self.calls: list[JobContext] = []
        self._error = error
        self._may_end = may_end

    async def __call__(self, request: Any, ctx: JobContext) -> None:
        self.calls.append(ctx)
        if self._may_end is not None:
            await self._may_end.wait()
        if self._error is not None:
            raise self._error


async def _hang(request: Any, ctx: JobContext) -> DatabasesResult:
    await ctx.progress("hanging")
    await asyncio.Event().wait()
    raise AssertionError


@asynccontextmanager
async def a_hanging_job(redis: Redis, cleanup: Cleanup) -> AsyncIterator[tuple[LaneWorker, str]]:
    """A job whose attempt has reported progress and never ends by itself."""
    queue = JobQueue(redis)
    async with worker(redis, _hang, cleanups={JobKind.TABLES: cleanup}) as running:
        job_id = await queue.enqueue(a_job())

        async def has_begun() -> bool:
            return (await queue.record(job_id)).progress is not None

        await until(has_begun)
        yield running, job_id


async def test_a_job_that_has_not_started_ends_at_once(redis: Redis, queue: JobQueue) -> None:
    lane = patient_lane(redis, per_session=1)
    await queue.enqueue_many([a_job(id="holder", session_id="s"), a_job(id="parked", session_id="s")])
    await claimed(lane)
    await queue.enqueue_many(
        [a_job(id="queued"), a_job(id="scheduled", delay_s=600), a_job(id="waiting", after=("queued",))]
    )
    for job_id in ("waiting", "parked", "scheduled", "queued"):
        assert await queue.cancel(job_id) is JobStatus.CANCELLED
        with pytest.raises(JobCancelled, match="before it started"):
            await queue.result(job_id, timeout_s=5)
        assert await finals(redis, job_id) == ["cancelled"]
    sets = (keys.queue, keys.schedule, keys.waiting, keys.parked)
    assert [await redis.zcard(set_of("upload")) for set_of in sets] == [0, 0, 0, 0]
    assert await redis.exists(queue_keys.session_parked("s", "upload"), queue_keys.job_after("waiting")) == 0
    assert await claimed(lane) == []


async def test_a_cancelled_job_leaves_no_key_of_arq_and_no_body(redis: Redis, queue: JobQueue) -> None:
    await queue.enqueue(a_job(id="j", body=b"x", unique="u"))
    await queue.cancel("j")
    assert await redis.exists(queue_keys.arq_job("j"), keys.job_body("j"), queue_keys.unique("tables", "u")) == 0


async def test_a_running_job_is_stopped_and_its_cleanup_sees_what_the_attempt_has_written(
    redis: Redis, queue: JobQueue
) -> None:
    cleanup = Cleanup()
    async with a_hanging_job(redis, cleanup) as (_, job_id):
        assert await queue.cancel(job_id) is JobStatus.RUNNING
        with pytest.raises(JobCancelled) as caught:
            await queue.result(job_id, timeout_s=10)
    assert caught.value.details == {}
    [ctx] = cleanup.calls
    assert ctx.record.progress == Progress(stage="hanging")
    assert ctx.record.cancel_requested_at is not None
    ended = await record(redis, job_id)
    assert (ended.status, ended.attempt, ended.cancel_requested_at) == (JobStatus.CANCELLED, 1, None)
    assert await finals(redis, job_id) == ["cancelled"]
    assert await queue.attempts(job_id) == []


async def test_the_worker_takes_the_next_job_after_a_cancelled_one(redis: Redis, queue: JobQueue) -> None:
    async def hang_or_succeed(request: Any, ctx: JobContext) -> DatabasesResult:
        return await (_hang if ctx.job_id == "hang" else succeed)(request, ctx)

    async with worker(redis, hang_or_succeed, concurrency=1):
        await queue.enqueue(a_job(id="hang"))
        await until(lambda: _stands(redis, "hang", "running"))
        await queue.cancel("hang")
        assert await queue.result(await queue.enqueue(a_job()), timeout_s=10) == DONE
    assert await statuses(redis, "hang") == ["cancelled"]


async def test_a_cancel_whose_message_was_lost_is_noticed_at_the_next_renewal(redis: Redis, queue: JobQueue) -> None:
    cleanup = Cleanup()
    async with a_hanging_job(redis, cleanup) as (_, job_id):
        # As if the message was lost with the worker's connection: only the record holds the request.
        await redis.hset(keys.job(job_id), "cancel_requested_at", "1")  # type: ignore[misc]  # redis-py's union
        assert (await queue.wait(job_id, timeout_s=10)).status is JobStatus.CANCELLED
    assert len(cleanup.calls) == 1


async def test_a_job_that_is_cancelled_three_times_is_stopped_and_cleaned_up_once(
    redis: Redis, queue: JobQueue
) -> None:
    # Otherwise the job may have ended before the last of the three cancels.
    may_end = asyncio.Event()
    cleanup = Cleanup(may_end=may_end)
    async with a_hanging_job(redis, cleanup) as (_, job_id):
        assert [await queue.cancel(job_id) for _ in range(3)] == [JobStatus.RUNNING] * 3
        may_end.set()
        await queue.wait(job_id, timeout_s=10)
    assert len(cleanup.calls) == 1
    assert await finals(redis, job_id) == ["cancelled"]


@pytest.mark.parametrize("delay_s", [0, 600])
async def test_a_job_between_two_attempts_is_cleaned_up_at_once_and_does_not_run_again(
    redis: Redis, queue: JobQueue, lane: LaneQueue, delay_s: float
) -> None:
    cleanup = Cleanup()
    await queue.enqueue(a_job(id="j"))
    await end(lane, (await take(lane)).retried(TRANSIENT, delay_s))
    assert await queue.cancel("j") is JobStatus.RUNNING
    assert await statuses(redis, "j") == ["queued"]
    async with worker(redis, _never, cleanups={JobKind.TABLES: cleanup}):
        with pytest.raises(JobCancelled):
            await queue.result("j", timeout_s=10)
    assert len(cleanup.calls) == 1


async def _never(request: Any, ctx: JobContext) -> DatabasesResult:
    raise AssertionError("a cancelled job runs again")


@pytest.mark.parametrize("reminder", ["message", "renewal"])
async def test_a_second_cancel_does_not_interrupt_the_cleanup(
    redis: Redis, queue: JobQueue, lane: LaneQueue, reminder: str
) -> None:
    calls = 0
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def clean_up(request: Any, ctx: JobContext) -> None:
        nonlocal calls
        calls += 1
        begun.set()
        await go_on.wait()

    await queue.enqueue(a_job(id="j"))
    await end(lane, (await take(lane)).retried(TRANSIENT, 0))
    await queue.cancel("j")
    async with worker(redis, _never, cleanups={JobKind.TABLES: clean_up}) as running:
        await begun.wait()
        if reminder == "message":
            running.cancel("j")
        else:
            await _renewed(running)
        go_on.set()
        assert (await queue.wait("j", timeout_s=10)).status is JobStatus.CANCELLED
        assert running.main_task is not None
        assert not running.main_task.done(), "the lane has stopped"
    assert calls == 1


async def _renewed(running: LaneWorker) -> None:
    renew, answered = running.lane_queue.renew, asyncio.Event()

    async def renew_and_signal(leases: Any) -> Any:
        answers = await renew(leases)
        asyncio.get_running_loop().call_soon(answered.set)
        return answers

    running.lane_queue.renew = renew_and_signal  # type: ignore[method-assign]  # the real one, observed
    await answered.wait()


async def test_a_job_that_its_worker_put_back_is_cleaned_up_because_it_may_have_left_a_run(
    redis: Redis, queue: JobQueue, lane: LaneQueue
) -> None:
    cleanup = Cleanup()
    await queue.enqueue(a_job(id="j"))
    await end(lane, (await take(lane)).returned())
    assert await queue.cancel("j") is JobStatus.RUNNING
    async with worker(redis, _never, cleanups={JobKind.TABLES: cleanup}):
        assert (await queue.wait("j", timeout_s=10)).status is JobStatus.CANCELLED
    assert len(cleanup.calls) == 1


async def test_a_worker_that_takes_a_job_from_a_dead_one_cleans_up_even_after_the_last_attempt(
    redis: Redis, queue: JobQueue, lane: LaneQueue
) -> None:
    cleanup = Cleanup()
    await queue.enqueue(a_job(id="j", max_attempts=1))
    await take(lane)
    assert await queue.cancel("j") is JobStatus.RUNNING
    await die(redis, "j")
    async with worker(redis, _never, cleanups={JobKind.TABLES: cleanup}):
        with pytest.raises(JobCancelled):
            await queue.result("j", timeout_s=10)
    assert len(cleanup.calls) == 1
    assert await finals(redis, "j") == ["cancelled"]


async def test_a_cleanup_that_stopped_with_its_worker_is_done_by_the_next_worker(redis: Redis, queue: JobQueue) -> None:
    begun = asyncio.Event()

    async def clean_up_for_ever(request: Any, ctx: JobContext) -> None:
        begun.set()
        await asyncio.Event().wait()

    async with worker(redis, _hang, cleanups={JobKind.TABLES: clean_up_for_ever}):
        job_id = await queue.enqueue(a_job())
        await until(lambda: _stands(redis, job_id, "running"))
        await queue.cancel(job_id)
        await begun.wait()
    assert await statuses(redis, job_id) == ["queued"]
    cleanup = Cleanup()
    async with worker(redis, _never, name="w2", cleanups={JobKind.TABLES: cleanup}):
        await queue.wait(job_id, timeout_s=10)
    assert (await statuses(redis, job_id), len(cleanup.calls)) == (["cancelled"], 1)


@pytest.mark.parametrize("problem", [RayUnreachable("no way to the cluster"), TimeoutError()])
async def test_a_cleanup_that_fails_ends_the_job_and_the_record_says_what_may_still_run(
    redis: Redis, queue: JobQueue, problem: Exception
) -> None:
    async with a_hanging_job(redis, Cleanup(problem)) as (_, job_id):
        await queue.cancel(job_id)
        with pytest.raises(JobCancelled, match="may still be running") as caught:
            await queue.result(job_id, timeout_s=10)
    assert caught.value.details == {"cleanup": str(problem) or "TimeoutError"}


async def test_a_defect_in_a_cleanup_ends_the_job_and_not_the_worker(redis: Redis, queue: JobQueue) -> None:
    async with a_hanging_job(redis, Cleanup(ZeroDivisionError("x"))) as (running, job_id):
        await queue.cancel(job_id)
        with pytest.raises(JobCancelled, match="may still be running"):
            await queue.result(job_id, timeout_s=10)
        assert running.main_task is not None
        assert not running.main_task.done()


async def test_cancelling_an_ended_job_changes_nothing(redis: Redis, queue: JobQueue, lane: LaneQueue) -> None:
    await queue.enqueue_many([a_job(id="good"), a_job(id="bad"), a_job(id="gone")])
    await run(lane)
    await end(lane, (await take(lane)).failed(PERMANENT))
    await queue.cancel("gone")
    before = [await record(redis, job_id) for job_id in ("good", "bad", "gone")]
    assert [await queue.cancel(job_id) for job_id in ("good", "bad", "gone")] == ["succeeded", "failed", "cancelled"]
    assert [await record(redis, job_id) for job_id in ("good", "bad", "gone")] == before


@pytest.mark.parametrize("outcome", ["succeeded", "failed", "retry", "cancelled"])
async def test_a_cancel_just_before_the_end_leaves_one_final_event(
    redis: Redis, queue: JobQueue, lane: LaneQueue, outcome: str
) -> None:
    await queue.enqueue(a_job(id="j"))
    lease = await take(lane)
    ends = {
        "succeeded": lease.succeeded(DONE),
        "failed": lease.failed(PERMANENT),
        "retry": lease.retried(TRANSIENT, 0),
        "cancelled": lease.cancelled(CANCELLED),
    }
    assert await queue.cancel("j") is JobStatus.RUNNING
    await end(lane, ends[outcome])
    if outcome == "retry":
        again = await take(lane)
        assert again.record.cancel_requested_at is not None
        await end(lane, again.cancelled(CANCELLED))
    final = "cancelled" if outcome == "retry" else outcome
    assert (await statuses(redis, "j"), await finals(redis, "j")) == ([final], [final])
    assert await queue.cancel("j") == final


async def test_cancels_and_ends_at_the_same_time_end_each_job_once(redis: Redis, queue: JobQueue) -> None:
    gate = asyncio.Event()

    async def wait(request: Any, ctx: JobContext) -> DatabasesResult:
        await gate.wait()
        if int(ctx.job_id[1:]) % 3 == 0:
            raise StorageUnavailable("again")
        return DONE

    names = [f"j{number}" for number in range(60)]
    async with worker(redis, wait, concurrency=20):
        await queue.enqueue_many([a_job(id=name) for name in names])
        await until(lambda: _stands(redis, "j0", "running"))
        gate.set()
        answers = await asyncio.gather(*(queue.cancel(name) for name in names))
        await asyncio.gather(*(queue.wait(name, timeout_s=60) for name in names))
    for name, answer in zip(names, answers, strict=True):
        [final] = await finals(redis, name)
        assert await statuses(redis, name) == [final]
        assert answer in ("running", final)


async def test_the_result_of_a_handler_that_ends_in_spite_of_the_cancel_is_kept(redis: Redis, queue: JobQueue) -> None:
    async def finish_anyway(request: Any, ctx: JobContext) -> DatabasesResult:
        try:
            return await _hang(request, ctx)
        except asyncio.CancelledError:
            return DONE

    async with worker(redis, finish_anyway):
        job_id = await queue.enqueue(a_job())
        await until(lambda: _stands(redis, job_id, "running"))
        await queue.cancel(job_id)
        assert await queue.result(job_id, timeout_s=10) == DONE
    assert await finals(redis, job_id) == ["succeeded"]


async def test_a_handler_that_fails_because_it_was_stopped_is_not_tried_again(redis: Redis, queue: JobQueue) -> None:
    async def fail_over_it(request: Any, ctx: JobContext) -> DatabasesResult:
        try:
            return await _hang(request, ctx)
        except asyncio.CancelledError as error:
            raise StorageUnavailable("the connection closed") from error

    cleanup = Cleanup()
    async with worker(redis, fail_over_it, cleanups={JobKind.TABLES: cleanup}):
        job_id = await queue.enqueue(a_job())
        await until(lambda: _stands(redis, job_id, "running"))
        await queue.cancel(job_id)
        with pytest.raises(JobCancelled):
            await queue.result(job_id, timeout_s=10)
    assert len(cleanup.calls) == 1
    assert await finals(redis, job_id) == ["cancelled"]


async def test_a_requeued_job_that_continues_is_cleaned_up_because_it_may_have_left_a_run(
    redis: Redis, queue: JobQueue, lane: LaneQueue
) -> None:
    await queue.enqueue(a_job(id="j", max_attempts=1))
    await take(lane)
    await die(redis, "j")
    assert await claimed(lane) == []
    await queue.requeue("j")
    assert await queue.cancel("j") is JobStatus.RUNNING
    cleanup = Cleanup()
    async with worker(redis, _never, cleanups={JobKind.TABLES: cleanup}):
        assert (await queue.wait("j", timeout_s=10)).status is JobStatus.CANCELLED
    assert len(cleanup.calls) == 1


async def test_a_cancelled_job_that_is_requeued_runs_like_a_new_one(redis: Redis, queue: JobQueue) -> None:
    cleanup = Cleanup()
    async with a_hanging_job(redis, cleanup) as (_, job_id):
        await queue.cancel(job_id)
        await queue.wait(job_id, timeout_s=10)
    await queue.requeue(job_id)
    async with worker(redis, succeed):
        assert await queue.result(job_id, timeout_s=10) == DONE
    ended = await record(redis, job_id)
    assert (ended.attempt, ended.round) == (1, 1)


async def test_what_a_cleanup_logs_comes_before_the_end(redis: Redis, queue: JobQueue) -> None:
    async def say_goodbye(request: Any, ctx: JobContext) -> None:
        await ctx.port.log("stopping the run")

    async with worker(redis, _hang, cleanups={JobKind.TABLES: say_goodbye}):
        job_id = await queue.enqueue(a_job())
        await until(lambda: _stands(redis, job_id, "running"))
        await queue.cancel(job_id)
        events = [event async for event in queue.follow(job_id)]
    assert [event.line for event in events if event.type is EventType.LOG] == ["stopping the run"]
    assert events[-1].status is JobStatus.CANCELLED


async def _stands(redis: Redis, job_id: str, wanted: str) -> bool:
    return (await record(redis, job_id)).status == wanted
