"""`MemoryProducer`, the double that services use in their tests."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from raylane.testing import MemoryProducer
from raylane_common.errors import (
    CatalogUnavailable,
    InternalError,
    InvalidRequest,
    JobIdTaken,
    JobNotFound,
    LeaseLost,
    NoSources,
    RaylaneError,
    StorageRejected,
    StorageUnavailable,
    WaitTimeout,
)
from raylane_common.wire.generate import GenerateRequest
from raylane_common.wire.jobs import EventType, JobStatus, NewJob, Progress
from raylane_common.wire.tables import DatabasesResult, SelectedTablesResult
from raylane_common.wire.upload import UploadRequest
from tests.unit.producer.samples import CSV, CSV_BYTES, GENERATED, TABLE, UPLOADED

if TYPE_CHECKING:
    from raylane.producer import Producer
    from raylane_common.wire.kinds import Result

DATABASES = DatabasesResult(databases=("shop",))


async def test_succeed_ends_a_job_with_its_result(memory: MemoryProducer) -> None:
    handle = await memory.tables.databases(job_id="j")
    await memory.succeed("j", DATABASES)
    assert await handle.result() == await memory.result("j") == DATABASES
    record = await handle.wait()
    assert (record.status, record.result, record.error) == (JobStatus.SUCCEEDED, DATABASES, None)
    assert record == await handle.record()
    assert record.finished_at is not None
    assert record.finished_at >= record.enqueued_at


async def test_fail_ends_a_job_with_its_own_error(memory: MemoryProducer) -> None:
    handle = await memory.upload_bytes(CSV_BYTES, filename="a.csv", session_id="s1")
    await memory.fail(handle.id, StorageRejected("no such bucket", details={"bucket": "b"}))
    with pytest.raises(StorageRejected, match="no such bucket") as raised:
        await handle.result()
    assert raised.value.details == {"bucket": "b"}


async def test_waiting_and_following_return_when_another_task_ends_the_job(memory: MemoryProducer) -> None:
    handle = await memory.tables.databases()
    async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(handle.result())
        following = tasks.create_task(_statuses(memory, handle.id))
        await memory.succeed(handle.id, DATABASES)
    assert waiting.result() == DATABASES
    statuses = following.result()
    assert (statuses[0], statuses[-1]) == (JobStatus.QUEUED, JobStatus.SUCCEEDED)


async def test_following_continues_after_an_event(memory: MemoryProducer) -> None:
    handle = await memory.tables.databases()
    await memory.succeed(handle.id, DATABASES)
    events = [event async for event in handle.follow()]
    assert [event async for event in handle.follow(after=events[0].id)] == events[1:]
    assert [event async for event in handle.follow(after=events[-1].id)] == []


async def test_waiting_gives_up_after_its_timeout(memory: MemoryProducer) -> None:
    handle = await memory.tables.databases()
    with pytest.raises(WaitTimeout, match=handle.id):
        await handle.result(timeout_s=0.01)
    with pytest.raises(WaitTimeout):
        await handle.wait(timeout_s=0)


async def test_the_same_job_id_is_the_same_job(memory: MemoryProducer) -> None:
    for _ in range(2):
        assert (await memory.generate("count", session_id="s1", job_id="mine")).id == "mine"
    assert len(await memory.history("s1")) == len(memory.enqueued) == 1
    with pytest.raises(JobIdTaken, match="mine"):
        await memory.generate("count", session_id="s2", job_id="mine")
    with pytest.raises(JobIdTaken, match="mine"):
        await memory.generate("sum", session_id="s1", job_id="mine")


async def test_unknown_jobs_and_bad_requests_are_refused(memory: MemoryProducer) -> None:
    for call in (memory.record, memory.result, memory.start):
        with pytest.raises(JobNotFound):
            await call("unknown")
    with pytest.raises(JobNotFound):
        await _statuses(memory, "unknown")
    with pytest.raises(JobNotFound):
        memory.body("unknown")
    with pytest.raises(InvalidRequest, match=r"^session_id: "):
        await memory.generate("count", session_id="a/b")


async def test_an_outcome_of_another_kind_is_refused_and_the_job_stays(memory: MemoryProducer) -> None:
    job = await memory.tables.databases()
    results: list[Any] = [None, CatalogUnavailable("Glue does not answer")]
    errors: list[Any] = [None, ValueError("oops"), UPLOADED]
    for result in results:
        with pytest.raises(InvalidRequest, match=r"^result: must be a result, not "):
            await memory.succeed(job.id, result)
    for error in errors:
        with pytest.raises(InvalidRequest, match=r"^error: must be a RaylaneError, not "):
            await memory.fail(job.id, error)
    assert (await job.record()).status is JobStatus.QUEUED


async def test_an_answer_of_another_kind_is_refused() -> None:
    def answer(job: NewJob) -> Any:
        return {"databases": []}

    async with MemoryProducer(answer) as memory:
        with pytest.raises(InvalidRequest, match=r"^answer: must return a result, a RaylaneError or None, not dict"):
            await memory.tables.databases()


async def test_a_result_of_another_type_is_an_error(memory: MemoryProducer) -> None:
    handle = await memory.tables.databases()
    await memory.succeed(handle.id, UPLOADED)
    with pytest.raises(InternalError, match="UploadResult instead of a DatabasesResult"):
        await handle.result()


async def test_sources_belong_to_a_session(memory: MemoryProducer) -> None:
    await memory.put_sources("s1", TABLE, CSV)
    assert await memory.sources("s1") == [CSV, TABLE]
    assert await memory.sources("s2") == []
    await memory.generate("count", session_id="s1")
    assert await memory.reset("s1") == 2
    assert await memory.sources("s1") == []
    assert await memory.history("s1") == []
    assert await memory.reset("s1") == 0


async def test_history_has_the_newest_job_first(memory: MemoryProducer) -> None:
    await memory.upload_bytes(CSV_BYTES, filename="temps.csv", session_id="s1", job_id="up")
    await memory.generate("count", session_id="s1", job_id="gen")
    await memory.cluster.status()
    await memory.succeed("gen", GENERATED)
    generated, uploaded = await memory.history("s1")
    assert (uploaded.job_id, uploaded.what, uploaded.status) == ("up", "temps.csv", JobStatus.QUEUED)
    assert (generated.job_id, generated.code, generated.run) == ("gen", GENERATED.code, GENERATED.run)
    assert [entry.job_id for entry in await memory.history("s1", limit=1)] == ["gen"]


async def test_a_test_sees_the_jobs_that_were_enqueued(memory: MemoryProducer) -> None:
    await memory.upload_bytes(CSV_BYTES, filename="temps.csv", session_id="s1", job_id="up")
    await memory.generate("count", session_id="s1")
    uploading, generating = memory.enqueued
    assert isinstance(uploading.request, UploadRequest)
    assert uploading.request.filename == "temps.csv"
    assert memory.body("up") == CSV_BYTES
    assert isinstance(generating.request, GenerateRequest)
    assert (generating.request.prompt, generating.session_id) == ("count", "s1")


async def test_answers_end_jobs_as_they_are_enqueued() -> None:
    def answer(job: NewJob) -> Result | RaylaneError | None:
        if isinstance(job.request, UploadRequest):
            return UPLOADED
        return StorageRejected("no") if job.kind == "tables" else None

    async with MemoryProducer(answer) as producer:
        assert await (await producer.upload_bytes(CSV_BYTES, filename="a.csv", session_id="s1")).result() == UPLOADED
        with pytest.raises(StorageRejected):
            await (await producer.tables.databases()).result()
        assert (await (await producer.cluster.status()).record()).status is JobStatus.QUEUED


async def test_answers_wait_until_the_job_may_start() -> None:
    asked: list[str] = []

    def answer(job: NewJob) -> Result | RaylaneError | None:
        asked.append(job.id)
        return {"up": None, "gen": GENERATED}.get(job.id, DATABASES)

    async with MemoryProducer(answer) as producer:
        upload = await producer.upload_bytes(CSV_BYTES, filename="a.csv", session_id="s1", job_id="up")
        generate = await producer.generate("count", session_id="s1", job_id="gen", after=[upload])
        await producer.tables.databases(after=[generate], job_id="last")
        await producer.tables.databases(delay_s=60, job_id="later")
        assert asked == ["up"]
        await producer.succeed("up", UPLOADED)
        assert asked == ["up", "gen", "last"]
        assert await producer.result("last") == DATABASES


async def test_concurrent_tasks_get_one_answer_for_each_job() -> None:
    asked: list[str] = []

    def answer(job: NewJob) -> Result:
        asked.append(job.id)
        return DATABASES

    async with MemoryProducer(answer) as producer:
        handles = await asyncio.gather(*(producer.tables.databases(job_id=f"j{number}") for number in range(20)))
        assert await asyncio.gather(*(handle.result() for handle in handles)) == [DATABASES] * 20
    assert sorted(asked) == sorted(handle.id for handle in handles)


async def test_a_job_that_is_put_back_is_answered_again() -> None:
    answers: list[Result | RaylaneError] = [StorageUnavailable("no"), StorageUnavailable("no"), DATABASES]
    async with MemoryProducer(lambda _: answers.pop(0)) as producer:
        await producer.tables.select("s1", [("shop", "orders")], job_id="j")
        assert [outcome.error for outcome in await producer.operator.requeue_dead()] == [None]
        await producer.requeue("j")
        assert await producer.result("j") == DATABASES
        assert len(await producer.attempts("j")) == 2


async def test_a_running_job_reports_its_progress(memory: MemoryProducer) -> None:
    handle = await memory.generate("count", session_id="s1", delay_s=60)
    await memory.start(handle.id)
    progress = Progress(stage="writing", done=1, total=2, unit="versions")
    await memory.tell(handle.id, progress=progress)
    await memory.tell(handle.id, text="import ")
    await memory.tell(handle.id, text="ray", line="asked the model")
    await memory.succeed(handle.id, GENERATED)
    assert [event.type async for event in handle.follow()] == [
        *[EventType.STATUS, EventType.STATUS, EventType.STATUS, EventType.PROGRESS],
        *[EventType.TEXT, EventType.LOG, EventType.TEXT, EventType.STATUS],
    ]
    assert "".join([event.text or "" async for event in handle.follow()]) == "import ray"
    assert (await handle.record()).progress == progress


async def test_a_follower_learns_of_events_that_are_no_longer_kept(memory: MemoryProducer) -> None:
    handle = await memory.generate("count", session_id="s1")
    for number in range(1500):
        await memory.tell(handle.id, line=str(number))
    await memory.succeed(handle.id, GENERATED)
    gap, *kept = [event async for event in handle.follow()]
    assert (gap.type, gap.missing) == (EventType.GAP, 1500 + 3 - len(kept))


async def test_only_the_job_that_is_named_starts(memory: MemoryProducer) -> None:
    first, second, scheduled = [await memory.tables.databases(delay_s=delay_s) for delay_s in (None, None, 3600)]
    for started in (second, scheduled):
        await memory.start(started.id)
        await memory.start(started.id)
        assert ((await started.record()).status, (await started.record()).attempt) == (JobStatus.RUNNING, 1)
    assert (await first.record()).status is JobStatus.QUEUED
    await memory.succeed(first.id, DATABASES)
    assert await _statuses(memory, first.id) == ["queued", "running", "succeeded"]


async def test_a_job_that_waits_cannot_be_started(memory: MemoryProducer) -> None:
    first = await memory.tables.databases(job_id="first")
    await memory.tables.databases(after=[first], job_id="last")
    for step in (memory.start, lambda job_id: memory.tell(job_id, text="x")):
        with pytest.raises(LeaseLost, match="waits for first"):
            await step("last")
    with pytest.raises(LeaseLost, match="waits for first"):
        await memory.succeed("last", DATABASES)


async def test_an_upload_and_a_selection_add_sources(memory: MemoryProducer) -> None:
    upload = await memory.upload_bytes(CSV_BYTES, filename="temps.csv", session_id="s1", job_id="up")
    select = await memory.tables.select("s1", [("shop", "orders")])
    await memory.succeed(upload.id, UPLOADED)
    uploaded = CSV.model_copy(update={"enqueued_ms": (await upload.record()).enqueued_at})
    assert await memory.sources("s1") == [uploaded]
    await memory.succeed(select.id, SelectedTablesResult(sources=(TABLE,)))
    assert await memory.sources("s1") == [uploaded, TABLE]


@pytest.mark.parametrize(("keep_sources", "left"), [(False, []), (True, [CSV])])
async def test_a_run_removes_the_sources_that_it_used(
    memory: MemoryProducer, keep_sources: bool, left: list[object]
) -> None:
    await memory.put_sources("s1", CSV)
    job = await memory.generate("count", session_id="s1", execute=True, keep_sources=keep_sources)
    await memory.succeed(job.id, GENERATED)
    assert await memory.sources("s1") == left


async def test_the_sources_of_a_generated_result_can_be_restored(memory: MemoryProducer) -> None:
    await memory.generate("count", session_id="s1", job_id="gen")
    with pytest.raises(NoSources):
        await memory.restore("gen")
    await memory.succeed("gen", GENERATED)
    assert await memory.restore("gen") == [CSV]
    assert await memory.sources("s1") == [CSV]


async def test_a_job_ends_once(memory: MemoryProducer) -> None:
    await memory.tables.databases(job_id="j")
    await memory.succeed("j", DATABASES)
    with pytest.raises(LeaseLost, match="has succeeded"):
        await memory.fail("j", StorageRejected("late"))
    with pytest.raises(JobNotFound):
        await memory.succeed("unknown", DATABASES)
    assert await memory.result("j") == DATABASES


async def test_two_producers_share_nothing(memory: MemoryProducer) -> None:
    await memory.tables.databases(job_id="j")
    async with MemoryProducer() as other:
        assert other.enqueued == []
        assert await other.operator.jobs() == []


def test_without_fakeredis_the_error_names_the_extra() -> None:
    code = "import sys; sys.modules['fakeredis'] = None; from raylane.testing import MemoryProducer"
    found = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True, timeout=60)
    assert found.stderr.rstrip().endswith(
        "ImportError: raylane.testing.MemoryProducer needs fakeredis: pip install 'raylane[testing]'"
    )


async def _statuses(producer: Producer, job_id: str) -> list[JobStatus | None]:
    return [event.status async for event in producer.follow(job_id)]
