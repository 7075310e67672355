"""Chapter 6. Errors are typed, carry a stable code, and say whether trying again can help."""

import pytest

from raylane import JobStatus
from raylane.errors import InvalidRequest, NotUnderstood, StorageError, StorageRejected, StorageUnavailable
from raylane.testing import MemoryProducer


async def test_a_bad_request_is_refused_before_it_is_sent(producer: MemoryProducer) -> None:
    """`InvalidRequest` names the field that is wrong. Nothing is enqueued."""
    with pytest.raises(InvalidRequest) as refused:
        await producer.generate("count", session_id="ada", max_versions=9)

    assert refused.value.details["field"] == "max_versions"
    assert producer.enqueued == []


async def test_the_result_raises_the_error_of_the_job(producer: MemoryProducer) -> None:
    """An error arrives with its type, its message and its details, as the worker raised it.

    Catch one error, a family such as `StorageError`, or `RaylaneError`, the base of all.
    """
    job = await producer.upload_bytes("a,b\n1,2\n", filename="sales.csv", session_id="ada")
    await producer.fail(job.id, StorageRejected("no such bucket", details={"bucket": "raylane"}))

    with pytest.raises(StorageError) as failed:
        await job.result()
    assert failed.value.details == {"bucket": "raylane"}


def test_an_error_says_whether_to_try_again() -> None:
    """A worker retries a job whose error is `retryable`, after a growing pause. `code` is stable: match on it."""
    away, wrong = StorageUnavailable("S3 does not answer"), NotUnderstood("no template fits")

    assert (away.code, away.retryable) == ("storage_unavailable", True)
    assert (wrong.code, wrong.retryable) == ("not_understood", False)


async def test_every_failed_attempt_is_kept(producer: MemoryProducer) -> None:
    """An attempt is one execution of a job. `attempts` returns those that failed: which worker, when, and why."""
    job = await producer.tables.databases()
    await producer.fail(job.id, StorageUnavailable("S3 does not answer"))

    assert (await job.record()).status is JobStatus.FAILED
    [attempt] = await producer.attempts(job.id)
    assert (attempt.number, attempt.error.code) == (1, "storage_unavailable")
