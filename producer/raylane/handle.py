"""A handle on one job: wait for it, follow it, take its result with the right type."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

from raylane import checks
from raylane.ports import BEGIN
from raylane_common.errors import InternalError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from raylane.ports import QueuePort
    from raylane_common.wire.jobs import JobEvent, JobRecord, JobStatus

ResultT_co = TypeVar("ResultT_co", covariant=True)


class JobHandle(Generic[ResultT_co]):
    """One job. Every method raises `JobNotFound` once its record has expired, `QueueUnavailable` without Redis."""

    def __init__(self, queue: QueuePort, job_id: str, result_type: type[ResultT_co]) -> None:
        """Made by `Producer`."""
        self._queue = queue
        self._result_type = result_type
        self.id = job_id

    def __repr__(self) -> str:
        return f"JobHandle({self.id!r})"

    async def result(self, timeout_s: float | None = None) -> ResultT_co:
        """The job's result once it has succeeded; None waits for ever.

        Raises the job's own typed error if it failed, `WaitTimeout` if it has not ended in time (it goes on).
        """
        found = await self._queue.result(self.id, timeout_s)
        if not isinstance(found, self._result_type):
            raise InternalError(
                f"job {self.id} returned a {type(found).__name__} where a {self._result_type.__name__} belongs; "
                "producer and worker disagree, are they of the same version?",
                details={"job_id": self.id},
            )
        return found

    async def wait(self, timeout_s: float | None = None) -> JobRecord:
        """The record once the job has ended, well or badly. Raises `WaitTimeout`."""
        return await self._queue.wait(self.id, timeout_s)

    async def cancel(self) -> JobStatus:
        """Cancels the job; see `Producer.cancel`."""
        return await self._queue.cancel(self.id)

    async def record(self) -> JobRecord:
        """What is true of the job now."""
        return await self._queue.record(self.id)

    def follow(self, *, after: str = BEGIN) -> AsyncIterator[JobEvent]:
        """The job's events up to the one that ends it; `after` is the id of the last event seen."""
        return self._queue.follow(self.id, after=checks.event_id(after))
