"""Directories for files that are too large for memory. Each is removed at the end of its attempt.

A worker that starts removes those of workers that were killed.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import shutil
import tempfile
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from raylane_common.errors import ScratchFull

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_PREFIX: Final = "raylane-scratch-"
NO_SPACE: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
"""The numbers of the errors of a full disk."""
_HINT: Final = "free some space, or name another directory with RAYLANE_UPLOADS__SCRATCH_DIR"


@asynccontextmanager
async def scratch(parent: Path | None, needed_bytes: int) -> AsyncIterator[Path]:
    """Yields a new directory below `parent`, or below the system's for temporary files, and removes it at the end.

    Raises `ScratchFull` if fewer than `needed_bytes` bytes are free there, if it cannot be written, or if its disk
    fills up during the block.
    """
    directory, lock = _make(parent, needed_bytes)
    try:
        yield directory
    except OSError as error:
        if error.errno in NO_SPACE:
            raise filled_up(directory.parent) from error
        raise
    finally:
        try:
            await asyncio.to_thread(shutil.rmtree, directory, ignore_errors=True)
        finally:
            os.close(lock)


def filled_up(directory: Path) -> ScratchFull:
    """Returns the error for a disk that filled up while a file was read."""
    return ScratchFull(f"the disk of {directory} filled up while the file was read; {_HINT}")


def remove_left(parent: Path | None) -> int:
    """Removes the directories of workers that were killed; returns how many there were. Blocks."""
    removed = 0
    for directory in Path(parent or tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with suppress(OSError):
            lock = os.open(directory, os.O_RDONLY)
            try:
                # The system unlocks what a process had locked when the process ends.
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(directory, ignore_errors=True)
                removed += 1
            finally:
                os.close(lock)
    return removed


def _make(parent: Path | None, needed_bytes: int) -> tuple[Path, int]:
    """Returns a new directory, and the descriptor by which it is locked."""
    where = parent or Path(tempfile.gettempdir())
    try:
        free_bytes = shutil.disk_usage(where).free
        if free_bytes < needed_bytes:
            raise ScratchFull(
                f"{where} of the worker has {free_bytes:,} bytes free, and the file needs {needed_bytes:,}; {_HINT}"
            )
        # A worker that starts at this moment removes a directory that is not locked yet. Then another one is made.
        while True:
            directory = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=where))
            if (lock := _locked(directory)) is not None:
                return directory, lock
    except OSError as error:
        if error.errno in NO_SPACE:
            raise filled_up(where) from error
        hint = "create it, make it writable, or name another directory with RAYLANE_UPLOADS__SCRATCH_DIR"
        raise ScratchFull(f"{where} of the worker cannot be written: {error.strerror}; {hint}") from error


def _locked(directory: Path) -> int | None:
    """Returns the descriptor by which the directory is locked, or None if it was removed before."""
    try:
        lock = os.open(directory, os.O_RDONLY)
    except FileNotFoundError:
        return None
    fcntl.flock(lock, fcntl.LOCK_EX)
    if directory.exists():
        return lock
    os.close(lock)
    return None
