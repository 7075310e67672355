"""Chapter 7. Any unfinished job can be cancelled. A failed or cancelled job can be put back into the queue."""

import pytest

from raylane import DatabasesResult, JobStatus
from raylane.errors import CatalogUnavailable, JobCancelled, JobNotRequeued
from raylane.testing import MemoryProducer

DATABASES = DatabasesResult(databases=("shop",))


async def test_a_job_that_has_not_started_ends_at_once(producer: MemoryProducer) -> None:
    """`cancel` returns the new status. `result` then raises `JobCancelled`. A job that has ended is left as it is."""
    job = await producer.tables.databases()

    assert await job.cancel() is JobStatus.CANCELLED
    with pytest.raises(JobCancelled):
        await job.result()


async def test_a_running_job_is_stopped_by_its_worker(producer: MemoryProducer) -> None:
    """The worker stops a running job, and its run on Ray. Until then the job stays `running`; `wait` waits for it."""
    job = await producer.tables.databases()
    await producer.start(job.id)
    assert await job.cancel() is JobStatus.RUNNING

    await producer.fail(job.id, JobCancelled("stopped on request"))
    assert (await job.wait()).status is JobStatus.CANCELLED


async def test_a_failed_job_can_be_requeued(producer: MemoryProducer) -> None:
    """`requeue` puts the same job back, under its id and with all its attempts. Its events start over."""
    job = await producer.tables.databases()
    await producer.fail(job.id, CatalogUnavailable("Glue does not answer"))

    await producer.requeue(job.id)
    await producer.succeed(job.id, DATABASES)
    assert await job.result() == DATABASES


async def test_only_a_failed_or_cancelled_job_can_be_requeued(producer: MemoryProducer) -> None:
    """`JobNotRequeued` says why a job was not put back."""
    job = await producer.tables.databases()

    with pytest.raises(JobNotRequeued, match="only a failed or cancelled job"):
        await producer.requeue(job.id)
