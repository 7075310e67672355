"""A handle on one job: wait for it, follow it, read its result with the right type."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

from raylane import arguments
from raylane_common.errors import InternalError, InvalidRequest
from raylane_common.showing import Shown

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from raylane_common.redis.queue import JobQueue
    from raylane_common.wire.jobs import JobEvent, JobRecord, JobStatus, LaneWorkers

ResultT_co = TypeVar("ResultT_co", covariant=True)


class AnyHandle(Shown, Generic[ResultT_co]):
    """What the handles of `raylane` and `raylane.sync` have in common: the id of a job, and the class of its result."""

    def __init__(self, job_id: str, result_type: type[ResultT_co]) -> None:
        """`result_type` is the class of the result that the job returns if it succeeds."""
        self.id: str = job_id
        self.result_type: type[ResultT_co] = result_type

    def __repr__(self) -> str:
        return f"JobHandle({self.id!r})"


class JobHandle(AnyHandle[ResultT_co]):
    """One job.

    Every method raises `JobNotFound` if its record has expired, and `QueueUnavailable` if Redis does not answer.
    """

    def __init__(
        self, queue: JobQueue, job_id: str, result_type: type[ResultT_co], *, is_claimed: bool = False
    ) -> None:
        """`Producer` makes handles. `is_claimed` says that a caller has named the class, and may be wrong."""
        super().__init__(job_id, result_type)
        self._queue = queue
        self._is_claimed = is_claimed

    async def result(self, timeout_s: float | None = None) -> ResultT_co:
        """Returns the job's result once the job has succeeded.

        Waits at most `timeout_s` seconds, or without limit if None. Raises the job's own typed error if it failed, and
        `WaitTimeout` if it has not ended by then (the job continues).

        Example:
            job = await producer.generate("sum of amount", session_id="ada")
            result = await job.result(timeout_s=300)
            print(result.code)
        """
        found = await self._queue.result(self.id, timeout_s)
        if isinstance(found, self.result_type):
            return found
        other = f"job {self.id} returned a {type(found).__name__} instead of a {self.result_type.__name__}"
        if self._is_claimed:
            raise InvalidRequest.field("result_type", other)
        hint = "check that the producer and the workers have the same version of Raylane"
        raise InternalError(f"{other}; {hint}", details={"job_id": self.id})

    async def wait(self, timeout_s: float | None = None) -> JobRecord:
        """Returns the record once the job has ended, even if it failed. Raises `WaitTimeout` after `timeout_s` seconds.

        Example:
            job = await producer.generate("sum of amount", session_id="ada")
            record = await job.wait(timeout_s=300)
            print(record.status, record.error)
        """
        return await self._queue.wait(self.id, timeout_s)

    async def cancel(self) -> JobStatus:
        """Cancels the job; see `Producer.cancel`.

        Example:
            job = await producer.generate("sum of amount", session_id="ada", execute=True)
            status = await job.cancel()
            print(status)
        """
        return await self._queue.cancel(self.id)

    async def record(self) -> JobRecord:
        """Returns the job's record: its status, progress, result and error as they are now.

        Example:
            job = await producer.generate("sum of amount", session_id="ada")
            record = await job.record()
            print(record.status, record.progress)
        """
        return await self._queue.record(self.id)

    async def workers(self) -> LaneWorkers:
        """Returns the job's lane, the living workers that take its jobs, and whether one of them runs this job.

        If there are none, the job waits until one is started. A worker that has died without a word counts as living
        for up to 15 s.

        Example:
            job = await producer.generate("sum of amount", session_id="ada")
            taken_by = await job.workers()
            if not taken_by.workers:
                print(f"no worker takes the lane {taken_by.lane}; the job waits")
        """
        return await self._queue.workers(self.id)

    def follow(self, *, after: str | None = "0") -> AsyncIterator[JobEvent]:
        """Yields the job's events up to the one that ends it.

        `after` is the `id` of the last event seen, to continue after a disconnect; "0" yields all events, and None only
        those that are added from now on.

        Example:
            job = await producer.generate("sum of amount", session_id="ada")
            async for event in job.follow():
                print(event.id, event.status or event.progress or event.text or event.line)
        """
        return self._queue.follow(self.id, after=None if after is None else arguments.event_id(after))
