"""Chapter 5. Which jobs come first, and when a job starts."""

from datetime import UTC, datetime, timedelta

import pytest

from raylane import DatabasesResult, JobStatus, Priority
from raylane.errors import DependencyFailed, InvalidRequest, StorageRejected
from raylane.testing import MemoryProducer

DATABASES = DatabasesResult(databases=("shop",))


async def test_a_job_waits_for_others(producer: MemoryProducer) -> None:
    """A job with `after` starts when all of those jobs have succeeded. Handles and ids are both accepted."""
    first = await producer.tables.databases()
    second = await producer.tables.list("shop", after=[first])
    assert (await second.record()).status is JobStatus.WAITING

    await producer.succeed(first.id, DATABASES)
    assert (await second.record()).status is JobStatus.QUEUED


async def test_a_failure_fails_the_jobs_after_it(producer: MemoryProducer) -> None:
    """When a job fails or is cancelled, the jobs after it fail with `DependencyFailed`."""
    upload = await producer.upload_bytes("a,b\n1,2\n", filename="sales.csv", session_id="ada")
    answer = await producer.generate("count", session_id="ada", after=[upload])
    await producer.fail(upload.id, StorageRejected("no such bucket"))

    with pytest.raises(DependencyFailed):
        await answer.result()


async def test_a_job_can_start_later(producer: MemoryProducer) -> None:
    """`delay_s` and `at` set the earliest start. A time needs a zone, so that it means the same on every machine."""
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    job = await producer.tables.databases(at=tomorrow)
    assert (await job.record()).status is JobStatus.SCHEDULED

    with pytest.raises(InvalidRequest, match=r"^at: "):
        await producer.tables.databases(at=tomorrow.replace(tzinfo=None))


async def test_a_job_can_expire(producer: MemoryProducer) -> None:
    """A job with `expires_s` fails with `JobExpired` if no worker has started it within that time."""
    job = await producer.tables.databases(expires_s=60)

    record = await job.record()
    assert record.expires_at == record.enqueued_at + 60_000


async def test_a_priority_is_a_head_start(producer: MemoryProducer) -> None:
    """`high` has a head start of an hour over `normal`, and `normal` over `low`. Even a low job starts eventually."""
    job = await producer.tables.databases(priority="high")

    assert (await job.record()).priority is Priority.HIGH
