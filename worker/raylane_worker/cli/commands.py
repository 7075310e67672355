"""run, dev, check, drain, demo."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from pathlib import Path  # noqa: TC003  # typer reads the annotations at run time
from typing import TYPE_CHECKING, Annotated, Any, Final, NoReturn, TypeVar

import typer
from pydantic import ValidationError

from raylane_common.errors import InvalidRequest, QueueUnavailable, RaylaneError
from raylane_common.redis.connection import connect
from raylane_common.redis.queue.heartbeats import ask_to_drain, living_workers
from raylane_common.settings import Settings
from raylane_common.wire.base import Lane
from raylane_worker.telemetry.logs import LogLevel, log_to_stderr

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from redis.asyncio import Redis

_T = TypeVar("_T")

UNAVAILABLE: Final = 69
INTERRUPTED: Final = 130
_LOOK_EVERY_S: Final = 0.2

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
        try:
            await run_worker(settings, chosen, ready=asyncio.Event(), stop=stop)
        finally:
            # A second SIGTERM must not end a worker that has stopped well: asyncio takes its handler away as it closes.
            asyncio.get_running_loop().remove_signal_handler(signal.SIGTERM)
            signal.signal(signal.SIGTERM, signal.SIG_IGN)

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
    from raylane_worker.cli.dev import run_dev

    _run(run_dev(directory, tell=typer.echo))


@app.command()
def check() -> None:
    """Exit with 0 if a worker of this host is alive, else with 1: a health check for containers."""
    settings = _settings()
    host = socket.gethostname()
    workers = _run(_with_redis(settings, lambda redis: living_workers(redis, host)))
    if not workers:
        typer.echo(f"no living worker on {host}", err=True)
        raise typer.Exit(1)
    for worker, lanes in workers.items():
        typer.echo(f"{worker} {' '.join(lanes)}")


@app.command()
def drain(
    worker: Annotated[
        str | None, typer.Argument(help="As `check` prints it. Left out: all workers of this host.")
    ] = None,
    timeout: Annotated[float, typer.Option(min=0, metavar="SECONDS", help="Wait at most this long for them.")] = 60,
) -> None:
    """Have workers take no more jobs, end the running ones (lanes.drain_s) and stop; exit with 1 if one goes on."""
    settings = _settings()
    host = worker.rpartition("-")[0] if worker else socket.gethostname()

    async def chosen(redis: Redis) -> list[str]:
        return [name for name in await living_workers(redis, host) if worker in (None, name)]

    async def drained(redis: Redis) -> list[str]:
        """The workers that were asked and still live when time is up."""
        asked = await chosen(redis)
        if not asked:
            typer.echo(f"no living worker {worker or f'on {host}'}", err=True)
            raise typer.Exit(1)
        for name in asked:
            typer.echo(f"draining {name}")
            await ask_to_drain(redis, name)
        living = asked
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                while living:
                    await asyncio.sleep(_LOOK_EVERY_S)
                    living = [name for name in await chosen(redis) if name in asked]
        return living

    living = _run(_with_redis(settings, drained))
    if living:
        typer.echo(f"still at work: {', '.join(living)}", err=True)
        raise typer.Exit(1)


@app.command()
def demo() -> None:
    """Upload a real CSV, ask a question about it, run the answer on Ray; everything on this machine, for a minute."""
    log_to_stderr(LogLevel.WARNING)
    from raylane_worker.cli.demo import run_demo

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
        field = str(problem.details["field"])
        # What concerns several settings names them itself.
        hint = "" if field == "request" else f" (set RAYLANE_{field.upper().replace('.', '__')})"
        typer.echo(f"error: {problem}{hint}", err=True)
        raise typer.Exit(2) from error


async def _with_redis(settings: Settings, work: Callable[[Redis], Awaitable[_T]]) -> _T:
    redis = connect(settings.redis)
    try:
        return await work(redis)
    finally:
        await redis.aclose()


def _run(work: Coroutine[Any, Any, _T]) -> _T:
    async def interruptible() -> _T:
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
