"""The figures of one system, one round. Every wait is bounded; the server is flushed before each figure."""

from __future__ import annotations

import signal
import statistics
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

from tests.bench import work
from tests.bench.processes import BenchError, Worker, produce
from tests.bench.systems import OWN_PACE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.bench.server import Server
    from tests.bench.systems import Pace, System

    Figures = dict[str, float | None]

PRODUCE_S: Final = 120.0
_START_S: Final = 20.0
_LOOK_S: Final = 0.05
_SETTLE_S: Final = 2.0


@dataclass(frozen=True)
class Sizes:
    """How much is measured. A drain ends after `drain_s` if not all is done: the rate is that of what was done."""

    single: int = 2000
    batch: int = 10_000
    noops: int = 5000
    sleeps: int = 1000
    calls: int = 200
    drain_s: float = 10.0
    idle_s: float = 10.0


QUICK: Final = Sizes(single=500, batch=5000, noops=3000, sleeps=300, calls=50, drain_s=5.0, idle_s=5.0)


class Bench:
    """Measures one system at a time on one server."""

    def __init__(self, server: Server, sizes: Sizes) -> None:
        self._server = server
        self._sizes = sizes

    def all_of(self, system: System, note: Callable[[str], None], *, idle: bool) -> Figures:
        """Every figure but the recovery. What fails is missing, and noted.

        The `idle` cost hangs on timers and not on the mood of the machine: one round is enough for it.
        """
        figures: Figures = {}
        self._server.clean()
        measures = [self.enqueueing, self.draining, self.sleeping, self.answering, self.scaling]
        for measure in [*measures, *([self.idling] if idle else [])]:
            self._server.flush()
            try:
                figures |= measure(system)
            except BenchError as error:
                note(f"{system.name}: {error}")
        return figures

    def enqueueing(self, system: System) -> Figures:
        """Jobs per second that one producer writes, one by one and by the system's own batch."""
        single = self._produce(system, "single", work.NOOP, self._sizes.single)
        self._server.flush()
        return {
            "enqueue_single_per_s": single,
            "enqueue_batch_per_s": self._produce(system, "batch", work.NOOP, self._sizes.batch),
        }

    def draining(self, system: System) -> Figures:
        """No-ops per second that wait already when the worker starts, and the worker's memory afterwards."""
        self._produce(system, "batch", work.NOOP, self._sizes.noops)
        with self._workers(system, system.drain) as (clock_dir, workers):
            rate = drained_per_s(clock_dir, work.NOOP, self._sizes.noops, workers, self._sizes.drain_s)
            time.sleep(_SETTLE_S)
            return {"drain_noop_per_s": rate, "worker_rss_mib": workers[0].rss_mib()}

    def sleeping(self, system: System) -> Figures:
        """Jobs of 50 ms per second."""
        self._produce(system, "batch", work.SLEEP50, self._sizes.sleeps)
        with self._workers(system, system.sleep) as (clock_dir, workers):
            count = self._sizes.sleeps
            return {"sleep50_per_s": drained_per_s(clock_dir, work.SLEEP50, count, workers, self._sizes.drain_s)}

    def answering(self, system: System) -> Figures:
        """Milliseconds from enqueueing a no-op to its result, one at a time, while the worker has nothing else."""
        with self._settled_worker(system):
            ms = self._produce(system, "latency", min(system.calls, self._sizes.calls))
        quantiles = statistics.quantiles(ms, n=100, method="inclusive")
        return {"latency_p50_ms": quantiles[49], "latency_p99_ms": quantiles[98]}

    def idling(self, system: System) -> Figures:
        """Commands per second of a worker that has nothing to do."""
        with self._settled_worker(system):
            before = self._server.commands()
            time.sleep(self._sizes.idle_s)
            # The second look has counted the first one.
            return {"idle_commands_per_s": (self._server.commands() - before - 1) / self._sizes.idle_s}

    def scaling(self, system: System) -> Figures:
        """No-ops per second with one, two and four workers, which begin at the same time.

        They are up before there is anything to do, and stopped as processes while the queue is filled: otherwise some
        would drain it while others still load their modules.
        """
        figures: Figures = {}
        for number in (1, 2, 4) if system.scales else ():
            self._server.flush()
            self._server.wait_for_clients(0)
            with self._workers(system, system.drain, number) as (clock_dir, workers):
                self._server.wait_for_clients(number)
                for worker in workers:
                    worker.signal(signal.SIGSTOP)
                self._produce(system, "batch", work.NOOP, self._sizes.noops)
                for worker in workers:
                    worker.signal(signal.SIGCONT)
                rate = drained_per_s(clock_dir, work.NOOP, self._sizes.noops, workers, self._sizes.drain_s)
                figures[f"workers_{number}_per_s"] = rate
        return figures

    @contextmanager
    def _settled_worker(self, system: System) -> Iterator[None]:
        """A worker at the system's own pace that has run something and has nothing to do any more."""
        with self._workers(system) as (clock_dir, workers):
            self._produce(system, "batch", work.NOOP, 1)
            drained_per_s(clock_dir, work.NOOP, 2, workers, self._sizes.drain_s)
            time.sleep(_SETTLE_S)
            yield

    @contextmanager
    def _workers(self, system: System, pace: Pace = OWN_PACE, number: int = 1) -> Iterator[tuple[Path, list[Worker]]]:
        with TemporaryDirectory(prefix="bench-") as directory, ExitStack() as stack:
            clock_dir = Path(directory)
            workers = [Worker(system, self._server.url, clock_dir, pace) for _ in range(number)]
            yield clock_dir, [stack.enter_context(worker) for worker in workers]

    def _produce(self, system: System, *arguments: str | int) -> Any:
        return produce(system, self._server.url, *arguments, timeout_s=PRODUCE_S)


def drained_per_s(clock_dir: Path, job: str, count: int, workers: list[Worker], limit_s: float) -> float:
    """Jobs per second from the first beginning to the last end, over all workers; stops looking after `limit_s`.

    Raises `BenchError` if a worker dies, or none begins.
    """
    looking_since = begun_at = time.monotonic()
    while True:
        tallies = work.read(clock_dir, job).values()
        if sum(tally.ended for tally in tallies) >= count:
            break
        for worker in workers:
            worker.check()
        if not tallies:
            begun_at = time.monotonic()
            if begun_at - looking_since > _START_S:
                raise BenchError(f"no job began within {_START_S:g} s")
        elif time.monotonic() - begun_at > limit_s:
            break
        time.sleep(_LOOK_S)
    ended = sum(tally.ended for tally in tallies)
    if not ended:
        raise BenchError(f"no job ended within {limit_s:g} s")
    took_s = max(tally.last_end_s for tally in tallies) - min(tally.first_begin_s for tally in tallies)
    return ended / took_s
