"""`raylane upload`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from raylane.cli import parameters, reading_options, runner
from raylane.cli.columns import text
from raylane.cli.render import columns_text, renders
from raylane_common.counting import counted
from raylane_common.wire.names import FileFormat

if TYPE_CHECKING:
    from raylane.cli.terminal import Terminal
    from raylane_common.wire.reading import Reading
    from raylane_common.wire.upload import (
        PreviewResult,
        SignedFilesResult,
        SignedPartsResult,
        TransferResult,
        UploadResult,
    )

app: typer.Typer = typer.Typer()

Filename = Annotated[
    str | None,
    typer.Option("--filename", help="Name of the file in the session.", metavar="NAME", show_default=False),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be read, and store nothing.")]


@app.command()
@parameters.grouped
def upload(
    file: parameters.Data,
    session: parameters.Session = None,
    filename: Filename = None,
    dry_run: DryRun = False,
    reading: reading_options.ReadingOptions = reading_options.READING,
    job: parameters.OneJobOptions = parameters.ONE_JOB,
    waiting: parameters.WaitOptions = parameters.NO_WAIT,
) -> None:
    """Upload a file of any size into the session. An upload that was interrupted continues where it stopped."""
    if dry_run:
        runner.execute_upload(
            lambda producer, progress: producer.preview(
                file, filename=filename, reading=reading.options(), progress=progress, **job.options()
            ),
            replace(waiting, wait=True),
        )
    else:
        runner.execute_upload(
            lambda producer, progress: producer.upload(
                file,
                session_id=runner.require_session(session),
                filename=filename,
                reading=reading.options(),
                progress=progress,
                **job.options(),
            ),
            waiting,
        )


@renders("UploadResult")
def show_upload(result: UploadResult, terminal: Terminal) -> None:
    """Prints where the file is, its columns, and its first rows."""
    show_warnings(result, terminal)
    terminal.line(f"{result.s3_uri}  {counted(result.rows, 'row')}, {counted(result.bytes, 'byte')}")
    if result.prepared is not None:
        terminal.line(f"prepared copy: {result.prepared.s3_uri}, because {'; '.join(result.prepared.reasons)}")
    _show_content(result, terminal)


@renders("PreviewResult")
def show_preview(result: PreviewResult, terminal: Terminal) -> None:
    """Prints how the file would be read, its columns, and its first rows."""
    show_warnings(result, terminal)
    terminal.line(
        f"{result.filename}  {counted(result.rows, 'row')}, {counted(result.bytes, 'byte')}; nothing was stored"
    )
    if result.reasons:
        terminal.line(f"an upload would write a prepared copy, because {'; '.join(result.reasons)}")
    _show_content(result, terminal)


@renders("TransferResult")
def show_transfer(result: TransferResult, terminal: Terminal) -> None:
    """Prints how a transfer began, without its addresses: whoever has one can write that part."""
    stored, signed = counted(len(result.stored), "part"), counted(len(result.urls), "address", "addresses")
    terminal.line(f"upload {result.upload_id}: {stored} on S3, {signed} signed")


@renders("SignedPartsResult")
def show_signed_parts(result: SignedPartsResult, terminal: Terminal) -> None:
    """Prints how many addresses were signed, without the addresses."""
    terminal.line(f"{counted(len(result.urls), 'address', 'addresses')} signed, valid for {result.valid_s} s")


@renders("SignedFilesResult")
def show_signed_files(result: SignedFilesResult, terminal: Terminal) -> None:
    """Prints which files can be downloaded, without their addresses: whoever has one can read that file."""
    for file in result.files:
        terminal.line(f"{file.name}  {counted(file.size_bytes, 'byte')}")
    terminal.line(f"{counted(len(result.files), 'address', 'addresses')} signed, valid for {result.valid_s} s")


def _show_content(result: UploadResult | PreviewResult, terminal: Terminal) -> None:
    terminal.line(reading_text(result.reading))
    terminal.line(columns_text(result.columns))
    terminal.line("")
    terminal.table([text(column.name, rank) for rank, column in enumerate(result.columns, 1)], result.preview)


def reading_text(reading: Reading) -> str:
    """Returns how a file was read, on one line."""
    parts = [str(reading.format) if reading.compression is None else f"{reading.format} in {reading.compression}"]
    if reading.format is FileFormat.CSV:
        delimiter = {"\t": "tab", " ": "space"}.get(reading.delimiter, f"'{reading.delimiter}'")
        parts += [reading.encoding, f"delimiter {delimiter}"]
        parts += [f"decimal mark '{reading.decimal}'"] if reading.decimal != "." else []
        parts += [f"escape '{reading.escape}'"] if reading.escape else []
        parts += [f"quote '{reading.quote}'" if reading.quote else "no quotes"] if reading.quote != '"' else []
        parts += [f"header on line {reading.header_line}" if reading.header_line else "no header"]
        parts += [f"comments after '{reading.comment}'"] if reading.comment else []
    if reading.sheet is not None:
        parts += [f"sheet '{reading.sheet}'"]
    return f"read as {', '.join(parts)}"


def show_warnings(result: UploadResult | PreviewResult, terminal: Terminal) -> None:
    """Prints the warnings about the file to stderr."""
    for warning in result.warnings:
        terminal.note(f"warning: {warning}")
