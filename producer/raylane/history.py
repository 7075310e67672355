"""A session's history: its jobs with their code, runs and answers, built from the jobs' records."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field, ValidationError

from raylane_common.errors import ErrorInfo
from raylane_common.model import Model
from raylane_common.ray.models import Run
from raylane_common.showing import Shown
from raylane_common.wire.answer import Answer
from raylane_common.wire.base import OpaqueResult
from raylane_common.wire.jobs import JobStatus
from raylane_common.wire.names import JobKind
from raylane_common.wire.registry import describe

if TYPE_CHECKING:
    from pydantic import JsonValue

    from raylane_common.wire.jobs import JobRecord


class HistoryEntry(Shown, Model):
    """One job of a session. Times are epoch milliseconds."""

    job_id: str
    kind: str
    action: str = Field(description="The request's action; the name of the kind if the kind has no actions")
    status: JobStatus
    at: int = Field(description="When the job was enqueued")
    finished_at: int | None = None
    what: str = Field(description="Filename, tables, prompt or submission id; empty for a kind of a newer version")
    code: str | None = Field(default=None, description="The code that the job was given, or the last version it wrote")
    was_given: bool = Field(default=False, description="Whether the caller gave the code, or it is an earlier job's")
    run: Run | None = Field(default=None, description="The run of that code, with the tail of its output")
    answer: Answer | None = Field(default=None, description="What that run found")
    error: ErrorInfo | None = None

    @property
    def endpoint(self) -> str | None:
        """The Ray endpoint that the run used, if the code ran."""
        return self.run.endpoint if self.run else None

    @property
    def exit_code(self) -> int | None:
        """The run's exit code, if the run has ended."""
        return self.run.exit_code if self.run else None

    @property
    def output_tail(self) -> str | None:
        """The last part of the run's output, if the code ran."""
        return self.run.output_tail if self.run else None

    @classmethod
    def from_record(cls, record: JobRecord) -> HistoryEntry:
        """Returns the entry for a record of any kind and status, including kinds of a newer version."""
        run = _run(record)
        return cls(
            job_id=record.id,
            kind=record.kind,
            action=_text(record.payload.get("action")) or record.kind,
            status=record.status,
            at=record.enqueued_at,
            finished_at=record.finished_at,
            what=describe(record.kind, record.payload) or (run.submission_id if run else ""),
            code=_code(record),
            was_given="code" in record.payload or "rerun" in record.payload,
            run=run,
            answer=record.answer,
            error=record.error,
        )


def _code(record: JobRecord) -> str | None:
    if record.kind == JobKind.GENERATE and record.result is not None:
        return _text(getattr(record.result, "code", None))
    if record.checkpoint and record.checkpoint.versions:
        return record.checkpoint.versions[-1].code
    given = record.payload.get("rerun", record.payload)
    return _text(given.get("code")) if isinstance(given, dict) else None


def _run(record: JobRecord) -> Run | None:
    # A result without a run says that nothing ran, whatever an attempt before had begun.
    if record.result is not None and not isinstance(record.result, OpaqueResult):
        return record.run
    if record.error and "run" in record.error.details:
        try:
            return Run.model_validate(record.error.details["run"])
        except ValidationError:
            # A newer version wrote it. It stays available in `error.details`.
            return None
    if record.checkpoint and record.checkpoint.versions:
        return record.checkpoint.versions[-1].run
    return None


def _text(value: JsonValue) -> str | None:
    return value if isinstance(value, str) else None
