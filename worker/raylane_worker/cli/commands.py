"""run, dev, check, demo."""

from __future__ import annotations

import asyncio
import signal
import socket
from pathlib import Path  # noqa: TC003  # typer reads the annotations at run time
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from pydantic import ValidationError

from raylane_common.connection import connect
from raylane_common.errors import InvalidRequest, QueueUnavailable, RaylaneError
from raylane_common.queue.heartbeats import living_workers
from raylane_common.requests import Lane
from raylane_common.settings import Settings
from raylane_worker.telemetry.logs import LogLevel, log_to_stderr

if TYPE_CHECKING:
    from collections.abc import Coroutine

UNAVAILABLE = 69
INTERRUPTED = 130

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Runs Raylane's jobs.",
    epilog="Exit codes: 0 ok, 1 error, 2 usage or a wrong setting, 69 Redis unavailable, 130 interrupted.",
)


@app.command()
def run(
    lanes: Annotated[str, typer.Option(help="Comma-separated lanes to work on.")] = ",".join(Lane),
    log_level: Annotated[LogLevel, typer.Option(help="Least severe level to log.")] = LogLevel.INFO,
) -> None:
    """Take jobs until SIGTERM or Ctrl-C, then let the running ones end (lanes.drain_s) and give the rest back."""
    log_to_stderr(log_level)
    chosen = _lanes(lanes)
    settings = _settings()

    async def work() -> None:
        from raylane_worker.app import run as run_worker
        from raylane_worker.app import stop_on_signals

        stop = asyncio.Event()
        stop_on_signals(stop)
        await run_worker(settings, chosen, ready=asyncio.Event(), stop=stop)

    _run(work())


@app.command()
def dev(
    directory: Annotated[
        Path | None, typer.Option(help="Keep Redis' data and all logs here; without it nothing is left on disk.")
    ] = None,
    log_level: Annotated[LogLevel, typer.Option(help="Least severe level to log.")] = LogLevel.INFO,
) -> None:
    """Everything on this machine: Redis, S3, Glue and Ray as real servers, and a worker. Ctrl-C ends all of it."""
    log_to_stderr(log_level)
    from raylane_worker.dev import run_dev

    _run(run_dev(directory, tell=typer.echo))


@app.command()
def check() -> None:
    """Exit with 0 if a worker of this host is alive, else with 1: a health check for containers."""
    settings = _settings()
    host = socket.gethostname()

    async def look() -> list[str]:
        redis = connect(settings.redis)
        try:
            return await living_workers(redis, host)
        finally:
            await redis.aclose()

    workers = _run(look())
    if not workers:
        typer.echo(f"no living worker on {host}", err=True)
        raise typer.Exit(1)
    typer.echo("\n".join(workers))


@app.command()
def demo() -> None:
    """Upload a real CSV, ask a question about it, run the answer on Ray; everything on this machine, for a minute."""
    log_to_stderr(LogLevel.WARNING)
    from raylane_worker.demo import run_demo

    _run(run_demo(tell=typer.echo))


def _lanes(text: str) -> list[Lane]:
    try:
        return [Lane(name.strip()) for name in text.split(",")]
    except ValueError as error:
        raise typer.BadParameter(f"{error}; lanes are {', '.join(Lane)}", param_hint="--lanes") from error


def _settings() -> Settings:
    try:
        return Settings()
    except ValidationError as error:
        problem = InvalidRequest.from_validation(error)
        variable = "RAYLANE_" + str(problem.details["field"]).upper().replace(".", "__")
        typer.echo(f"error: {problem} (set {variable})", err=True)
        raise typer.Exit(2) from error


def _run(work: Coroutine[Any, Any, Any]) -> Any:
    async def interruptible() -> Any:
        # Between two steps; asyncio's own handler may cancel within one, where `asyncio.timeout` loses it.
        task = asyncio.current_task()
        assert task is not None
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, task.cancel)
        return await work

    try:
        return asyncio.run(interruptible())
    except (KeyboardInterrupt, asyncio.CancelledError):
        raise typer.Exit(INTERRUPTED) from None
    except RaylaneError as error:
        _fail(error)


def _fail(error: RaylaneError) -> NoReturn:
    typer.echo(f"error: {error}", err=True)
    raise typer.Exit(UNAVAILABLE if isinstance(error, QueueUnavailable) else 1)
