"""Jobs that wait for others, for a time, or for their like: the test double does as the real producer does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from raylane_common.errors import DependencyFailed, InternalError, InvalidCsv, InvalidRequest, JobNotFound
from raylane_common.wire.jobs import JobStatus, Priority
from raylane_common.wire.tables import DatabasesResult
from tests.unit.producer.samples import CSV_BYTES, GENERATED, UPLOADED

if TYPE_CHECKING:
    from raylane.producer import Producer
    from tests.unit.producer.rig import Rig

DONE = DatabasesResult(databases=())


async def test_a_job_starts_once_the_job_before_it_has_succeeded(rig: Rig) -> None:
    upload = await rig.producer.upload_bytes(CSV_BYTES, filename="a.csv", session_id="s1")
    generate = await rig.producer.generate("count", session_id="s1", after=[upload], priority="high")
    record = await generate.record()
    assert (record.status, record.after, record.priority) == (JobStatus.WAITING, (upload.id,), Priority.HIGH)
    await rig.end(upload.id, UPLOADED)
    assert await _status(rig.producer, generate.id) is JobStatus.QUEUED
    await rig.end(generate.id, GENERATED)
    events = [(event.status, event.attempt) async for event in generate.follow()]
    assert [status for status, _ in events] == ["waiting", "queued", "running", "succeeded"]
    assert [attempt for _, attempt in events][2:] == [1, 1]


async def test_a_job_waits_for_all_it_comes_after(rig: Rig) -> None:
    first = await rig.producer.tables.databases()
    second = await rig.producer.cluster.status()
    last = await rig.producer.tables.databases(after=(first.id, second, first))
    await rig.end(second.id, DONE)
    assert await _status(rig.producer, last.id) is JobStatus.WAITING
    await rig.end(first.id, DONE)
    assert await _status(rig.producer, last.id) is JobStatus.QUEUED


async def test_what_comes_after_a_failed_job_fails_down_the_line(rig: Rig) -> None:
    upload = await rig.producer.upload_bytes(CSV_BYTES, filename="a.csv", session_id="s1", job_id="up")
    generate = await rig.producer.generate("count", session_id="s1", after=[upload], job_id="gen")
    last = await rig.producer.cluster.submit("print(1)", after=[generate])
    await rig.end(upload.id, InvalidCsv("no header"))
    for handle, culprit in ((generate, "up"), (last, "gen")):
        with pytest.raises(DependencyFailed, match=culprit) as raised:
            await handle.result()
        assert raised.value.details == {"job_id": culprit}
        assert [event.status async for event in handle.follow()] == ["waiting", "failed"]
        assert await rig.producer.attempts(handle.id) == []


async def test_what_comes_after_a_cancelled_job_fails(rig: Rig) -> None:
    first = await rig.producer.tables.databases()
    last = await rig.producer.tables.databases(after=[first])
    assert await first.cancel() is JobStatus.CANCELLED
    with pytest.raises(DependencyFailed, match="was cancelled"):
        await last.result()


async def test_a_job_may_come_after_one_that_has_ended(rig: Rig) -> None:
    good, bad = await rig.producer.tables.databases(), await rig.producer.tables.databases()
    await rig.end(good.id, DONE)
    await rig.end(bad.id, InternalError("oops"))
    assert await _status(rig.producer, (await rig.producer.cluster.status(after=[good])).id) is JobStatus.QUEUED
    failed = await rig.producer.cluster.status(after=[good, bad])
    with pytest.raises(DependencyFailed, match=bad.id):
        await failed.result()
    assert [event.status async for event in failed.follow()] == ["waiting", "failed"]
    assert [record.id for record in await rig.producer.operator.dead_letters()] == [bad.id]


async def test_a_job_after_an_unknown_one_is_refused(rig: Rig) -> None:
    with pytest.raises(InvalidRequest, match=r"^after: no job unknown") as raised:
        await rig.producer.tables.databases(after=["unknown"], job_id="mine")
    assert raised.value.details == {"field": "after"}
    with pytest.raises(JobNotFound):
        await rig.producer.record("mine")


async def test_a_deferred_job_is_scheduled(rig: Rig) -> None:
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    record = await (await rig.producer.tables.databases(at=tomorrow)).record()
    assert record.status is JobStatus.SCHEDULED
    assert record.at == pytest.approx(tomorrow.timestamp() * 1000, abs=1)
    delayed = await (await rig.producer.tables.databases(delay_s=60, expires_s=90)).record()
    assert delayed.status is JobStatus.SCHEDULED
    assert delayed.at == delayed.enqueued_at + 60_000
    assert delayed.expires_at == delayed.enqueued_at + 90_000
    for past in (datetime.now(UTC) - timedelta(days=1), None):
        due = await rig.producer.tables.databases(at=past, delay_s=None if past else 0)
        assert await _status(rig.producer, due.id) is JobStatus.QUEUED


async def test_a_deferred_job_waits_for_others_first(rig: Rig) -> None:
    first = await rig.producer.tables.databases()
    last = await rig.producer.tables.databases(after=[first], delay_s=3600)
    assert await _status(rig.producer, last.id) is JobStatus.WAITING
    await rig.end(first.id, DONE)
    assert await _status(rig.producer, last.id) is JobStatus.SCHEDULED


async def test_a_unique_key_names_one_live_job_of_its_kind(rig: Rig) -> None:
    first = await rig.producer.generate("count", session_id="s1", unique="daily")
    again = await rig.producer.generate("sum", session_id="s2", unique="daily")
    assert again.id == first.id
    other = await rig.producer.tables.databases(unique="daily")
    assert other.id != first.id
    assert (await first.record()).unique == "daily"
    await rig.end(first.id, GENERATED)
    assert await again.result() == GENERATED
    assert (await rig.producer.generate("sum", session_id="s2", unique="daily")).id != first.id
    await other.cancel()
    assert (await rig.producer.tables.databases(unique="daily")).id != other.id


async def _status(producer: Producer, job_id: str) -> JobStatus:
    return (await producer.record(job_id)).status
