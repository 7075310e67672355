"""`raylane-worker run`, `dev`, `check`, `drain` and `demo`."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from pathlib import Path  # typer reads the annotations at run time
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar

import typer

from raylane.cli.process import ExitCode, exit_code, run_interruptible, variable_warnings
from raylane.cli.terminal import Terminal
from raylane.cli.usage import SafeGroup
from raylane_common.errors import InvalidRequest, RaylaneError
from raylane_common.logs import get_logger
from raylane_common.redis.connection import connect
from raylane_common.redis.queue.heartbeats import ask_to_drain, living_workers
from raylane_common.settings import load_settings
from raylane_common.telemetry.logs import LogLevel, log_to_stderr
from raylane_common.telemetry.sending import spans_sent
from raylane_common.wire.base import Lane

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine
    from contextlib import AbstractContextManager

    from redis.asyncio import Redis

    from raylane_common.settings import Settings

_T = TypeVar("_T")

logger = get_logger("raylane.worker")

# Short compared to a drain, which takes seconds, but still only five commands per second.
_DRAIN_POLL_S: Final = 0.2

# A worker that has stopped waits no longer for a collector that is away.
_LAST_SPANS_S: Final = 5.0

_TERMINAL: Final = Terminal(as_json=False)

app = typer.Typer(
    cls=SafeGroup,
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Run Raylane's jobs.",
    epilog="Exit codes: 0 success, 1 error, 2 wrong usage or setting, 69 Redis is unavailable, 130 interrupted.",
)

LogLevelOption = Annotated[LogLevel, typer.Option("--log-level", help="Lowest level to log.")]


@app.command()
def run(
    lanes: Annotated[str, typer.Option(help="Lanes to take jobs from, separated by commas.")] = ",".join(Lane),
    log_level: LogLevelOption = LogLevel.INFO,
) -> None:
    """Run jobs until SIGTERM or Ctrl-C. Running jobs then have lanes.drain_s to end; the rest return to the queue."""
    chosen = _parse_lanes(lanes)
    settings = _checked_settings()
    log_to_stderr(log_level, settings.telemetry.log_format)

    async def work() -> None:
        from raylane_worker.app import run as run_worker
        from raylane_worker.app import stop_on_signals

        stop = asyncio.Event()
        stop_on_signals(stop)
        try:
            await run_worker(settings, chosen, ready=asyncio.Event(), stop=stop)
        finally:
            # asyncio removes its handlers when it closes. A second SIGTERM must not kill a worker that has stopped.
            asyncio.get_running_loop().remove_signal_handler(signal.SIGTERM)
            signal.signal(signal.SIGTERM, signal.SIG_IGN)

    with _traces(settings):
        _run(work())


@app.command()
def dev(
    directory: Annotated[
        Path | None, typer.Option(help="Where to keep the data of Redis and all logs. By default they are removed.")
    ] = None,
    log_level: LogLevelOption = LogLevel.INFO,
) -> None:
    """Run real servers (Redis, S3, Glue, Ray) and a worker on this machine. Ctrl-C stops them."""
    settings = _checked_settings()
    log_to_stderr(log_level, settings.telemetry.log_format)
    from raylane_worker.cli.dev import run_dev

    with _traces(settings):
        _run(run_dev(directory, write=_TERMINAL.text))


@app.command()
def check() -> None:
    """Exit with 0 if a worker on this host is alive, else with 1. Use it as the health check of a container."""
    settings = _checked_settings()
    host = socket.gethostname()
    workers = _run(_with_redis(settings, lambda redis: living_workers(redis, host)))
    if not workers:
        _TERMINAL.note(f"no living worker on {host}")
        raise typer.Exit(ExitCode.FAILED)
    for worker, lanes in workers.items():
        _TERMINAL.line(f"{worker} {' '.join(lanes)}")


@app.command()
def drain(
    worker: Annotated[
        str | None, typer.Argument(help="A worker's name, as `check` prints it. Default: all workers on this host.")
    ] = None,
    timeout: Annotated[float, typer.Option(min=0, metavar="SECONDS", help="Wait at most this long.")] = 60,
) -> None:
    """Make workers finish their running jobs (within lanes.drain_s) and stop. Exit with 1 if one does not stop."""
    settings = _checked_settings()
    host = worker.rpartition("-")[0] if worker else socket.gethostname()

    async def living(redis: Redis) -> list[str]:
        return [name for name in await living_workers(redis, host) if worker in (None, name)]

    async def drain_workers(redis: Redis) -> list[str]:
        """Asks the workers to drain. Returns those that are still alive at the end of the timeout."""
        asked = await living(redis)
        if not asked:
            _TERMINAL.note(f"no living worker {worker or f'on {host}'}")
            raise typer.Exit(ExitCode.FAILED)
        for name in asked:
            _TERMINAL.line(f"draining {name}")
            await ask_to_drain(redis, name)
        remaining = asked
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                while remaining:
                    await asyncio.sleep(_DRAIN_POLL_S)
                    remaining = [name for name in await living(redis) if name in asked]
        return remaining

    remaining = _run(_with_redis(settings, drain_workers))
    if remaining:
        _TERMINAL.note(f"still running: {', '.join(remaining)}")
        raise typer.Exit(ExitCode.FAILED)


@app.command()
def demo(
    out: Annotated[
        Path, typer.Option("--out", metavar="DIRECTORY", file_okay=False, help="Where the chart of the answer stays.")
    ] = Path(),
) -> None:
    """Upload a CSV, ask questions about it, and compute the answers on Ray, all on this machine."""
    log_to_stderr(LogLevel.WARNING, "text")
    from raylane_worker.cli.demo import run_demo

    _run(run_demo(out, write=_TERMINAL.text))


def _parse_lanes(text: str) -> list[Lane]:
    try:
        return [Lane(name.strip()) for name in text.split(",")]
    except ValueError as error:
        raise typer.BadParameter(f"{error}; lanes are {', '.join(Lane)}", param_hint="--lanes") from error


def _checked_settings() -> Settings:
    """Returns the settings, and prints warnings about misspelt variables.

    A wrong setting ends the command with exit code 2.
    """
    for warning in variable_warnings():
        _TERMINAL.note(warning)
    try:
        return load_settings()
    except InvalidRequest as error:
        raise _failure(error) from error


def _traces(settings: Settings) -> AbstractContextManager[None]:
    """Sends the spans of the block, if an exporter is configured."""
    return spans_sent(
        "raylane-worker", flush_s=_LAST_SPANS_S, report=logger.warning, content=settings.telemetry.trace_content
    )


async def _with_redis(settings: Settings, work: Callable[[Redis], Awaitable[_T]]) -> _T:
    redis = connect(settings.redis)
    try:
        return await work(redis)
    finally:
        await redis.aclose()


def _run(work: Coroutine[Any, Any, _T]) -> _T:
    """Runs the command's coroutine, and turns its error or Ctrl-C into an exit code."""
    try:
        return run_interruptible(work)
    except KeyboardInterrupt:
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    except RaylaneError as error:
        raise _failure(error) from error


def _failure(error: RaylaneError) -> typer.Exit:
    _TERMINAL.note(f"error: {error}")
    return typer.Exit(exit_code(error.info()))
