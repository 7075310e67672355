"""`raylane audit`: shows who changed what through the gateway."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from raylane.cli import parameters, runner
from raylane.cli.render import time_text

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
                    time_text(entry.at_ms),
                    entry.caller,
                    f"{entry.method} {entry.route}",
                    entry.session_id or "",
                    entry.job_id or "",
                    str(entry.status),
                ]
                for entry in found
            ]
            terminal.table(["time", "caller", "request", "session", "job", "status"], rows)
            if len(found) == limit:
                terminal.note(f"older ones: raylane audit --before {found[-1].id}")
        else:
            terminal.note("no such writes; the gateway notes each that a caller makes")

    runner.execute(command, output)
