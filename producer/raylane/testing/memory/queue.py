"""The queue of a `MemoryProducer`: the real one, which also remembers its jobs and answers them.

See docs/decisions/0012.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from raylane_common import checks
from raylane_common.errors import InvalidRequest, RaylaneError
from raylane_common.redis.queue import JobQueue
from raylane_common.wire.base import BaseResult
from raylane_common.wire.jobs import JobStatus, NewJob
from raylane_common.wire.kinds import Result

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redis.asyncio import Redis

    from raylane.testing.memory.worker import MemoryWorker
    from raylane_common.wire.jobs import Enqueued

Answer = Callable[[NewJob], Result | RaylaneError | None]


class MemoryQueue(JobQueue):
    """Shows each job to `answer` as soon as it may start, and ends it with what `answer` returns."""

    def __init__(self, redis: Redis, worker: MemoryWorker, answer: Answer | None) -> None:
        """`answer` takes a new job and returns its result, its error, or None to leave it in the queue."""
        super().__init__(redis)
        self.jobs: dict[str, NewJob] = {}
        self._worker = worker
        self.answer = answer
        self._shown: set[str] = set()

    async def enqueue(self, job: NewJob, *, traceparent: str = "") -> str:
        """Enqueues the job as `JobQueue` does."""
        [outcome] = await self.enqueue_many([job], traceparent=traceparent)
        if outcome.error is not None:
            raise outcome.error
        return outcome.id

    async def enqueue_many(self, jobs: Sequence[NewJob], *, traceparent: str = "") -> list[Enqueued]:
        """Enqueues the jobs as `JobQueue` does."""
        outcomes = await super().enqueue_many(jobs, traceparent=traceparent)
        # A job that already existed keeps its first form.
        self.jobs |= {job.id: job for job, outcome in zip(jobs, outcomes, strict=True) if outcome.created}
        await self.answer_all()
        return outcomes

    async def requeue(self, job_id: str) -> None:
        """Requeues the job as `JobQueue` does. `answer` is called with it again."""
        await super().requeue(job_id)
        self._shown.discard(job_id)
        await self.answer_all()

    async def answer_all(self) -> None:
        """Calls `answer` with every job that may start, including those that may start because another one ended."""
        while self.answer is not None and (job := await self._next_to_show()):
            outcome = self.answer(job)
            if outcome is not None:
                _check(outcome)
                await self._worker.end(job.id, outcome)

    async def _next_to_show(self) -> NewJob | None:
        for job in [job for job in self.jobs.values() if job.id not in self._shown]:
            status = (await self.record(job.id)).status
            # Another task may have shown the job in the meantime.
            if status is JobStatus.QUEUED and job.id not in self._shown:
                self._shown.add(job.id)
                return job
        return None


def _check(outcome: object) -> None:
    if not isinstance(outcome, BaseResult | RaylaneError):
        problem = f"must return a result, a RaylaneError or None, not {checks.type_name(outcome)}"
        raise InvalidRequest.field("answer", problem)
