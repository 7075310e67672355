"""A session's history: what was uploaded, selected, generated and run, made from the jobs' records."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from raylane_common.errors import ErrorInfo
from raylane_common.ray.models import Run
from raylane_common.wire.generate import GenerateResult
from raylane_common.wire.jobs import JobStatus
from raylane_common.wire.ray import RunResult

if TYPE_CHECKING:
    from pydantic import JsonValue

    from raylane_common.wire.jobs import JobRecord


class HistoryEntry(BaseModel):
    """One job of a session, as its user remembers it. Times are epoch milliseconds."""

    model_config = ConfigDict(frozen=True)

    job_id: str
    kind: str
    action: str = Field(description="What the job did of its kind; the kind itself where it does only one thing")
    status: JobStatus
    at: int = Field(description="When it was enqueued")
    finished_at: int | None = None
    what: str = Field(description="Filename, tables, prompt or submission id")
    code: str | None = Field(default=None, description="The code it wrote or was given; the last version of several")
    run: Run | None = Field(default=None, description="How that code ran, with the tail of its output")
    error: ErrorInfo | None = None

    @property
    def endpoint(self) -> str | None:
        """The endpoint of Ray that the run went through, if it ran."""
        return self.run.endpoint if self.run else None

    @property
    def exit_code(self) -> int | None:
        """The run's exit code, if it ran to its end."""
        return self.run.exit_code if self.run else None

    @property
    def output_tail(self) -> str | None:
        """The last part of what the run printed, if it ran."""
        return self.run.output_tail if self.run else None

    @classmethod
    def from_record(cls, record: JobRecord) -> HistoryEntry:
        """The entry of a record, whatever the job's kind and however far it came."""
        run = _run(record)
        return cls(
            job_id=record.id,
            kind=record.kind,
            action=_text(record.payload.get("action")) or record.kind,
            status=record.status,
            at=record.enqueued_at,
            finished_at=record.finished_at,
            what=_what(record.payload) or (run.submission_id if run else ""),
            code=_code(record),
            run=run,
            error=record.error,
        )


def _what(payload: dict[str, JsonValue]) -> str:
    tables = payload.get("tables")
    if isinstance(tables, list):
        return ", ".join(f"{ref.get('database')}.{ref.get('table')}" for ref in tables if isinstance(ref, dict))
    names = ("filename", "prompt", "submission_id", "database")
    return next((text for name in names if (text := _text(payload.get(name)))), "")


def _code(record: JobRecord) -> str | None:
    if isinstance(record.result, GenerateResult):
        return record.result.code
    if record.checkpoint and record.checkpoint.versions:
        return record.checkpoint.versions[-1].code
    return _text(record.payload.get("code"))


def _run(record: JobRecord) -> Run | None:
    if isinstance(record.result, GenerateResult | RunResult):
        return record.result.run
    if record.error and "run" in record.error.details:
        try:
            return Run.model_validate(record.error.details["run"])
        except ValidationError:
            # Written by another version: the entry keeps it, unread, in `error.details`.
            return None
    if record.checkpoint and record.checkpoint.versions:
        return record.checkpoint.versions[-1].run
    return None


def _text(value: JsonValue) -> str | None:
    return value if isinstance(value, str) else None
