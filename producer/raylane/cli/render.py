"""Prints results and whatever else several commands print. Command modules register functions for their own results.

A function is registered under the name of the result's class: importing the class would make every `--help` load
pydantic.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar

from raylane.cli import modules
from raylane.cli.columns import fact, key, text
from raylane.cli.terminal import progress_line
from raylane.cli.times import time_text
from raylane_common.wire.names import Priority

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from raylane.cli.terminal import Terminal
    from raylane_common.ray.models import Run
    from raylane_common.wire.jobs import JobRecord
    from raylane_common.wire.kinds import Result
    from raylane_common.wire.sources import AnySource, Column

_RendererT = TypeVar("_RendererT", bound="Callable[[Any, Terminal], None]")

RENDERERS: Final[dict[str, Callable[[Any, Terminal], None]]] = {}  # Any: each takes its own class of result


def renders(class_name: str) -> Callable[[_RendererT], _RendererT]:
    """Registers the decorated function to print results of this class."""

    def register(renderer: _RendererT) -> _RendererT:
        RENDERERS[class_name] = renderer
        return renderer

    return register


def show(result: Result, terminal: Terminal) -> None:
    """Prints a result of any kind: as JSON with `--json`, or if no function is registered for its class."""
    renderer = _renderer(type(result).__name__)
    if terminal.as_json or renderer is None:
        terminal.models(result)
    else:
        renderer(result, terminal)


def _renderer(class_name: str) -> Callable[[Any, Terminal], None] | None:
    if class_name not in RENDERERS:
        # The command that runs may be in another module than those for this kind of job.
        modules.apps_of(modules.every())
    return RENDERERS.get(class_name)


def show_sources(sources: Sequence[AnySource], terminal: Terminal) -> None:
    """Prints one line for each source of a session."""
    if terminal.as_json:
        terminal.models(*sources, many=True)
    elif sources:
        rows = [[source.name, source.type, *_shape(source)] for source in sources]
        columns = [key("source"), fact("type", 4), fact("rows", 3), text("columns", 2), text("location", 1)]
        terminal.table(columns, rows)
    else:
        terminal.note("no sources; upload a file or select a table")


def show_record(record: JobRecord, terminal: Terminal) -> None:
    """Prints the current state of a job."""
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
            terminal.line(f"{name:<9} {value}")


def show_code(code: str, terminal: Terminal) -> None:
    """Prints the code of a job."""
    terminal.line("")
    terminal.line("--- code")
    terminal.text(code.rstrip())


def show_run(run: Run, terminal: Terminal) -> None:
    """Prints how a run ended, and the end of its output."""
    code = "" if run.exit_code is None else f", exit code {run.exit_code}"
    terminal.line(f"--- {run.submission_id}: {run.status} on {run.endpoint}{code}")
    if run.message:
        terminal.text(run.message)
    if run.output_truncated:
        terminal.note("only the last part of the output:")
    terminal.text(run.output_tail.rstrip("\r\n"))


def columns_text(columns: Sequence[Column]) -> str:
    """Returns the names and types of columns on one line."""
    return ", ".join(f"{column.name} {column.type}" for column in columns)


def _shape(source: AnySource) -> tuple[str, str, str]:
    from raylane_common.wire.sources import FileSource, OpaqueSource

    if isinstance(source, OpaqueSource):
        return "", "", "written by a newer version; upgrade to see it"
    rows = str(source.rows) if isinstance(source, FileSource) else ""
    return rows, columns_text(source.columns), source.location
