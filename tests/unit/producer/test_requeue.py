"""Jobs that are cancelled, given up and put back: the test double does as the real producer does."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from raylane_common.errors import (
    InvalidCsv,
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
    from raylane_common.wire.generate import GenerateResult
    from raylane_common.wire.upload import UploadResult
    from tests.unit.producer.rig import Rig

DONE = DatabasesResult(databases=())
OUTSIDE = StorageUnavailable("no answer")


async def test_a_job_that_does_not_run_is_cancelled_at_once(rig: Rig) -> None:
    queued = await rig.producer.tables.databases()
    waiting = await rig.producer.tables.databases(after=[queued])
    scheduled = await rig.producer.tables.databases(delay_s=60)
    for handle in (waiting, scheduled, queued):
        assert await handle.cancel() is JobStatus.CANCELLED
        record = await handle.wait()
        assert (record.status, record.cancel_requested_at) == (JobStatus.CANCELLED, None)
        assert record.finished_at is not None
        with pytest.raises(JobCancelled):
            await handle.result()
        assert await rig.producer.cancel(handle.id) is JobStatus.CANCELLED
        assert await rig.producer.attempts(handle.id) == []


async def test_a_running_job_is_asked_to_stop(rig: Rig) -> None:
    handle = await rig.producer.tables.databases()
    await rig.start(handle.id)
    assert await handle.cancel() is JobStatus.RUNNING
    record = await handle.record()
    assert (record.status, record.cancel_requested_at is None) == (JobStatus.RUNNING, False)
    await rig.end(handle.id, JobCancelled("stopped on request"))
    with pytest.raises(JobCancelled, match="stopped on request"):
        await handle.result()
    assert (await handle.record()).status is JobStatus.CANCELLED
    assert await rig.producer.attempts(handle.id) == []


async def test_a_job_that_has_ended_stays_as_it_is(rig: Rig) -> None:
    good, bad = await rig.producer.tables.databases(), await rig.producer.tables.databases()
    await rig.end(good.id, DONE)
    await rig.end(bad.id, StorageRejected("no"))
    assert await good.cancel() is JobStatus.SUCCEEDED
    assert await bad.cancel() is JobStatus.FAILED
    assert await good.result() == DONE


async def test_a_job_that_failed_by_itself_begins_anew(rig: Rig) -> None:
    handle = await rig.producer.generate("count", session_id="s1")
    await rig.end(handle.id, NotUnderstood("what?"))
    before = [event async for event in handle.follow()]
    await rig.producer.requeue(handle.id)
    record = await handle.record()
    assert (record.status, record.attempt, record.round) == (JobStatus.QUEUED, 0, 1)
    assert (record.error, record.finished_at, record.started_at, record.worker) == (None, None, None, None)
    async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(handle.result())
        following = tasks.create_task(_statuses(handle))
        resumed = tasks.create_task(_statuses(handle, after=before[-1].id))
        await rig.end(handle.id, GENERATED)
    assert waiting.result() == GENERATED
    assert following.result() == resumed.result() == ["queued", "running", "succeeded"]


async def test_a_job_that_was_given_up_for_a_reason_outside_goes_on(rig: Rig) -> None:
    handle = await rig.producer.generate("count", session_id="s1")
    await rig.end(handle.id, OUTSIDE)
    await rig.producer.requeue(handle.id)
    record = await handle.record()
    assert (record.status, record.attempt, record.round) == (JobStatus.QUEUED, 0, 0)
    await rig.end(handle.id, OUTSIDE)
    attempts = await rig.producer.attempts(handle.id)
    assert [(attempt.number, attempt.error.code) for attempt in attempts] == [(1, "storage_unavailable")] * 2
    for attempt in attempts:
        assert attempt.worker is not None
        assert attempt.started_at is not None
        assert attempt.started_at <= attempt.ended_at


async def test_a_cancelled_job_comes_back(rig: Rig) -> None:
    first = await rig.producer.tables.databases()
    handle = await rig.producer.tables.databases(after=[first], delay_s=3600)
    await handle.cancel()
    await rig.producer.requeue(handle.id)
    assert ((await handle.record()).status, (await handle.record()).round) == (JobStatus.WAITING, 1)
    await rig.end(first.id, DONE)
    assert (await handle.record()).status is JobStatus.QUEUED


async def test_only_a_failed_or_cancelled_job_is_put_back(rig: Rig) -> None:
    handle = await rig.producer.tables.databases()
    await _refused(rig.producer, handle.id, "is queued")
    await rig.start(handle.id)
    await _refused(rig.producer, handle.id, "is running")
    await rig.end(handle.id, DONE)
    await _refused(rig.producer, handle.id, "is succeeded")
    with pytest.raises(JobNotFound):
        await rig.producer.requeue("unknown")
    with pytest.raises(JobNotFound):
        await rig.producer.cancel("unknown")
    with pytest.raises(JobNotFound):
        await rig.producer.attempts("unknown")


async def test_a_job_is_not_put_back_before_the_one_that_it_comes_after(rig: Rig) -> None:
    first = await rig.producer.tables.databases()
    last = await rig.producer.tables.databases(after=[first])
    await first.cancel()
    await _refused(rig.producer, last.id, f"comes after job {first.id}")
    await rig.producer.requeue(first.id)
    await rig.producer.requeue(last.id)
    assert (await last.record()).status is JobStatus.WAITING
    await rig.end(first.id, DONE)
    assert (await last.record()).status is JobStatus.QUEUED


async def test_a_job_is_not_put_back_while_another_has_its_key(rig: Rig) -> None:
    first = await rig.producer.tables.databases(unique="k")
    await first.cancel()
    second = await rig.producer.tables.databases(unique="k")
    await _refused(rig.producer, first.id, second.id)
    await rig.end(second.id, DONE)
    await rig.producer.requeue(first.id)
    assert (await rig.producer.tables.databases(unique="k")).id == first.id


async def test_an_upload_is_put_back_while_its_bytes_are_kept(rig: Rig) -> None:
    handle = await rig.producer.upload_bytes(CSV_BYTES, filename="a.csv", session_id="s1")
    await rig.end(handle.id, OUTSIDE)
    await rig.producer.requeue(handle.id)
    await rig.end(handle.id, StorageRejected("no such bucket"))
    await _refused(rig.producer, handle.id, "upload the file again")


@pytest.mark.parametrize(
    ("error", "dead"), [(OUTSIDE, True), (NotUnderstood("what?"), False), (JobCancelled("stop"), False)], ids=str
)
async def test_dead_letters_are_jobs_that_were_given_up(rig: Rig, error: RaylaneError, dead: bool) -> None:
    handle = await rig.producer.generate("count", session_id="s1")
    dependent = await rig.producer.cluster.submit("print(1)", after=[handle])
    await rig.end(handle.id, error)
    found = {record.id for record in await rig.producer.operator.dead_letters()}
    assert found == ({handle.id, dependent.id} if dead else set())
    counts = {lane.lane: lane.dead for lane in await rig.producer.operator.lanes()}
    assert counts == {"upload": 0, "generate": int(dead), "ray": int(dead)}


async def test_dead_letters_are_found_by_kind_code_and_session(rig: Rig) -> None:
    upload, generate = await _dead_pair(rig)
    find = rig.producer.operator.dead_letters
    assert [record.id for record in await find(kind="upload")] == [upload.id]
    assert [record.id for record in await find(code="dependency_failed")] == [generate.id]
    assert len(await find(session_id="s1")) == 2
    assert len(await find(session_id="s1", limit=1)) == 1
    assert await find(session_id="s2") == []
    assert await find(kind="upload", code="dependency_failed") == []


async def test_all_dead_letters_come_back_each_before_those_that_come_after_it(rig: Rig) -> None:
    upload, generate = await _dead_pair(rig)
    await rig.producer.operator.requeue_dead(session_id="s2")
    [alone] = await rig.producer.operator.requeue_dead(kind="generate")
    assert (alone.id, isinstance(alone.error, JobNotRequeued)) == (generate.id, True)
    outcomes = await rig.producer.operator.requeue_dead()
    assert outcomes == [(upload.id, None), (generate.id, None)]
    assert await rig.producer.operator.dead_letters() == []
    await rig.end(upload.id, UPLOADED)
    await rig.end(generate.id, GENERATED)
    assert await generate.result() == GENERATED


async def test_filters_that_mean_nothing_name_their_field(rig: Rig) -> None:
    queue = rig.producer.operator
    with pytest.raises(InvalidRequest, match=r"^kind: must be one of upload, tables, generate, ray"):
        await queue.jobs(kind="uploads")
    with pytest.raises(InvalidRequest, match=r"^status: must be one of waiting"):
        await queue.jobs(status="done")
    with pytest.raises(InvalidRequest, match=r"^limit: "):
        await queue.dead_letters(limit=0)
    with pytest.raises(InvalidRequest, match=r"^session_id: "):
        await queue.requeue_dead(session_id="a/b")


async def test_lanes_and_jobs_show_what_stands_where(rig: Rig) -> None:
    producer = rig.producer
    running = await producer.generate("count", session_id="s1")
    await rig.start(running.id)
    queued = await producer.generate("sum", session_id="s2")
    waiting = await producer.generate("mean", session_id="s1", after=[running])
    scheduled = await producer.tables.databases(delay_s=60)
    failed = await producer.upload_bytes(CSV_BYTES, filename="a.csv", session_id="s1")
    await rig.end(failed.id, InvalidCsv("no header"))
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


async def _dead_pair(rig: Rig) -> tuple[JobHandle[UploadResult], JobHandle[GenerateResult]]:
    """An upload that was given up, and the generate job that came after it."""
    upload = await rig.producer.upload_bytes(CSV_BYTES, filename="a.csv", session_id="s1")
    generate = await rig.producer.generate("count", session_id="s1", after=[upload])
    await rig.end(upload.id, OUTSIDE)
    return upload, generate


async def _refused(producer: Producer, job_id: str, why: str) -> None:
    with pytest.raises(JobNotRequeued, match=why) as raised:
        await producer.requeue(job_id)
    assert raised.value.details == {"job_id": job_id}


async def _statuses(handle: JobHandle[GenerateResult], after: str = "0-0") -> list[JobStatus | None]:
    return [event.status async for event in handle.follow(after=after)]
