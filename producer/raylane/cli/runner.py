"""Runs a command: opens the producer, and turns errors into exit codes.

Heavy modules are imported when a command runs, so that `raylane --help` is fast.
"""

from __future__ import annotations

import os
import traceback
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

import typer

import raylane
from raylane.cli import awaiting, origins, process, traced
from raylane.cli.process import ExitCode
from raylane.cli.terminal import OutputError, Terminal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from pydantic import JsonValue

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
        from raylane.cli import connecting

        with traced.command_span():
            async with connecting.producer(options.redis_url, terminal.note) as producer:
                await command(producer, terminal)

    with exits(terminal), traced.spans_sent(terminal):
        process.run_interruptible(with_producer())


def execute_here(command: Callable[[Terminal], None], *, as_json: bool) -> None:
    """Runs a command that needs no Redis. If it fails, raises `typer.Exit` with its exit code."""
    terminal = Terminal(as_json=as_json)
    with exits(terminal):
        command(terminal)


@contextmanager
def exits(terminal: Terminal) -> Iterator[None]:
    """Turns the error of the block, or Ctrl-C, into a message and `typer.Exit`."""
    try:
        yield
    except KeyboardInterrupt:
        job_id = terminal.job_id
        said = (
            f"interrupted; job {job_id} continues: {awaiting.next_commands(job_id)}" if job_id else terminal.interrupted
        )
        if terminal.as_json:
            details: dict[str, JsonValue] = {"job_id": job_id} if job_id else {}
            terminal.error(raylane.ErrorInfo(code="interrupted", message=said, details=details))
        else:
            terminal.note(said)
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    except raylane.RaylaneError as error:
        terminal.error(origins.named(error.info()))
        if isinstance(error, raylane.JobNotFound) and not terminal.as_json:
            terminal.note("raylane jobs lists the jobs that are there")
        if isinstance(error, raylane.QueueUnavailable) and terminal.job_id:
            terminal.note(f"job {terminal.job_id} continues: {awaiting.next_commands(terminal.job_id)}")
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
        await awaiting.show_result_or_id(
            producer, handle, options, awaiting.deadline(options.timeout_s), terminal, show
        )

    execute(command, options)


def execute_look(enqueue: Callable[[Producer], Awaitable[JobHandle[ResultT]]], options: WaitOptions) -> None:
    """Looks at the cluster or the catalog. Prints the result and nothing else, or the job's id."""

    async def command(producer: Producer, terminal: Terminal) -> None:
        handle = await enqueue(producer)
        until = awaiting.deadline(options.timeout_s)
        await awaiting.show_result_or_id(producer, handle, options, until, terminal, talks=False)

    execute(command, options)


def execute_upload(
    upload: Callable[[Producer, Callable[[UploadProgress], None]], Awaitable[JobHandle[ResultT]]], options: WaitOptions
) -> None:
    """Uploads a file and shows how far that is. Prints the job's result if the command waits for it, else its id."""

    async def command(producer: Producer, terminal: Terminal) -> None:
        until = awaiting.deadline(options.timeout_s)
        handle = await awaiting.send(producer, terminal, lambda progress: upload(producer, progress))
        await awaiting.show_result_or_id(producer, handle, options, until, terminal)

    execute(command, options)


def require_session(session: str | None) -> str:
    """Returns the session id of the option, else of `RAYLANE_SESSION` or the context.

    Raises `InvalidRequest` if none was given.
    """
    if found := session_or_none(session):
        return found
    problem = "missing; pass --session ID or set RAYLANE_SESSION, or use a context that has one"
    raise raylane.InvalidRequest.field("session_id", problem)


def session_or_none(session: str | None) -> str | None:
    """Returns the session id of the option, else of `RAYLANE_SESSION` or the context; None if there is none."""
    from raylane.cli import contexts

    active = contexts.active()
    of_context = active.context.session if active else None
    in_environment = os.environ.get("RAYLANE_SESSION")
    if active and active.chosen_by == "option":
        return session or of_context or in_environment
    return session or in_environment or of_context
