"""Jobs: the record (what is true now), its events (what happened), and what a producer enqueues.

A producer builds a request, the queue stores it as the record's `payload`, and a handler receives the same type and
returns the matching result. docs/wire-format.md describes the format for other languages. See docs/decisions/0002.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from typing import TYPE_CHECKING, Annotated, ClassVar, Final, Self, cast

from pydantic import (
    AwareDatetime,
    ConfigDict,
    Field,
    InstanceOf,
    JsonValue,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from raylane_common.errors import ErrorInfo, InvalidRequest, NotFound, RaylaneError, invalid_requests
from raylane_common.limits import MAX_DELAY_S, MAX_STAGED_BYTES
from raylane_common.model import Model
from raylane_common.nearest import NearestNames
from raylane_common.rules import JobId, SessionId, UniqueKey, printable
from raylane_common.showing import Shown
from raylane_common.wire.base import BaseRequest, JobKind, Lane
from raylane_common.wire.names import JobStatus as JobStatus
from raylane_common.wire.names import Priority as Priority
from raylane_common.wire.registry import describe, kind_of, lane_of
from raylane_common.wire.stored import StoredCheckpoint, StoredResult

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from raylane_common.ray.models import Run
    from raylane_common.wire.answer import Answer, AnswerFile
    from raylane_common.wire.kinds import Request

WIRE_VERSION: Final = 1

# As many as a reader looks through.
_MAX_LISTED_FILES: Final = 20

# Beyond 2^53, the scripts and many JSON parsers do not hold a whole number exactly.
Number = Annotated[int, Field(ge=0, lt=2**53)]


SUBMITTING: Final = "submitting"
"""The stage of a job whose run may exist, or may have its code."""
RUNNING: Final = "running"
"""The stage of a job whose run exists and has its code."""


class Progress(Model):
    """How far a running job is. `done` and `total` count `unit`s, if there is something to count."""

    stage: str
    message: str = ""
    done: int | None = None
    total: int | None = None
    unit: str | None = None


class NewJob(Model):
    """A job to enqueue. `id` is the caller's idempotency key: using an id twice makes one job."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    request: InstanceOf[BaseRequest]
    session_id: SessionId | None = None
    id: JobId = Field(default_factory=lambda: secrets.token_hex(16))
    body: bytes = Field(default=b"", repr=False, description="Bytes to stage with the job, for an upload")
    after: tuple[JobId, ...] = Field(default=(), max_length=100, description="Jobs that must succeed first")
    delay_s: float | None = Field(default=None, ge=0, le=MAX_DELAY_S, description="Seconds to wait before it may start")
    # A number is refused: as epoch seconds, 60 would start at once instead of in a minute.
    at: AwareDatetime | None = Field(default=None, strict=True, description="Earliest time at which it may start")
    expires_s: float | None = Field(
        default=None, gt=0, le=MAX_DELAY_S, description="Seconds after which it fails if it has not started"
    )
    priority: Priority = Priority.NORMAL
    unique: UniqueKey | None = Field(
        default=None,
        description="At most one unfinished job of this kind may hold this key; enqueueing again returns that job",
    )
    max_attempts: int | None = Field(default=None, ge=1, le=100, description="None: the policy of the kind")
    fingerprint: str | None = Field(
        default=None,
        max_length=64,
        description="What makes a job with this id the same one, options included; None: the request alone",
    )

    @model_validator(mode="after")
    def _has_its_session(self) -> Self:
        if self.request.needs_session and self.session_id is None:
            raise InvalidRequest.field("session_id", f"required for {self.kind} jobs")
        if self.at is not None and self.delay_s is not None:
            raise InvalidRequest.field("at", "must not be given together with delay_s")
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
        """The lane that runs the job."""
        return lane_of(self.kind)


class JobSummary(Shown, Model):
    """The present state of a job without its request, result and checkpoint. Times are epoch milliseconds."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="ignore")

    id: str
    v: int
    kind: str
    lane: str
    session_id: str | None = None
    status: JobStatus
    attempt: Number = 0
    max_attempts: Number | None = Field(default=None, description="None until a worker has claimed the job")
    round: Number = Field(default=0, description="How many times the job was requeued to start from the beginning")
    priority: Priority = Priority.NORMAL
    error: ErrorInfo | None = None
    progress: Progress | None = None
    enqueued_at: Number
    started_at: Number | None = None
    finished_at: Number | None = None
    worker: str | None = None
    after: tuple[str, ...] = ()
    at: Number | None = Field(default=None, description="Epoch ms at which it may start at the earliest")
    expires_at: Number | None = Field(default=None, description="Epoch ms by which it must have started")
    unique: str | None = None
    look: bool = Field(default=False, description="Whether it only looks at the cluster or the catalog")
    cancel_requested_at: Number | None = None
    what: str = Field(default="", description="The request in a few words: filename, tables, prompt or submission id")

    @classmethod
    def from_hash(cls, job_id: str, fields: Mapping[str, str]) -> Self:
        """Reads a job from the fields of its hash. Raises `InvalidRequest` that names the unreadable field."""
        data: dict[str, JsonValue] = {}
        for name, value in fields.items():
            try:
                # JSON is not repaired: a request with other text than its caller's must not run.
                data[name] = _json.validate_json(value) if name in _JSON_FIELDS else printable(value)
            except ValidationError as error:
                raise InvalidRequest.field(name, "must be JSON") from error
        kind, payload = data.get("kind"), data.get("payload")
        what = describe(kind, payload) if isinstance(kind, str) and isinstance(payload, dict) else ""
        try:
            return cls.model_validate({**data, "id": job_id, "what": what})
        except ValidationError as error:
            raise InvalidRequest.from_validation(error) from error

    def with_request(self, payload: str) -> Self:
        """Returns the job with `what` from its request, which is JSON; unchanged if that cannot be read."""
        try:
            request = _json.validate_json(payload)
        except ValidationError:
            return self
        return self.model_copy(update={"what": describe(self.kind, request)}) if isinstance(request, dict) else self


class JobRecord(JobSummary):
    """The present state of a job. In Redis it is a hash of strings; here its JSON fields are parsed.

    `payload` stays untyped until `parse_request` is called, so that any record can be read. Times are epoch
    milliseconds.
    """

    payload: dict[str, JsonValue] = Field(default_factory=dict)
    result: StoredResult | None = None
    checkpoint: StoredCheckpoint | None = None
    log_position: str | None = Field(
        default=None, description="The run, and how many characters of its output the events already hold"
    )
    traceparent: str | None = None
    tracestate: str | None = None

    @property
    def answer(self) -> Answer | None:
        """The answer of the job's run; None if it has none."""
        if (found := getattr(self.result, "answer", None)) is None:
            return None
        from raylane_common.wire.answer import Answer  # here, because most jobs have none

        return found if isinstance(found, Answer) else None

    @property
    def run(self) -> Run | None:
        """The run that gave the answer; None if the job has no result, or ran nothing."""
        if (found := getattr(self.result, "run", None)) is None:
            return None
        from raylane_common.ray.models import Run  # here, because most jobs have none

        return found if isinstance(found, Run) else None

    def answer_file(self, name: str) -> AnswerFile:
        """Returns a file of the answer by its name. Raises `NotFound` that says which files the answer has."""
        files = {file.name: file for file in self.answer.files} if self.answer else {}
        if name in files:
            return files[name]
        nearest = NearestNames(files).find(name, 1)
        listed = f"; its files are {', '.join(islice(files, _MAX_LISTED_FILES))}" if files else ""
        hint = f"; did you mean {nearest[0]}?" if nearest else listed
        problem = f"the answer of job {self.id} has no file {name!r}" if self.answer else f"job {self.id} has no answer"
        raise NotFound(problem + hint, details={"job_id": self.id, "name": name})


class JobList(list[JobSummary], Shown):
    """The jobs that a search found. `complete` is False if it stopped at its limit before it had looked at all jobs."""

    def __init__(self, jobs: Iterable[JobSummary] = (), *, complete: bool = True) -> None:
        super().__init__(jobs)
        self.complete = complete


_JSON_FIELDS: Final = frozenset({"payload", "result", "error", "progress", "checkpoint", "after"})
_json: TypeAdapter[JsonValue] = TypeAdapter(JsonValue)


class EventType(StrEnum):
    """What an event is about."""

    STATUS = "status"
    PROGRESS = "progress"
    LOG = "log"
    TEXT = "text"
    GAP = "gap"
    """Earlier events are no longer kept. A reader makes this event; it is not stored."""


class JobEvent(Model):
    """One entry of a job's event stream. A reader can resume after an `id`. `at` is in epoch milliseconds."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="ignore")

    id: str
    type: Annotated[
        EventType | str, Field(union_mode="left_to_right", description="A newer version may write other types")
    ]
    at: Number
    status: JobStatus | None = None
    attempt: Number | None = None
    progress: Progress | None = None
    error: ErrorInfo | None = None
    line: str | None = Field(default=None, description="One or more whole lines that a run printed")
    text: str | None = Field(default=None, description="The next piece of generated text")
    missing: int | None = Field(
        default=None, description="In an event of type gap: how many events are no longer kept; absent: unknown"
    )


class Attempt(Model):
    """One execution of a job that did not succeed. Times are epoch milliseconds."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="ignore")

    number: Number
    worker: str | None = None
    started_at: Number | None = None
    ended_at: Number
    error: ErrorInfo


@dataclass(frozen=True)
class Enqueued:
    """The outcome for one job of a batch.

    `id` is the job's own id, or that of the unfinished job that holds its unique key. `created` is False if the job
    already existed. `error` is set if the job was refused or could not be stored.
    """

    id: str
    created: bool = False
    error: RaylaneError | None = None


@dataclass(frozen=True)
class LaneOverview:
    """One lane as an operator sees it: how many jobs are in each state, and how fast they end.

    `queued` includes the `parked` jobs, which wait for a slot of their session. `oldest_s` is for how many
    seconds the job that is next in line could have run already. `ended_per_s` is the rate over the last minute.
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


@dataclass(frozen=True)
class LaneWorkers:
    """A job's lane, and the living workers that take its jobs. `is_held` says whether a worker runs the job now.

    If there are no workers and none runs the job, it waits until one is started.
    """

    lane: str
    workers: tuple[str, ...]
    is_held: bool = False


LONGEST_TOLD: Final = 300
"""The characters of a setting that a worker tells."""


class WorkerAbout(Model):
    """What a worker says of itself with each heartbeat. Older ones say less."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="ignore")

    version: str = Field(max_length=100)
    started_at: Number = Field(description="Epoch ms by the worker's clock")
    at_ms: Number | None = Field(default=None, description="When it said so, by the worker's clock")
    beat_ms: Number | None = Field(default=None, description="How long the heartbeat lasts")
    settings: dict[str, Annotated[str, Field(max_length=LONGEST_TOLD)]] | None = Field(
        default=None, max_length=50, description="Those in which workers of a lane must agree, without secrets"
    )


@dataclass(frozen=True)
class WorkerOverview:
    """A living worker, its lanes, and what it says of itself; None if it is older than the first that says anything.

    `ahead_s` is how much its clock is ahead of that of Redis; None if it does not tell its clock.
    """

    name: str
    lanes: tuple[str, ...]
    about: WorkerAbout | None
    ahead_s: float | None = None


@dataclass(frozen=True)
class ClusterRuns:
    """The run slots of one Ray cluster. `cluster` is the name of its session.

    Jobs hold `taken` of the `limit` slots, and `waiting` jobs wait for one.
    """

    cluster: str
    taken: int
    limit: int
    waiting: int


@dataclass(frozen=True)
class EndedJobs:
    """How many jobs of a lane and a kind have ended with an outcome, and with an error of this code.

    `outcome` is the status, or `dead` for dead letters. `code` is '' without an error.
    """

    lane: str
    kind: str
    outcome: str
    code: str
    count: int


def parse_request(record: JobRecord) -> Request:
    """Returns the typed request of a record. Raises `InvalidRequest` that names the wrong field."""
    if record.v != WIRE_VERSION:
        raise InvalidRequest.field("v", f"wire version {record.v} is not {WIRE_VERSION}; upgrade the workers first")
    if record.kind not in set(JobKind):
        raise InvalidRequest.field("kind", f"must be one of {', '.join(JobKind)}")
    with invalid_requests():
        request = kind_of(JobKind(record.kind)).adapter.validate_python(record.payload)
        NewJob(request=request, session_id=record.session_id, id=record.id)
    return cast("Request", request)
