"""The command line as a whole: all commands, and the way errors of usage are told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from typer.exceptions import TyperException

import raylane
from raylane.cli import jobs, queue, ray, sessions, settings, tables, work
from raylane.cli.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Sequence

_EPILOG = """\
Results go to stdout, talk to stderr. The library's settings hold here too: RAYLANE_… in the environment and in .env.

Exit codes: 0 success · 1 the job failed, or another error · 2 wrong usage or an invalid request · 3 not found · \
4 not ended within --timeout · 69 Redis is unavailable · 130 interrupted, the job goes on.
"""

app = typer.Typer(
    name="raylane",
    help="Turn a CSV, or a catalog table, and a sentence into a Ray job that ran.",
    epilog=_EPILOG,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
for commands in (work.app, jobs.app, sessions.app, queue.app):
    app.add_typer(commands)
app.add_typer(tables.app, name="tables")
app.add_typer(ray.app, name="ray")
app.add_typer(settings.app, name="settings")


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(raylane.__version__)
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    """What may stand before a command; the help is the application's own."""


def run_app(arguments: Sequence[str]) -> int:
    """Runs the command line; returns its exit code."""
    if "--json" not in arguments:
        app(arguments, prog_name="raylane")
    try:
        return int(app(arguments, prog_name="raylane", standalone_mode=False) or 0)
    except TyperException as error:
        Terminal(as_json=True).error(raylane.ErrorInfo(code="invalid_request", message=error.format_message()))
        return error.exit_code
