"""The producer's side of the queue: enqueue, read, wait for, follow, cancel and requeue jobs.

See docs/decisions/0006.
"""

from __future__ import annotations

import asyncio
from itertools import chain
from typing import TYPE_CHECKING, Final, cast

from pydantic import ValidationError

from raylane_common import checks
from raylane_common.errors import (
    InvalidRequest,
    JobCancelled,
    JobNotRequeued,
    QueueUnavailable,
    RaylaneError,
    WaitTimeout,
    WriteNotConfirmed,
)
from raylane_common.redis.connection import keys_of, owned_key, queue_errors, readable
from raylane_common.redis.queue import spans
from raylane_common.redis.queue.batches import groups_of, outcome_of, parts_of
from raylane_common.redis.queue.events import BEGIN, EventReader, job_not_found
from raylane_common.redis.queue.heartbeats import workers_of
from raylane_common.redis.queue.reader import SharedReader
from raylane_common.redis.queue.scripts import Scripts, calls
from raylane_common.rules import printable
from raylane_common.telemetry import tracing
from raylane_common.wire.base import JobKind
from raylane_common.wire.jobs import RUNNING, SUBMITTING, Attempt, Enqueued, JobEvent, JobRecord, JobStatus, NewJob
from raylane_common.wire.registry import lane_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence

    from pydantic import JsonValue
    from redis.asyncio import Redis

    from raylane_common.redis.queue.scripts.calls import PackedJobs
    from raylane_common.wire.jobs import LaneWorkers
    from raylane_common.wire.kinds import Result

# A record may hold a megabyte of code and output.
_RECORDS_AT_ONCE: Final = 50
_REFUSALS: Final = {
    "changed": "has changed since it was read; look at it again",
    "body": "no longer has the bytes that were staged with it; upload the file again",
    "unique": "has a unique key that job {} holds now",
    "dependency": "comes after job {}, which has not succeeded; requeue that one first",
}


class JobQueue:
    """Jobs as a producer sees them. Every method raises `QueueUnavailable` when Redis does not answer in time."""

    def __init__(self, redis: Redis, *, block_s: float = 5.0) -> None:
        """`block_s` is the longest single blocking read; it must stay below the connection's socket timeout."""
        self._redis = redis
        self._keys = keys_of(redis)
        self._scripts = Scripts(redis)
        self._reader = SharedReader(redis, block_s)
        self._events = EventReader(self._reader, self._keys)

    async def enqueue(self, job: NewJob, *, traceparent: str = "") -> str:
        """Stores the job and puts it into its lane, in one round trip; returns its id.

        Enqueueing the same id and request again changes nothing. If an unfinished job of the same kind holds the unique
        key, returns that job's id. `traceparent` is the W3C trace context that the job belongs to; '' means the present
        one. Raises `JobIdTaken` if the id belongs to another request, `InvalidRequest` if a job in `after` does not
        exist, and `WriteNotConfirmed`.
        """
        with spans.enqueueing([job], traceparent):
            try:
                packed = [calls.pack_jobs(groups_of([job], tracing.carried()))]
                [outcome] = await self._write([job], packed)
            except WriteNotConfirmed as error:
                raise WriteNotConfirmed(f"job {job.id}: {error.message}", details={"job_id": job.id}) from error
            if outcome.error is not None:
                raise outcome.error
            return outcome.id

    async def enqueue_many(self, jobs: Sequence[NewJob], *, traceparent: str = "") -> list[Enqueued]:
        """Stores the jobs in order, each in one atomic step; returns one outcome per job, in the same order.

        A job may come after an earlier one of the same call. An outcome holds the error that `enqueue` would raise. If
        that is `QueueUnavailable`, enqueue the job again with the same id. `traceparent` is as for `enqueue`.
        """
        with spans.enqueueing(jobs, traceparent):
            return await self._enqueue_many(jobs, tracing.carried())

    async def _enqueue_many(self, jobs: Sequence[NewJob], context: Mapping[str, str]) -> list[Enqueued]:
        outcomes: list[Enqueued] = []
        parts = parts_of(jobs, confirmed=self._scripts.needs_confirmation)
        part = next(parts, [])
        packed = _pack(part, context)
        while part:
            writing = asyncio.create_task(self._write(list(chain(*part)), packed))
            try:
                # The task now sends its part. The next one is packed while the server works on it.
                await asyncio.sleep(0)
                part = next(parts, [])
                packed = _pack(part, context)
                outcomes += await writing
            except QueueUnavailable as error:
                outcomes += [Enqueued(job.id, error=error) for job in jobs[len(outcomes) :]]
                break
            finally:
                writing.cancel()
                await asyncio.gather(writing, return_exceptions=True)
        return outcomes

    async def _write(self, jobs: Sequence[NewJob], packed: Sequence[PackedJobs]) -> list[Enqueued]:
        replies = await calls.enqueue(self._scripts, packed)
        return [outcome_of(job, reply) for job, reply in zip(jobs, replies, strict=True)]

    async def cancel(self, job_id: str) -> JobStatus:
        """Ends a job that has not started; asks the worker of a running job to stop it and its run on Ray.

        Returns the job's status: CANCELLED, RUNNING while it is being stopped (wait for it to end), or its final status
        if it had already ended. Raises `JobNotFound`.
        """
        error = JobCancelled("the job was cancelled before it started").info().model_dump_json()
        status = await calls.cancel(self._scripts, job_id, error)
        if not status:
            raise job_not_found(job_id)
        return JobStatus(status)

    async def requeue(self, job_id: str) -> None:
        """Puts a failed or cancelled job back into its lane, with its full number of attempts.

        If the job was not at fault (`error.outside_job`), it continues where it stopped; otherwise it starts over with
        the sources that it has read. Raises `JobNotFound`, `JobNotRequeued`, and `InvalidRequest` for an unreadable
        record.
        """
        record = await self.record(job_id)
        if record.kind in set(JobKind) and record.lane != lane_of(JobKind(record.kind)):
            # Another program has changed the record. The job would wait in a lane that does not run it.
            raise _unreadable(job_id, f"lane: {record.kind} jobs belong in another lane", {"field": "lane"})
        if record.status not in (JobStatus.FAILED, JobStatus.CANCELLED):
            state = f"{'has' if record.status is JobStatus.SUCCEEDED else 'is'} {record.status}"
            raise _not_requeued(job_id, f"{state}; only a failed or cancelled job can be requeued")
        with spans.requeueing(record):
            reply = await calls.requeue(
                self._scripts,
                job_id,
                finished_at=record.finished_at or 0,
                starts_over=_starts_over(record),
                checkpoint=_new_checkpoint(record),
                progress=_kept_progress(record),
            )
            if reply.verdict == "missing":
                raise job_not_found(job_id)
            if reply.verdict != "ok":
                raise _not_requeued(job_id, _REFUSALS[reply.verdict].format(reply.other))

    async def attempts(self, job_id: str) -> list[Attempt]:
        """Returns the job's attempts that did not succeed, oldest first.

        Raises `JobNotFound`, and `InvalidRequest` if another program has overwritten them.
        """
        key = self._keys.job_attempts(job_id)
        with queue_errors("read a job's attempts"), owned_key(f"the attempts of job {job_id}", "attempts", key):
            async with self._redis.pipeline(transaction=False) as pipe:
                pipe.exists(self._keys.job(job_id))
                pipe.lrange(key, 0, -1)
                exists, found = await pipe.execute()
        if not exists:
            raise job_not_found(job_id)
        return [attempt for text in found if (attempt := _attempt(text)) is not None]

    async def record(self, job_id: str) -> JobRecord:
        """Returns the job's record. Raises `JobNotFound`, and `InvalidRequest` if the record cannot be read."""
        key = self._keys.job(job_id)
        with queue_errors("read a record"), owned_key(f"the record of job {job_id}", "record", key):
            fields = await cast("Awaitable[dict[str, str]]", self._redis.hgetall(key))
        return _record(job_id, fields)

    async def session_of(self, job_id: str) -> str | None:
        """Returns the session of the job; None if it belongs to none. Raises `JobNotFound`.

        It takes the same time for every job, however large its record is.
        """
        key = self._keys.job(job_id)
        with queue_errors("read a record"), owned_key(f"the record of job {job_id}", "record", key):
            async with self._redis.pipeline(transaction=False) as pipe:
                pipe.exists(key)
                pipe.hget(key, "session_id")
                exists, session_id = await pipe.execute()
        if not exists:
            raise job_not_found(job_id)
        return None if session_id is None else printable(session_id)

    async def wait(self, job_id: str, timeout_s: float | None = None) -> JobRecord:
        """Returns the record once the job has ended. Waits at most `timeout_s` seconds, or without limit if None.

        With 0 or less, looks once. Raises `WaitTimeout`, `JobNotFound`, and `InvalidRequest` if `timeout_s` is not a
        number.
        """
        limit_s = None if timeout_s is None else max(0.0, checks.seconds("timeout_s", timeout_s))
        if limit_s == 0:
            record = await self.record(job_id)
            if record.status.is_final:
                return record
            raise _wait_timeout(job_id, 0)
        try:
            async with asyncio.timeout(limit_s):
                while True:
                    async for _ in self._events.until_end(job_id, after=None):
                        pass
                    with queue_errors("read a record"):
                        [fields] = await self._reader.ask(("HGETALL", self._keys.job(job_id)))
                    record = _record(job_id, cast("dict[str, str]", fields))
                    if record.status.is_final:  # else it was requeued since it ended
                        return record
        except TimeoutError as error:
            raise _wait_timeout(job_id, limit_s or 0) from error

    async def result(self, job_id: str, timeout_s: float | None = None) -> Result:
        """Returns the job's result once it has succeeded. Raises the job's own error, and what `wait` raises."""
        record = await self.wait(job_id, timeout_s)
        if record.status is JobStatus.SUCCEEDED and record.result is not None:
            return record.result
        if record.error is None:
            missing = "a result" if record.status is JobStatus.SUCCEEDED else "an error"
            raise _unreadable(job_id, f"it has {record.status} without {missing}", {"job_id": job_id})
        raise RaylaneError.from_info(record.error)

    async def workers(self, job_id: str) -> LaneWorkers:
        """Returns the job's lane, its living workers, and whether one runs the job. Raises `JobNotFound`."""
        return await workers_of(self._redis, job_id)

    async def follow(self, job_id: str, *, after: str | None = BEGIN) -> AsyncIterator[JobEvent]:
        """Yields the job's events, from the one after the id `after` to the one that ends the job.

        After a disconnect, pass the `id` of the last event seen. None leaves out all events up to now. Raises
        `JobNotFound`, and `InvalidRequest` if `after` is not an event id.
        """
        async for event in self._events.until_end(job_id, after=after):
            yield event

    async def events(self, job_id: str, *, after: str = BEGIN) -> list[JobEvent]:
        """Returns the job's events up to now that are kept, from the one after the id `after`. Raises as `follow`."""
        return await self._events.so_far(job_id, after)

    async def history(self, session_id: str, *, limit: int = 50) -> list[JobRecord]:
        """Returns the session's jobs, newest first, without those whose record has expired or cannot be read."""
        key = self._keys.session_jobs(session_id)
        with queue_errors("read a session's history"), owned_key(f"the history of {session_id}", "session_id", key):
            job_ids = await self._redis.zrevrange(key, 0, limit - 1)
            records: list[JobRecord] = []
            for start in range(0, len(job_ids), _RECORDS_AT_ONCE):
                page = job_ids[start : start + _RECORDS_AT_ONCE]
                async with self._redis.pipeline(transaction=False) as pipe:
                    for job_id in page:
                        pipe.hgetall(self._keys.job(job_id))
                    found = readable(await pipe.execute(raise_on_error=False))
                read = (_readable(job_id, fields) for job_id, fields in zip(page, found, strict=True))
                records += [record for record in read if record is not None]
        return records


def _pack(part: Sequence[Sequence[NewJob]], context: Mapping[str, str]) -> list[PackedJobs]:
    return [calls.pack_jobs(groups_of(chunk, context)) for chunk in part]


def _record(job_id: str, fields: dict[str, str]) -> JobRecord:
    """Returns the record. Raises `JobNotFound` if there is none, and `InvalidRequest` if it cannot be read."""
    if not fields:
        raise job_not_found(job_id)
    try:
        return JobRecord.from_hash(job_id, fields)
    except InvalidRequest as error:
        raise _unreadable(job_id, error.message, error.details) from error


def _starts_over(record: JobRecord) -> bool:
    # A job that is at fault would find its failed run again, and fail again.
    return record.error is None or not RaylaneError.from_info(record.error).outside_job


def _new_checkpoint(record: JobRecord) -> str | None:
    """Returns the checkpoint of a job that starts over, as JSON; None to keep the one in the record."""
    if record.checkpoint is None or not _starts_over(record):
        return None
    return record.checkpoint.model_copy(update={"versions": (), "usage": None}).model_dump_json()


def _kept_progress(record: JobRecord) -> str | None:
    """Returns the progress of a job that continues, as JSON: it names the run that may have the job's code.

    The run may be lost by now, as with its cluster, and then is started again: the caller has asked for that.
    """
    progress = record.progress
    if progress is None or _starts_over(record):
        return None
    stage = SUBMITTING if progress.stage == RUNNING else progress.stage
    return progress.model_copy(update={"stage": stage}).model_dump_json(exclude_none=True)


def _wait_timeout(job_id: str, timeout_s: float) -> WaitTimeout:
    return WaitTimeout(
        f"job {job_id} has not ended after {timeout_s:g} s and continues; wait again, or follow it",
        details={"job_id": job_id},
    )


def _not_requeued(job_id: str, reason: str) -> JobNotRequeued:
    return JobNotRequeued(f"job {job_id} {reason}", details={"job_id": job_id})


def _unreadable(job_id: str, problem: str, details: dict[str, JsonValue]) -> InvalidRequest:
    hint = "upgrade Raylane if a newer version wrote it"
    return InvalidRequest(f"the record of job {job_id} cannot be read: {problem}; {hint}", details=details)


def _readable(job_id: str, fields: dict[str, str] | None) -> JobRecord | None:
    """Returns the record; None if there is none or it cannot be read."""
    try:
        return JobRecord.from_hash(printable(job_id), fields) if fields else None
    except InvalidRequest:
        return None


def _attempt(text: str) -> Attempt | None:
    try:
        return Attempt.model_validate_json(text)
    except ValidationError:
        return None
