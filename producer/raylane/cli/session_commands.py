"""`raylane sources`, `remove`, `reset`, `restore` and `history`: commands for a session."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from raylane.cli import parameters, runner
from raylane.cli.answers import show_entry
from raylane.cli.columns import fact, key, text
from raylane.cli.profiles import show_profile
from raylane.cli.render import renders, show_sources
from raylane.cli.times import time_cell
from raylane_common.counting import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from raylane.cli.terminal import Terminal
    from raylane.history import HistoryEntry
    from raylane.producer import Producer
    from raylane_common.wire.upload import PurgeResult

app: typer.Typer = typer.Typer()


@app.command()
@parameters.grouped
def sources(
    session: parameters.Session = None,
    profile: Annotated[bool, typer.Option("--profile", help="Show what is known of each column.")] = False,
    output: parameters.OutputOptions = parameters.OUTPUT,
) -> None:
    """List the session's sources."""

    async def command(producer: Producer, terminal: Terminal) -> None:
        found = await producer.sources(runner.require_session(session))
        show_sources(found, terminal)
        if profile and not terminal.as_json:
            for source in found:
                show_profile(source, terminal)

    runner.execute(command, output)


@app.command()
@parameters.grouped
def remove(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The file, or DATABASE.TABLE.", show_default=False)],
    session: parameters.Session = None,
    output: parameters.OutputOptions = parameters.OUTPUT,
) -> None:
    """Remove one source from the session. The file itself stays on S3."""

    async def command(producer: Producer, terminal: Terminal) -> None:
        await producer.remove(runner.require_session(session), name)
        if terminal.as_json:
            terminal.json({"removed": name})
        else:
            terminal.line(f"{name} removed")

    runner.execute(command, output)


@app.command()
@parameters.grouped
def reset(
    session: parameters.Session = None,
    purge: Annotated[bool, typer.Option("--purge", help="Also delete the session's files on S3.")] = False,
    waiting: parameters.WaitOptions = parameters.NO_WAIT,
) -> None:
    """Remove the session's sources and history. Its jobs can still be read by id.

    With --purge this enqueues a job that also deletes everything that the session has on S3.
    """
    if purge:
        runner.execute_job(lambda producer: producer.reset(runner.require_session(session), purge=True), waiting)
        return

    async def command(producer: Producer, terminal: Terminal) -> None:
        removed = await producer.reset(runner.require_session(session))
        if terminal.as_json:
            terminal.json({"removed": removed})
        else:
            terminal.line(f"{counted(removed, 'source')} removed")

    runner.execute(command, waiting)


@renders("PurgeResult")
def show_purged(result: PurgeResult, terminal: Terminal) -> None:
    """Prints how much was deleted."""
    terminal.line(f"{counted(result.objects, 'object')} deleted, {counted(result.bytes, 'byte')}")


@app.command()
@parameters.grouped
def restore(job: parameters.Job, output: parameters.OutputOptions = parameters.OUTPUT) -> None:
    """Put the sources that a generate job used back into its session."""

    async def command(producer: Producer, terminal: Terminal) -> None:
        show_sources(await producer.restore(job), terminal)

    runner.execute(command, output)


@app.command()
@parameters.grouped
def history(
    session: parameters.Session = None,
    limit: parameters.Limit = 50,
    full: Annotated[bool, typer.Option("--full", help="Show the answer, the code and the output of each job.")] = False,
    output: parameters.OutputOptions = parameters.OUTPUT,
) -> None:
    """List the session's jobs, newest first."""

    async def command(producer: Producer, terminal: Terminal) -> None:
        entries = await producer.history(runner.require_session(session), limit=limit)
        if terminal.as_json:
            terminal.models(*entries, many=True)
        else:
            _show_history(entries, terminal, full=full)

    runner.execute(command, output)


def _show_history(entries: Sequence[HistoryEntry], terminal: Terminal, *, full: bool) -> None:
    if not entries:
        terminal.note("no history")
        return
    columns = [
        *(fact("at", 3), key("job"), fact("action", 2), key("status"), fact("endpoint", 5), fact("exit code", 4)),
        text("what", 1),
    ]
    rows = [
        [
            time_cell(entry.at, terminal),
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
        terminal.table(columns, rows)
        return
    for entry, row in zip(entries, rows, strict=True):
        terminal.table(columns, [row])
        if entry.error:
            terminal.line(f"error: {entry.error.message} [{entry.error.code}]")
        show_entry(entry, terminal)
        terminal.line("")
