"""What a handler is, and the context that it gets: the job and the resources that it may use."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from raylane_common.errors import InternalError
from raylane_common.telemetry import tracing
from raylane_common.telemetry.metrics import NO_METRICS
from raylane_common.wire.base import JobKind
from raylane_common.wire.jobs import JobRecord, Progress

if TYPE_CHECKING:
    from raylane_common.ray.client import RayClient
    from raylane_common.redis.queue.scripts.calls import RunSlot
    from raylane_common.redis.source_store import SourceStore
    from raylane_common.settings import Settings
    from raylane_common.telemetry.metrics import Metrics
    from raylane_common.wire.generate import Checkpoint
    from raylane_common.wire.kinds import Result
    from raylane_worker.data.catalog import Catalog
    from raylane_worker.data.storage import Storage
    from raylane_worker.first_use import FirstUse
    from raylane_worker.run_slots import RunSlots


class JobPort(Protocol):
    """What a running job may write and read, through its lease. Methods raise `LeaseLost` or `QueueUnavailable`."""

    async def progress(self, progress: Progress) -> None:
        """Replaces the record's progress and announces it."""

    async def log(self, lines: str, *, position: str = "") -> None:
        """Adds whole lines to the job's events, and writes `position` to its record for the next attempt."""

    async def text(self, piece: str) -> None:
        """Adds a piece of generated text to the job's events."""

    async def checkpoint(self, checkpoint: Checkpoint) -> None:
        """Replaces the record's checkpoint. The next attempt continues from it."""

    async def body(self) -> bytes:
        """Returns the bytes staged with the job. Raises `StagedBodyMissing`."""

    async def take_run_slot(self, cluster: str, limit: int) -> RunSlot:
        """Takes one of the `limit` run slots of the `cluster`, or a place in line for one."""

    async def free_run_slot(self) -> None:
        """Frees the job's run slot, if it has one."""


class Records(Protocol):
    """The records of all jobs."""

    async def record(self, job_id: str) -> JobRecord:
        """Returns a job's record. Raises `JobNotFound`, `QueueUnavailable`, and `InvalidRequest` if it is garbage."""


class TakenRun(Protocol):
    """A warm run that a job has taken. It runs one script."""

    @property
    def submission_id(self) -> str:
        """Its id on the cluster."""

    async def hand_over(self, files: Mapping[str, str], variables: Mapping[str, str]) -> None:
        """Gives the run its script: `main.py` and other `files`, and `variables` for its environment.

        Raises a `StorageError`, after which the run may have the script all the same.
        """


class WarmPort(Protocol):
    """The warm runs of this worker, as a job uses them."""

    async def take(self, num_cpus: float | None, memory_bytes: int | None) -> TakenRun | None:
        """Returns a run that has reserved this much; None if there is none. Raises a `RayError`."""

    def ended(self, run_id: str) -> None:
        """Takes note that a run that had a script has ended."""

    def was_unused(self, run_id: str) -> None:
        """Takes note that a run ended without the script that it was given."""


class GivesWay(Exception):
    """Raised by a handler to give up its place in the lane for a while. The attempt does not count."""

    def __init__(self, delay_s: float) -> None:
        """The next attempt starts after `delay_s` seconds."""
        super().__init__(delay_s)
        self.delay_s = delay_s


@dataclass
class CurrentSettings:
    """The settings of a worker as they are now. Those that can be changed at run time are replaced as a whole."""

    settings: Settings


@dataclass(frozen=True)
class Resources:
    """The resources of a worker. They are shared by all its jobs and closed when it stops.

    `warm` is None outside the generate lane. `storage` and `catalog` are None in tests of what does not use them.
    """

    settings: Settings
    ray: RayClient
    sources: SourceStore
    run_slots: RunSlots
    storage: FirstUse[Storage] | None = None
    catalog: FirstUse[Catalog] | None = None
    current: CurrentSettings | None = None
    warm: WarmPort | None = None
    records: Records | None = None
    metrics: Metrics = NO_METRICS

    def now(self) -> Resources:
        """Returns the resources for an attempt that begins: its settings stay as they are now."""
        return self if self.current is None else replace(self, settings=self.current.settings)


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
        """The job's session. Raises `InternalError` if it has none, because requests that need one were checked."""
        if self.record.session_id is None:
            raise InternalError(f"a {self.record.kind} job needs a session, and {self.job_id} has none")
        return self.record.session_id

    async def storage(self) -> Storage:
        """Returns object storage. Raises a `StorageError`, and `InternalError` if the worker has none."""
        if self.resources.storage is None:
            raise InternalError(f"a {self.record.kind} job needs storage, and this worker has none")
        return (await self.resources.storage.get()).at(self.resources.settings.storage.bucket)

    async def record_of(self, job_id: str) -> JobRecord:
        """Returns the record of any job. Raises what `Records` raises, and `InternalError` if there are none."""
        if self.resources.records is None:
            raise InternalError(f"a {self.record.kind} job cannot read the record of another job")
        return await self.resources.records.record(job_id)

    async def catalog(self) -> Catalog:
        """Returns the table catalog. Raises a `CatalogError`, and `InternalError` if the worker has none."""
        if self.resources.catalog is None:
            raise InternalError(f"a {self.record.kind} job needs the catalog, and this worker has none")
        return await self.resources.catalog.get()

    async def progress(
        self,
        stage: str,
        message: str = "",
        *,
        done: int | None = None,
        total: int | None = None,
        unit: str | None = None,
    ) -> None:
        """Shows followers which step the job has reached.

        `stage` names the step, and `message` describes it. If there is something to count, `done` of `total` things of
        the kind `unit` are complete.
        """
        tracing.event(stage, {"done": done, "total": total, "unit": unit}, {"message": message})
        await self.port.progress(Progress(stage=stage, message=message, done=done, total=total, unit=unit))

    async def log(self, lines: str, *, position: str = "") -> None:
        """Sends whole lines of output to followers. The next attempt of this job finds `position` in its record."""
        await self.port.log(lines, position=position)

    async def text(self, piece: str) -> None:
        """Sends a piece of generated text to followers."""
        await self.port.text(piece)


@dataclass(frozen=True)
class Handler:
    """How jobs of one kind are run. `raylane_worker.handlers` has one for each kind.

    `run` takes the kind's request and returns its result. `clean_up` stops what a cancelled job left running elsewhere;
    its context has the record as the last attempt left it. Both may be interrupted at any `await` and run again.
    """

    # Each takes the request type of its own kind, so the type that they share has to be Any.
    run: Callable[[Any, JobContext], Awaitable[Result]]
    clean_up: Callable[[Any, JobContext], Awaitable[None]] | None = None


Handlers = Mapping[JobKind, Handler]
