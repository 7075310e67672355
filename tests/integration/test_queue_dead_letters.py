"""Dead letters: jobs that failed through no fault of their own, kept with all that is needed to put them back."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from raylane_common.errors import (
    InternalError,
    JobCancelled,
    JobNotRequeued,
    JobTimeout,
    NoSources,
    RaylaneError,
    StorageUnavailable,
)
from raylane_common.wire.base import JobKind
from raylane_common.wire.generate import Checkpoint, CodeVersion, GeneratorName, Usage
from raylane_common.wire.jobs import JobStatus, NewJob, Progress
from raylane_common.wire.sources import FileSource
from raylane_common.wire.upload import UploadRequest
from tests.helpers import queue_keys
from tests.helpers.claims import (
    PERMANENT,
    TRANSIENT,
    claimed,
    die,
    end,
    error_code,
    expire,
    fail,
    patient_lane,
    record,
    run,
    statuses,
    take,
)
from tests.helpers.lanes import DONE, a_job, worker
from tests.helpers.queue_keys import keys

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from raylane_common.redis.queue import JobQueue, LaneQueue, QueueOverview
    from raylane_common.wire.tables import DatabasesResult
    from raylane_worker.context import JobContext

DAY_S = 24 * 3600
CHECKPOINT = Checkpoint(
    sources_used=(FileSource(filename="a.csv", s3_uri="s3://b/a.csv", size_bytes=1, rows=1, columns=(), job_id="up"),),
    generator=GeneratorName.TEMPLATE,
    interpreted_as="count the rows",
    versions=(CodeVersion(number=1, code="print(1)"),),
    usage=Usage(input_tokens=1, output_tokens=1),
)


def an_upload(job_id: str, body: bytes = b"a\n1\n") -> NewJob:
    request = UploadRequest(filename="a.csv", size_bytes=len(body), sha256="0" * 64)
    return NewJob(request=request, session_id="s", id=job_id, body=body)


async def dead_ids(overview: QueueOverview, **filters: Any) -> list[str]:
    return [letter.id for letter in await overview.dead(**filters)]


async def give_up(lane: LaneQueue, error: RaylaneError = TRANSIENT) -> str:
    """Takes the next job and ends its last attempt with an error."""
    lease = await take(lane)
    await end(lane, lease.failed(error))
    return lease.job_id


@pytest.mark.parametrize(
    ("error", "is_dead"),
    [
        (TRANSIENT, True),
        (JobTimeout("too long"), True),
        (InternalError("defect"), True),
        (PERMANENT, False),
        (NoSources("no sources in the session"), False),
    ],
)
async def test_a_job_that_is_not_at_fault_becomes_a_dead_letter_and_another_one_does_not(
    queue: JobQueue, lane: LaneQueue, overview: QueueOverview, error: RaylaneError, is_dead: bool
) -> None:
    await queue.enqueue(a_job(id="j"))
    await give_up(lane, error)
    assert await dead_ids(overview) == (["j"] if is_dead else [])


async def test_a_job_whose_workers_died_becomes_a_dead_letter_with_each_attempt(
    redis: Redis, queue: JobQueue, lane: LaneQueue, overview: QueueOverview
) -> None:
    await queue.enqueue(a_job(id="j", max_attempts=2))
    for _ in range(2):
        await take(lane)
        await die(redis, "j")
    assert await claimed(lane) == []
    assert await dead_ids(overview, code="worker_lost") == ["j"]
    error = (await queue.record("j")).error
    assert error is not None
    assert error.outside_job
    history = await queue.attempts("j")
    assert [(attempt.number, attempt.worker, attempt.error.code) for attempt in history] == [
        (1, "w1", "worker_lost"),
        (2, "w1", "worker_lost"),
    ]


async def test_cancelled_and_expired_jobs_are_not_dead_letters(
    redis: Redis, queue: JobQueue, lane: LaneQueue, overview: QueueOverview
) -> None:
    await queue.enqueue_many([a_job(id="cancelled"), a_job(id="expired", expires_s=60)])
    await queue.cancel("cancelled")
    await expire(redis, "expired")
    await lane.claim(1)
    assert await statuses(redis, "cancelled", "expired") == ["cancelled", "failed"]
    assert await dead_ids(overview) == []


async def test_jobs_after_a_dead_letter_become_dead_letters_and_jobs_after_another_failure_do_not(
    redis: Redis, queue: JobQueue, lane: LaneQueue, overview: QueueOverview
) -> None:
    await queue.enqueue_many([a_job(id="a"), a_job(id="a2", after=("a",)), a_job(id="a3", after=("a2",))])
    await queue.enqueue_many([a_job(id="b"), a_job(id="b2", after=("b",))])
    assert [await give_up(lane), await fail(lane)] == ["a", "b"]
    assert sorted(await dead_ids(overview)) == ["a", "a2", "a3"]
    assert await statuses(redis, "b", "b2") == ["failed", "failed"]
    found = {job_id: (await queue.record(job_id)).error for job_id in ("a", "a2", "a3", "b", "b2")}
    assert {job_id for job_id, error in found.items() if error is not None and error.outside_job} == {"a", "a2", "a3"}


async def test_dead_letters_can_be_listed_by_kind_code_and_session_the_last_to_fail_first(
    redis: Redis, queue: JobQueue, lane: LaneQueue, overview: QueueOverview
) -> None:
    await queue.enqueue_many([a_job(id="tables"), an_upload("upload"), a_job(id="other", session_id="t")])
    await give_up(lane)
    await give_up(lane, InternalError("defect"))
    await give_up(lane, JobTimeout("too long"))
    for number, job_id in enumerate(("tables", "upload", "other")):
        await redis.hset(keys.job(job_id), "finished_at", str(1000 + number))  # type: ignore[misc]  # redis-py's union
    assert await dead_ids(overview) == ["other", "upload", "tables"]
    assert await dead_ids(overview, limit=2) == ["other", "upload"]
    assert await dead_ids(overview, kind=JobKind.UPLOAD) == ["upload"]
    assert await dead_ids(overview, kind=JobKind.RAY) == []
    assert await dead_ids(overview, code="job_timeout") == ["other"]
    assert await dead_ids(overview, session_id="s") == ["upload"]
    assert await dead_ids(overview, session_id="s", code="job_timeout") == []


async def test_a_dead_letter_holds_its_payload_and_its_last_error(
    queue: JobQueue, lane: LaneQueue, overview: QueueOverview
) -> None:
    await queue.enqueue(a_job(id="j"))
    await end(lane, (await take(lane)).retried(StorageUnavailable("first"), 0))
    await give_up(lane, StorageUnavailable("second", details={"bucket": "b"}))
    [letter] = await overview.dead()
    assert (await queue.record("j")).payload == {"action": "databases", "limit": 100}
    assert letter.error is not None
    assert (letter.error.message, letter.error.details) == ("second", {"bucket": "b"})
    error = (await queue.record("j")).error
    assert error is not None
    assert error.outside_job
    history = await queue.attempts("j")
    assert [(attempt.number, attempt.error.message) for attempt in history] == [(1, "first"), (2, "second")]
    assert all(attempt.started_at and attempt.started_at <= attempt.ended_at for attempt in history)


async def test_a_dead_letter_is_kept_for_30_days_with_all_its_parts_and_other_ended_jobs_as_long_as_results(
    redis: Redis, queue: JobQueue, lane: LaneQueue
) -> None:
    await queue.enqueue_many([an_upload("dead"), an_upload("failed"), an_upload("done")])
    assert [await give_up(lane), await fail(lane), await run(lane)] == ["dead", "failed", "done"]
    parts = (keys.job, keys.job_events, keys.job_body, keys.job_attempts)
    for key in (part("dead") for part in parts):
        assert 29 * DAY_S < await redis.ttl(key) <= 30 * DAY_S, key
    for job_id in ("failed", "done"):
        assert 0 < await redis.ttl(keys.job(job_id)) <= 3600
        assert 0 < await redis.ttl(keys.job_events(job_id)) <= 3600
        assert await redis.exists(keys.job_body(job_id)) == 0


async def test_a_dead_letter_that_is_put_back_runs_with_its_staged_bytes(
    redis: Redis, queue: JobQueue, overview: QueueOverview
) -> None:
    bodies: list[bytes] = []

    async def fail_until_put_back(request: Any, ctx: JobContext) -> DatabasesResult:
        bodies.append(await ctx.port.body())
        if len(bodies) <= 2:
            raise StorageUnavailable("no storage today")
        return DONE

    body = bytes(range(256))
    async with worker(redis, fail_until_put_back, max_attempts=2):
        await queue.enqueue(an_upload("j", body))
        assert (await queue.wait("j", timeout_s=10)).status is JobStatus.FAILED
        await queue.requeue("j")
        assert await queue.result("j", timeout_s=10) == DONE
    assert bodies == [body] * 3
    assert await dead_ids(overview) == []
    done = await record(redis, "j")
    assert (done.attempt, done.round, done.error) == (1, 0, None)
    assert len(await queue.attempts("j")) == 2
    assert await redis.exists(keys.job_body("j")) == 0


async def test_many_dead_letters_are_put_back_and_each_runs_once(
    queue: JobQueue, lane: LaneQueue, overview: QueueOverview
) -> None:
    names = [f"j{number}" for number in range(30)]
    await queue.enqueue_many([a_job(id=name) for name in names])
    for _ in names:
        await give_up(lane)
    letters = await overview.dead()
    await asyncio.gather(*(queue.requeue(letter.id) for letter in letters))
    assert await dead_ids(overview) == []
    assert sorted(await claimed(lane)) == sorted(names)


async def test_of_two_that_put_a_job_back_at_once_one_is_refused(queue: JobQueue, lane: LaneQueue) -> None:
    await queue.enqueue(a_job(id="j"))
    await give_up(lane)
    answers = await asyncio.gather(queue.requeue("j"), queue.requeue("j"), return_exceptions=True)
    assert [type(answer) for answer in answers if answer] == [JobNotRequeued]
    assert await claimed(lane) == ["j"]


@pytest.mark.parametrize("error", [TRANSIENT, InternalError("defect")])
async def test_a_job_that_was_not_at_fault_continues_where_it_was(
    redis: Redis, queue: JobQueue, lane: LaneQueue, error: RaylaneError
) -> None:
    await queue.enqueue(a_job(id="j"))
    lease = await take(lane)
    await lease.checkpoint(CHECKPOINT)
    await end(lane, lease.failed(error))
    await queue.requeue("j")
    again = (await take(lane)).record
    assert (again.checkpoint, again.round, again.attempt) == (CHECKPOINT, 0, 1)


async def test_a_job_that_continues_knows_which_run_may_have_its_code(queue: JobQueue, lane: LaneQueue) -> None:
    await queue.enqueue(a_job(id="j"))
    lease = await take(lane)
    await lease.progress(Progress(stage="running", message="rl-warm-1 for rl-j-1 in a warm run"))
    await end(lane, lease.failed(TRANSIENT))

    await queue.requeue("j")

    # The run may be lost by now, and then it is started again.
    found = (await take(lane)).record.progress
    assert found == Progress(stage="submitting", message="rl-warm-1 for rl-j-1 in a warm run")


async def test_a_job_that_begins_anew_has_no_run(queue: JobQueue, lane: LaneQueue) -> None:
    await queue.enqueue(a_job(id="j"))
    lease = await take(lane)
    await lease.progress(Progress(stage="running", message="rl-j-1 via the public endpoint"))
    await end(lane, lease.failed(PERMANENT))

    await queue.requeue("j")

    assert (await take(lane)).record.progress is None


async def test_a_job_whose_worker_died_continues_where_it_was(redis: Redis, queue: JobQueue, lane: LaneQueue) -> None:
    await queue.enqueue(a_job(id="j", max_attempts=1))
    await (await take(lane)).checkpoint(CHECKPOINT)
    await die(redis, "j")
    assert await claimed(lane) == []
    assert await error_code(redis, "j") == "worker_lost"
    await queue.requeue("j")
    again = (await take(lane)).record
    assert (again.checkpoint, again.round) == (CHECKPOINT, 0)


@pytest.mark.parametrize("ending", ["failed", "cancelled"])
async def test_any_other_job_begins_anew_with_the_sources_that_it_has_read(
    queue: JobQueue, lane: LaneQueue, ending: str
) -> None:
    await queue.enqueue(a_job(id="j"))
    for round_ in (1, 2):
        lease = await take(lane)
        await lease.checkpoint(CHECKPOINT)
        await end(lane, lease.failed(PERMANENT) if ending == "failed" else lease.cancelled(JobCancelled("stop")))
        await queue.requeue("j")
        job = await queue.record("j")
        assert (job.round, job.attempt, job.error, job.finished_at, job.worker) == (round_, 0, None, None, None)
        assert job.checkpoint is not None
        assert job.checkpoint.sources_used == CHECKPOINT.sources_used
        assert job.checkpoint.generator is GeneratorName.TEMPLATE
        assert (job.checkpoint.versions, job.checkpoint.usage) == ((), None)


@pytest.mark.parametrize("status", ["queued", "running", "scheduled", "succeeded"])
async def test_only_a_failed_or_cancelled_job_is_put_back(queue: JobQueue, lane: LaneQueue, status: str) -> None:
    await queue.enqueue(a_job(id="j"))
    if status != "queued":
        lease = await take(lane)
        if status == "scheduled":
            await end(lane, lease.retried(TRANSIENT, 600))
        if status == "succeeded":
            await end(lane, lease.succeeded(DONE))
    with pytest.raises(JobNotRequeued, match=f"job j (is|has) {status};"):
        await queue.requeue("j")
    assert (await queue.record("j")).status == status


async def test_an_upload_whose_bytes_are_gone_is_not_put_back(queue: JobQueue, lane: LaneQueue) -> None:
    await queue.enqueue_many([an_upload("failed"), an_upload("cancelled")])
    assert await fail(lane) == "failed"
    await queue.cancel("cancelled")
    for job_id in ("failed", "cancelled"):
        with pytest.raises(JobNotRequeued, match="upload the file again"):
            await queue.requeue(job_id)
        assert (await queue.record(job_id)).status == job_id


async def test_a_job_is_not_put_back_before_the_one_that_it_comes_after(
    redis: Redis, queue: JobQueue, lane: LaneQueue
) -> None:
    await queue.enqueue_many([a_job(id="a"), a_job(id="b", after=("a",))])
    await give_up(lane)
    with pytest.raises(JobNotRequeued, match="comes after job a"):
        await queue.requeue("b")
    await queue.requeue("a")
    await queue.requeue("b")
    assert await statuses(redis, "a", "b") == ["queued", "waiting"]
    assert [await run(lane), await run(lane)] == ["a", "b"]


async def test_a_job_whose_unique_key_another_one_holds_now_is_not_put_back(
    redis: Redis, queue: JobQueue, lane: LaneQueue
) -> None:
    await queue.enqueue(a_job(id="a", unique="u"))
    await give_up(lane)
    await queue.enqueue(a_job(id="b", unique="u"))
    with pytest.raises(JobNotRequeued, match="job b holds now"):
        await queue.requeue("a")
    await queue.cancel("b")
    await queue.requeue("a")
    assert await queue.enqueue(a_job(id="c", unique="u")) == "a"


async def test_a_job_that_is_put_back_waits_for_its_turn_in_the_session(redis: Redis, queue: JobQueue) -> None:
    lane = patient_lane(redis, per_session=1)
    await queue.enqueue_many([a_job(id="a", session_id="s"), a_job(id="b", session_id="s")])
    await give_up(lane)
    assert await claimed(lane) == ["b"]
    await queue.requeue("a")
    assert await claimed(lane) == []
    await die(redis, "b")
    assert [await run(lane), await run(lane)] == ["b", "a"]


async def test_a_job_that_was_put_back_is_kept_as_long_as_a_new_one(
    redis: Redis, queue: JobQueue, lane: LaneQueue
) -> None:
    await queue.enqueue(an_upload("j"))
    await give_up(lane)
    await queue.requeue("j")
    for part in (keys.job, keys.job_events, keys.job_body, keys.job_attempts, queue_keys.arq_job):
        assert await redis.ttl(part("j")) == -1, part
