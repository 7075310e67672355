"""Reads an uploaded file outside the event loop: a small one in a thread, a large one in a process of its own.

The process keeps the memory of a worker small, can be ended at any time, and a library that crashes in it does not end
the worker. See docs/decisions/0030.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pydantic import BaseModel, ValidationError

from raylane_common.errors import InternalError, InvalidFile, RaylaneError
from raylane_common.errors.base import ErrorInfo
from raylane_common.wire.reading import ReadingOptions
from raylane_worker.data.file_content import FileContent
from raylane_worker.importing import IMPORTING

if TYPE_CHECKING:
    from collections.abc import Sequence

# Reading needs a few times as much memory, and starting a process takes longer than reading so much.
MAX_THREAD_BYTES: Final = 8 * 1024 * 1024
# A compressed file may hold far more than its size suggests.
MAX_PACKED_THREAD_BYTES: Final = 256 * 1024
_PACKED: Final = (b"\x1f\x8b", b"BZh", b"\x28\xb5\x2f\xfd", b"PK\x03\x04", b"PAR1", b"ARROW1")
# More than enough for 5 GiB; the lane's own limit comes first unless it was raised.
TIME_LIMIT_S: Final = 3600.0
_COMMAND: Final = (sys.executable, "-m", "raylane_worker.data.prepare.child")


class Task(BaseModel):
    """The file that a child reads: the arguments of `read_file`."""

    path: str
    filename: str
    options: ReadingOptions
    copy_to: str
    share_samples: bool


class Outcome(BaseModel):
    """What a child found: either the content or an error."""

    content: FileContent | None = None
    error: ErrorInfo | None = None


@dataclass(frozen=True)
class Preparing:
    """Where files are read. The defaults are those of a worker; `command` starts the process for a large file."""

    command: Sequence[str] = _COMMAND
    max_thread_bytes: int = MAX_THREAD_BYTES
    time_limit_s: float = TIME_LIMIT_S

    async def prepare(
        self, path: Path, filename: str, options: ReadingOptions, *, copy_to: Path, share_samples: bool = False
    ) -> FileContent:
        """Reads the file at `path`, as `read_file` does.

        Raises what `read_file` raises, `InvalidFile` if a library crashes on the file or the time limit passes, and
        `InternalError` if the process ends for another reason.
        """
        task = Task(
            path=str(path), filename=filename, options=options, copy_to=str(copy_to), share_samples=share_samples
        )
        if await asyncio.to_thread(self._is_small, path):
            return await asyncio.to_thread(read_here, task)
        return await self._in_child(task)

    def _is_small(self, path: Path) -> bool:
        with path.open("rb") as file:
            is_packed = file.read(8).startswith(_PACKED)
        limit = min(self.max_thread_bytes, MAX_PACKED_THREAD_BYTES) if is_packed else self.max_thread_bytes
        return path.stat().st_size <= limit

    async def _in_child(self, task: Task) -> FileContent:
        process = await asyncio.create_subprocess_exec(
            *self.command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            async with asyncio.timeout(self.time_limit_s):
                # Our end of its stdin stays open: the child ends when it is closed, as it is when the worker dies.
                process.stdin.write(task.model_dump_json().encode() + b"\n")
                output = await process.stdout.read()
                return _content(output, await process.wait())
        except TimeoutError:
            limit = f"{self.time_limit_s:,.0f} s"
            raise InvalidFile(f"the file cannot be read within {limit}; split it, or upload it as Parquet") from None
        finally:
            if process.returncode is None:
                process.kill()
            process.stdin.close()
            await asyncio.shield(process.wait())


def read_here(task: Task) -> FileContent:
    """Reads the file in this process. Raises what `read_file` raises."""
    # pyarrow takes 51 MiB, so it is imported when a file needs it.
    with IMPORTING:
        from raylane_worker.data.prepare import read_file

    return read_file(
        Path(task.path),
        task.filename,
        task.options,
        copy_to=Path(task.copy_to),
        share_samples=task.share_samples,
    )


def _content(output: bytes, status: int) -> FileContent:
    try:
        outcome = Outcome.model_validate_json(output)
    except ValidationError:
        raise _crash(status) from None
    if outcome.error is not None:
        raise RaylaneError.from_info(outcome.error)
    if outcome.content is None:
        raise _crash(status)
    return outcome.content


def _crash(status: int) -> RaylaneError:
    if status == -signal.SIGKILL:
        return InternalError(
            "the process that read the file was killed, probably for lack of memory; give the worker more"
        )
    if status < 0:
        name = signal.Signals(-status).name
        return InvalidFile(f"the file makes the library that reads it crash ({name}); save it again, or as a CSV")
    return InternalError(f"the process that read the file ended with status {status} and no result")
