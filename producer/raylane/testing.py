"""For the tests of services that use Raylane: a `Producer` without Redis and without workers.

async with MemoryProducer() as producer:
    await my_service(producer)
    [job] = producer.enqueued
    producer.succeed(job.id, UploadResult(...))
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Self

from raylane.ports import BEGIN
from raylane.producer import Producer
from raylane_common.errors import InternalError, JobIdTaken, JobNotFound, LeaseLost, RaylaneError, WaitTimeout
from raylane_common.jobs import WIRE_VERSION, Checkpoint, EventType, JobEvent, JobRecord, JobStatus
from raylane_common.results import GenerateResult

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from raylane_common.jobs import NewJob
    from raylane_common.results import Result
    from raylane_common.sources import CsvSource, TableSource

    Answer = Callable[[NewJob], Result | RaylaneError | None]


class MemoryProducer(Producer):
    """A producer whose jobs stay queued until the test says how they end. It checks requests as the real one does."""

    def __init__(self, answer: Answer | None = None) -> None:
        """`answer` may end each job as it is enqueued: by a result, by an error, or not (None)."""
        self._memory = _Memory(answer)
        super().__init__(backend=self._memory)

    @property
    def enqueued(self) -> list[NewJob]:
        """All jobs, oldest first, whatever became of them."""
        return [job.new for job in self._memory.jobs.values()]

    def body(self, job_id: str) -> bytes:
        """The bytes that were staged with the job. Raises `JobNotFound`."""
        return self._memory.find(job_id).body

    def succeed(self, job_id: str, result: Result) -> None:
        """Ends the job with a result. Raises `JobNotFound`, or `LeaseLost` if it has ended before."""
        self._memory.find(job_id).end(JobStatus.SUCCEEDED, result=result)

    def fail(self, job_id: str, error: RaylaneError) -> None:
        """Ends the job with an error. Raises `JobNotFound`, or `LeaseLost` if it has ended before."""
        self._memory.find(job_id).end(JobStatus.FAILED, error=error)

    async def put_sources(self, session_id: str, *sources: CsvSource | TableSource) -> None:
        """Gives the session sources, as the worker does at the end of an upload."""
        await self._memory.put(session_id, sources)


class _Job:
    def __init__(self, new: NewJob, body: bytes) -> None:
        self.new = new
        self.body = body
        self.ended = asyncio.Event()
        self.events: list[JobEvent] = []
        self.record = JobRecord(
            id=new.id,
            v=WIRE_VERSION,
            kind=new.kind,
            lane=new.lane,
            session_id=new.session_id,
            status=JobStatus.QUEUED,
            payload=new.request.model_dump(mode="json"),
            enqueued_at=_now_ms(),
        )
        self._announce()

    def end(self, status: JobStatus, *, result: Result | None = None, error: RaylaneError | None = None) -> None:
        if self.record.status.is_final:
            raise LeaseLost(f"job {self.new.id} has ended before", details={"job_id": self.new.id})
        changes: dict[str, object] = {"status": status, "result": result, "error": error.info() if error else None}
        if isinstance(result, GenerateResult):
            changes["checkpoint"] = Checkpoint(
                sources_used=result.sources_used, generator=result.generator, attempts=result.attempts
            )
        self.record = self.record.model_copy(update={**changes, "finished_at": _now_ms()})
        self._announce()
        self.ended.set()

    def _announce(self) -> None:
        event_id = f"{len(self.events) + 1}-0"
        status, error = self.record.status, self.record.error
        self.events.append(JobEvent(id=event_id, type=EventType.STATUS, at=_now_ms(), status=status, error=error))


class _Memory:
    """Queue, sources and backend in one, over dictionaries."""

    def __init__(self, answer: Answer | None) -> None:
        self.jobs: dict[str, _Job] = {}
        self._session_jobs: dict[str, list[_Job]] = {}
        self._session_sources: dict[str, dict[tuple[str, str], CsvSource | TableSource]] = {}
        self._answer = answer

    @property
    def queue(self) -> Self:
        return self

    @property
    def sources(self) -> Self:
        return self

    async def aclose(self) -> None:
        """Holds nothing open."""

    def find(self, job_id: str) -> _Job:
        if job_id not in self.jobs:
            raise JobNotFound(f"no job {job_id}: it was never enqueued", details={"job_id": job_id})
        return self.jobs[job_id]

    async def enqueue(self, job: NewJob, *, body: bytes = b"") -> str:
        known = self.jobs.get(job.id)
        if known is None:
            known = self.jobs[job.id] = _Job(job, body)
            if job.session_id is not None:
                self._session_jobs.setdefault(job.session_id, []).append(known)
            outcome = self._answer(job) if self._answer else None
            if isinstance(outcome, RaylaneError):
                known.end(JobStatus.FAILED, error=outcome)
            elif outcome is not None:
                known.end(JobStatus.SUCCEEDED, result=outcome)
        elif (known.new.request, known.new.session_id) != (job.request, job.session_id):
            raise JobIdTaken(
                f"job id {job.id} belongs to another request; choose another id", details={"job_id": job.id}
            )
        return job.id

    async def record(self, job_id: str) -> JobRecord:
        return self.find(job_id).record

    async def wait(self, job_id: str, timeout_s: float | None = None) -> JobRecord:
        job = self.find(job_id)
        try:
            async with asyncio.timeout(timeout_s):
                await job.ended.wait()
        except TimeoutError as error:
            raise WaitTimeout(
                f"job {job_id} had not ended after {timeout_s:g} s; it goes on", details={"job_id": job_id}
            ) from error
        return job.record

    async def result(self, job_id: str, timeout_s: float | None = None) -> Result:
        record = await self.wait(job_id, timeout_s)
        if record.result is not None:
            return record.result
        if record.error is None:
            raise InternalError(f"job {job_id} ended without result and error", details={"job_id": job_id})
        raise RaylaneError.from_info(record.error)

    async def follow(self, job_id: str, *, after: str = BEGIN) -> AsyncIterator[JobEvent]:
        job = self.find(job_id)
        seen = int(after.partition("-")[0])
        while True:
            for event in job.events[seen:]:
                seen += 1
                yield event
            if job.record.status.is_final:
                return
            await job.ended.wait()

    async def history(self, session_id: str, *, limit: int = 50) -> list[JobRecord]:
        return [job.record for job in reversed(self._session_jobs.get(session_id, []))][:limit]

    async def put(self, session_id: str, sources: Sequence[CsvSource | TableSource]) -> None:
        known = self._session_sources.setdefault(session_id, {})
        known.update({(source.type, source.name): source for source in sources})

    async def all(self, session_id: str) -> list[CsvSource | TableSource]:
        known = self._session_sources.get(session_id, {})
        return [known[key] for key in sorted(known)]

    async def reset(self, session_id: str) -> int:
        self._session_jobs.pop(session_id, None)
        return len(self._session_sources.pop(session_id, {}))


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
