"""`raylane top`: the lanes, jobs, runs and workers, as they are now."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated, Final

import typer

from raylane.cli import parameters, runner
from raylane.cli.snapshots import Snapshot

if TYPE_CHECKING:
    from raylane.cli.terminal import Terminal
    from raylane.producer import Producer

app: typer.Typer = typer.Typer()

# Terminals on which nothing can be written in place of something else.
_NO_CURSOR: Final = ("dumb", "unknown")


@app.command()
@parameters.grouped
def top(
    once: Annotated[
        bool, typer.Option("--once", help="Print one snapshot and exit, as happens without a terminal.")
    ] = False,
    output: parameters.OutputOptions = parameters.OUTPUT,
) -> None:
    """Watch the lanes, jobs, runs and workers. The view refreshes every second; press q to quit."""

    async def command(producer: Producer, terminal: Terminal) -> None:
        if terminal.as_json:
            terminal.json((await Snapshot.take(producer)).as_json())
        elif once or terminal.width is None or os.environ.get("TERM") in _NO_CURSOR:
            _show(await Snapshot.take(producer), terminal)
        else:
            from raylane.cli import connecting, contexts, live

            reached = connecting.reached(output.redis_url)
            address = contexts.without_password(reached.redis.url.get_secret_value())
            active = contexts.active()
            is_of_context = active is not None and reached.source == "context"
            await live.show(producer, f"{active.name}: {address}" if active and is_of_context else address)

    runner.execute(command, output)


def _show(snapshot: Snapshot, terminal: Terminal) -> None:
    for number, table in enumerate(snapshot.tables()):
        if number:
            terminal.line("")
        terminal.table(table.columns, table.rows)
