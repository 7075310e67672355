"""The blocking twin of `MemoryProducer`, for tests of services that use `raylane.sync`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raylane.sync import Producer
from raylane.testing.memory.producer import MemoryProducer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from raylane.testing.memory.queue import Answer
    from raylane_common.errors import RaylaneError
    from raylane_common.wire.jobs import NewJob, Progress
    from raylane_common.wire.kinds import Result
    from raylane_common.wire.sources import AnySource


class SyncMemoryProducer(Producer):
    """A `raylane.sync.Producer` on an in-process Redis, whose jobs stay in the queue until the test ends them.

    Its methods are those of `MemoryProducer`.
    """

    def __init__(self, answer: Answer | None = None) -> None:
        """See `MemoryProducer`. `answer` is called in another thread, and must not use this producer."""
        self._memory = MemoryProducer(answer)
        self._open(self._memory)

    @property
    def enqueued(self) -> list[NewJob]:
        """All jobs, oldest first, ended or not."""
        return self._memory.enqueued

    def body(self, job_id: str) -> bytes:
        """Returns the bytes that were enqueued with the job: those of an upload. Raises `JobNotFound`."""
        return self._memory.body(job_id)

    def answer_with(self, answer: Answer | None) -> None:
        """Calls `answer` with each job that may start, in another thread. It must not use this producer."""
        self._call(self._memory.answer_with, answer)

    def start(self, job_id: str) -> None:
        """Starts an attempt unless one is running. Raises what `MemoryProducer.start` raises."""
        self._call(self._memory.start, job_id)

    def tell(
        self, job_id: str, *, progress: Progress | None = None, line: str | None = None, text: str | None = None
    ) -> None:
        """Adds events of a running job; starts the job first if necessary. Raises what `start` raises."""
        self._call(self._memory.tell, job_id, progress=progress, line=line, text=text)

    def succeed(self, job_id: str, result: Result, *, files: Mapping[str, bytes] | None = None) -> None:
        """Ends the job with a result; starts it first if necessary. Raises what `start` raises."""
        self._call(self._memory.succeed, job_id, result, files=files)

    def fail(self, job_id: str, error: RaylaneError) -> None:
        """Ends the job with the error of its last attempt, or as cancelled. Raises what `start` raises."""
        self._call(self._memory.fail, job_id, error)

    def put_sources(self, session_id: str, *sources: AnySource) -> None:
        """Adds `sources` to the session, as uploads and selections of tables do."""
        self._call(self._memory.put_sources, session_id, *sources)
