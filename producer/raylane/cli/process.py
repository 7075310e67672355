"""Shared by the commands `raylane` and `raylane-worker`: exit codes, Ctrl-C, and warnings about variables."""

from __future__ import annotations

import asyncio
import io
import logging
import os
import re
import signal
import sys
import threading
from contextlib import contextmanager, suppress
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator

    from raylane_common.errors import ErrorInfo

T = TypeVar("T")


class ExitCode(IntEnum):
    """The exit codes of commands. 69 is EX_UNAVAILABLE in sysexits.h; 130 is what shells report after Ctrl-C."""

    FAILED = 1
    USAGE = 2
    NOT_FOUND = 3
    TIMED_OUT = 4
    UNAVAILABLE = 69
    INTERRUPTED = 130


_EXIT_CODES: Final = {
    "invalid_request": ExitCode.USAGE,
    "job_id_taken": ExitCode.USAGE,
    "job_not_requeued": ExitCode.USAGE,
    "not_found": ExitCode.NOT_FOUND,
    "job_not_found": ExitCode.NOT_FOUND,
    "run_not_found": ExitCode.NOT_FOUND,
    "table_not_found": ExitCode.NOT_FOUND,
    "answer_file_gone": ExitCode.NOT_FOUND,
    "wait_timeout": ExitCode.TIMED_OUT,
    "queue_unavailable": ExitCode.UNAVAILABLE,
    "write_not_confirmed": ExitCode.UNAVAILABLE,
    "cluster_unsupported": ExitCode.UNAVAILABLE,
}


_NOT_READ_FROM_FILE: Final = ("RAYLANE_SESSION", "RAYLANE_CONTEXT", "RAYLANE_SECRETS_DIR")


def exit_code(error: ErrorInfo) -> ExitCode:
    """Returns the exit code of a command that ended with this error."""
    return _EXIT_CODES.get(error.code, ExitCode.FAILED)


def show_what_can_be_shown() -> None:
    """Makes stdout and stderr replace the characters that their encoding lacks; by default they raise an error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def run_interruptible(work: Coroutine[Any, Any, T]) -> T:
    """Runs the coroutine in a new event loop. Raises `KeyboardInterrupt` if Ctrl-C cancelled it.

    SIGTERM cancels it as well, and then ends the process.
    """
    terminated: list[bool] = []

    async def main() -> T:
        _cancel_on_interrupt(terminated)
        return await work

    try:
        return asyncio.run(main())
    except asyncio.CancelledError:
        if terminated:  # the terminal is as it was, so end as if nothing had caught the signal
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGTERM)
        raise KeyboardInterrupt from None


@contextmanager
def interrupts_end_it() -> Iterator[None]:
    """Makes Ctrl-C end the process at once, until the block handles it itself: a server that is loading loses nothing.

    An exception would not do: pydantic, which builds models then, turns it into an error of its own.
    """

    def end(*_: object) -> None:
        with suppress(OSError):
            os.write(2, b"interrupted\n")
        os._exit(ExitCode.INTERRUPTED)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


class _UnreadLines(logging.Handler):
    """Collects what python-dotenv says of lines that it does not understand."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.warnings: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Makes a warning that names the file."""
        said = record.getMessage()
        at = re.search(r"line (\d+)$", said)
        problem = f", line {at[1]}: is not NAME=value with closed quotes, and is not read" if at else f": {said}"
        self.warnings.append(f"warning: .env{problem}")


def variable_warnings() -> list[str]:
    """Returns one warning for each `RAYLANE_` variable in the environment or `.env` that has no effect there.

    Lines of `.env` that are no variables come first.
    """
    from pydantic_settings import DotEnvSettingsSource

    from raylane_common.settings import Settings, unknown_variables

    unread_lines = _UnreadLines()
    # Whoever has no logging gets these lines bare, and once for each reading.
    logging.getLogger("dotenv").addHandler(logging.NullHandler())
    logging.getLogger("dotenv").addHandler(unread_lines)
    try:
        in_file = [name.upper() for name in DotEnvSettingsSource(Settings).env_vars]
    except (OSError, UnicodeDecodeError):
        in_file = []  # `load_settings` reports it
    finally:
        logging.getLogger("dotenv").removeHandler(unread_lines)
    unread = [name for name in _NOT_READ_FROM_FILE if name in in_file and name not in os.environ]
    return [
        *unread_lines.warnings,
        *(f"warning: {name} is not read from .env; set it in the environment" for name in unread),
        *(
            f"warning: {name} is not a setting" + (f"; did you mean {nearest}?" if nearest else "")
            for name, nearest in unknown_variables(dict.fromkeys([*os.environ, *in_file]))
        ),
    ]


def _cancel_on_interrupt(terminated: list[bool]) -> None:
    """Makes Ctrl-C cancel the running task between two of its steps; asyncio's own handler may do it within a step.

    A task that is cancelled within a step loses the cancellation if it then enters `asyncio.timeout`, as redis-py does.
    SIGTERM cancels too, unless something else handles it, and is noted in `terminated`: it must not leave a terminal
    without a cursor, or on the screen of `raylane top`.
    """
    task = asyncio.current_task()
    if task is not None and sys.platform != "win32" and threading.current_thread() is threading.main_thread():
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGINT, task.cancel)

        def terminate() -> None:
            terminated.append(True)
            task.cancel()

        if signal.getsignal(signal.SIGTERM) == signal.SIG_DFL:
            loop.add_signal_handler(signal.SIGTERM, terminate)
