"""Jobs that wait for other jobs or for a time, and unique keys."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from raylane_common.errors import DependencyFailed, InternalError, InvalidFile, InvalidRequest, JobNotFound
from raylane_common.wire.jobs import JobStatus, Priority
from raylane_common.wire.tables import DatabasesResult
from tests.unit.producer.samples import CSV_BYTES, GENERATED, UPLOADED

if TYPE_CHECKING:
    from raylane.producer import Producer
    from raylane.testing import MemoryProducer

DONE = DatabasesResult(databases=())


async def test_a_job_starts_once_the_job_it_comes_after_has_succeeded(memory: MemoryProducer) -> None:
    upload = await memory.upload_bytes(CSV_BYTES, filename="a.csv", session_id="s1")
    generate = await memory.generate("count", session_id="s1", after=[upload], priority="high")
    record = await generate.record()
    assert (record.status, record.after, record.priority) == (JobStatus.WAITING, (upload.id,), Priority.HIGH)
    await memory.succeed(upload.id, UPLOADED)
    assert await _status(memory, generate.id) is JobStatus.QUEUED
    await memory.succeed(generate.id, GENERATED)
    events = [(event.status, event.attempt) async for event in generate.follow()]
    assert [status for status, _ in events] == ["waiting", "queued", "running", "succeeded"]
    assert [attempt for _, attempt in events][2:] == [1, 1]


async def test_a_job_waits_for_all_it_comes_after(memory: MemoryProducer) -> None:
    first = await memory.tables.databases()
    second = await memory.cluster.status()
    last = await memory.tables.databases(after=(first.id, second, first))
    await memory.succeed(second.id, DONE)
    assert await _status(memory, last.id) is JobStatus.WAITING
    await memory.succeed(first.id, DONE)
    assert await _status(memory, last.id) is JobStatus.QUEUED


async def test_all_jobs_that_come_after_a_failed_job_fail(memory: MemoryProducer) -> None:
    upload = await memory.upload_bytes(CSV_BYTES, filename="a.csv", session_id="s1", job_id="up")
    generate = await memory.generate("count", session_id="s1", after=[upload], job_id="gen")
    last = await memory.cluster.submit("print(1)", after=[generate])
    await memory.fail(upload.id, InvalidFile("no header"))
    for handle, culprit in ((generate, "up"), (last, "gen")):
        with pytest.raises(DependencyFailed, match=culprit) as raised:
            await handle.result()
        assert raised.value.details == {"job_id": culprit}
        assert [event.status async for event in handle.follow()] == ["waiting", "failed"]
        assert await memory.attempts(handle.id) == []


async def test_a_job_that_comes_after_a_cancelled_job_fails(memory: MemoryProducer) -> None:
    first = await memory.tables.databases()
    last = await memory.tables.databases(after=[first])
    assert await first.cancel() is JobStatus.CANCELLED
    with pytest.raises(DependencyFailed, match="was cancelled"):
        await last.result()


async def test_a_job_may_come_after_one_that_has_ended(memory: MemoryProducer) -> None:
    good, bad = await memory.tables.databases(), await memory.tables.select("s1", [("shop", "orders")])
    await memory.succeed(good.id, DONE)
    await memory.fail(bad.id, InternalError("oops"))
    assert await _status(memory, (await memory.cluster.status(after=[good])).id) is JobStatus.QUEUED
    failed = await memory.cluster.status(after=[good, bad])
    with pytest.raises(DependencyFailed, match=bad.id):
        await failed.result()
    assert [event.status async for event in failed.follow()] == ["waiting", "failed"]
    assert [record.id for record in await memory.operator.dead_letters()] == [bad.id]


async def test_a_job_after_an_unknown_one_is_refused(memory: MemoryProducer) -> None:
    with pytest.raises(InvalidRequest, match=r"^after: no job unknown") as raised:
        await memory.tables.databases(after=["unknown"], job_id="mine")
    assert raised.value.details == {"field": "after"}
    with pytest.raises(JobNotFound):
        await memory.record("mine")


async def test_a_deferred_job_is_scheduled(memory: MemoryProducer) -> None:
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    record = await (await memory.tables.databases(at=tomorrow)).record()
    assert record.status is JobStatus.SCHEDULED
    assert record.at == pytest.approx(tomorrow.timestamp() * 1000, abs=1)
    delayed = await (await memory.tables.databases(delay_s=60, expires_s=90)).record()
    assert delayed.status is JobStatus.SCHEDULED
    assert delayed.at == delayed.enqueued_at + 60_000
    assert delayed.expires_at == delayed.enqueued_at + 90_000
    for past in (datetime.now(UTC) - timedelta(days=1), None):
        due = await memory.tables.databases(at=past, delay_s=None if past else 0)
        assert await _status(memory, due.id) is JobStatus.QUEUED


async def test_a_deferred_job_waits_for_others_first(memory: MemoryProducer) -> None:
    first = await memory.tables.databases()
    last = await memory.tables.databases(after=[first], delay_s=3600)
    assert await _status(memory, last.id) is JobStatus.WAITING
    await memory.succeed(first.id, DONE)
    assert await _status(memory, last.id) is JobStatus.SCHEDULED


async def test_at_most_one_unfinished_job_of_a_kind_holds_a_unique_key(memory: MemoryProducer) -> None:
    first = await memory.generate("count", session_id="s1", unique="daily")
    again = await memory.generate("sum", session_id="s2", unique="daily")
    assert again.id == first.id
    other = await memory.tables.databases(unique="daily")
    assert other.id != first.id
    assert (await first.record()).unique == "daily"
    await memory.succeed(first.id, GENERATED)
    assert await again.result() == GENERATED
    assert (await memory.generate("sum", session_id="s2", unique="daily")).id != first.id
    await other.cancel()
    assert (await memory.tables.databases(unique="daily")).id != other.id


async def _status(producer: Producer, job_id: str) -> JobStatus:
    return (await producer.record(job_id)).status
