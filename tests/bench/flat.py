"""Whether a job costs the same with a thousand and with a million others in the queue: ours, by depth.

Each depth has a server of its own, so that the depths are measured in turn, in the same mood of the machine. Rates move
with that mood all the same; the server's own processor time for a job does so less.
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

FIGURES: Final = ("enqueue_batch_per_s", "run_per_s", "enqueue_server_us", "run_server_us")
_FILL_S: Final = 600.0
_DRAIN_S: Final = 30.0
_FILL_AT_ONCE: Final = 100_000


def flatness(system: System, servers: Mapping[int, Server], jobs: int, rounds: int) -> Flat:
    """By depth: jobs per second that are enqueued in batches and that are run, and the server's microseconds for each.

    `jobs` are enqueued on top of so many, and then as many are claimed, run and finished, `rounds` times; the medians
    count. Raises `BenchError`.
    """
    for depth, server in servers.items():
        for start in range(0, depth, _FILL_AT_ONCE):
            _enqueue(system, server, min(_FILL_AT_ONCE, depth - start))
        # Filling has set off the rewrite of its file; what is measured is the depth, not the filling.
        server.settle()
    rounds_of = defaultdict(list)
    for _ in range(rounds):
        for depth, server in servers.items():
            before_s = server.cpu_s()
            enqueued = _enqueue(system, server, jobs)
            between_s = server.cpu_s()
            ran = _run(system, server, jobs)
            costs_s = (between_s - before_s, server.cpu_s() - between_s)
            rounds_of[depth].append((enqueued, ran, *(1e6 * cost_s / jobs for cost_s in costs_s)))
    found: Flat = {}
    for depth, server in servers.items():
        medians = (statistics.median(column) for column in zip(*rounds_of[depth], strict=True))
        found[str(depth)] = dict(zip(FIGURES, medians, strict=True)) | {"server_mib": server.memory_mib()}
    return found


def _enqueue(system: System, server: Server, count: int) -> float:
    rate = produce(system, server.url, "batch", work.NOOP, count, timeout_s=_FILL_S)
    return float(rate)


def _run(system: System, server: Server, count: int) -> float:
    with TemporaryDirectory(prefix="bench-") as directory:
        clock_dir = Path(directory)
        with Worker(system, server.url, clock_dir, system.drain) as worker:
            return drained_per_s(clock_dir, work.NOOP, count, [worker], _DRAIN_S)
