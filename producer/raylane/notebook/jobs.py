"""Jobs and their results in a notebook."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from raylane.notebook import html
from raylane.notebook.answers import answer_pieces
from raylane.notebook.sources import columns_table, preview_table
from raylane_common.wire.generate import GenerateResult
from raylane_common.wire.ray import RaySubmitResult
from raylane_common.wire.upload import PreviewResult, UploadResult

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from raylane.handle import AnyHandle
    from raylane.history import HistoryEntry
    from raylane_common.ray.models import Run
    from raylane_common.wire.jobs import JobRecord, JobSummary
    from raylane_common.wire.kinds import Result


def record_pieces(record: JobRecord) -> Iterator[str]:
    """Yields the pieces of a job: its state, and its result."""
    yield from summary_pieces(record)
    if record.result is not None:
        yield from result_pieces(record.result)


def summary_pieces(job: JobSummary) -> Iterator[str]:
    """Yields the pieces of a job without its result."""
    progress = job.progress
    stage = ": ".join(filter(None, (progress.stage, progress.message))) if progress else None
    yield html.facts(
        [
            ("job", f"{job.id} ({job.kind})"),
            ("status", job.status),
            ("session", job.session_id),
            ("what", job.what),
            ("progress", None if job.status.is_final else stage),
            ("enqueued", _moment(job.enqueued_at)),
            ("took", _seconds(job.started_at, job.finished_at)),
            ("waits for", ", ".join(job.after) if job.status == "waiting" else None),
            ("error", f"{job.error.message} [{job.error.code}]" if job.error else None),
        ]
    )


def handle_pieces(handle: AnyHandle[object]) -> Iterator[str]:
    """Yields the pieces of a job of which only the id is known here."""
    yield html.facts([("job", handle.id), ("result", handle.result_type.__name__)])


def jobs_table(jobs: Sequence[JobSummary]) -> str:
    """Returns a list of jobs as a table."""
    rows = [[job.id, job.kind, job.status, job.session_id or "", job.what, _moment(job.enqueued_at)] for job in jobs]
    return html.table(["job", "kind", "status", "session", "what", "enqueued"], rows)


def history_table(entries: Sequence[HistoryEntry]) -> str:
    """Returns a session's history as a table."""
    rows = [[entry.job_id, entry.action, entry.status, entry.what, _moment(entry.at)] for entry in entries]
    return html.table(["job", "action", "status", "what", "enqueued"], rows)


def entry_pieces(entry: HistoryEntry) -> Iterator[str]:
    """Yields the pieces of a job in the history."""
    error = f"{entry.error.message} [{entry.error.code}]" if entry.error else None
    yield html.facts(
        [("job", f"{entry.job_id} ({entry.action})"), ("status", entry.status), ("what", entry.what), ("error", error)]
    )
    if entry.answer is not None:
        yield from answer_pieces(entry.answer)
    if entry.code is not None:
        yield html.folded("code", entry.code)
    yield from _run_pieces(entry.run)


def result_pieces(result: Result) -> Iterator[str]:
    """Yields the pieces of a result; none for one that has nothing but small facts."""
    match result:
        case GenerateResult():
            if result.answer is not None:
                yield from answer_pieces(result.answer)
            yield html.note(f"read as: {result.interpreted_as}")
            yield html.folded("code", result.code)
            yield from _run_pieces(result.run)
        case RaySubmitResult():
            if result.answer is not None:
                yield from answer_pieces(result.answer)
            yield from _run_pieces(result.run)
        case UploadResult():
            yield html.facts([("file", result.s3_uri), ("rows", f"{result.rows:,}"), ("bytes", f"{result.bytes:,}")])
            yield preview_table(result.columns, result.preview)
            yield from (html.note(f"warning: {warning}") for warning in result.warnings)
        case PreviewResult():
            yield html.facts([("file", result.filename), ("rows", f"{result.rows:,}"), ("bytes", f"{result.bytes:,}")])
            yield preview_table(result.columns, result.preview)
            yield columns_table(result.columns)
            yield from (html.note(f"warning: {warning}") for warning in result.warnings)


def _run_pieces(run: Run | None) -> Iterator[str]:
    if run is None:
        return
    took = _seconds(run.started_at_ms, run.ended_at_ms)
    title = f"run {run.submission_id}: {run.status}{f', {took} on Ray' if took else ''}"
    yield html.folded(title, run.output_tail) if run.output_tail else html.note(title)


def _moment(epoch_ms: int) -> str:
    # A record may hold any number, and the calendar of Python ends.
    try:
        return f"{datetime.fromtimestamp(epoch_ms / 1000, UTC):%Y-%m-%d %H:%M:%S} UTC"
    except (OverflowError, ValueError, OSError):
        return f"{epoch_ms} ms"


def _seconds(began_ms: int | None, ended_ms: int | None) -> str | None:
    return None if began_ms is None or ended_ms is None else f"{(ended_ms - began_ms) / 1000:.1f} s"
