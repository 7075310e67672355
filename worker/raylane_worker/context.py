"""What a handler is given: the job it works on and the resources it may use. No globals, no Redis, no arq."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from raylane_common.errors import InternalError
from raylane_common.wire.jobs import JobRecord, Progress

if TYPE_CHECKING:
    from raylane_common.ray.client import RayClient
    from raylane_common.redis.source_store import SourceStore
    from raylane_common.settings import Settings
    from raylane_common.wire.generate import Checkpoint
    from raylane_worker.data.catalog import Catalog
    from raylane_worker.data.storage import Storage


class JobPort(Protocol):
    """What a running job may write and read, through its lease. Methods raise `LeaseLost` or `QueueUnavailable`."""

    async def progress(self, progress: Progress) -> None:
        """Replaces the record's progress and announces it."""

    async def log(self, lines: str, *, position: str = "") -> None:
        """Adds whole lines to the job's events, and `position` to its record, which the next attempt is given."""

    async def text(self, piece: str) -> None:
        """Adds a piece of generated text to the job's events."""

    async def checkpoint(self, checkpoint: Checkpoint) -> None:
        """Replaces the record's checkpoint, which the next attempt of this job is given."""

    async def body(self) -> bytes:
        """The bytes staged with the job. Raises `StagedBodyMissing`."""


@dataclass(frozen=True)
class Resources:
    """Opened once per worker, shared by all its jobs, closed when it stops.

    Only the upload lane opens `storage` and `catalog`: the others need no AWS.
    """

    settings: Settings
    ray: RayClient
    sources: SourceStore
    storage: Storage | None = None
    catalog: Catalog | None = None


@dataclass(frozen=True)
class JobContext:
    """One attempt of one job."""

    record: JobRecord
    port: JobPort
    resources: Resources

    @property
    def job_id(self) -> str:
        """The job's id."""
        return self.record.id

    @property
    def session_id(self) -> str:
        """The job's own session. Raises `InternalError` for a job that has none; requests that need one are checked."""
        if self.record.session_id is None:
            raise InternalError(f"a {self.record.kind} job needs a session, and {self.job_id} has none")
        return self.record.session_id

    @property
    def storage(self) -> Storage:
        """Object storage. Raises `InternalError` outside the upload lane."""
        if self.resources.storage is None:
            raise InternalError(f"a {self.record.kind} job has no storage: only the upload lane opens it")
        return self.resources.storage

    @property
    def catalog(self) -> Catalog:
        """The table catalog. Raises `InternalError` outside the upload lane."""
        if self.resources.catalog is None:
            raise InternalError(f"a {self.record.kind} job has no catalog: only the upload lane opens it")
        return self.resources.catalog

    async def progress(
        self,
        stage: str,
        message: str = "",
        *,
        done: int | None = None,
        total: int | None = None,
        unit: str | None = None,
    ) -> None:
        """Tells followers what the job is doing now, and how far it is where there is something to count."""
        await self.port.progress(Progress(stage=stage, message=message, done=done, total=total, unit=unit))

    async def log(self, lines: str, *, position: str = "") -> None:
        """Gives followers whole lines of output; the next attempt of this job finds `position` in its record."""
        await self.port.log(lines, position=position)

    async def text(self, piece: str) -> None:
        """Gives followers a piece of generated text."""
        await self.port.text(piece)
