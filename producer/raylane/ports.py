"""What a producer stands on, as protocols: queue, overview and sources. Redis is one backend, memory another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from raylane_common.wire.base import JobKind
    from raylane_common.wire.jobs import Attempt, Enqueued, JobEvent, JobRecord, JobStatus, LaneOverview, NewJob
    from raylane_common.wire.kinds import Result
    from raylane_common.wire.sources import AnySource

BEGIN: Final = "0-0"
"""The event id before a job's first event."""


class QueuePort(Protocol):
    """Jobs as their callers see them; see `raylane_common.redis.queue.JobQueue` for what each method raises."""

    async def enqueue(self, job: NewJob) -> str:
        """Stores the job and returns its id, or that of the live job which has its unique key."""

    async def enqueue_many(self, jobs: Sequence[NewJob]) -> list[Enqueued]:
        """Stores the jobs; what became of each, in their order."""

    async def cancel(self, job_id: str) -> JobStatus:
        """Cancels the job; its status now: cancelled, running (it is being stopped), or how it had ended before."""

    async def requeue(self, job_id: str) -> None:
        """Puts a failed or cancelled job back."""

    async def attempts(self, job_id: str) -> list[Attempt]:
        """The attempts that did not succeed, oldest first."""

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


class OverviewPort(Protocol):
    """The queue as its operator sees it; see `raylane_common.redis.queue.QueueOverview`."""

    async def lanes(self) -> list[LaneOverview]:
        """All lanes."""

    async def jobs(
        self,
        *,
        status: JobStatus | None = None,
        session_id: str | None = None,
        kind: JobKind | None = None,
        limit: int = 50,
    ) -> list[JobRecord]:
        """Jobs, newest first."""

    async def dead(
        self, *, kind: JobKind | None = None, code: str | None = None, session_id: str | None = None, limit: int = 50
    ) -> list[JobRecord]:
        """Dead letters, newest first."""


class SourcesPort(Protocol):
    """The sources of all sessions; see `raylane_common.redis.source_store.SourceStore`."""

    async def put(self, session_id: str, sources: Sequence[AnySource]) -> None:
        """Adds the sources, or replaces those of the same name."""

    async def all(self, session_id: str) -> list[AnySource]:
        """The session's sources by name."""

    async def reset(self, session_id: str) -> int:
        """Forgets the session's sources and history; returns how many sources it had."""


class SettingsPort(Protocol):
    """What was set at run time; see `raylane_common.redis.settings_store.SettingsStore`."""

    async def all(self) -> dict[str, str]:
        """What is set, by name."""

    async def set(self, name: str, value: str) -> None:
        """Sets one."""

    async def unset(self, name: str) -> None:
        """Takes one back."""


class Backend(Protocol):
    """Queue, overview, sources and settings, and the way to close them."""

    @property
    def queue(self) -> QueuePort:
        """The jobs."""

    @property
    def overview(self) -> OverviewPort:
        """The queue as a whole."""

    @property
    def sources(self) -> SourcesPort:
        """The sessions' sources."""

    @property
    def settings(self) -> SettingsPort:
        """What was set at run time."""

    async def aclose(self) -> None:
        """Closes what the backend opened itself."""
