"""Jobs that are cancelled, become dead letters, and are put back into the queue."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from raylane_common.errors import (
    InvalidFile,
    InvalidRequest,
    JobCancelled,
    JobNotFound,
    JobNotRequeued,
    NotUnderstood,
    RaylaneError,
    StorageRejected,
    StorageUnavailable,
)
from raylane_common.wire.jobs import JobStatus
from raylane_common.wire.tables import DatabasesResult
from tests.unit.producer.samples import CSV_BYTES, GENERATED, UPLOADED

if TYPE_CHECKING:
    from raylane.handle import JobHandle
    from raylane.producer import Producer
    from raylane.testing import MemoryProducer
    from raylane_common.wire.generate import GenerateResult
    from raylane_common.wire.upload import UploadResult

DONE = DatabasesResult(databases=())
OUTSIDE = StorageUnavailable("no answer")


async def test_a_job_that_does_not_run_is_cancelled_at_once(memory: MemoryProducer) -> None:
    queued = await memory.tables.databases()
    waiting = await memory.tables.databases(after=[queued])
    scheduled = await memory.tables.databases(delay_s=60)
    for handle in (waiting, scheduled, queued):
        assert await handle.cancel() is JobStatus.CANCELLED
        record = await handle.wait()
        assert (record.status, record.cancel_requested_at) == (JobStatus.CANCELLED, None)
        assert record.finished_at is not None
        with pytest.raises(JobCancelled):
            await handle.result()
        assert await memory.cancel(handle.id) is JobStatus.CANCELLED
        assert await memory.attempts(handle.id) == []


async def test_a_running_job_is_asked_to_stop(memory: MemoryProducer) -> None:
    handle = await memory.tables.databases()
    await memory.start(handle.id)
    assert await handle.cancel() is JobStatus.RUNNING
    record = await handle.record()
    assert (record.status, record.cancel_requested_at is None) == (JobStatus.RUNNING, False)
    await memory.fail(handle.id, JobCancelled("stopped on request"))
    with pytest.raises(JobCancelled, match="stopped on request"):
        await handle.result()
    assert (await handle.record()).status is JobStatus.CANCELLED
    assert await memory.attempts(handle.id) == []


async def test_a_job_that_has_ended_stays_as_it_is(memory: MemoryProducer) -> None:
    good, bad = await memory.tables.databases(), await memory.tables.databases()
    await memory.succeed(good.id, DONE)
    await memory.fail(bad.id, StorageRejected("no"))
    assert await good.cancel() is JobStatus.SUCCEEDED
    assert await bad.cancel() is JobStatus.FAILED
    assert await good.result() == DONE


async def test_a_job_that_is_at_fault_starts_again(memory: MemoryProducer) -> None:
    handle = await memory.generate("count", session_id="s1")
    await memory.fail(handle.id, NotUnderstood("what?"))
    before = [event async for event in handle.follow()]
    await memory.requeue(handle.id)
    record = await handle.record()
    assert (record.status, record.attempt, record.round) == (JobStatus.QUEUED, 0, 1)
    assert (record.error, record.finished_at, record.started_at, record.worker) == (None, None, None, None)
    async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(handle.result())
        following = tasks.create_task(_statuses(handle))
        resumed = tasks.create_task(_statuses(handle, after=before[-1].id))
        await memory.succeed(handle.id, GENERATED)
    assert waiting.result() == GENERATED
    assert following.result() == resumed.result() == ["queued", "running", "succeeded"]


async def test_a_dead_letter_continues_where_it_was(memory: MemoryProducer) -> None:
    handle = await memory.generate("count", session_id="s1")
    await memory.fail(handle.id, OUTSIDE)
    await memory.requeue(handle.id)
    record = await handle.record()
    assert (record.status, record.attempt, record.round) == (JobStatus.QUEUED, 0, 0)
    await memory.fail(handle.id, OUTSIDE)
    attempts = await memory.attempts(handle.id)
    assert [(attempt.number, attempt.error.code) for attempt in attempts] == [(1, "storage_unavailable")] * 2
    for attempt in attempts:
        assert attempt.worker is not None
        assert attempt.started_at is not None
        assert attempt.started_at <= attempt.ended_at


async def test_a_cancelled_job_is_put_back(memory: MemoryProducer) -> None:
    first = await memory.tables.databases()
    handle = await memory.tables.databases(after=[first], delay_s=3600)
    await handle.cancel()
    await memory.requeue(handle.id)
    assert ((await handle.record()).status, (await handle.record()).round) == (JobStatus.WAITING, 1)
    await memory.succeed(first.id, DONE)
    assert (await handle.record()).status is JobStatus.QUEUED


async def test_only_a_failed_or_cancelled_job_is_put_back(memory: MemoryProducer) -> None:
    handle = await memory.tables.databases()
    await _refused(memory, handle.id, "is queued")
    await memory.start(handle.id)
    await _refused(memory, handle.id, "is running")
    await memory.succeed(handle.id, DONE)
    await _refused(memory, handle.id, "has succeeded")
    with pytest.raises(JobNotFound):
        await memory.requeue("unknown")
    with pytest.raises(JobNotFound):
        await memory.cancel("unknown")
    with pytest.raises(JobNotFound):
        await memory.attempts("unknown")


async def test_a_job_is_not_put_back_before_the_one_that_it_comes_after(memory: MemoryProducer) -> None:
    first = await memory.tables.databases()
    last = await memory.tables.databases(after=[first])
    await first.cancel()
    await _refused(memory, last.id, f"comes after job {first.id}")
    await memory.requeue(first.id)
    await memory.requeue(last.id)
    assert (await last.record()).status is JobStatus.WAITING
    await memory.succeed(first.id, DONE)
    assert (await last.record()).status is JobStatus.QUEUED


async def test_a_job_is_not_put_back_while_another_holds_its_unique_key(memory: MemoryProducer) -> None:
    first = await memory.tables.databases(unique="k")
    await first.cancel()
    second = await memory.tables.databases(unique="k")
    await _refused(memory, first.id, second.id)
    await memory.succeed(second.id, DONE)
    await memory.requeue(first.id)
    assert (await memory.tables.databases(unique="k")).id == first.id


async def test_an_upload_is_put_back_while_its_bytes_are_kept(memory: MemoryProducer) -> None:
    handle = await memory.upload_bytes(CSV_BYTES, filename="a.csv", session_id="s1")
    await memory.fail(handle.id, OUTSIDE)
    await memory.requeue(handle.id)
    await memory.fail(handle.id, StorageRejected("no such bucket"))
    await _refused(memory, handle.id, "upload the file again")


@pytest.mark.parametrize(
    ("error", "dead"), [(OUTSIDE, True), (NotUnderstood("what?"), False), (JobCancelled("stop"), False)], ids=str
)
async def test_dead_letters_are_failed_jobs_that_were_not_at_fault(
    memory: MemoryProducer, error: RaylaneError, dead: bool
) -> None:
    handle = await memory.generate("count", session_id="s1")
    dependent = await memory.cluster.submit("print(1)", after=[handle])
    await memory.fail(handle.id, error)
    found = {record.id for record in await memory.operator.dead_letters()}
    assert found == ({handle.id, dependent.id} if dead else set())
    counts = {lane.lane: lane.dead for lane in await memory.operator.lanes()}
    assert counts == {"upload": 0, "generate": int(dead), "ray": int(dead)}


async def test_dead_letters_are_found_by_kind_code_and_session(memory: MemoryProducer) -> None:
    upload, generate = await _dead_pair(memory)
    find = memory.operator.dead_letters
    assert [record.id for record in await find(kind="upload")] == [upload.id]
    assert [record.id for record in await find(code="dependency_failed")] == [generate.id]
    assert len(await find(session_id="s1")) == 2
    assert len(await find(session_id="s1", limit=1)) == 1
    assert await find(session_id="s2") == []
    assert await find(kind="upload", code="dependency_failed") == []


async def test_dead_letters_are_put_back_in_the_order_of_their_dependencies(memory: MemoryProducer) -> None:
    upload, generate = await _dead_pair(memory)
    await memory.operator.requeue_dead(session_id="s2")
    [alone] = await memory.operator.requeue_dead(kind="generate")
    assert (alone.id, isinstance(alone.error, JobNotRequeued)) == (generate.id, True)
    outcomes = await memory.operator.requeue_dead()
    assert outcomes == [(upload.id, None), (generate.id, None)]
    assert await memory.operator.dead_letters() == []
    await memory.succeed(upload.id, UPLOADED)
    await memory.succeed(generate.id, GENERATED)
    assert await generate.result() == GENERATED


async def test_a_filter_that_no_job_can_match_names_its_field(memory: MemoryProducer) -> None:
    queue = memory.operator
    with pytest.raises(InvalidRequest, match=r"^kind: must be one of upload, tables, generate, ray"):
        await queue.jobs(kind="uploads")
    with pytest.raises(InvalidRequest, match=r"^status: must be one of waiting"):
        await queue.jobs(status="done")
    with pytest.raises(InvalidRequest, match=r"^limit: "):
        await queue.dead_letters(limit=0)
    with pytest.raises(InvalidRequest, match=r"^session_id: "):
        await queue.requeue_dead(session_id="a/b")


async def test_lanes_and_jobs_show_which_job_is_in_which_state(memory: MemoryProducer) -> None:
    producer = memory
    running = await producer.generate("count", session_id="s1")
    await memory.start(running.id)
    queued = await producer.generate("sum", session_id="s2")
    waiting = await producer.generate("mean", session_id="s1", after=[running])
    scheduled = await producer.tables.select("s2", [("shop", "orders")], delay_s=60)
    failed = await producer.upload_bytes(CSV_BYTES, filename="a.csv", session_id="s1")
    await memory.fail(failed.id, InvalidFile("no header"))
    upload, generate, ray = await producer.operator.lanes()
    assert [lane.lane for lane in (upload, generate, ray)] == ["upload", "generate", "ray"]
    assert (upload.scheduled, upload.queued, upload.oldest_s) == (1, 0, None)
    assert upload.ended_per_s > ray.ended_per_s == 0
    assert (generate.waiting, generate.queued, generate.running, generate.dead) == (1, 1, 1, 0)
    assert generate.oldest_s is not None
    find = producer.operator.jobs
    for status, handle in (("running", running), ("queued", queued), ("waiting", waiting), ("scheduled", scheduled)):
        assert [record.id for record in await find(status=status)] == [handle.id]
    assert {record.id for record in await find(session_id="s1")} == {running.id, waiting.id, failed.id}
    assert [record.id for record in await find(kind="upload", status=JobStatus.FAILED)] == [failed.id]
    assert len(await find()) == 5
    assert len(await find(limit=2)) == 2


async def _dead_pair(memory: MemoryProducer) -> tuple[JobHandle[UploadResult], JobHandle[GenerateResult]]:
    """A dead letter, and the generate job that came after it."""
    upload = await memory.upload_bytes(CSV_BYTES, filename="a.csv", session_id="s1")
    generate = await memory.generate("count", session_id="s1", after=[upload])
    await memory.fail(upload.id, OUTSIDE)
    return upload, generate


async def _refused(producer: Producer, job_id: str, why: str) -> None:
    with pytest.raises(JobNotRequeued, match=why) as raised:
        await producer.requeue(job_id)
    assert raised.value.details == {"job_id": job_id}


async def _statuses(handle: JobHandle[GenerateResult], after: str = "0-0") -> list[JobStatus | None]:
    return [event.status async for event in handle.follow(after=after)]
