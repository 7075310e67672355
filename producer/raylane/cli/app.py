"""The whole command line: all commands, and usage errors as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from typer.exceptions import TyperException

import raylane
from raylane.cli import (
    generate_commands,
    job_commands,
    operator_commands,
    ray_commands,
    session_commands,
    settings_commands,
    table_commands,
    upload_commands,
)
from raylane.cli.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Sequence

_EPILOG = """\
Results go to stdout, messages to stderr. Settings are read from the environment and from .env: RAYLANE_…

Exit codes: 0 success · 1 the job failed, or another error · 2 wrong usage, an invalid request or a wrong setting · \
3 not found · 4 did not end within --timeout · 69 Redis is unavailable · 130 interrupted; the job continues.
"""

app = typer.Typer(
    name="raylane",
    help="Turn a CSV, or a catalog table, and a sentence into an answer computed on Ray.",
    epilog=_EPILOG,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
for commands in (generate_commands, upload_commands, job_commands, session_commands, operator_commands):
    app.add_typer(commands.app)
app.add_typer(table_commands.app, name="tables")
app.add_typer(ray_commands.app, name="ray")
app.add_typer(settings_commands.app, name="settings")


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(raylane.__version__)
        raise typer.Exit


@app.callback()
def main_options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Options before the command. Help shows the application's own text instead of this one."""


def run_app(arguments: Sequence[str]) -> int:
    """Runs the command line; returns its exit code, or exits with it unless `--json` is among the arguments."""
    if "--json" not in arguments:
        app(arguments, prog_name="raylane")
    try:
        return int(app(arguments, prog_name="raylane", standalone_mode=False) or 0)
    except TyperException as error:
        Terminal(as_json=True).error(raylane.ErrorInfo(code="invalid_request", message=error.format_message()))
        return error.exit_code
