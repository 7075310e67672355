"""`raylane mcp`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import raylane
from raylane.cli import parameters, process, serving
from raylane.cli.terminal import OutputError, Terminal

if TYPE_CHECKING:
    from raylane_common.settings import Settings

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
        help="Files from below it may be uploaded, without --http. May be repeated. Default: the working directory.",
        show_default=False,
    ),
]
Http = Annotated[bool, typer.Option("--http", help="Serve many clients over HTTP, not one over stdin and stdout.")]
Host = Annotated[
    str | None,
    typer.Option("--host", metavar="ADDRESS", help="With --http: address to listen at.", show_default=False),
]
Port = Annotated[
    int | None,
    typer.Option("--port", metavar="0-65535", help="With --http: port; 0 for any free one.", show_default=False),
]


@app.command("mcp")
def serve_mcp(
    session: Session = None,
    files: Files = None,
    http: Http = False,
    host: Host = None,
    port: Port = None,
    redis_url: parameters.RedisUrl = None,
) -> None:
    """Serve clients with a language model: the Model Context Protocol, over stdin and stdout, or HTTP."""
    terminal = Terminal(as_json=False)
    try:
        for warning in process.variable_warnings():
            terminal.note(warning)
        _check(files, host, port, http=http)
        _serve(serving.settings_with(host, port, redis_url), session, files, terminal, http=http)
    except OutputError as error:
        terminal.note(f"error: {error}")
        raise typer.Exit(process.ExitCode.FAILED) from error
    except raylane.RaylaneError as error:
        terminal.error(error.info())
        raise typer.Exit(process.exit_code(error.info())) from error


def _check(files: list[Path] | None, host: str | None, port: int | None, *, http: bool) -> None:
    if http and files:
        raise raylane.InvalidRequest.field("--files", "not with --http: a server elsewhere has other files")
    given = {"--host": host, "--port": port}
    if not http and (sys.stdin is None or sys.stdout is None):
        raise raylane.InvalidRequest.field(
            "stdio", "stdin or stdout is closed; a client speaks over both, or use --http"
        )
    if not http and (name := next((name for name, value in given.items() if value is not None), None)):
        raise raylane.InvalidRequest.field(name, "only with --http")


def _serve(
    settings: Settings, session: str | None, files: list[Path] | None, terminal: Terminal, *, http: bool
) -> None:
    from raylane_common.errors import MissingPackage

    with process.interrupts_end_it():
        try:
            if http:
                from raylane.mcp.http import serve_http
            else:
                from raylane.mcp.stdio import serve_stdio
        except ModuleNotFoundError as error:
            raise MissingPackage("raylane mcp needs more packages: pip install 'raylane[mcp]'") from error
        if http:
            serve_http(settings, session, lambda url: terminal.line(f"listening at {url}"))
        else:
            if sys.stdin is not None and sys.stdin.isatty():
                terminal.note("waiting for a client on stdin, which is a terminal; see docs/mcp.md")
            serve_stdio(settings, session, files or ())
