"""`raylane mcp`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import raylane
from raylane.cli import parameters, process
from raylane.cli.terminal import Terminal

app: typer.Typer = typer.Typer()

Session = Annotated[
    str | None,
    typer.Option(
        "--session",
        "-s",
        envvar="RAYLANE_SESSION",
        metavar="ID",
        help="Serve this session alone. Without it, the client names one in each call.",
        show_default=False,
    ),
]
Files = Annotated[
    list[Path] | None,
    typer.Option(
        "--files",
        metavar="DIRECTORY",
        help="Files from below it may be uploaded. May be repeated. Default: the working directory.",
        show_default=False,
    ),
]


@app.command("mcp")
def serve_mcp(session: Session = None, files: Files = None, redis_url: parameters.RedisUrl = None) -> None:
    """Serve a client with a language model: the Model Context Protocol, over stdin and stdout."""
    terminal = Terminal(as_json=False)
    try:
        for warning in process.variable_warnings():
            terminal.note(warning)
        _serve(session, files or [], redis_url)
    except raylane.RaylaneError as error:
        terminal.error(error.info())
        raise typer.Exit(process.exit_code(error.info())) from error


def _serve(session: str | None, files: list[Path], redis_url: str | None) -> None:
    from raylane_common.errors import MissingPackage
    from raylane_common.settings import load_settings

    try:
        from raylane.mcp.command import serve_stdio
    except ModuleNotFoundError as error:
        raise MissingPackage("raylane mcp needs more packages: pip install 'raylane[mcp]'") from error
    serve_stdio(load_settings(), session, files, redis_url)
