"""Jobs with answers whose files are on S3, as if a run had written them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raylane.testing.memory.worker import MemoryWorker
from raylane_common.wire.answer import Answer, AnswerFile
from raylane_common.wire.jobs import JobRecord, JobStatus
from raylane_worker.data.layout import run_prefix
from tests.helpers.aws import s3
from tests.unit.producer.samples import GENERATED, RUN

if TYPE_CHECKING:
    from collections.abc import Mapping

    from redis.asyncio import Redis

    from raylane_common.wire.answer import AnswerItem
    from tests.helpers.door import Door


def run_of(job_id: str) -> str:
    """Returns the id of the job's run."""
    return f"rl-{job_id}-1"


def key_of(job_id: str, name: str, session_id: str = "ada") -> str:
    """Returns the key of a file of the job's answer."""
    return run_prefix(session_id, run_of(job_id)) + name


async def answered(
    door: Door, redis: Redis, files: Mapping[str, bytes], *, session_id: str = "ada", job_id: str | None = None
) -> str:
    """Makes a `generate` job that has succeeded with these files as its answer; returns its id."""
    job = await door.producer.generate("?", session_id=session_id, execute=True, job_id=job_id)
    items = []
    for name, data in files.items():
        key = key_of(job.id, name, session_id)
        await put(door, key, data)
        items.append(file_of(name, f"s3://{door.bucket}/{key}", len(data)))
    await end(redis, job.id, *items)
    return job.id


async def end(redis: Redis, job_id: str, *items: AnswerItem) -> None:
    """Ends the job with an answer, as a worker does."""
    run = RUN.model_copy(update={"submission_id": run_of(job_id)})
    result = GENERATED.model_copy(update={"run": run, "answer": Answer(items=items)})
    await MemoryWorker(redis).end(job_id, result)


def answer_record(job_id: str, *items: AnswerItem, session_id: str | None = "ada") -> JobRecord:
    """Returns the record of a job that has succeeded with these items as its answer."""
    run = RUN.model_copy(update={"submission_id": run_of(job_id)})
    return JobRecord(
        id=job_id,
        v=1,
        kind="generate",
        lane="generate",
        session_id=session_id,
        status=JobStatus.SUCCEEDED,
        enqueued_at=1,
        result=GENERATED.model_copy(update={"run": run, "answer": Answer(items=items)}),
    )


def file_of(name: str, s3_uri: str, size_bytes: int = 0) -> AnswerFile:
    """Returns the file as an answer describes it."""
    return AnswerFile(name=name, s3_uri=s3_uri, rows=1, columns=(), size_bytes=size_bytes)


async def put(door: Door, key: str, data: bytes) -> None:
    """Writes or replaces an object."""
    async with s3(door.url) as client:
        await client.put_object(Bucket=door.bucket, Key=key, Body=data)


async def delete(door: Door, key: str) -> None:
    """Deletes an object."""
    async with s3(door.url) as client:
        await client.delete_object(Bucket=door.bucket, Key=key)
