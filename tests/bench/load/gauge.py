"""What a process holds, and how late its event loop runs."""

from __future__ import annotations

import asyncio
import os
import statistics
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

_TICK_S: Final = 0.02


@dataclass(frozen=True)
class Reading:
    """One process over one interval. `lag_*_ms` is how late the loop ran a timer of 20 ms."""

    at_s: float
    rss_mib: float
    descriptors: int
    tasks: int
    cpu_s: float
    lag_p99_ms: float
    lag_max_ms: float

    def as_dict(self) -> dict[str, float]:
        """Returns the reading for JSON."""
        return asdict(self)


class Gauge:
    """Reads the process that it runs in. Only Linux has the files that it reads."""

    def __init__(self) -> None:
        self._started_s = time.monotonic()
        self._lags_ms: list[float] = []

    async def watch(self) -> None:
        """Measures the loop's lag until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            due_s = loop.time() + _TICK_S
            await asyncio.sleep(_TICK_S)
            self._lags_ms.append(max(0.0, loop.time() - due_s) * 1000)

    def read(self) -> Reading:
        """Returns the state of the process now, and the lag since the last reading."""
        lags_ms, self._lags_ms = self._lags_ms or [0.0], []
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return Reading(
            at_s=round(time.monotonic() - self._started_s, 1),
            rss_mib=round(pages * os.sysconf("SC_PAGE_SIZE") / 2**20, 1),
            descriptors=len(os.listdir("/proc/self/fd")),
            tasks=len(asyncio.all_tasks()),
            cpu_s=round(time.process_time(), 1),
            lag_p99_ms=round(statistics.quantiles([*lags_ms, 0.0], n=100, method="inclusive")[98], 1),
            lag_max_ms=round(max(lags_ms), 1),
        )
