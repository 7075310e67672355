"""What a producer stands on, as protocols: the queue and the sources. Redis is one backend, memory another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from raylane_common.jobs import JobEvent, JobRecord, NewJob
    from raylane_common.results import Result
    from raylane_common.sources import CsvSource, TableSource

BEGIN: Final = "0-0"
"""The event id before a job's first event."""


class QueuePort(Protocol):
    """Jobs as their callers see them; see `raylane_common.queue.JobQueue` for what each method raises."""

    async def enqueue(self, job: NewJob, *, body: bytes = b"") -> str:
        """Stores the job and returns its id; the same id with the same request is the same job."""

    async def record(self, job_id: str) -> JobRecord:
        """What is true of the job now."""

    async def wait(self, job_id: str, timeout_s: float | None = None) -> JobRecord:
        """The record once the job has ended."""

    async def result(self, job_id: str, timeout_s: float | None = None) -> Result:
        """The result once the job has succeeded; raises the job's own error if it failed."""

    def follow(self, job_id: str, *, after: str = BEGIN) -> AsyncIterator[JobEvent]:
        """The job's events behind `after`, up to the one that ends it."""

    async def history(self, session_id: str, *, limit: int = 50) -> list[JobRecord]:
        """The session's jobs, newest first."""


class SourcesPort(Protocol):
    """The sources of all sessions; see `raylane_common.sources.SourceStore`."""

    async def put(self, session_id: str, sources: Sequence[CsvSource | TableSource]) -> None:
        """Adds the sources, or replaces those of the same name."""

    async def all(self, session_id: str) -> list[CsvSource | TableSource]:
        """The session's sources by name."""

    async def reset(self, session_id: str) -> int:
        """Forgets the session's sources and history; returns how many sources it had."""


class Backend(Protocol):
    """Queue and sources, and the way to close them."""

    @property
    def queue(self) -> QueuePort:
        """The jobs."""

    @property
    def sources(self) -> SourcesPort:
        """The sessions' sources."""

    async def aclose(self) -> None:
        """Closes what the backend opened itself."""
