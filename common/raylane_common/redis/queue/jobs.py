"""The producer's side of the queue: enqueue, look, wait, follow."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Final, cast

from raylane_common.errors import (
    InternalError,
    JobCancelled,
    JobNotFound,
    JobNotRequeued,
    QueueUnavailable,
    RaylaneError,
    WaitTimeout,
    WorkerLost,
)
from raylane_common.redis import keys
from raylane_common.redis.connection import queue_errors
from raylane_common.redis.queue.batches import arguments_for, chunks_of, outcome_of
from raylane_common.redis.queue.scripts import Argument, Scripts
from raylane_common.wire.jobs import Attempt, Enqueued, EventType, JobEvent, JobRecord, JobStatus, NewJob

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Sequence

    from redis.asyncio import Redis

    from raylane_common.wire.kinds import Result

_BEGIN: Final = "0-0"
_EVENTS_PER_READ: Final = 200
_JSON_EVENT_FIELDS: Final = frozenset({"progress", "error"})
_REFUSALS: Final = {
    "changed": "has changed meanwhile; look again",
    "body": "has lost the bytes that were staged with it; upload the file again",
    "unique": "has a unique key that job {} holds now",
    "dependency": "comes after job {}, which has not succeeded; put that one back first",
}


class JobQueue:
    """Jobs as their callers see them. Every method raises `QueueUnavailable` when Redis does not answer in time."""

    def __init__(self, redis: Redis, *, block_s: float = 5.0) -> None:
        """`block_s`: longest single blocking read; stays below the connection's socket timeout."""
        self._redis = redis
        self._scripts = Scripts(redis)
        self._block_s = block_s

    async def enqueue(self, job: NewJob, *, traceparent: str = "") -> str:
        """Stores the job and puts it into its lane, in one round trip; returns its id.

        The same id with the same request is the same job: the second call changes nothing. While another job of the
        kind with the same unique key is live, that job's id is returned. Raises `JobIdTaken` if the id was used for
        another request, `InvalidRequest` if a job that it comes after does not exist.
        """
        [outcome] = await self._write([job], arguments_for([job], traceparent))
        if outcome.error is not None:
            raise outcome.error
        return outcome.id

    async def enqueue_many(self, jobs: Sequence[NewJob], *, traceparent: str = "") -> list[Enqueued]:
        """Stores the jobs in their order, each in one step; what became of each stands at its place in the answer.

        A job may come after an earlier one of the same call. Nothing is raised for a single job: it may be refused as
        by `enqueue`, or carry `QueueUnavailable` if Redis went away, and can then be enqueued again under its id.
        """
        outcomes: list[Enqueued] = []
        chunks = chunks_of(jobs)
        chunk = next(chunks, ())
        arguments = arguments_for(chunk, traceparent)
        while chunk:
            writing = asyncio.create_task(self._write(chunk, arguments))
            try:
                # Once it is sent, the next one is made ready while the server is busy with it.
                await asyncio.sleep(0)
                chunk = next(chunks, ())
                arguments = arguments_for(chunk, traceparent)
                outcomes += await writing
            except QueueUnavailable as error:
                outcomes += [Enqueued(job.id, error=error) for job in jobs[len(outcomes) :]]
                break
            finally:
                writing.cancel()
                await asyncio.gather(writing, return_exceptions=True)
        return outcomes

    async def _write(self, jobs: Sequence[NewJob], arguments: Sequence[Argument]) -> list[Enqueued]:
        replies = cast("list[int | list[str]]", await self._scripts.run("enqueue", arguments))
        return [outcome_of(job, reply) for job, reply in zip(jobs, replies, strict=True)]

    async def cancel(self, job_id: str) -> JobStatus:
        """Ends a job that has not started; has the worker of a running one stop it, and its run on Ray.

        Returns where the job stands now: CANCELLED, RUNNING while it is being stopped (wait for its end), or the
        status with which it had ended before. Raises `JobNotFound`.
        """
        error = JobCancelled("the job was cancelled before it started").info().model_dump_json()
        status = cast("str", await self._scripts.run("cancel", [job_id, error]))
        if not status:
            raise _not_found(job_id)
        return JobStatus(status)

    async def requeue(self, job_id: str) -> None:
        """Puts a failed or cancelled job back into its lane, with all its attempts before it.

        A job that was given up for a reason outside itself goes on where it was; any other one begins anew, from the
        sources that it had read. Raises `JobNotFound`, `JobNotRequeued`.
        """
        record = await self.record(job_id)
        if record.status not in (JobStatus.FAILED, JobStatus.CANCELLED):
            raise _not_requeued(job_id, f"is {record.status}; only a failed or cancelled job can be put back")
        arguments: list[Argument] = [
            job_id,
            record.finished_at or 0,
            int(_begins_anew(record)),
            _kept_checkpoint(record),
        ]
        outcome, *details = cast("list[str]", await self._scripts.run("requeue", arguments))
        if outcome == "missing":
            raise _not_found(job_id)
        if outcome != "ok":
            raise _not_requeued(job_id, _REFUSALS[outcome].format(*details))

    async def attempts(self, job_id: str) -> list[Attempt]:
        """The job's attempts that did not succeed, oldest first. Raises `JobNotFound`."""
        with queue_errors("read a job's attempts"):
            async with self._redis.pipeline(transaction=False) as pipe:
                pipe.exists(keys.job(job_id))
                pipe.lrange(keys.job_attempts(job_id), 0, -1)
                exists, found = await pipe.execute()
        if not exists:
            raise _not_found(job_id)
        return [Attempt.model_validate_json(attempt) for attempt in found]

    async def record(self, job_id: str) -> JobRecord:
        """What is true of the job now. Raises `JobNotFound`."""
        with queue_errors("read a record"):
            fields = await cast("Awaitable[dict[str, str]]", self._redis.hgetall(keys.job(job_id)))
        return _record(job_id, fields)

    async def wait(self, job_id: str, timeout_s: float | None = None) -> JobRecord:
        """The record once the job has ended. None waits for ever. Raises `WaitTimeout`, `JobNotFound`."""
        try:
            async with asyncio.timeout(timeout_s):
                async for _ in self._events_until_end(job_id, after=None):
                    pass
                return await self.record(job_id)
        except TimeoutError as error:
            raise WaitTimeout(
                f"job {job_id} had not ended after {timeout_s:g} s; it goes on", details={"job_id": job_id}
            ) from error

    async def result(self, job_id: str, timeout_s: float | None = None) -> Result:
        """The job's result once it has succeeded. Raises the job's own typed error if it failed, else as `wait`."""
        record = await self.wait(job_id, timeout_s)
        if record.status is JobStatus.SUCCEEDED and record.result is not None:
            return record.result
        if record.error is None:
            raise RaylaneError(f"job {job_id} ended as {record.status} without an error in its record")
        raise RaylaneError.from_info(record.error)

    async def follow(self, job_id: str, *, after: str = _BEGIN) -> AsyncIterator[JobEvent]:
        """The job's events from the one behind `after` to the one that ends it. Raises `JobNotFound`.

        Continue after a disconnect with the `id` of the last event seen.
        """
        async for event in self._events_until_end(job_id, after=after):
            yield event

    async def history(self, session_id: str, *, limit: int = 50) -> list[JobRecord]:
        """The session's jobs, newest first; those whose record has expired are left out."""
        with queue_errors("read a session's history"):
            job_ids = await self._redis.zrevrange(keys.session_jobs(session_id), 0, limit - 1)
            async with self._redis.pipeline(transaction=False) as pipe:
                for job_id in job_ids:
                    pipe.hgetall(keys.job(job_id))
                found = await pipe.execute()
        return [_record(job_id, fields) for job_id, fields in zip(job_ids, found, strict=True) if fields]

    async def _events_until_end(self, job_id: str, after: str | None) -> AsyncIterator[JobEvent]:
        """Events behind `after`, or only those still to come if it is None."""
        stream = keys.job_events(job_id)
        position = after
        while True:
            with queue_errors("read a job's events"):
                async with self._redis.pipeline(transaction=True) as pipe:
                    pipe.hmget(keys.job(job_id), ["status", "enqueued_at"])
                    pipe.xrevrange(stream, count=1)
                    (status, enqueued_at), newest = await pipe.execute()
            if status is None:
                raise _not_found(job_id)
            last = newest[0][0] if newest else _BEGIN
            if position is None:
                position = last
            if not newest and not JobStatus(status).is_final:
                # The stream begins with the job's first change, and will tell this event under the same id.
                first = JobEvent(id=f"{enqueued_at}-0", type=EventType.STATUS, at=enqueued_at, status=status)
                if after is not None and _order(position) < _order(first.id):
                    position = first.id
                    yield first
            # Behind it stands who saw events that a failover lost.
            if _order(position) >= _order(last) and JobStatus(status).is_final:
                return
            # As long as events come, the record has nothing to add.
            while events := await self._read_events(stream, position):
                for event in events:
                    position = event.id
                    yield event
                    if event.status is not None and event.status.is_final:
                        return

    async def _read_events(self, stream: str, position: str) -> list[JobEvent]:
        """The events behind `position`; none if none came for `block_s`."""
        with queue_errors("wait for a job's events"):
            answer = await self._redis.xread(
                {stream: position}, count=_EVENTS_PER_READ, block=int(self._block_s * 1000)
            )
        return [_event(*entry) for _, entries in answer for entry in entries]


def _begins_anew(record: JobRecord) -> bool:
    # Otherwise the next attempt would find the run that failed, and fail with it again.
    error = record.error
    return error is None or not (error.retryable or error.code in (WorkerLost.code, InternalError.code))


def _kept_checkpoint(record: JobRecord) -> str:
    if record.checkpoint is None or not _begins_anew(record):
        return ""
    return record.checkpoint.model_copy(update={"versions": (), "usage": None}).model_dump_json()


def _not_requeued(job_id: str, reason: str) -> JobNotRequeued:
    return JobNotRequeued(f"job {job_id} {reason}", details={"job_id": job_id})


def _record(job_id: str, fields: dict[str, str]) -> JobRecord:
    if not fields:
        raise _not_found(job_id)
    return JobRecord.from_hash(job_id, fields)


def _not_found(job_id: str) -> JobNotFound:
    return JobNotFound(f"no job {job_id}: it was never enqueued, or its record has expired", details={"job_id": job_id})


def _order(event_id: str) -> tuple[int, ...]:
    return tuple(int(part) for part in event_id.split("-"))


def _event(event_id: str, fields: dict[str, str]) -> JobEvent:
    data = {name: json.loads(value) if name in _JSON_EVENT_FIELDS else value for name, value in fields.items()}
    return JobEvent.model_validate({"id": event_id, **data})
