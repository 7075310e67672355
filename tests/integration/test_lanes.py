"""`LaneWorker` on a real server: a job from its claim to its outcome."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from raylane_common.errors import ErrorInfo, InternalError, JobTimeout, StorageRejected, StorageUnavailable
from raylane_common.redis.queue import Claim, JobQueue
from raylane_common.wire.generate import GenerateRequest
from raylane_common.wire.jobs import EventType, JobStatus, NewJob, Progress
from raylane_common.wire.tables import DatabasesResult
from raylane_common.wire.upload import UploadRequest
from raylane_worker.lanes import worker as lanes
from tests.helpers import queue_keys
from tests.helpers.lanes import DONE, a_job, lane_queue, succeed, worker
from tests.helpers.queue_keys import keys
from tests.helpers.waiting import until

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from raylane_worker.context import JobContext


async def test_a_job_runs_once_and_leaves_nothing_in_the_queue(redis: Redis) -> None:
    queue = JobQueue(redis)
    async with worker(redis, succeed):
        job_id = await queue.enqueue(a_job())
        assert await queue.result(job_id, timeout_s=10) == DONE
    record = await queue.record(job_id)
    assert (record.status, record.attempt, record.worker) == (JobStatus.SUCCEEDED, 1, "w1")
    assert await redis.zcard(keys.queue("upload")) == 0
    assert await redis.exists(queue_keys.arq_job(job_id), queue_keys.lease(job_id), keys.job_body(job_id)) == 0


async def test_the_handler_gets_the_staged_bytes_unchanged(redis: Redis) -> None:
    body = bytes(range(256)) * 100
    seen: list[bytes] = []

    async def read(request: Any, ctx: JobContext) -> DatabasesResult:
        seen.append(await ctx.port.body())
        return DONE

    queue = JobQueue(redis)
    request = UploadRequest(filename="a.csv", size_bytes=len(body), sha256="0" * 64)
    async with worker(redis, read):
        await queue.result(await queue.enqueue(NewJob(request=request, session_id="s", body=body)), timeout_s=10)
    assert seen == [body]


async def test_a_retryable_error_is_tried_again_and_a_permanent_one_is_not(redis: Redis) -> None:
    calls: dict[str, int] = {}

    async def fail(request: Any, ctx: JobContext) -> DatabasesResult:
        calls[ctx.job_id] = calls.get(ctx.job_id, 0) + 1
        if ctx.job_id == "permanent":
            raise StorageRejected("no such bucket")
        if ctx.record.attempt < 3:
            raise StorageUnavailable("try again")
        return DONE

    queue = JobQueue(redis)
    async with worker(redis, fail):
        await queue.enqueue(a_job(id="transient"))
        await queue.enqueue(a_job(id="permanent"))
        assert await queue.result("transient", timeout_s=10) == DONE
        with pytest.raises(StorageRejected, match="no such bucket"):
            await queue.result("permanent", timeout_s=10)
    assert calls == {"transient": 3, "permanent": 1}
    statuses = [event.status async for event in queue.follow("transient") if event.type is EventType.STATUS]
    assert statuses == ["queued", *["running", "scheduled", "queued"] * 2, "running", "succeeded"]


async def test_a_job_without_attempts_left_fails_with_the_error_of_the_last_one(redis: Redis) -> None:
    async def fail(request: Any, ctx: JobContext) -> DatabasesResult:
        raise StorageUnavailable(f"attempt {ctx.record.attempt}")

    queue = JobQueue(redis)
    async with worker(redis, fail):
        with pytest.raises(StorageUnavailable, match="attempt 2"):
            await queue.result(await queue.enqueue(a_job(max_attempts=2)), timeout_s=10)


async def test_a_defect_in_a_handler_fails_the_job_and_not_the_worker(
    redis: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    async def break_down(request: Any, ctx: JobContext) -> DatabasesResult:
        if ctx.job_id == "broken":
            raise ZeroDivisionError("secret value 42")
        return DONE

    queue = JobQueue(redis)
    async with worker(redis, break_down):
        await queue.enqueue(a_job(id="broken"))
        with pytest.raises(InternalError, match="ZeroDivisionError") as caught:
            await queue.result("broken", timeout_s=10)
        assert await queue.result(await queue.enqueue(a_job()), timeout_s=10) == DONE
    assert "secret value" not in caught.value.message
    assert "secret value 42" in caplog.text


async def test_an_outcome_that_cannot_be_written_fails_its_job_and_not_the_worker(
    redis: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(request: Any, ctx: JobContext) -> DatabasesResult:
        if ctx.job_id == "broken":
            raise StorageRejected("no", details={"found": {1, 2}})  # type: ignore[dict-item]  # a bug in a handler
        return DONE

    queue = JobQueue(redis)
    async with worker(redis, fail):
        await queue.enqueue(a_job(id="broken"))
        with pytest.raises(InternalError, match="ValidationError in the worker after the attempt"):
            await queue.result("broken", timeout_s=10)
        assert await queue.result(await queue.enqueue(a_job()), timeout_s=10) == DONE
    assert "bug in the worker" in caplog.text


async def test_half_a_character_in_an_error_is_replaced(redis: Redis) -> None:
    async def fail(request: Any, ctx: JobContext) -> DatabasesResult:
        raise StorageRejected("no \ud800", details={"said": ["a\udc00b", {"\ud83d": "\ud83d\ude00"}]})

    queue = JobQueue(redis)
    async with worker(redis, fail):
        with pytest.raises(StorageRejected) as caught:
            await queue.result(await queue.enqueue(a_job()), timeout_s=10)
    assert caught.value.details == {"said": ["a\ufffdb", {"\ufffd": "\U0001f600"}]}


async def test_a_job_that_exceeds_its_time_limit_is_cancelled_and_fails_with_a_timeout(redis: Redis) -> None:
    cancelled = asyncio.Event()

    async def hang(request: Any, ctx: JobContext) -> DatabasesResult:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()
        raise AssertionError

    queue = JobQueue(redis)
    async with worker(redis, hang, timeout_s=0.2, max_attempts=1):
        with pytest.raises(JobTimeout, match=r"0\.2 s"):
            await queue.result(await queue.enqueue(a_job()), timeout_s=10)
    assert cancelled.is_set()


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"kind": "dance"}, "kind"),
        ({"v": "2"}, "v"),
        ({"payload": '{"action": "list", "database": "d", "extra": 1}'}, "extra"),
        ({"payload": '{"action": "list", "database": ""}'}, "database"),
        ({"payload": "not json"}, "payload"),
        ({"kind": "generate", "payload": '{"prompt": "x"}', "session_id": "s"}, "lane"),
        ({"enqueued_at": "yesterday"}, "enqueued_at"),
        ({"payload": '{"action": "select", "tables": [{"database": "d", "table": "t"}]}'}, "session_id"),
    ],
)
async def test_a_job_with_a_bad_record_fails_and_the_error_names_the_field(
    redis: Redis, change: dict[str, str], field: str
) -> None:
    queue = JobQueue(redis)
    job_id = await queue.enqueue(a_job())
    await redis.hset(keys.job(job_id), mapping=change)  # type: ignore[misc]  # redis-py's sync/async union
    async with worker(redis, succeed):
        await until(lambda: _status(redis, job_id, "failed"))
    error = await redis.hget(keys.job(job_id), "error")  # type: ignore[misc]  # redis-py's sync/async union
    assert error is not None
    info = ErrorInfo.model_validate_json(error)
    assert info.code == "invalid_request"
    assert field in str(info.details["field"])


async def _status(redis: Redis, job_id: str, wanted: str) -> bool:
    return bool(await redis.hget(keys.job(job_id), "status") == wanted)  # type: ignore[misc]  # as above


async def test_stopping_gives_running_jobs_back_and_the_attempt_does_not_count(redis: Redis) -> None:
    started = asyncio.Event()

    async def hang(request: Any, ctx: JobContext) -> DatabasesResult:
        started.set()
        await asyncio.Event().wait()
        raise AssertionError

    queue = JobQueue(redis)
    async with worker(redis, hang):
        job_id = await queue.enqueue(a_job())
        await started.wait()
    record = await queue.record(job_id)
    assert (record.status, record.attempt) == (JobStatus.QUEUED, 0)
    async with worker(redis, succeed, name="w2"):
        assert await queue.result(job_id, timeout_s=10) == DONE
    assert (await queue.record(job_id)).worker == "w2"


async def test_draining_waits_for_running_jobs_and_takes_no_new_ones(redis: Redis) -> None:
    started, finish = asyncio.Event(), asyncio.Event()

    async def wait(request: Any, ctx: JobContext) -> DatabasesResult:
        started.set()
        await finish.wait()
        return DONE

    queue = JobQueue(redis)
    async with worker(redis, wait) as running:
        job_id = await queue.enqueue(a_job())
        await started.wait()
        draining = asyncio.create_task(running.drain(30))
        await until(lambda: not running.allow_pick_jobs)
        late = await queue.enqueue(a_job())
        finish.set()
        await draining
    assert (await queue.record(job_id)).status is JobStatus.SUCCEEDED
    assert (await queue.record(late)).status is JobStatus.QUEUED


async def test_a_job_whose_claim_is_answered_during_a_drain_is_returned_and_spends_no_attempt(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes, "_LAST_CLAIM_S", 0)  # an answer that takes longer
    queue = JobQueue(redis)
    claimed, answered = asyncio.Event(), asyncio.Event()
    async with worker(redis, succeed) as running:
        claim = running.lane_queue.claim

        async def claim_with_a_slow_answer(limit: int) -> Claim:
            found = await claim(limit)
            if found.leases:
                claimed.set()
                await answered.wait()
            return found

        running.lane_queue.claim = claim_with_a_slow_answer  # type: ignore[method-assign]  # the real claim, delayed
        job_id = await queue.enqueue(a_job(max_attempts=1))
        await claimed.wait()
        draining = asyncio.create_task(running.drain(10))
        await until(lambda: not running.allow_pick_jobs)
        answered.set()
        await draining
    record = await queue.record(job_id)
    assert (record.status, record.attempt) == (JobStatus.QUEUED, 0)


async def test_a_worker_that_stops_renewing_loses_the_job_and_cannot_write_its_result(redis: Redis) -> None:
    frozen, thaw = asyncio.Event(), asyncio.Event()

    async def freeze(request: Any, ctx: JobContext) -> DatabasesResult:
        frozen.set()
        await thaw.wait()
        return DatabasesResult(databases=("from the old owner",))

    queue = JobQueue(redis)
    async with worker(redis, freeze, name="old"):
        job_id = await queue.enqueue(a_job())
        await frozen.wait()
        # After a pause of the whole process the lease has run out, and the job can be claimed.
        await redis.zadd(keys.running("upload"), {job_id: 1})
        async with worker(redis, succeed, name="new"):
            assert await queue.result(job_id, timeout_s=10) == DONE
            thaw.set()
    record = await queue.record(job_id)
    assert (record.result, record.worker, record.attempt) == (DONE, "new", 2)


async def test_a_worker_that_claims_its_own_lost_job_stops_the_old_attempt_and_runs_a_new_one(redis: Redis) -> None:
    attempts: list[int] = []
    cancelled = asyncio.Event()

    async def hang_once(request: Any, ctx: JobContext) -> DatabasesResult:
        attempts.append(ctx.record.attempt)
        if len(attempts) == 1:
            try:
                await asyncio.Event().wait()
            finally:
                cancelled.set()
        return DONE

    queue = JobQueue(redis)
    async with worker(redis, hang_once) as running:
        job_id = await queue.enqueue(a_job())
        await until(lambda: bool(attempts))
        await redis.zadd(keys.running("upload"), {job_id: 1})
        assert await queue.result(job_id, timeout_s=10) == DONE
        await asyncio.wait_for(cancelled.wait(), 10)
        await until(lambda: not running.tasks)
    assert attempts == [1, 2]


async def test_a_job_whose_workers_all_die_fails_with_worker_lost(redis: Redis) -> None:
    queue = JobQueue(redis)
    job_id = await queue.enqueue(a_job(max_attempts=2))
    lane = lane_queue(redis)
    for _ in range(2):
        assert len((await lane.claim(1)).leases) == 1
        await redis.zadd(keys.running("upload"), {job_id: 1})
    assert (await lane.claim(1)).leases == []
    record = await queue.record(job_id)
    assert record.status is JobStatus.FAILED
    assert record.error is not None
    assert (record.error.code, record.attempt) == ("worker_lost", 2)


async def test_jobs_beyond_the_concurrency_wait_until_a_slot_is_free(redis: Redis) -> None:
    running, most, gates = 0, 0, asyncio.Semaphore(0)

    async def hold(request: Any, ctx: JobContext) -> DatabasesResult:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await gates.acquire()
        running -= 1
        return DONE

    queue = JobQueue(redis)
    async with worker(redis, hold, concurrency=2):
        job_ids = [await queue.enqueue(a_job()) for _ in range(6)]
        await until(lambda: running == 2)
        for _ in job_ids:
            gates.release()
        await asyncio.gather(*(queue.wait(job_id, timeout_s=10) for job_id in job_ids))
    assert most == 2


async def test_progress_and_log_lines_reach_followers_in_order(redis: Redis) -> None:
    async def talk(request: Any, ctx: JobContext) -> DatabasesResult:
        await ctx.port.progress(Progress(stage="reading", done=1, total=2, unit="pages"))
        await ctx.port.log("half way")
        await ctx.progress("writing")
        return DONE

    queue = JobQueue(redis)
    async with worker(redis, talk):
        job_id = await queue.enqueue(a_job())
        events = [event async for event in queue.follow(job_id)]
    seen = [event.line or (event.progress.stage if event.progress else event.status) for event in events]
    assert seen == ["queued", "running", "reading", "half way", "writing", "succeeded"]
    resumed = [event async for event in queue.follow(job_id, after=events[2].id)]
    assert resumed == events[3:]
    assert (await queue.record(job_id)).progress == Progress(stage="writing")


async def test_only_jobs_of_the_lane_are_taken(redis: Redis) -> None:
    queue = JobQueue(redis)
    other = await queue.enqueue(NewJob(request=GenerateRequest(prompt="count"), session_id="s"))
    async with worker(redis, succeed):
        await queue.result(await queue.enqueue(a_job()), timeout_s=10)
    assert (await queue.record(other)).status is JobStatus.QUEUED
