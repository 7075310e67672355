"""The producer's side of the queue: enqueue, look, wait, follow."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Final, cast

from raylane_common import keys
from raylane_common.connection import queue_errors
from raylane_common.errors import InvalidRequest, JobIdTaken, JobNotFound, RaylaneError, WaitTimeout
from raylane_common.jobs import WIRE_VERSION, JobEvent, JobRecord, JobStatus, NewJob
from raylane_common.limits import MAX_STAGED_BYTES
from raylane_common.queue.scripts import EVENTS_MAX, PENDING_TTL_MS, Scripts
from raylane_common.sources import SESSION_TTL_S

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable

    from redis.asyncio import Redis

    from raylane_common.results import Result

_BEGIN: Final = "0-0"
_EVENTS_PER_READ: Final = 200
_JSON_EVENT_FIELDS: Final = frozenset({"progress", "error"})


class JobQueue:
    """Jobs as their callers see them. Every method raises `QueueUnavailable` when Redis does not answer in time."""

    def __init__(self, redis: Redis, *, block_s: float = 5.0) -> None:
        """`block_s`: longest single blocking read; stays below the connection's socket timeout."""
        self._redis = redis
        self._scripts = Scripts(redis)
        self._block_s = block_s

    async def enqueue(self, job: NewJob, *, body: bytes = b"", traceparent: str = "") -> str:
        """Stores the job and puts it into its lane, in one round trip; returns its id.

        The same id with the same request is the same job: the second call changes nothing. Raises `JobIdTaken` if the
        id was used for another request, `InvalidRequest` if `body` exceeds 8 MiB.
        """
        if len(body) > MAX_STAGED_BYTES:
            raise InvalidRequest.field("body", f"{len(body)} bytes exceed the limit of {MAX_STAGED_BYTES}")
        session_id, payload = job.session_id or "", job.request.model_dump_json()
        answer = await self._scripts.run(
            "enqueue",
            [
                keys.job(job.id),
                keys.job_events(job.id),
                keys.arq_job(job.id),
                keys.queue(job.lane),
                keys.job_body(job.id),
                keys.session_jobs(session_id),
            ],
            [
                job.id,
                WIRE_VERSION,
                job.kind,
                job.lane,
                session_id,
                "" if job.max_attempts is None else job.max_attempts,
                payload,
                body,
                PENDING_TTL_MS,
                SESSION_TTL_S * 1000,
                EVENTS_MAX,
                keys.wake(job.lane),
                traceparent,
            ],
        )
        created, *found = cast("list[str]", answer)
        if not int(created) and found != [job.kind, session_id, payload]:
            raise JobIdTaken(
                f"job id {job.id} belongs to another request; choose another id", details={"job_id": job.id}
            )
        return job.id

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
                    pipe.hget(keys.job(job_id), "status")
                    pipe.xrevrange(stream, count=1)
                    status, newest = await pipe.execute()
            if status is None:
                raise _not_found(job_id)
            last = newest[0][0] if newest else _BEGIN
            if position is None:
                position = last
            if position == last and JobStatus(status).is_final:
                return
            with queue_errors("wait for a job's events"):
                answer = await self._redis.xread(
                    {stream: position}, count=_EVENTS_PER_READ, block=int(self._block_s * 1000)
                )
            for event in (_event(*entry) for _, entries in answer for entry in entries):
                position = event.id
                yield event
                if event.status is not None and event.status.is_final:
                    return


def _record(job_id: str, fields: dict[str, str]) -> JobRecord:
    if not fields:
        raise _not_found(job_id)
    return JobRecord.from_hash(job_id, fields)


def _not_found(job_id: str) -> JobNotFound:
    return JobNotFound(f"no job {job_id}: it was never enqueued, or its record has expired", details={"job_id": job_id})


def _event(event_id: str, fields: dict[str, str]) -> JobEvent:
    data = {name: json.loads(value) if name in _JSON_EVENT_FIELDS else value for name, value in fields.items()}
    return JobEvent.model_validate({"id": event_id, **data})
