"""Seconds from the SIGKILL of a worker to the second start of the job it was running, while another worker lives.

This is mostly waiting, so all systems wait at the same time, each in a database of its own on the same server.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from tests.bench import work
from tests.bench.figures import PRODUCE_S
from tests.bench.processes import BenchError, Worker, produce

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tests.bench.systems import System

CAP_S: Final = 60.0
_START_S: Final = 30.0
_LOOK_S: Final = 0.1
_SECOND_S: Final = 1.0


@dataclass
class _Case:
    """One system with two workers: the first one runs the long job, the second one has shown that it works."""

    system: System
    url: str
    clock_dir: Path
    stack: ExitStack
    killed_at_s: float = 0.0

    def prepare_and_kill(self) -> None:
        """Starts both at the system's defaults, then kills the first one. Raises `BenchError`."""
        victim = self._worker()
        self._enqueue(work.LONG, 0)
        self._await("the long job did not begin", lambda: bool(self._begun()))
        self._worker()
        self._await("the second worker ran nothing", self._second_works)
        if len(self._begun()) > 1:
            raise BenchError("the long job began twice before its worker was killed")
        victim.kill()
        self.killed_at_s = time.monotonic()

    def recovery_s(self) -> float | None:
        """How long the job took to begin again; None if it has not."""
        begun = self._begun()
        return max(begun) - self.killed_at_s if len(begun) > 1 else None

    def _begun(self) -> list[float]:
        return [tally.first_begin_s for tally in work.read(self.clock_dir, work.LONG).values() if tally.begun]

    def _worker(self) -> Worker:
        worker = self.stack.enter_context(Worker(self.system, self.url, self.clock_dir))
        # At the end, none may wait for its long job.
        self.stack.callback(worker.kill)
        return worker

    def _second_works(self) -> bool:
        self._enqueue(work.NOOP, 20)
        time.sleep(_SECOND_S)
        first = work.read(self.clock_dir, work.LONG).keys()
        return bool(work.read(self.clock_dir, work.NOOP).keys() - first)

    def _enqueue(self, job: str, count: int) -> None:
        # Every batch has one job before it, which warms the connection up.
        produce(self.system, self.url, "batch", job, count, timeout_s=PRODUCE_S)

    def _await(self, otherwise: str, done: Callable[[], bool]) -> None:
        deadline = time.monotonic() + _START_S
        while not done():
            if time.monotonic() > deadline:
                raise BenchError(f"{otherwise} within {_START_S:g} s")
            time.sleep(_LOOK_S)


def recoveries(systems: Iterable[System], server: str, note: Callable[[str], None]) -> dict[str, float | None]:
    """By system: seconds until the job began again; None if that took longer than `CAP_S`."""
    found: dict[str, float | None] = {}
    with TemporaryDirectory(prefix="bench-") as directory, ExitStack() as stack:
        waiting: list[_Case] = []
        for number, system in enumerate(systems, start=1):
            clock_dir = Path(directory, system.name)
            clock_dir.mkdir()
            case = _Case(system, f"{server}/{number}", clock_dir, stack)
            try:
                case.prepare_and_kill()
                waiting.append(case)
            except BenchError as error:
                note(f"{system.name}: recovery: {error}")
        while waiting:
            time.sleep(_LOOK_S)
            for case in waiting.copy():
                taken_s = case.recovery_s()
                if taken_s is not None or time.monotonic() - case.killed_at_s > CAP_S:
                    found[case.system.name] = taken_s
                    waiting.remove(case)
    return found
