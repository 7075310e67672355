"""`raylane audit`: shows who changed what through the gateway."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from raylane.cli import parameters, runner
from raylane.cli.columns import fact, key, text
from raylane.cli.times import time_cell

if TYPE_CHECKING:
    from raylane.cli.terminal import Terminal
    from raylane.producer import Producer

app: typer.Typer = typer.Typer()


@app.command()
@parameters.grouped
def audit(
    limit: parameters.Limit = 50,
    before: Annotated[
        str | None,
        typer.Option("--before", metavar="ID", help="Only writes older than this one.", show_default=False),
    ] = None,
    output: parameters.OutputOptions = parameters.OUTPUT,
) -> None:
    """List the writes of the gateway's callers, newest first."""

    async def command(producer: Producer, terminal: Terminal) -> None:
        found = await producer.operator.audit(limit=limit, before=before)
        if terminal.as_json:
            terminal.models(*found, many=True)
        elif found:
            rows = [
                [
                    time_cell(entry.at_ms, terminal),
                    entry.caller,
                    f"{entry.method} {entry.route}",
                    entry.session_id or "",
                    entry.job_id or "",
                    str(entry.status),
                ]
                for entry in found
            ]
            columns = [
                *(key("time"), text("caller", 1), text("request", 2), fact("session", 4), fact("job", 3)),
                key("status"),
            ]
            terminal.table(columns, rows)
            if len(found) == limit:
                terminal.note(f"older ones: raylane audit --before {found[-1].id}")
        else:
            terminal.note("no such writes; the gateway notes each that a caller makes")

    runner.execute(command, output)
