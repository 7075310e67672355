"""Jobs: the record (what is true now), its events (what happened), and the way from one side to the other.

A producer builds a request, the queue stores it as the record's `payload`, a handler receives the same type and returns
the result type that belongs to it. `docs/wire-format.md` tells the same for other languages.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Final, Self, cast

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    InstanceOf,
    JsonValue,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from raylane_common.errors import ErrorInfo, InvalidRequest, RaylaneError, invalid_requests
from raylane_common.limits import MAX_DELAY_S, MAX_STAGED_BYTES
from raylane_common.rules import JobId, SessionId, UniqueKey
from raylane_common.wire.base import BaseRequest, JobKind, Lane
from raylane_common.wire.generate import Checkpoint
from raylane_common.wire.kinds import KINDS, AnyResult, Request, lane_of

WIRE_VERSION: Final = 1


class JobStatus(StrEnum):
    """Where a job stands."""

    WAITING = "waiting"
    SCHEDULED = "scheduled"
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Whether the job will not change any more."""
        return self in (JobStatus.SUCCEEDED, JobStatus.FAILED, JobStatus.CANCELLED)


class Priority(StrEnum):
    """Which jobs of a lane come first. A head start of an hour, so that nothing waits for ever."""

    HIGH = "high"
    NORMAL = "normal"
    LOW = "low"


class Progress(BaseModel):
    """How far a running job has come. `done` and `total` count `unit`s where there is something to count."""

    model_config = ConfigDict(frozen=True)

    stage: str
    message: str = ""
    done: int | None = None
    total: int | None = None
    unit: str | None = None


class NewJob(BaseModel):
    """A job about to be enqueued. `id` is the caller's idempotency key: the same id twice is one job."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    request: InstanceOf[BaseRequest]
    session_id: SessionId | None = None
    id: JobId = Field(default_factory=lambda: secrets.token_hex(16))
    body: bytes = Field(default=b"", repr=False, description="Raw bytes staged beside the record, for an upload")
    after: tuple[JobId, ...] = Field(default=(), max_length=100, description="Jobs that must have succeeded before")
    delay_s: float | None = Field(default=None, ge=0, le=MAX_DELAY_S, description="Starts no sooner than in this time")
    at: AwareDatetime | None = Field(default=None, description="Starts no sooner than this")
    expires_s: float | None = Field(default=None, gt=0, le=MAX_DELAY_S, description="Fails unless started within this")
    priority: Priority = Priority.NORMAL
    unique: UniqueKey | None = Field(default=None, description="While a job of the kind with this key lives, it is it")
    max_attempts: int | None = Field(default=None, ge=1, le=100, description="None: what the kind is set to")

    @model_validator(mode="after")
    def _has_its_session(self) -> Self:
        if self.request.needs_session and self.session_id is None:
            raise InvalidRequest.field("session_id", f"required for {self.kind} jobs")
        if self.at is not None and self.delay_s is not None:
            raise InvalidRequest.field("at", "is given together with delay_s; give one of them")
        if self.at is not None and self.at.timestamp() > time.time() + MAX_DELAY_S:
            raise InvalidRequest.field("at", f"must be within the next {MAX_DELAY_S // 86400} days")
        if len(self.body) > MAX_STAGED_BYTES:
            raise InvalidRequest.field("body", f"{len(self.body)} bytes exceed the limit of {MAX_STAGED_BYTES}")
        return self

    @property
    def kind(self) -> JobKind:
        """The kind that the request belongs to."""
        return self.request.kind

    @property
    def lane(self) -> Lane:
        """The lane that runs this kind."""
        return lane_of(self.kind)


class JobRecord(BaseModel):
    """What is true of a job now. In Redis: one hash of strings; here with its JSON fields parsed.

    `payload` stays JSON until `parse_request` gives it its type, so that a record can be read whatever it holds.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str
    v: int
    kind: str
    lane: str
    session_id: str | None = None
    status: JobStatus
    attempt: int = 0
    max_attempts: int | None = Field(default=None, description="None until a lane has claimed the job")
    round: int = Field(default=0, description="How often it was put back after its end, to begin anew")
    priority: Priority = Priority.NORMAL
    payload: dict[str, JsonValue] = Field(default_factory=dict)
    result: AnyResult | None = None
    error: ErrorInfo | None = None
    progress: Progress | None = None
    checkpoint: Checkpoint | None = None
    enqueued_at: int
    started_at: int | None = None
    finished_at: int | None = None
    worker: str | None = None
    after: tuple[str, ...] = ()
    at: int | None = Field(default=None, description="Epoch ms before which it does not start")
    expires_at: int | None = Field(default=None, description="Epoch ms by which it must have started")
    unique: str | None = None
    cancel_requested_at: int | None = None
    log_position: str | None = Field(default=None, description="Run and characters up to which its output was told")
    traceparent: str | None = None

    @classmethod
    def from_hash(cls, job_id: str, fields: dict[str, str]) -> JobRecord:
        """Reads a record as Redis holds it. Raises `InvalidRequest` if it is not one."""
        data: dict[str, JsonValue] = {"id": job_id}
        for name, value in fields.items():
            try:
                data[name] = _json.validate_json(value) if name in _JSON_FIELDS else value
            except ValidationError as error:
                raise InvalidRequest.field(name, "must be JSON") from error
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            raise InvalidRequest.from_validation(error) from error


_JSON_FIELDS: Final = frozenset({"payload", "result", "error", "progress", "checkpoint", "after"})
_json: TypeAdapter[JsonValue] = TypeAdapter(JsonValue)


class EventType(StrEnum):
    """What an event tells."""

    STATUS = "status"
    PROGRESS = "progress"
    LOG = "log"
    TEXT = "text"


class JobEvent(BaseModel):
    """One entry of a job's event stream. `id` is the stream's own and can be resumed from; `at` is epoch ms."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str
    type: Annotated[EventType | str, Field(union_mode="left_to_right", description="A newer version may know others")]
    at: int
    status: JobStatus | None = None
    attempt: int | None = None
    progress: Progress | None = None
    error: ErrorInfo | None = None
    line: str | None = Field(default=None, description="What a run printed: one or more whole lines")
    text: str | None = Field(default=None, description="A piece of generated text, in the order of its writing")


class Attempt(BaseModel):
    """One execution of a job that did not succeed. Times are epoch ms."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    number: int
    worker: str | None = None
    started_at: int | None = None
    ended_at: int
    error: ErrorInfo


@dataclass(frozen=True)
class Enqueued:
    """What became of one job of a batch.

    `id` is the job's own, or that of the live job which has its unique key; `created` is False for a job that stood in
    the queue before; `error` is None unless the job was refused or could not be written.
    """

    id: str
    created: bool = False
    error: RaylaneError | None = None


@dataclass(frozen=True)
class LaneOverview:
    """One lane as an operator sees it: how many jobs stand where, and how fast they end.

    `queued` counts the `parked` ones too, which wait for a slot of their session. `oldest_s` is the age of the queued
    job that comes next; `ended_per_s` is the rate over the last minute.
    """

    lane: str
    waiting: int
    scheduled: int
    queued: int
    parked: int
    running: int
    dead: int
    oldest_s: float | None
    ended_per_s: float
    workers: tuple[str, ...]


def parse_request(record: JobRecord) -> Request:
    """The typed request of a record, whoever wrote it. Raises `InvalidRequest` that names the wrong field."""
    if record.v != WIRE_VERSION:
        raise InvalidRequest.field("v", f"wire version {record.v} is not {WIRE_VERSION}; upgrade the workers first")
    if record.kind not in set(JobKind):
        raise InvalidRequest.field("kind", f"must be one of {', '.join(JobKind)}")
    with invalid_requests():
        request = KINDS[JobKind(record.kind)].adapter.validate_python(record.payload)
        NewJob(request=request, session_id=record.session_id, id=record.id)
    return cast("Request", request)
