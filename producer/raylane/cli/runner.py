"""Runs a command: opens the producer, waits with live progress, prints, and turns errors into exit codes.

What is heavy is loaded when a command runs, so that `raylane --help` is quick.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
import traceback
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, TypeVar

import typer

import raylane
from raylane.cli.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from raylane.cli.options import Call, Output
    from raylane.handle import JobHandle
    from raylane.producer import Producer
    from raylane_common.errors import ErrorInfo
    from raylane_common.wire.kinds import Result

ResultT = TypeVar("ResultT", bound="Result")

EXIT_FAILED: Final = 1
EXIT_USAGE: Final = 2
EXIT_NOT_FOUND: Final = 3
EXIT_TIMED_OUT: Final = 4
EXIT_UNAVAILABLE: Final = 69
EXIT_INTERRUPTED: Final = 130

_EXIT_CODES: Final = {
    "invalid_request": EXIT_USAGE,
    "job_id_taken": EXIT_USAGE,
    "job_not_requeued": EXIT_USAGE,
    "job_not_found": EXIT_NOT_FOUND,
    "run_not_found": EXIT_NOT_FOUND,
    "table_not_found": EXIT_NOT_FOUND,
    "wait_timeout": EXIT_TIMED_OUT,
    "queue_unavailable": EXIT_UNAVAILABLE,
}


def run(command: Callable[[Producer, Terminal], Awaitable[None]], call: Call | Output) -> None:
    """Runs the command to its end; raises `typer.Exit` with a code other than 0 if it did not succeed."""
    terminal = Terminal(as_json=call.as_json)

    async def opened() -> None:
        _cancel_on_interrupt()
        async with raylane.Producer(redis_url=call.redis_url) as producer:
            await command(producer, terminal)

    try:
        asyncio.run(opened())
    except (KeyboardInterrupt, asyncio.CancelledError):
        job_id = terminal.job_id
        terminal.say(f"interrupted; job {job_id} goes on: {_ways_on(job_id)}" if job_id else "interrupted")
        raise typer.Exit(EXIT_INTERRUPTED) from None
    except raylane.RaylaneError as error:
        terminal.error(error.info())
        raise typer.Exit(exit_code(error.info())) from error
    except (typer.Exit, BrokenPipeError):
        raise
    except Exception as error:  # a defect of ours: its place in a sentence is more use to a caller than a traceback
        place = traceback.extract_tb(error.__traceback__)[-1]
        message = f"{type(error).__name__}: {error} ({place.filename}, line {place.lineno}); please report it"
        terminal.error(raylane.ErrorInfo(code="internal_error", message=message))
        raise typer.Exit(EXIT_FAILED) from error


def run_job(enqueue: Callable[[Producer], Awaitable[JobHandle[ResultT]]], call: Call) -> None:
    """Enqueues one job; prints its result if it is waited for, else its id."""

    async def command(producer: Producer, terminal: Terminal) -> None:
        await conclude(producer, await enqueue(producer), call, deadline(call.timeout_s), terminal)

    run(command, call)


async def conclude(
    producer: Producer, handle: JobHandle[ResultT], call: Call, until: float | None, terminal: Terminal
) -> None:
    """Prints the job's result if it is waited for, else its id."""
    if call.wait:
        result = await finish(producer, handle, until, terminal)
        show(result, terminal)
    else:
        terminal.job(handle.id)


async def finish(producer: Producer, handle: JobHandle[ResultT], until: float | None, terminal: Terminal) -> ResultT:
    """The job's result, after having shown the job live. Raises `WaitTimeout`, or the job's own error."""
    await watch(producer, handle.id, until, terminal)
    return await handle.result()


async def watch(producer: Producer, job_id: str, until: float | None, terminal: Terminal) -> None:
    """Shows the job live until it has ended. `until` is in the loop's time. Raises `WaitTimeout`, `JobNotFound`."""
    terminal.job_id = terminal.job_id or job_id
    with terminal.progress(job_id) as tell:
        async with patience(terminal.job_id, until):
            async for event in producer.follow(job_id):
                tell(event)


@asynccontextmanager
async def patience(job_id: str, until: float | None) -> AsyncIterator[None]:
    """Raises `WaitTimeout` when the block is still waiting for the job at `until`."""
    try:
        async with asyncio.timeout_at(until) as limit:
            yield
    except TimeoutError:
        if not limit.expired():
            raise
        message = f"job {job_id} had not ended in time; it goes on: {_ways_on(job_id)}"
        raise raylane.WaitTimeout(message, details={"job_id": job_id}) from None


def deadline(timeout_s: float | None) -> float | None:
    """When patience ends, in the loop's time; None: never."""
    return None if timeout_s is None else asyncio.get_running_loop().time() + timeout_s


def show(result: Result, terminal: Terminal) -> None:
    """Prints a result of any kind."""
    from raylane.cli.render import show_result

    if terminal.as_json:
        terminal.models(result)
    else:
        show_result(result, terminal)


def need_session(session: str | None) -> str:
    """The session id. Raises `InvalidRequest` if none was given."""
    if not session:
        raise raylane.InvalidRequest.field("session_id", "missing; pass --session ID or set RAYLANE_SESSION")
    return session


def exit_code(error: ErrorInfo) -> int:
    """What the command exits with after this error."""
    return _EXIT_CODES.get(error.code, EXIT_FAILED)


def _ways_on(job_id: str) -> str:
    return f"raylane follow {job_id}, raylane cancel {job_id}"


def _cancel_on_interrupt() -> None:
    """Ctrl-C cancels the running task between two of its steps; asyncio's own handler may do it within one.

    A task that is cancelled within a step and enters `asyncio.timeout` next, as redis-py does, loses the cancellation.
    """
    task = asyncio.current_task()
    if task is not None and sys.platform != "win32" and threading.current_thread() is threading.main_thread():
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, task.cancel)
