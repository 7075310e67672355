"""The queue in memory: every job that was enqueued, and the rules by which they wait for one another."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from raylane.ports import BEGIN
from raylane.testing.memory.job import MemoryJob, event_number, now_ms
from raylane_common.errors import (
    DependencyFailed,
    InternalError,
    InvalidRequest,
    JobCancelled,
    JobIdTaken,
    JobNotFound,
    LeaseLost,
    RaylaneError,
    WaitTimeout,
)
from raylane_common.wire.base import JobKind
from raylane_common.wire.jobs import Enqueued, JobStatus

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from raylane_common.wire.jobs import Attempt, JobEvent, JobRecord, NewJob
    from raylane_common.wire.kinds import Result

    Answer = Callable[[NewJob], Result | RaylaneError | None]

_BROKEN = (JobStatus.FAILED, JobStatus.CANCELLED)


class MemoryQueue:
    """`JobQueue` over a dictionary. A job that may start is shown to `answer`, which may end it."""

    def __init__(self, answer: Answer | None) -> None:
        self.jobs: dict[str, MemoryJob] = {}
        self.sessions: dict[str, list[MemoryJob]] = {}
        self._answer = answer

    def find(self, job_id: str) -> MemoryJob:
        """The job. Raises `JobNotFound`."""
        if job_id not in self.jobs:
            raise JobNotFound(f"no job {job_id}: it was never enqueued", details={"job_id": job_id})
        return self.jobs[job_id]

    def start(self, job_id: str) -> MemoryJob:
        """The job, which runs now. Raises `JobNotFound`, or `LeaseLost` if it waits for others or has ended."""
        job = self.find(job_id)
        if job.status is JobStatus.WAITING:
            raise LeaseLost(f"job {job_id} waits for {', '.join(job.new.after)}", details={"job_id": job_id})
        if job.status.is_final:
            raise LeaseLost(f"job {job_id} has ended before", details={"job_id": job_id})
        if job.status is not JobStatus.RUNNING:
            job.start()
        return job

    def end(self, job_id: str, outcome: Result | RaylaneError) -> None:
        """Ends the job, and lets go on or fail what waits for it. Raises as `start`."""
        job = self.start(job_id)
        if isinstance(outcome, RaylaneError):
            job.fail(outcome)
        else:
            job.succeed(outcome)
        self._release(job)

    async def enqueue(self, job: NewJob) -> str:
        """The job's id, or that of the live job with its unique key. Raises `JobIdTaken`, `InvalidRequest`."""
        return self._enqueue(job).id

    async def enqueue_many(self, jobs: Sequence[NewJob]) -> list[Enqueued]:
        """What became of each job."""
        outcomes = []
        for job in jobs:
            try:
                outcomes.append(self._enqueue(job))
            except (JobIdTaken, InvalidRequest) as error:
                outcomes.append(Enqueued(job.id, error=error))
        return outcomes

    async def cancel(self, job_id: str) -> JobStatus:
        """Where the job stands now that it was cancelled, or asked to stop. Raises `JobNotFound`."""
        job = self.find(job_id)
        if job.status is JobStatus.RUNNING:
            job.ask_to_stop()
        elif not job.status.is_final:
            job.fail(JobCancelled("the job was cancelled before it started"))
            self._release(job)
        return job.status

    async def requeue(self, job_id: str) -> None:
        """Puts a failed or cancelled job back. Raises `JobNotFound`, `JobNotRequeued`."""
        job = self.find(job_id)
        if job.status not in _BROKEN:
            raise job.not_requeued(f"is {job.status}; only a failed or cancelled job can be put back")
        if job.new.kind is JobKind.UPLOAD and not job.dead:
            raise job.not_requeued("has lost the bytes that were staged with it; upload the file again")
        holder = self._holder(job.new)
        if holder:
            raise job.not_requeued(f"has a unique key that job {holder.id} holds now")
        culprit = self._culprit(job)
        if culprit:
            raise job.not_requeued(f"comes after job {culprit.id}, which has not succeeded; put that one back first")
        job.begin_again()
        self._place(job)

    async def attempts(self, job_id: str) -> list[Attempt]:
        """The attempts that did not succeed, oldest first. Raises `JobNotFound`."""
        return list(self.find(job_id).attempts)

    async def record(self, job_id: str) -> JobRecord:
        """What is true of the job now. Raises `JobNotFound`."""
        return self.find(job_id).record

    async def wait(self, job_id: str, timeout_s: float | None = None) -> JobRecord:
        """The record once the job has ended. Raises `WaitTimeout`, `JobNotFound`."""
        job = self.find(job_id)
        try:
            async with asyncio.timeout(timeout_s):
                while not job.status.is_final:
                    await job.changed.wait()
        except TimeoutError as error:
            raise WaitTimeout(
                f"job {job_id} had not ended after {timeout_s:g} s; it goes on", details={"job_id": job_id}
            ) from error
        return job.record

    async def result(self, job_id: str, timeout_s: float | None = None) -> Result:
        """The result once the job has succeeded. Raises the job's own error, or as `wait`."""
        record = await self.wait(job_id, timeout_s)
        if record.result is not None:
            return record.result
        if record.error is None:
            raise InternalError(f"job {job_id} ended without result and error", details={"job_id": job_id})
        raise RaylaneError.from_info(record.error)

    async def follow(self, job_id: str, *, after: str = BEGIN) -> AsyncIterator[JobEvent]:
        """The job's events behind `after`, up to the one that ends it. Raises `JobNotFound`."""
        job = self.find(job_id)
        seen = event_number(after)
        while True:
            event = next(job.events(seen), None)
            if event is not None:
                seen = event_number(event.id)
                yield event
            elif job.status.is_final:
                return
            else:
                await job.changed.wait()

    async def history(self, session_id: str, *, limit: int = 50) -> list[JobRecord]:
        """The session's jobs, newest first."""
        return [job.record for job in reversed(self.sessions.get(session_id, []))][:limit]

    def _enqueue(self, new: NewJob) -> Enqueued:
        known = self.jobs.get(new.id)
        if known is not None:
            if (known.new.request, known.new.session_id) != (new.request, new.session_id):
                raise JobIdTaken(
                    f"job id {new.id} belongs to another request; choose another id", details={"job_id": new.id}
                )
            return Enqueued(new.id)
        holder = self._holder(new)
        if holder:
            return Enqueued(holder.id)
        missing = next((job_id for job_id in new.after if job_id not in self.jobs), None)
        if missing:
            raise InvalidRequest.field("after", f"no job {missing}: it was never enqueued")
        job = self.jobs[new.id] = MemoryJob(new)
        if new.session_id is not None:
            self.sessions.setdefault(new.session_id, []).append(job)
        self._place(job)
        return Enqueued(new.id, created=True)

    def _place(self, job: MemoryJob) -> None:
        """Gives a job that does not run the status that is due."""
        culprit = self._culprit(job)
        if culprit or any(self.jobs[job_id].status is not JobStatus.SUCCEEDED for job_id in job.new.after):
            job.become(JobStatus.WAITING)
            if culprit:
                job.fail(_dependency_failed(culprit))
        elif (job.record.at or 0) > now_ms():
            job.become(JobStatus.SCHEDULED)
        else:
            job.become(JobStatus.QUEUED)
            outcome = self._answer(job.new) if self._answer else None
            if outcome is not None:
                self.end(job.id, outcome)

    def _release(self, ended: MemoryJob) -> None:
        """Lets the jobs that wait for this one go on, or fails them with all that wait for them in turn."""
        todo = [ended]
        for done in todo:
            waiting = [
                job for job in self.jobs.values() if job.status is JobStatus.WAITING and done.id in job.new.after
            ]
            for job in waiting:
                if done.status is not JobStatus.SUCCEEDED:
                    job.fail(_dependency_failed(done), with_dead=done.dead)
                    todo.append(job)
                elif all(self.jobs[job_id].status is JobStatus.SUCCEEDED for job_id in job.new.after):
                    self._place(job)

    def _holder(self, new: NewJob) -> MemoryJob | None:
        """Another live job with the same unique key."""
        if new.unique is None:
            return None
        alike = (job for job in self.jobs.values() if (job.new.kind, job.new.unique) == (new.kind, new.unique))
        return next((job for job in alike if job.id != new.id and not job.status.is_final), None)

    def _culprit(self, job: MemoryJob) -> MemoryJob | None:
        """A job that this one comes after and that did not succeed."""
        return next((self.jobs[job_id] for job_id in job.new.after if self.jobs[job_id].status in _BROKEN), None)


def _dependency_failed(culprit: MemoryJob) -> DependencyFailed:
    ended = "failed" if culprit.status is JobStatus.FAILED else "was cancelled"
    message = f"job {culprit.id}, which this job comes after, {ended}"
    return DependencyFailed(message, details={"job_id": culprit.id})
