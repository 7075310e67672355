"""One job in memory: what was asked for, what is true of it, what happened to it."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from raylane_common.errors import (
    DependencyFailed,
    InternalError,
    JobCancelled,
    JobNotRequeued,
    RaylaneError,
    WorkerLost,
)
from raylane_common.wire.generate import Checkpoint, GenerateResult
from raylane_common.wire.jobs import WIRE_VERSION, Attempt, EventType, JobEvent, JobRecord, JobStatus

if TYPE_CHECKING:
    from collections.abc import Iterator

    from raylane_common.wire.jobs import NewJob, Progress
    from raylane_common.wire.kinds import Result


class MemoryJob:
    """A job whose record changes only together with its events. `dead`: it ended as a dead letter."""

    def __init__(self, new: NewJob) -> None:
        self.new = new
        self.record = _new_record(new)
        self.attempts: list[Attempt] = []
        self.dead = False
        self.changed = asyncio.Event()
        self._events: list[JobEvent] = []
        self._last_event = 0

    @property
    def id(self) -> str:
        """The job's id."""
        return self.new.id

    @property
    def status(self) -> JobStatus:
        """Where the job stands."""
        return self.record.status

    def events(self, seen: int) -> Iterator[JobEvent]:
        """The events behind number `seen`."""
        return (event for event in self._events if event_number(event.id) > seen)

    def become(self, status: JobStatus, **changes: object) -> None:
        """Changes the record and announces the new status."""
        self.record = self.record.model_copy(update={"status": status, **changes})
        self._announce(EventType.STATUS, status=status, attempt=self.record.attempt, error=self.record.error)

    def start(self) -> None:
        """Begins an attempt."""
        self.become(JobStatus.RUNNING, attempt=self.record.attempt + 1, started_at=now_ms(), worker="memory")

    def ask_to_stop(self) -> None:
        """Marks a running job as one that is to stop."""
        self.record = self.record.model_copy(update={"cancel_requested_at": now_ms()})

    def tell(self, *, progress: Progress | None, line: str | None, text: str | None) -> None:
        """Announces what the running job has to say."""
        if progress is not None:
            self.record = self.record.model_copy(update={"progress": progress})
            self._announce(EventType.PROGRESS, progress=progress)
        if line is not None:
            self._announce(EventType.LOG, line=line)
        if text is not None:
            self._announce(EventType.TEXT, text=text)

    def succeed(self, result: Result) -> None:
        """Ends the job well."""
        changes: dict[str, object] = {"result": result, "finished_at": now_ms(), "cancel_requested_at": None}
        if isinstance(result, GenerateResult):
            changes["checkpoint"] = Checkpoint(
                sources_used=result.sources_used, generator=result.generator, versions=result.versions
            )
        self.become(JobStatus.SUCCEEDED, **changes)

    def fail(self, error: RaylaneError, *, with_dead: bool = False) -> None:
        """Ends the job badly; as a dead letter if the reason lies outside it, or it fails `with_dead`."""
        info, now = error.info(), now_ms()
        if isinstance(error, JobCancelled):
            status = JobStatus.CANCELLED
        else:
            status = JobStatus.FAILED
            if self.status is JobStatus.RUNNING:
                made = self.record
                self.attempts.append(
                    Attempt(
                        number=made.attempt, worker=made.worker, started_at=made.started_at, ended_at=now, error=info
                    )
                )
            self.dead = with_dead if isinstance(error, DependencyFailed) else _lies_outside(error)
        self.become(status, error=info, finished_at=now, cancel_requested_at=None)

    def begin_again(self) -> None:
        """Forgets the job's end, and all but the sources it used unless it ended for a reason outside itself."""
        record = self.record
        changes: dict[str, object] = {"attempt": 0, "at": now_ms()}
        if record.error is None or not _lies_outside(RaylaneError.from_info(record.error)):
            changes["round"] = record.round + 1
            if record.checkpoint is not None:
                changes["checkpoint"] = record.checkpoint.model_copy(update={"versions": (), "usage": None})
        gone = dict.fromkeys(("error", "progress", "started_at", "finished_at", "worker", "expires_at"))
        self.record = record.model_copy(update=gone | changes)
        self.dead = False
        self._events.clear()

    def not_requeued(self, reason: str) -> JobNotRequeued:
        """The error that says why the job was not put back."""
        return JobNotRequeued(f"job {self.id} {reason}", details={"job_id": self.id})

    def _announce(self, kind: EventType, **fields: object) -> None:
        self._last_event += 1
        event = {"id": f"{self._last_event}-0", "type": kind, "at": now_ms(), **fields}
        self._events.append(JobEvent.model_validate(event))
        self.changed.set()
        self.changed = asyncio.Event()


def event_number(event_id: str) -> int:
    """The place of an event among all of its job."""
    return int(event_id.partition("-")[0])


def now_ms() -> int:
    """Epoch milliseconds."""
    return time.time_ns() // 1_000_000


def _lies_outside(error: RaylaneError) -> bool:
    return error.retryable or isinstance(error, WorkerLost | InternalError)


def _new_record(new: NewJob) -> JobRecord:
    now = now_ms()
    at = None if new.at is None else int(new.at.timestamp() * 1000)
    return JobRecord(
        id=new.id,
        v=WIRE_VERSION,
        kind=new.kind,
        lane=new.lane,
        session_id=new.session_id,
        status=JobStatus.WAITING,
        payload=new.request.model_dump(mode="json"),
        enqueued_at=now,
        after=new.after,
        at=now + int(new.delay_s * 1000) if new.delay_s else at,
        expires_at=None if new.expires_s is None else now + int(new.expires_s * 1000),
        priority=new.priority,
        unique=new.unique,
        max_attempts=new.max_attempts,
    )
