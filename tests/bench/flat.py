"""Whether a job costs the same with a thousand and with a million others in the queue: ours, by depth."""

from __future__ import annotations

import statistics
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

from tests.bench import work
from tests.bench.figures import drained_per_s
from tests.bench.processes import Worker, produce

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.bench.server import Server
    from tests.bench.systems import System

_FILL_S: Final = 600.0
_DRAIN_S: Final = 30.0
_FILL_AT_ONCE: Final = 50_000


def flatness(system: System, server: Server, depths: Iterable[int], jobs: int, rounds: int) -> dict[str, Any]:
    """By depth: jobs per second that are enqueued in batches, and that are claimed, run and finished.

    `jobs` are enqueued on top of so many, and then as many are run, `rounds` times; the medians count.
    """
    found: dict[str, Any] = {}
    server.clean()
    stand = 0
    for depth in sorted(depths):
        while stand < depth:
            count = min(_FILL_AT_ONCE, depth - stand)
            _enqueue(system, server.url, count)
            stand += count
        # Filling has set it off; what is measured is the depth, not the filling.
        server.settle()
        rates = [(_enqueue(system, server.url, jobs), _run(system, server.url, jobs)) for _ in range(rounds)]
        enqueued, ran = (statistics.median(column) for column in zip(*rates, strict=True))
        rates_there = {"enqueue_batch_per_s": enqueued, "run_per_s": ran, "server_mib": server.memory_mib()}
        found[str(depth)] = rates_there
    return found


def _enqueue(system: System, url: str, count: int) -> float:
    rate = produce(system, url, "batch", work.NOOP, count, timeout_s=_FILL_S)
    return float(rate)


def _run(system: System, url: str, count: int) -> float:
    with TemporaryDirectory(prefix="bench-") as directory, Worker(system, url, Path(directory), system.drain) as worker:
        return drained_per_s(Path(directory), work.NOOP, count, [worker], _DRAIN_S)
