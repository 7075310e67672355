"""Our queue beside its peers: `make bench-queue`. One machine, one server, every system as its own processes.

Each figure is taken in several rounds, system after system within a round, and the median counts: these machines are
small and noisy, so read the ratios. The head of each driver in `systems` says what that system was given, and why;
how a job is timed, the same way for all, in `work.py`. The server is Valkey with its append-only file on. All is
written to build/bench/queue.json; what is null there is `-` in the table, and a note says why.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import signal
import sys
from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final

from tests.bench import durability, report, venvs
from tests.bench.figures import QUICK, Bench, Sizes
from tests.bench.flat import flatness
from tests.bench.processes import LOGS, OUT, BenchError
from tests.bench.recovery import CAP_S, recoveries
from tests.bench.server import Server, valkey
from tests.bench.systems import SYSTEMS
from tests.helpers.servers import Background

if TYPE_CHECKING:
    from tests.bench.durability import Costs
    from tests.bench.figures import Figures
    from tests.bench.flat import Flat
    from tests.bench.systems import System

_SHALLOW: Final = 1000


class Run:
    """One run of the benchmark: what was found so far, and what went wrong."""

    def __init__(self, url: str, options: argparse.Namespace) -> None:
        self._server = Server(url)
        self._options = options
        self._sizes = QUICK if options.quick else Sizes()
        self._rounds: dict[str, list[Figures]] = defaultdict(list)
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        """Remembers for the table what could not be measured."""
        print(text, file=sys.stderr, flush=True)
        if text not in self.notes:
            self.notes.append(text)

    def compare(self, systems: list[System]) -> dict[str, Figures]:
        """The medians of all rounds by system."""
        bench = Bench(self._server, self._sizes)
        recovering = systems
        for number in range(self._options.rounds):
            for system in systems:
                print(f"round {number + 1}: {system.name}", file=sys.stderr, flush=True)
                self._rounds[system.name].append(bench.all_of(system, self.note, idle=number == 0))
            print(f"round {number + 1}: recovery", file=sys.stderr, flush=True)
            self._server.clean()
            took_s = recoveries(recovering, self._server.url.rpartition("/")[0], self.note)
            for name, value in took_s.items():
                self._rounds[name][-1]["recovery_s"] = value
                if value is None:
                    self.note(f"{name}: recovery: not within {CAP_S:g} s")
            # Whoever is known not to come back in time is not waited for again.
            recovering = [system for system in recovering if took_s.get(system.name, 0.0) is not None]
        return {system.name: report.medians(self._rounds[system.name]) for system in SYSTEMS}

    def flat(self, systems: list[System], background: Background) -> Flat:
        """Our rates at a small and at a great depth."""
        ours = [system for system in systems if system.name == report.OURS]
        if not ours or self._options.depth <= _SHALLOW:
            return {}
        print(f"depth: {self._options.depth:,} jobs", file=sys.stderr, flush=True)
        depths = (_SHALLOW, self._options.depth)
        try:
            servers = {depth: Server(background.enter(valkey()).url) for depth in depths}
            return flatness(ours[0], servers, self._sizes.noops, self._options.rounds)
        except BenchError as error:
            self.note(f"{report.OURS}: depth: {error}")
            return {}

    def costs(self, systems: list[System], background: Background) -> Costs:
        """Our rates with each durability."""
        print("durability", file=sys.stderr, flush=True)
        try:
            return next((durability.costs(it, background) for it in systems if it.name == report.OURS), {})
        except BenchError as error:
            self.note(f"{report.OURS}: durability: {error}")
            return {}

    def machine(self) -> dict[str, Any]:
        """What the figures were taken on."""
        return {
            "cores": os.cpu_count(),
            "platform": platform.platform(),
            "python": platform.python_version(),
            "server": self._server.version(),
            "peers": {system.venv: venvs.versions(system) for system in SYSTEMS if system.venv is not None},
        }


def main() -> None:
    """Runs it all, prints the tables and the targets, writes the JSON."""
    options = _options()
    shutil.rmtree(LOGS, ignore_errors=True)
    # So that every process that was started is ended, however this one is.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by SIGTERM"))
    with Background() as background:
        run = Run(background.enter(valkey()).url, options)
        systems = _installed([system for system in SYSTEMS if system.name in options.only], run)
        costs = run.costs(systems, background)
        if options.durability:
            print(report.cost_table(costs))
            return
        figures = run.compare(systems)
        flat = run.flat(systems, background)
        found = report.targets(figures, flat)
        print(report.table({system.name: figures[system.name] for system in systems}), end="\n\n")
        if flat:
            print(report.flat_table(flat), end="\n\n")
        print(report.cost_table(costs), end="\n\n")
        print(*run.notes, sep="\n", end="\n\n")
        print(report.target_lines(found))
        data: dict[str, object] = {
            "systems": figures,
            "flat": flat,
            "durability": costs,
            "machine": run.machine(),
            "notes": run.notes,
        }
        data["targets"] = [target._asdict() for target in found]
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "queue.json").write_text(json.dumps(data, indent=2) + "\n")
    print("\nwritten to build/bench/queue.json")


def _installed(systems: list[System], run: Run) -> list[System]:
    ready = []
    for system in systems:
        try:
            venvs.make(system)
            ready.append(system)
        except BenchError as error:
            run.note(f"{system.name}: {error}")
    return ready


def _options() -> argparse.Namespace:
    names: list[str] = [system.name for system in SYSTEMS]
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="Measures our queue beside its peers.")
    parser.add_argument("--quick", action="store_true", help="one round with fewer jobs")
    parser.add_argument("--rounds", type=int, help="how often each figure is taken (3; quick: 1)")
    parser.add_argument("--depth", type=int, help="jobs in the queue for the rates at depth (1000000; quick: 20000)")
    parser.add_argument("--durability", action="store_true", help="only what each durability costs")
    parser.add_argument("--only", nargs="+", choices=names, default=names, help="only these systems")
    options = parser.parse_args()
    options.rounds = options.rounds or (1 if options.quick else 3)
    options.depth = (20_000 if options.quick else 1_000_000) if options.depth is None else options.depth
    return options


if __name__ == "__main__":
    main()
