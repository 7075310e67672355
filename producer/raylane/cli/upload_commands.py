"""`raylane upload`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from raylane.cli import parameters, runner
from raylane.cli.render import columns_text, renders

if TYPE_CHECKING:
    from raylane.cli.terminal import Terminal
    from raylane_common.wire.upload import UploadResult

app: typer.Typer = typer.Typer()

Filename = Annotated[
    str | None,
    typer.Option("--filename", help="Name of the file in the session.", metavar="NAME", show_default=False),
]


@app.command()
@parameters.grouped
def upload(
    file: parameters.File,
    session: parameters.Session = None,
    filename: Filename = None,
    job: parameters.OneJobOptions = parameters.ONE_JOB,
    waiting: parameters.WaitOptions = parameters.NO_WAIT,
) -> None:
    """Upload a CSV of up to 8 MiB into the session."""
    runner.execute_job(
        lambda producer: producer.upload(
            file, session_id=runner.require_session(session), filename=filename, **job.options()
        ),
        waiting,
    )


@renders("UploadResult")
def show_upload(result: UploadResult, terminal: Terminal) -> None:
    """Prints where the CSV is, its columns, and its first rows."""
    show_warnings(result, terminal)
    terminal.line(f"{result.s3_uri}  {result.rows} rows, {result.bytes} bytes")
    terminal.line(columns_text(result.columns))
    terminal.line("")
    terminal.table([column.name for column in result.columns], result.preview)


def show_warnings(result: UploadResult, terminal: Terminal) -> None:
    """Writes to stderr what may surprise in the file."""
    for warning in result.warnings:
        terminal.note(f"warning: {warning}")
