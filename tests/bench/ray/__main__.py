"""Compares our Ray client with what people write instead, over real connections that are really broken.

Run it with `make bench-ray`. `network.py` describes the addresses, `clients.py` the clients, `driver.py` and `sdk.py`
what is measured. The machine may be small and noisy, so compare the ratios. The figures are written to
build/bench/ray.json; a figure that could not be measured is null there, and a note says why.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import sys
import time
from dataclasses import replace
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

from raylane_common.errors import EmbeddedError
from tests.bench.processes import OUT, BenchError
from tests.bench.ray import report
from tests.bench.ray.cases import CASES, CLIENTS, OURS, SDK, SDK_CALLS
from tests.bench.ray.figures import QUICK, Bench, Sizes
from tests.bench.report import target_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.bench.ray.figures import Figures

PARTS: Final = ("cases", "cold_burst", "recovery", "overhead", "sdk", "run_overhead")


class Run:
    """One run of the benchmark, with notes on what could not be measured."""

    def __init__(self, only: Sequence[str]) -> None:
        """`only`: the cases to measure; all of them if empty."""
        self.notes: list[str] = []
        self._only = only
        self._started = time.monotonic()

    def note(self, text: str) -> None:
        """Notes for the reader what could not be measured."""
        print(text, file=sys.stderr, flush=True)
        if text not in self.notes:
            self.notes.append(text)

    def take(self, what: str, measure: Callable[[], Figures], otherwise: Figures) -> Figures:
        """Returns the figures, or a substitute if they cannot be measured or are not wanted."""
        if self._only and what not in self._only:
            return otherwise
        print(f"{self.took_s:5.0f} s: {what}", file=sys.stderr, flush=True)
        try:
            return measure()
        except (BenchError, EmbeddedError) as error:
            self.note(f"{what}: {error}")
            return otherwise

    @property
    def took_s(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._started


def main() -> None:
    """Runs the benchmark, prints the tables and the targets, and writes the JSON."""
    options = _options()
    # So that every process that was started also ends, however this one does.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by SIGTERM"))
    run = Run(options.only or ())
    sizes = QUICK if options.quick else Sizes()
    sizes = replace(sizes, rounds=options.rounds or sizes.rounds)
    bench = Bench(sizes, run.note, loopback=options.loopback)
    no_case = dict.fromkeys(f"{client}_s" for client in CLIENTS) | {"calls": dict.fromkeys(CLIENTS)}
    no_sdk: Figures = {what: {f"{client}_per_s": None for client in (OURS, SDK)} for what in SDK_CALLS}
    found: dict[str, Any] = {
        "cases": run.take("cases", bench.cases, dict.fromkeys(CASES, no_case)),
        "cold_burst": run.take("cold_burst", bench.cold_burst, dict.fromkeys(("calls", "dead_connects", "total_s"))),
        "recovery": run.take("recovery", bench.recovery, dict.fromkeys(("calls_that_paid", "seconds_to_private"))),
        "overhead": run.take("overhead", bench.overhead, {}),
    }
    found["overhead_ratio"] = found["overhead"].get("ratio")
    found["sdk"] = no_sdk if options.skip_real else run.take("sdk", bench.sdk, no_sdk)
    found["run_overhead"] = {} if options.skip_real else run.take("run_overhead", bench.run_overhead, {})
    if options.skip_real:
        run.note("real Ray: left out (--skip-real)")
    if options.quick:
        run.note(f"quick: who waits for its timeout made {sizes.slow_calls} calls, and its seconds are for those alone")
    targets = report.targets(found)
    if not options.only or "cases" in options.only:
        print(report.case_table(found["cases"]), end="\n\n")
    if others := report.other_lines(found):
        print(others, end="\n\n")
    if found["sdk"] is not no_sdk:
        print(report.sdk_table(found["sdk"]), end="\n\n")
    if found["run_overhead"]:
        print(report.run_table(found["run_overhead"]), end="\n\n")
    if options.only:
        run.note(f"only {', '.join(options.only)}")
    if run.notes:
        print(*run.notes, sep="\n", end="\n\n")
    print(target_lines(targets))
    found["machine"] = _machine() | {"network": bench.way, "took_s": run.took_s}
    found |= {"notes": run.notes, "targets": [target._asdict() for target in targets]}
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "ray.json").write_text(json.dumps(found, indent=2) + "\n")
    print(f"\n{run.took_s:.0f} s, written to build/bench/ray.json")


def _machine() -> dict[str, Any]:
    return {
        "cores": os.cpu_count(),
        "platform": platform.platform(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in ("aiohttp", "requests", "ray")},
    }


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.ray", description="Measures our Ray client.")
    parser.add_argument("--quick", action="store_true", help="one round, and few calls of who waits at every call")
    parser.add_argument("--only", nargs="+", metavar="CASE", choices=PARTS, help=f"measure these: {', '.join(PARTS)}")
    parser.add_argument("--skip-real", action="store_true", help="leave the comparison on a real Ray head out")
    parser.add_argument("--loopback", action="store_true", help="no network namespaces, even where they are allowed")
    parser.add_argument("--rounds", type=int, help="how often each figure is taken (3; quick: 1)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
