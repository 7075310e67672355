"""The shipped test double, and that it behaves as the real producer does."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from raylane.testing import MemoryProducer
from raylane_common.errors import (
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
from raylane_common.wire.tables import DatabasesResult
from raylane_common.wire.upload import UploadRequest
from tests.unit.producer.samples import CSV, CSV_BYTES, GENERATED, TABLE, UPLOADED

if TYPE_CHECKING:
    from raylane.producer import Producer
    from raylane_common.wire.kinds import Result
    from tests.unit.producer.rig import Rig

DATABASES = DatabasesResult(databases=("shop",))


async def test_both_succeed(rig: Rig) -> None:
    handle = await rig.producer.tables.databases(job_id="j")
    await rig.end("j", DATABASES)
    assert await handle.result() == await rig.producer.result("j") == DATABASES
    record = await handle.wait()
    assert (record.status, record.result, record.error) == (JobStatus.SUCCEEDED, DATABASES, None)
    assert record == await handle.record()
    assert record.finished_at is not None
    assert record.finished_at >= record.enqueued_at


async def test_both_fail_with_the_jobs_own_error(rig: Rig) -> None:
    handle = await rig.producer.upload_bytes(CSV_BYTES, filename="a.csv", session_id="s1")
    await rig.end(handle.id, StorageRejected("no such bucket", details={"bucket": "b"}))
    with pytest.raises(StorageRejected, match="no such bucket") as raised:
        await handle.result()
    assert raised.value.details == {"bucket": "b"}


async def test_both_wait_until_another_task_ends_the_job(rig: Rig) -> None:
    handle = await rig.producer.tables.databases()
    async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(handle.result())
        following = tasks.create_task(_statuses(rig.producer, handle.id))
        await rig.end(handle.id, DATABASES)
    assert waiting.result() == DATABASES
    statuses = following.result()
    assert (statuses[0], statuses[-1]) == (JobStatus.QUEUED, JobStatus.SUCCEEDED)


async def test_both_resume_behind_an_event(rig: Rig) -> None:
    handle = await rig.producer.tables.databases()
    await rig.end(handle.id, DATABASES)
    events = [event async for event in handle.follow()]
    assert [event async for event in handle.follow(after=events[0].id)] == events[1:]
    assert [event async for event in handle.follow(after=events[-1].id)] == []


async def test_both_give_up_waiting_in_time(rig: Rig) -> None:
    handle = await rig.producer.tables.databases()
    with pytest.raises(WaitTimeout, match=handle.id):
        await handle.result(timeout_s=0.01)
    with pytest.raises(WaitTimeout):
        await handle.wait(timeout_s=0)


async def test_both_know_a_job_by_its_id(rig: Rig) -> None:
    for _ in range(2):
        assert (await rig.producer.generate("count", session_id="s1", job_id="mine")).id == "mine"
    assert len(await rig.producer.history("s1")) == 1
    with pytest.raises(JobIdTaken, match="mine"):
        await rig.producer.generate("count", session_id="s2", job_id="mine")
    with pytest.raises(JobIdTaken, match="mine"):
        await rig.producer.generate("sum", session_id="s1", job_id="mine")


async def test_both_refuse_unknown_jobs_and_bad_requests(rig: Rig) -> None:
    with pytest.raises(JobNotFound):
        await rig.producer.record("unknown")
    with pytest.raises(JobNotFound):
        await rig.producer.result("unknown")
    with pytest.raises(JobNotFound):
        await _statuses(rig.producer, "unknown")
    with pytest.raises(InvalidRequest, match=r"^session_id: "):
        await rig.producer.generate("count", session_id="a/b")


async def test_both_refuse_a_result_of_another_type(rig: Rig) -> None:
    handle = await rig.producer.tables.databases()
    await rig.end(handle.id, UPLOADED)
    with pytest.raises(InternalError, match="UploadResult where a DatabasesResult belongs"):
        await handle.result()


async def test_both_keep_sources_by_session(rig: Rig) -> None:
    await rig.put_both_sources("s1")
    assert await rig.producer.sources("s1") == [CSV, TABLE]
    assert await rig.producer.sources("s2") == []
    await rig.producer.generate("count", session_id="s1")
    assert await rig.producer.reset("s1") == 2
    assert await rig.producer.sources("s1") == []
    assert await rig.producer.history("s1") == []
    assert await rig.producer.reset("s1") == 0


async def test_both_tell_history_newest_first(rig: Rig) -> None:
    await rig.producer.upload_bytes(CSV_BYTES, filename="temps.csv", session_id="s1", job_id="up")
    await rig.producer.generate("count", session_id="s1", job_id="gen")
    await rig.producer.cluster.status()
    await rig.end("gen", GENERATED)
    generated, uploaded = await rig.producer.history("s1")
    assert (uploaded.job_id, uploaded.what, uploaded.status) == ("up", "temps.csv", JobStatus.QUEUED)
    assert (generated.job_id, generated.code, generated.run) == ("gen", GENERATED.code, GENERATED.run)
    assert [entry.job_id for entry in await rig.producer.history("s1", limit=1)] == ["gen"]


async def test_a_test_sees_what_was_enqueued() -> None:
    async with MemoryProducer() as producer:
        await producer.upload_bytes(CSV_BYTES, filename="temps.csv", session_id="s1", job_id="up")
        await producer.generate("count", session_id="s1")
        uploading, generating = producer.enqueued
        assert isinstance(uploading.request, UploadRequest)
        assert uploading.request.filename == "temps.csv"
        assert producer.body("up") == CSV_BYTES
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
        producer.succeed("up", UPLOADED)
        assert asked == ["up", "gen", "last"]
        assert await producer.result("last") == DATABASES


async def test_an_answer_may_fail_a_job_until_it_was_put_back_often_enough() -> None:
    answers: list[Result | RaylaneError] = [StorageUnavailable("no"), StorageUnavailable("no"), DATABASES]
    async with MemoryProducer(lambda _: answers.pop(0)) as producer:
        await producer.tables.databases(job_id="j")
        assert [outcome.error for outcome in await producer.operator.requeue_dead()] == [None]
        await producer.requeue("j")
        assert await producer.result("j") == DATABASES
        assert len(await producer.attempts("j")) == 2


async def test_a_running_job_may_tell_how_far_it_is() -> None:
    async with MemoryProducer() as producer:
        handle = await producer.generate("count", session_id="s1", delay_s=60)
        producer.start(handle.id)
        progress = Progress(stage="writing", done=1, total=2, unit="versions")
        producer.tell(handle.id, progress=progress)
        producer.tell(handle.id, text="import ")
        producer.tell(handle.id, text="ray", line="asked the model")
        producer.succeed(handle.id, GENERATED)
        assert [event.type async for event in handle.follow()] == [
            *[EventType.STATUS, EventType.STATUS, EventType.PROGRESS],
            *[EventType.TEXT, EventType.LOG, EventType.TEXT, EventType.STATUS],
        ]
        assert "".join([event.text or "" async for event in handle.follow()]) == "import ray"
        assert (await handle.record()).progress == progress


async def test_a_job_that_waits_cannot_be_started() -> None:
    async with MemoryProducer() as producer:
        first = await producer.tables.databases(job_id="first")
        await producer.tables.databases(after=[first], job_id="last")
        for step in (producer.start, lambda job_id: producer.tell(job_id, text="x")):
            with pytest.raises(LeaseLost, match="waits for first"):
                step("last")
        with pytest.raises(LeaseLost, match="waits for first"):
            producer.succeed("last", DATABASES)


async def test_a_generated_result_can_be_restored_from() -> None:
    async with MemoryProducer() as producer:
        await producer.generate("count", session_id="s1", job_id="gen")
        with pytest.raises(NoSources):
            await producer.restore("gen")
        producer.succeed("gen", GENERATED)
        assert await producer.restore("gen") == [CSV]
        assert await producer.sources("s1") == [CSV]


async def test_a_job_ends_once() -> None:
    async with MemoryProducer() as producer:
        await producer.tables.databases(job_id="j")
        producer.succeed("j", DATABASES)
        with pytest.raises(LeaseLost):
            producer.fail("j", StorageRejected("late"))
        with pytest.raises(JobNotFound):
            producer.succeed("unknown", DATABASES)
        assert await producer.result("j") == DATABASES


async def _statuses(producer: Producer, job_id: str) -> list[JobStatus | None]:
    return [event.status async for event in producer.follow(job_id)]
