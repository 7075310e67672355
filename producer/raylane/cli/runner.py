"""Runs a command: opens the producer, waits with live progress, prints, and turns errors into exit codes.

Heavy modules are imported when a command runs, so that `raylane --help` is fast.
"""

from __future__ import annotations

import asyncio
import traceback
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeVar

import typer

import raylane
from raylane.cli import process, render, sending
from raylane.cli.process import ExitCode
from raylane.cli.terminal import OutputError, Terminal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from raylane.cli.parameters import OutputOptions, WaitOptions
    from raylane.handle import JobHandle
    from raylane.producer import Producer
    from raylane.transfer.progress import UploadProgress
    from raylane_common.wire.kinds import Result

ResultT = TypeVar("ResultT", bound="Result")


def execute(command: Callable[[Producer, Terminal], Awaitable[None]], options: OutputOptions | WaitOptions) -> None:
    """Runs the command with a producer and a terminal. If it fails, raises `typer.Exit` with its exit code."""
    terminal = Terminal(as_json=options.as_json)

    async def with_producer() -> None:
        for warning in process.variable_warnings():
            terminal.note(warning)
        async with raylane.Producer(redis_url=options.redis_url) as producer:
            await command(producer, terminal)

    try:
        process.run_interruptible(with_producer())
    except KeyboardInterrupt:
        job_id = terminal.job_id
        terminal.note(
            f"interrupted; job {job_id} continues: {_next_commands(job_id)}" if job_id else terminal.interrupted
        )
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    except raylane.RaylaneError as error:
        terminal.error(error.info())
        if isinstance(error, raylane.QueueUnavailable) and terminal.job_id:
            terminal.note(f"job {terminal.job_id} continues: {_next_commands(terminal.job_id)}")
        raise typer.Exit(process.exit_code(error.info())) from error
    except (typer.Exit, BrokenPipeError):
        raise
    except OutputError as error:
        terminal.note(f"error: {error}")
        raise typer.Exit(ExitCode.FAILED) from error
    except Exception as error:  # a bug: users need one sentence that says where, not a traceback
        place = traceback.extract_tb(error.__traceback__)[-1]
        message = f"{type(error).__name__}: {error} ({place.filename}, line {place.lineno}); please report it"
        terminal.error(raylane.ErrorInfo(code="internal_error", message=message))
        raise typer.Exit(ExitCode.FAILED) from error


def execute_job(
    enqueue: Callable[[Producer], Awaitable[JobHandle[ResultT]]],
    options: WaitOptions,
    show: Callable[[Producer, str, ResultT, Terminal], Awaitable[None]] | None = None,
) -> None:
    """Enqueues one job. Prints its result, with `show` if given, if the command waits for it; else prints its id."""

    async def command(producer: Producer, terminal: Terminal) -> None:
        handle = await enqueue(producer)
        await show_result_or_id(producer, handle, options, deadline(options.timeout_s), terminal, show)

    execute(command, options)


def execute_upload(
    upload: Callable[[Producer, Callable[[UploadProgress], None]], Awaitable[JobHandle[ResultT]]], options: WaitOptions
) -> None:
    """Uploads a file and shows how far that is. Prints the job's result if the command waits for it, else its id."""

    async def command(producer: Producer, terminal: Terminal) -> None:
        until = deadline(options.timeout_s)
        with sending.shown(terminal) as progress:
            handle = await upload(producer, progress)
        await show_result_or_id(producer, handle, options, until, terminal)

    execute(command, options)


async def show_result_or_id(
    producer: Producer,
    handle: JobHandle[ResultT],
    options: WaitOptions,
    until: float | None,
    terminal: Terminal,
    show: Callable[[Producer, str, ResultT, Terminal], Awaitable[None]] | None = None,
) -> None:
    """Prints the job's result, with `show` if given, if the command waits for it; else prints its id.

    `until` is a `deadline`. A result that `show` prints has an answer, so the output of its run is not shown before it.
    """
    if not options.wait:
        terminal.job(handle.id)
        return
    result = await wait_for_result(producer, handle, until, terminal, output=show is None)
    if show is None:
        render.show(result, terminal)
    else:
        await show(producer, handle.id, result, terminal)


async def wait_for_result(
    producer: Producer, handle: JobHandle[ResultT], until: float | None, terminal: Terminal, *, output: bool = True
) -> ResultT:
    """Shows the job's events until it ends, and returns its result. Raises `WaitTimeout` or the job's own error.

    The `output` of its run is shown as well, unless that is not wanted.
    """
    await show_events(producer, handle.id, until, terminal, output=output)
    return await handle.result()


async def show_events(
    producer: Producer, job_id: str, until: float | None, terminal: Terminal, *, output: bool
) -> None:
    """Shows the job's events, with the `output` of its run or without, until it ends.

    Raises `WaitTimeout` at `until`, a `deadline`, and `JobNotFound`.
    """
    terminal.job_id = terminal.job_id or job_id
    with terminal.progress(job_id, output=output) as show_event:
        async with time_limit(terminal.job_id, until):
            async for event in producer.follow(job_id):
                show_event(event)


@asynccontextmanager
async def time_limit(job_id: str, until: float | None) -> AsyncIterator[None]:
    """Raises `WaitTimeout` if the block is still running at `until`, a `deadline`."""
    try:
        async with asyncio.timeout_at(until) as limit:
            yield
    except TimeoutError:
        if not limit.expired():
            raise
        message = f"job {job_id} did not end in time and continues: {_next_commands(job_id)}"
        raise raylane.WaitTimeout(message, details={"job_id": job_id}) from None


def deadline(timeout_s: float | None) -> float | None:
    """Returns the event loop's time at which waiting ends; None for no limit."""
    return None if timeout_s is None else asyncio.get_running_loop().time() + timeout_s


def require_session(session: str | None) -> str:
    """Returns the session id. Raises `InvalidRequest` if none was given."""
    if not session:
        raise raylane.InvalidRequest.field("session_id", "missing; pass --session ID or set RAYLANE_SESSION")
    return session


def _next_commands(job_id: str) -> str:
    return f"raylane follow {job_id}, raylane cancel {job_id}"
