"""Chapter 1. A producer enqueues a job, a worker runs it, and the producer reads the result."""

import asyncio

import pytest

from raylane import DatabasesResult, JobStatus, Producer
from raylane.errors import TableNotFound, WaitTimeout
from raylane.testing import MemoryProducer

DATABASES = DatabasesResult(databases=("shop",))


async def test_a_producer_enqueues_jobs(redis_url: str) -> None:
    """A service opens one `Producer`. Each call that enqueues returns a handle as soon as Redis has stored the job."""
    async with Producer(redis_url=redis_url) as producer:
        job = await producer.tables.databases()

        assert (await job.record()).status is JobStatus.QUEUED


async def test_the_handle_waits_for_the_result(producer: MemoryProducer) -> None:
    """`result()` returns once a worker has finished the job. Its type belongs to the method that enqueued the job."""
    job = await producer.tables.databases()
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(job.result())
        await producer.succeed(job.id, DATABASES)  # what a worker does in production

    assert waiting.result().databases == ("shop",)


async def test_the_id_is_enough(producer: MemoryProducer) -> None:
    """A job outlives its handle: any process that knows the id can read the result."""
    job_id = (await producer.tables.databases()).id
    await producer.succeed(job_id, DATABASES)

    assert await producer.result(job_id) == DATABASES


async def test_waiting_can_time_out(producer: MemoryProducer) -> None:
    """After `timeout_s` seconds `result()` raises `WaitTimeout`. The job is not affected."""
    job = await producer.tables.databases()

    with pytest.raises(WaitTimeout):
        await job.result(timeout_s=0.01)
    assert (await job.record()).status is JobStatus.QUEUED


async def test_a_record_describes_the_job(producer: MemoryProducer) -> None:
    """The record holds the current state of a job: its request, status, attempt, times, and result or error.

    `wait()` returns it when the job has ended, and does not raise the error of a job that failed.
    """
    job = await producer.tables.list("shop")
    await producer.fail(job.id, TableNotFound("there is no database shop"))

    record = await job.wait()
    assert (record.kind, record.payload) == ("tables", {"action": "list", "database": "shop", "limit": 100})
    assert (record.status, record.attempt) == (JobStatus.FAILED, 1)
    assert record.error is not None
    assert record.error.code == "table_not_found"
