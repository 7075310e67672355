"""`raylane gateway`: serves HTTP in front of the queue. `raylane gateway token` makes tokens for its callers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

import raylane
from raylane.cli import gateway_tokens, process, serving
from raylane.cli.terminal import OutputError, Terminal

if TYPE_CHECKING:
    from raylane_common.settings import Settings

app: typer.Typer = typer.Typer(name="gateway", invoke_without_command=True)
app.command()(gateway_tokens.token)


@app.callback()
def gateway(
    ctx: typer.Context,
    host: Annotated[
        str | None,
        typer.Option("--host", metavar="ADDRESS", help="Address to listen at. Default: 127.0.0.1.", show_default=False),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option("--port", metavar="0-65535", help="Port; 0 for any free one. Default: 8000.", show_default=False),
    ] = None,
    redis_url: Annotated[
        str | None,
        typer.Option(
            "--redis-url",
            "--redis",
            metavar="URL",
            help="URL of Redis. Default: RAYLANE_REDIS__URL, else that of the context.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Serve HTTP in front of the queue until SIGTERM or Ctrl-C. /openapi.json describes it."""
    if ctx.invoked_subcommand is not None:
        return
    terminal = Terminal(as_json=False)
    try:
        for warning in process.variable_warnings():
            terminal.note(warning)
        _serve(serving.settings_with(host, port, redis_url), terminal)
    except KeyboardInterrupt:
        raise typer.Exit(process.ExitCode.INTERRUPTED) from None
    except OutputError as error:
        terminal.note(f"error: {error}")
        raise typer.Exit(process.ExitCode.FAILED) from error
    except raylane.RaylaneError as error:
        terminal.error(error.info())
        raise typer.Exit(process.exit_code(error.info())) from error


def _serve(settings: Settings, terminal: Terminal) -> None:
    with process.interrupts_end_it():
        try:
            from raylane.gateway.server import serve
        except ModuleNotFoundError as error:
            from raylane_common.errors import MissingPackage

            raise MissingPackage("raylane gateway needs more packages: pip install 'raylane[gateway]'") from error
        serve(settings, lambda url: terminal.line(f"listening at {url}"))
