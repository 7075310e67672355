"""Waits for a job with live progress, and says when no worker takes it.

Heavy modules are imported when a command runs, so that `raylane --help` is fast.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, TypeVar

import raylane
from raylane.cli import render, sending

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from raylane.cli.parameters import WaitOptions
    from raylane.cli.terminal import Terminal
    from raylane.handle import JobHandle
    from raylane.producer import Producer
    from raylane.transfer.progress import UploadProgress
    from raylane_common.wire.kinds import Result

ResultT = TypeVar("ResultT", bound="Result")
T = TypeVar("T")

# Most looks and small jobs have ended by then, and nobody who waits has begun to wonder.
_FIRST_LOOK_S: Final = 1.0
_NEXT_LOOK_S: Final = 3.0
# What the library calls data is the argument FILE.
_WORDS: Final = {"data": "FILE"}
_HINT: Final = "start one with raylane-worker run"


async def show_result_or_id(
    producer: Producer,
    handle: JobHandle[ResultT],
    options: WaitOptions,
    until: float | None,
    terminal: Terminal,
    show: Callable[[Producer, str, ResultT, Terminal], Awaitable[None]] | None = None,
    *,
    talks: bool = True,
) -> None:
    """Prints the job's result, with `show` if given, if the command waits for it; else prints its id.

    `until` is a `deadline`. A result that `show` prints has an answer, so the output of its run is not shown before it.
    `talks` says whether the events of the job are shown where they cannot be removed again.
    """
    if not options.wait:
        terminal.job(handle.id)
        await note_missing_workers(producer, [handle.id], terminal)
        return
    result = await wait_for_result(producer, handle, until, terminal, output=show is None, talks=talks)
    if show is None:
        render.show(result, terminal)
    else:
        await show(producer, handle.id, result, terminal)


async def wait_for_result(
    producer: Producer,
    handle: JobHandle[ResultT],
    until: float | None,
    terminal: Terminal,
    *,
    output: bool = True,
    talks: bool = True,
) -> ResultT:
    """Shows the job's events until it ends, and returns its result. Raises `WaitTimeout` or the job's own error.

    The `output` of its run is shown as well, unless that is not wanted.
    """
    await show_events(producer, handle.id, until, terminal, output=output, talks=talks)
    return await handle.result()


async def show_events(
    producer: Producer, job_id: str, until: float | None, terminal: Terminal, *, output: bool, talks: bool = True
) -> None:
    """Shows the job's events, with the `output` of its run or without, until it ends.

    Raises `WaitTimeout` at `until`, a `deadline`, and `JobNotFound`.
    """
    terminal.job_id = terminal.job_id or job_id
    with terminal.progress(job_id, output=output, talks=talks) as show_event:
        async with watched(producer, job_id, terminal), time_limit(terminal.job_id, until):
            async for event in producer.follow(job_id):
                show_event(event)


async def send(
    producer: Producer, terminal: Terminal, upload: Callable[[Callable[[UploadProgress], None]], Awaitable[T]]
) -> T:
    """Returns what `upload` returns, and shows meanwhile how far it is.

    A worker has to begin the transfer of a large file. Says so if there is none. Raises what `upload` raises, in the
    words of the command line.
    """
    begun = asyncio.Event()
    with sending.shown(terminal) as shown:

        def progress(sent: UploadProgress) -> None:
            begun.set()
            shown(sent)

        async def look() -> str | None:
            [lane] = [lane for lane in await producer.operator.lanes() if lane.lane == "upload"]
            return None if lane.workers or begun.is_set() else f"no worker takes the lane {lane.lane}; the upload waits"

        async with _repeated(look, terminal):
            try:
                return await upload(progress)
            except raylane.InvalidRequest as error:
                raise error.in_words(_WORDS) from error


@asynccontextmanager
async def watched(producer: Producer, job_id: str, terminal: Terminal) -> AsyncIterator[None]:
    """Says while the block runs when no worker takes the job, and again when the last one has vanished."""

    async def look() -> str | None:
        return await _problem(producer, job_id)

    async with _repeated(look, terminal):
        yield


async def note_missing_workers(producer: Producer, job_ids: list[str], terminal: Terminal) -> None:
    """Says of each lane of these jobs if no worker takes it."""
    try:
        problems = [await _problem(producer, job_id) for job_id in job_ids]
    except raylane.RaylaneError:
        return  # the jobs are in the queue, and that is what the command was for
    for problem in dict.fromkeys(filter(None, problems)):
        terminal.note(f"{problem}; {_HINT}")


async def _problem(producer: Producer, job_id: str) -> str | None:
    taken_by = await producer.workers(job_id)
    if taken_by.workers or taken_by.is_held:
        return None
    return f"no worker takes the lane {taken_by.lane}; the job waits"


@asynccontextmanager
async def _repeated(look: Callable[[], Awaitable[str | None]], terminal: Terminal) -> AsyncIterator[None]:
    """Prints what `look` finds, once until it finds nothing, as long as the block runs."""

    async def repeat() -> None:
        said: str | None = None
        pause_s = _FIRST_LOOK_S
        while True:
            await asyncio.sleep(pause_s)
            pause_s = _NEXT_LOOK_S
            try:
                problem = await look()
            except raylane.RaylaneError:
                continue  # what the block does at the same time fails as well, and says why
            if problem and problem != said:
                terminal.note(f"{problem}; {_HINT}")
            said = problem

    looking = asyncio.create_task(repeat())
    try:
        yield
    finally:
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)


@asynccontextmanager
async def time_limit(job_id: str, until: float | None) -> AsyncIterator[None]:
    """Raises `WaitTimeout` if the block is still running at `until`, a `deadline`."""
    try:
        async with asyncio.timeout_at(until) as limit:
            yield
    except TimeoutError:
        if not limit.expired():
            raise
        message = f"job {job_id} did not end in time and continues: {next_commands(job_id)}"
        raise raylane.WaitTimeout(message, details={"job_id": job_id}) from None


def deadline(timeout_s: float | None) -> float | None:
    """Returns the event loop's time at which waiting ends; None for no limit."""
    return None if timeout_s is None else asyncio.get_running_loop().time() + timeout_s


def next_commands(job_id: str) -> str:
    """Returns what a user may type next."""
    return f"raylane follow {job_id}, raylane cancel {job_id}"
