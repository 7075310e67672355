"""Batches of jobs: how they are made, and the outcome of each job."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raylane.given_files import new_upload
from raylane.options import new_job
from raylane_common.errors import InvalidRequest, JobIdTaken
from raylane_common.limits import JOB_ID_PATTERN
from raylane_common.wire.base import JobKind
from raylane_common.wire.generate import GenerateRequest
from raylane_common.wire.jobs import Enqueued, JobStatus, NewJob, Priority
from raylane_common.wire.tables import ListDatabasesRequest
from raylane_common.wire.upload import UploadRequest
from tests.unit.producer.samples import CSV_BYTES, UPLOADED

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from raylane.producer import Producer
    from raylane.testing import MemoryProducer
    from tests.unit.producer.claiming import ClaimedJob


async def test_a_batch_is_enqueued_in_its_order(memory: MemoryProducer) -> None:
    upload = new_upload(CSV_BYTES, filename="a.csv", session_id="s1")
    generate = new_job(GenerateRequest(prompt="count"), session_id="s1", after=[upload])
    assert await memory.enqueue_many(iter([upload, generate])) == [
        Enqueued(upload.id, created=True),
        Enqueued(generate.id, created=True),
    ]
    assert (await memory.record(generate.id)).status is JobStatus.WAITING
    await memory.succeed(upload.id, UPLOADED)
    assert (await memory.record(generate.id)).status is JobStatus.QUEUED
    assert [entry.job_id for entry in await memory.history("s1")] == [generate.id, upload.id]
    assert await memory.enqueue_many([]) == []


async def test_a_problem_with_one_job_does_not_stop_the_others(memory: MemoryProducer) -> None:
    request = ListDatabasesRequest()
    await memory.cluster.status(job_id="taken")
    outcomes = await memory.enqueue_many(
        [
            new_job(request, job_id="taken"),
            new_job(request, after=["unknown"]),
            new_job(request, job_id="mine", unique="k"),
            new_job(request, job_id="mine", unique="k"),
            new_job(request, unique="k"),
        ]
    )
    assert [(outcome.id, outcome.created) for outcome in outcomes[2:]] == [
        ("mine", True),
        ("mine", False),
        ("mine", False),
    ]
    assert [type(outcome.error) for outcome in outcomes] == [JobIdTaken, InvalidRequest, *[type(None)] * 3]


async def test_a_large_batch_is_written_completely(memory: MemoryProducer) -> None:
    jobs = [new_job(ListDatabasesRequest()) for _ in range(500)]
    outcomes = await memory.enqueue_many(jobs)
    assert [outcome.id for outcome in outcomes] == [job.id for job in jobs]
    [upload, *_] = await memory.operator.lanes()
    assert upload.queued == 500


async def test_uploads_of_a_batch_have_their_bytes(
    producer: Producer, claim: Callable[[str], Awaitable[ClaimedJob]]
) -> None:
    await producer.enqueue_many([new_upload("größe\n1\n", filename="a.csv", session_id="s1")])
    assert await (await claim("upload")).lease.body() == "größe\n1\n".encode()


def test_a_request_that_needs_a_session_is_refused_without_one() -> None:
    with pytest.raises(InvalidRequest, match=r"^session_id: "):
        new_job(GenerateRequest(prompt="count"))
    assert new_job(ListDatabasesRequest(), session_id="s1").session_id == "s1"


@given(st.binary(min_size=1, max_size=2000))
def test_an_upload_has_the_size_and_the_digest_of_its_bytes(data: bytes) -> None:
    job = new_upload(data, filename="a.csv", session_id="s1")
    assert isinstance(job.request, UploadRequest)
    assert (job.kind, job.body, job.request.size_bytes) == (JobKind.UPLOAD, data, len(data))
    assert job.request.sha256 == hashlib.sha256(data).hexdigest()


_IDS = st.from_regex(JOB_ID_PATTERN, fullmatch=True).filter(lambda job_id: not job_id.endswith("\n"))


@given(
    job_id=st.none() | _IDS,
    after=st.none() | st.lists(_IDS, max_size=5),
    delay_s=st.none() | st.floats(0, 30 * 86_400),
    expires_s=st.none() | st.floats(0.001, 30 * 86_400),
    priority=st.none() | st.sampled_from(Priority),
    unique=st.none() | st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=200),
)
def test_options_are_passed_on_and_none_means_the_default(
    job_id: str | None,
    after: list[str] | None,
    delay_s: float | None,
    expires_s: float | None,
    priority: Priority | None,
    unique: str | None,
) -> None:
    before = [NewJob(request=ListDatabasesRequest(), id=ref) for ref in after or []]
    job = new_job(
        ListDatabasesRequest(),
        job_id=job_id,
        after=None if after is None else before,
        delay_s=delay_s,
        expires_s=expires_s,
        priority=priority,
        unique=unique,
    )
    assert job.id == job_id or (job_id is None and len(job.id) == 32)
    assert job.after == tuple(after or ())
    assert (job.delay_s, job.expires_s, job.unique) == (delay_s, expires_s, unique)
    assert job.priority is (priority or Priority.NORMAL)
