"""Results, records, sources and history as text for people."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from raylane.cli.terminal import progress_line
from raylane.history import HistoryEntry
from raylane_common.wire.generate import GenerateResult
from raylane_common.wire.jobs import Priority
from raylane_common.wire.ray import (
    RayClusterResult,
    RayDeleteResult,
    RayEndpointsResult,
    RayLogsResult,
    RayRunResult,
    RayRunsResult,
    RayStatusResult,
    RayStopResult,
    RunResult,
)
from raylane_common.wire.sources import CsvSource, OpaqueSource
from raylane_common.wire.tables import DatabasesResult, SelectedTablesResult, TablesResult
from raylane_common.wire.upload import UploadResult

if TYPE_CHECKING:
    from collections.abc import Sequence

    from raylane.cli.terminal import Terminal
    from raylane_common.ray.models import EndpointReport, RayJob, Run
    from raylane_common.wire.jobs import JobRecord
    from raylane_common.wire.kinds import Result
    from raylane_common.wire.sources import AnySource, Column


def show_result(result: Result, to: Terminal) -> None:
    """Prints a result of any kind."""
    match result:
        case UploadResult():
            _show_upload(result, to)
        case DatabasesResult():
            to.text("\n".join(result.databases) or "no databases")
        case TablesResult():
            rows = [
                [table.table, _columns(table.columns), table.location or "", table.reason or "yes"]
                for table in result.tables
            ]
            to.table(["table", "columns", "location", "selectable"], rows)
        case SelectedTablesResult():
            show_sources(result.sources, to)
        case GenerateResult():
            _show_generated(result, to)
        case RunResult():
            _show_run(result.run, to)
        case RayStatusResult():
            to.text(f"Ray {result.version.ray_version}, answered by {result.endpoint}")
            _show_endpoints(result.endpoints, to)
        case RayEndpointsResult():
            _show_endpoints(result.endpoints, to)
            if result.problem:
                to.say(result.problem)
        case RayClusterResult():
            _show_cluster(result, to)
        case RayRunsResult():
            _show_runs(result.runs, to)
            if result.total > len(result.runs):
                to.say(f"{len(result.runs)} of {result.total} runs; --limit shows more")
        case RayRunResult():
            _show_runs([result.run], to)
        case RayLogsResult():
            if result.truncated:
                to.say("only the last part of the output:")
            to.text(result.logs.rstrip("\r\n"))
        case RayStopResult():
            state = "stopped" if result.stopped else "had ended before"
            to.text(f"{result.run.submission_id} {state}: {result.run.status}")
        case RayDeleteResult():
            to.text("deleted" if result.deleted else "not deleted")


def show_sources(sources: Sequence[AnySource], to: Terminal) -> None:
    """Prints what a session may read."""
    if not sources:
        to.say("no sources; upload a CSV or select a table")
        return
    rows = [[source.name, source.type, *_shape(source)] for source in sources]
    to.table(["source", "type", "rows", "columns", "location"], rows)


def show_record(record: JobRecord, to: Terminal) -> None:
    """Prints what is true of a job now, and the code that it wrote or ran."""
    facts = {
        "job": record.id,
        "kind": record.kind,
        "session": record.session_id,
        "status": record.status,
        "priority": "" if record.priority is Priority.NORMAL else record.priority,
        "attempt": f"{record.attempt} of {record.max_attempts}" if record.max_attempts else str(record.attempt),
        "progress": progress_line(record.progress) if record.progress else None,
        "worker": record.worker,
        "after": ", ".join(record.after),
        "unique": record.unique,
        "enqueued": time_text(record.enqueued_at),
        "due": "" if record.started_at else time_text(record.at),
        "expires": "" if record.started_at else time_text(record.expires_at),
        "started": time_text(record.started_at),
        "cancelled": time_text(record.cancel_requested_at),
        "finished": time_text(record.finished_at),
        "error": f"{record.error.message} [{record.error.code}]" if record.error else None,
    }
    for name, value in facts.items():
        if value:
            to.text(f"{name:<9} {value}")
    entry = HistoryEntry.from_record(record)
    _show_code_and_run(entry.code, entry.run, to)


def show_history(entries: Sequence[HistoryEntry], to: Terminal, *, full: bool) -> None:
    """Prints a session's jobs, newest first; with `full`, code and output below each."""
    if not entries:
        to.say("no history")
        return
    columns = ["at", "job", "action", "status", "endpoint", "exit code", "what"]
    rows = [
        [
            time_text(entry.at),
            entry.job_id,
            entry.action if entry.action == entry.kind else f"{entry.kind} {entry.action}",
            entry.status,
            entry.endpoint or "",
            "" if entry.exit_code is None else str(entry.exit_code),
            entry.what,
        ]
        for entry in entries
    ]
    if not full:
        to.table(columns, rows)
        return
    for entry, row in zip(entries, rows, strict=True):
        to.table(columns, [row])
        if entry.error:
            to.text(f"error: {entry.error.message} [{entry.error.code}]")
        _show_code_and_run(entry.code, entry.run, to)
        to.text()


def _show_upload(result: UploadResult, to: Terminal) -> None:
    for warning in result.warnings:
        to.say(f"warning: {warning}")
    to.text(f"{result.s3_uri}  {result.rows} rows, {result.bytes} bytes")
    to.text(_columns(result.columns))
    to.text()
    to.table([column.name for column in result.columns], result.preview)


def _show_generated(result: GenerateResult, to: Terminal) -> None:
    to.text(f"read as: {result.interpreted_as}")
    to.text(f"written by: {result.model or result.generator}, version {len(result.versions)}")
    _show_code_and_run(result.code, result.run, to)


def _show_code_and_run(code: str | None, run: Run | None, to: Terminal) -> None:
    if code is not None:
        to.text(f"\n--- code\n{code.rstrip()}")
    if run is not None:
        to.text()
        _show_run(run, to)


def _show_run(run: Run, to: Terminal) -> None:
    code = "" if run.exit_code is None else f", exit code {run.exit_code}"
    to.text(f"--- {run.submission_id}: {run.status} on {run.endpoint}{code}")
    if run.message:
        to.text(run.message)
    if run.output_truncated:
        to.say("only the last part of the output:")
    to.text(run.output_tail.rstrip("\r\n"))


def _show_endpoints(endpoints: Sequence[EndpointReport], to: Terminal) -> None:
    rows = [
        [
            each.name,
            each.url,
            each.state,
            "" if each.latency_ms is None else f"{each.latency_ms:g} ms",
            "" if each.next_probe_in_s is None else f"in {each.next_probe_in_s:.0f} s",
            each.last_error or "",
        ]
        for each in endpoints
    ]
    to.table(["endpoint", "url", "state", "latency", "next probe", "last error"], rows)


def _show_cluster(result: RayClusterResult, to: Terminal) -> None:
    health = result.health
    said = "its control store answers" if health.gcs_ok else f"its control store does not answer: {health.said}"
    to.text(f"Ray {health.ray_version}, answered by {health.endpoint}; {said}")
    rows = [
        [
            node.node_id[:12],
            node.node_ip,
            "head" if node.is_head_node else "worker",
            node.state,
            ", ".join(
                _resource(name, node.resources_total[name]) for name in sorted(node.resources_total) if ":" not in name
            ),
        ]
        for node in result.nodes
    ]
    to.table(["node", "address", "role", "state", "resources"], rows)
    if result.status:
        to.text(result.status.strip())


def _resource(name: str, amount: float) -> str:
    return f"{name} {amount / 2**30:.1f} GiB" if name.endswith("memory") else f"{name} {amount:g}"


def _show_runs(runs: Sequence[RayJob], to: Terminal) -> None:
    rows = [
        [
            run.submission_id or run.job_id or "",
            run.status,
            time_text(run.start_time_ms),
            run.entrypoint,
            run.message or "",
        ]
        for run in runs
    ]
    to.table(["run", "status", "started", "entrypoint", "message"], rows)


def _shape(source: AnySource) -> tuple[str, str, str]:
    if isinstance(source, OpaqueSource):
        return "", "", "of a newer version; upgrade to see it"
    rows = str(source.rows) if isinstance(source, CsvSource) else ""
    return rows, _columns(source.columns), source.location


def _columns(columns: Sequence[Column]) -> str:
    return ", ".join(f"{column.name} {column.type}" for column in columns)


def time_text(epoch_ms: int | None) -> str:
    """A time of this machine's zone; '' for none."""
    return "" if epoch_ms is None else datetime.fromtimestamp(epoch_ms / 1000).astimezone().isoformat(" ", "seconds")
