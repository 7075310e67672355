"""Assembles the command line from its command modules, and prints usage errors as JSON if asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from typer.exceptions import TyperException

import raylane
from raylane.cli import contexts, modules, process, traced
from raylane.cli.terminal import OutputError, Terminal
from raylane.cli.usage import SafeGroup

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    app: typer.Typer

_EPILOG = """\
Results go to stdout, messages to stderr. Settings are read from the environment and from .env: RAYLANE_…

Exit codes: 0 success · 1 the job failed, or another error · 2 wrong usage, an invalid request or a wrong setting · \
3 not found · 4 did not end within --timeout · 69 Redis is unavailable · 130 interrupted; the job continues.
"""


class _SortedGroup(SafeGroup):
    """Lists the commands by name, whichever module they come from."""

    def list_commands(self, _ctx: object) -> list[str]:
        """Returns the commands in the order of the help text."""
        return sorted(self.commands)


def assembled(names: Iterable[str]) -> typer.Typer:
    """Returns the command line with the commands of these modules."""
    app = typer.Typer(
        name="raylane",
        cls=_SortedGroup,
        help="Turn a CSV, or a catalog table, and a sentence into an answer computed on Ray.",
        epilog=_EPILOG,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        callback=main_options,
    )
    for commands in modules.apps_of(names):
        app.add_typer(commands)
    return app


def __getattr__(name: str) -> object:
    """Returns `app`, the whole command line, which only help texts and tests need."""
    if name != "app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return globals().setdefault(name, assembled(modules.every()))


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(raylane.__version__)
        raise typer.Exit


def main_options(
    command: typer.Context,
    context: Annotated[
        str | None,
        typer.Option(
            "--context",
            metavar="NAME",
            autocompletion=contexts.names,
            help="The deployment to work with: see raylane context. Default: RAYLANE_CONTEXT, else the current one.",
            show_default=False,
        ),
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Defines the options before the command. `--help` shows the text of the whole, not this one."""
    traced.command = command.invoked_subcommand or ""
    contexts.choose(context)


def run_app(arguments: Sequence[str]) -> int:
    """Runs the command line. Returns its exit code if `--json` is among the arguments; otherwise exits with it."""
    process.show_what_can_be_shown()
    app = assembled(modules.needed_for(arguments))
    try:
        if "--json" not in arguments:
            app(arguments, prog_name="raylane")
        return int(app(arguments, prog_name="raylane", standalone_mode=False) or 0)
    except TyperException as error:
        Terminal(as_json=True).error(raylane.ErrorInfo(code="invalid_request", message=error.format_message()))
        return error.exit_code
    except OutputError as error:  # while an error was printed
        Terminal(as_json=False).note(f"error: {error}")
        return process.ExitCode.FAILED
