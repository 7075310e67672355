"""The jobs that every system runs, and the clock they keep: the same code for all, standard library only.

Every job notes its beginning and its end in a small file that its worker process maps into memory (about a
microsecond, no command to the server). The benchmark reads these files from outside, so that a drain is measured the
same way for all: from the first beginning to the last end, over all worker processes.
"""

from __future__ import annotations

import asyncio
import mmap
import os
import struct
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

NOOP: Final = "noop"
SLEEP50: Final = "sleep50"
LONG: Final = "long"
CLOCK_DIR: Final = "BENCH_CLOCK_DIR"

_LAYOUT: Final = struct.Struct("<QQdd")
_clocks: dict[str, _Clock] = {}


async def noop() -> None:
    """Nothing: what is measured is the queue."""
    with _clock(NOOP):
        pass


async def sleep50() -> None:
    """A job that waits for something else, as most do."""
    with _clock(SLEEP50):
        await asyncio.sleep(0.05)


async def long() -> None:
    """A job that is still running when its worker is killed."""
    with _clock(LONG):
        await asyncio.sleep(600)


@dataclass(frozen=True)
class Tally:
    """What one process ran of one job: how many began and ended, and the monotonic seconds of the first and last."""

    begun: int = 0
    ended: int = 0
    first_begin_s: float = 0.0
    last_end_s: float = 0.0


class _Clock:
    """Counts the beginnings and ends of one job in this process."""

    def __init__(self, job: str) -> None:
        path = Path(os.environ[CLOCK_DIR]) / f"{job}.{os.getpid()}"
        path.write_bytes(bytes(_LAYOUT.size))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), _LAYOUT.size)
        self._begun = self._ended = 0
        self._first_begin_s = self._last_end_s = 0.0

    def __enter__(self) -> None:
        if not self._begun:
            self._first_begin_s = time.monotonic()
        self._begun += 1
        self._write()

    def __exit__(self, *_: object) -> None:
        self._ended += 1
        self._last_end_s = time.monotonic()
        self._write()

    def _write(self) -> None:
        _LAYOUT.pack_into(self._map, 0, self._begun, self._ended, self._first_begin_s, self._last_end_s)


def _clock(job: str) -> _Clock:
    # Made by the process that runs the job, which may be a child of the one that imported this.
    return _clocks.get(job) or _clocks.setdefault(job, _Clock(job))


def read(directory: Path, job: str) -> dict[int, Tally]:
    """By process id, what the workers that write into this directory ran of this job."""
    return {
        int(path.suffix[1:]): Tally(*_LAYOUT.unpack(data))
        for path in directory.glob(f"{job}.*")
        if len(data := path.read_bytes()) == _LAYOUT.size
    }
