"""Chapter 4. Enqueueing twice by accident does not do the work twice."""

import pytest

from raylane import ListDatabasesRequest, new_job, new_upload
from raylane.errors import JobIdTaken
from raylane.testing import MemoryProducer


async def test_the_same_id_is_the_same_job(producer: MemoryProducer) -> None:
    """`job_id` is the idempotency key: a call that may have been lost can be repeated.

    The same id with a different request is a mistake, and raises `JobIdTaken`.
    """
    for _ in range(2):
        await producer.generate("count", session_id="ada", job_id="report-7")

    assert [job.id for job in producer.enqueued] == ["report-7"]
    with pytest.raises(JobIdTaken):
        await producer.generate("sum of amount", session_id="ada", job_id="report-7")


async def test_unique_joins_the_job_in_progress(producer: MemoryProducer) -> None:
    """At most one unfinished job of a kind holds a `unique` key. Enqueueing again returns that job."""
    first = await producer.tables.databases(unique="refresh")
    assert (await producer.tables.databases(unique="refresh")).id == first.id

    await producer.cancel(first.id)
    assert (await producer.tables.databases(unique="refresh")).id != first.id


async def test_a_batch_reports_job_by_job(producer: MemoryProducer) -> None:
    """`enqueue_many` sends many jobs in few round trips. A job that is refused does not stop the others."""
    await producer.generate("count", session_id="ada", job_id="taken")
    upload = new_upload("a,b\n1,2\n", filename="sales.csv", session_id="ada")
    listing = new_job(ListDatabasesRequest(), job_id="taken")
    outcomes = await producer.enqueue_many([upload, listing])

    assert [outcome.created for outcome in outcomes] == [True, False]
    assert isinstance(outcomes[1].error, JobIdTaken)
