"""A producer without Redis and without workers, for the tests of services that enqueue."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raylane.producer import Producer
from raylane.testing.memory.backend import MemoryBackend
from raylane.testing.memory.queue import MemoryQueue

if TYPE_CHECKING:
    from raylane.testing.memory.queue import Answer
    from raylane_common.errors import RaylaneError
    from raylane_common.wire.jobs import NewJob, Progress
    from raylane_common.wire.kinds import Result
    from raylane_common.wire.sources import CsvSource, TableSource


class MemoryProducer(Producer):
    """A producer whose jobs stay in the queue until the test says how they end. It holds to the rules of the real one.

    There is no clock: a scheduled job is due once the test starts or ends it, and nothing expires by itself.
    """

    def __init__(self, answer: Answer | None = None) -> None:
        """`answer` may end each job as soon as it may start: by a result, by an error, or not (None)."""
        self._memory = MemoryBackend(MemoryQueue(answer))
        super().__init__(backend=self._memory)

    @property
    def enqueued(self) -> list[NewJob]:
        """All jobs, oldest first, whatever became of them."""
        return [job.new for job in self._memory.queue.jobs.values()]

    def body(self, job_id: str) -> bytes:
        """The bytes that were staged with the job. Raises `JobNotFound`."""
        return self._memory.queue.find(job_id).new.body

    def start(self, job_id: str) -> None:
        """Begins an attempt, as a worker does. Raises `JobNotFound`, or `LeaseLost` if the job waits or has ended."""
        self._memory.queue.start(job_id)

    def tell(
        self, job_id: str, *, progress: Progress | None = None, line: str | None = None, text: str | None = None
    ) -> None:
        """Adds to the job's events what it may say while it runs; starts it if need be. Raises as `start`."""
        self._memory.queue.start(job_id).tell(progress=progress, line=line, text=text)

    def succeed(self, job_id: str, result: Result) -> None:
        """Ends the job with a result; starts it if need be. Raises as `start`."""
        self._memory.queue.end(job_id, result)

    def fail(self, job_id: str, error: RaylaneError) -> None:
        """Ends the job with the error of its last attempt, or as cancelled if it is a `JobCancelled`.

        Starts the job if need be. Raises as `start`.
        """
        self._memory.queue.end(job_id, error)

    async def put_sources(self, session_id: str, *sources: CsvSource | TableSource) -> None:
        """Gives the session sources, as the worker does at the end of an upload."""
        await self._memory.sources.put(session_id, sources)
