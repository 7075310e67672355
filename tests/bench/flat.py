"""Whether a job costs the same with a thousand and with a million others in the queue: ours, by depth.

Each depth has a server of its own, so that the depths are measured in turn, in the same mood of the machine.
"""

from __future__ import annotations

import statistics
from collections import defaultdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from tests.bench import work
from tests.bench.figures import drained_per_s
from tests.bench.processes import Worker, produce

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.bench.server import Server
    from tests.bench.systems import System

    Flat = dict[str, dict[str, float]]

_FILL_S: Final = 600.0
_DRAIN_S: Final = 30.0
_FILL_AT_ONCE: Final = 100_000


def flatness(system: System, servers: Mapping[int, Server], jobs: int, rounds: int) -> Flat:
    """By depth: jobs per second that are enqueued in batches, and that are claimed, run and finished.

    `jobs` are enqueued on top of so many, and then as many are run, `rounds` times; the medians count. Raises
    `BenchError`.
    """
    for depth, server in servers.items():
        for start in range(0, depth, _FILL_AT_ONCE):
            _enqueue(system, server, min(_FILL_AT_ONCE, depth - start))
        # Filling has set off the rewrite of its file; what is measured is the depth, not the filling.
        server.settle()
    rates = defaultdict(list)
    for _ in range(rounds):
        for depth, server in servers.items():
            rates[depth].append((_enqueue(system, server, jobs), _run(system, server, jobs)))
    found: Flat = {}
    for depth, server in servers.items():
        enqueued, ran = (statistics.median(column) for column in zip(*rates[depth], strict=True))
        found[str(depth)] = {"enqueue_batch_per_s": enqueued, "run_per_s": ran, "server_mib": server.memory_mib()}
    return found


def _enqueue(system: System, server: Server, count: int) -> float:
    rate = produce(system, server.url, "batch", work.NOOP, count, timeout_s=_FILL_S)
    return float(rate)


def _run(system: System, server: Server, count: int) -> float:
    with TemporaryDirectory(prefix="bench-") as directory:
        clock_dir = Path(directory)
        with Worker(system, server.url, clock_dir, system.drain) as worker:
            return drained_per_s(clock_dir, work.NOOP, count, [worker], _DRAIN_S)
