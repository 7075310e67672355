"""Measures how long a question takes to be answered: `make bench-answer`.

One embedded stack, whose cluster is warm; in each round a bare job of Ray, a question with each engine, and the same
question at an earlier commit take turns. Compare the ratios, since a machine may be slow or busy. The figures are
written to build/bench/answer.json: seconds, medians of the rounds. What could not be measured is null there, and a note
says why.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import sys
import time
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

from tests.bench.answer import before
from tests.bench.answer.figures import DISTRIBUTED, LOCAL, QUICK, Bench, Sizes
from tests.bench.answer.parts import PARTS
from tests.bench.processes import OUT
from tests.bench.report import Target, target_lines

if TYPE_CHECKING:
    from collections.abc import Mapping

    Figures = dict[str, Any]

_OVER_BARE: Final = 1.6
_OVER_BEFORE: Final = 0.5
_WARM_OVER_BARE: Final = 0.7
_OUTSIDE_S: Final = 0.5


def main() -> None:
    """Runs the benchmark, prints the table and the targets, and writes the JSON."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.answer", description="Measures answers.")
    parser.add_argument("--quick", action="store_true", help="two rounds, and files of at most 1 MiB")
    parser.add_argument("--skip-before", action="store_true", help=f"without the code of {before.COMMIT}")
    parser.add_argument("--rounds", type=int, help="rounds of the small question (7; quick: 2)")
    options = parser.parse_args()
    # So that every process that was started also ends, however this one does.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by SIGTERM"))
    sizes = QUICK if options.quick else Sizes()
    if options.rounds:
        sizes = Sizes(options.rounds, sizes.cases)
    began_s = time.monotonic()
    with Bench(sizes, with_before=not options.skip_before) as bench:
        found = bench.run()
    print(table(found), end="\n\n")
    if bench.notes:
        print(*bench.notes, sep="\n", end="\n\n")
    found_targets = targets(found)
    print(target_lines(found_targets))
    found["machine"] = machine() | {"rounds": sizes.rounds, "took_s": time.monotonic() - began_s}
    found |= {"notes": bench.notes, "targets": [target._asdict() for target in found_targets]}
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "answer.json").write_text(json.dumps(found, indent=2) + "\n")
    print("\nwritten to build/bench/answer.json")


def table(found: Mapping[str, Any]) -> str:
    """Returns the figures as lines of text, in seconds."""
    bare = found["parts"]["bare"]
    lines = [
        f"{name:26}{_number(value):>8}"
        for name, value in (
            ("bare job, polled as ours", found["bare_s"]),
            ("bare job, as Ray's CLI", bare["as_its_cli"]),
            ("local", found["local_s"]),
            ("distributed", found["distributed_s"]),
            ("local, by a warm run", found["warm_s"]),
            ("bare job beside it", bare["beside_warm"]),
            (f"at {before.COMMIT}", found["before_s"]),
            ("local, outside Ray", found["outside_ray_s"]),
        )
    ]
    lines += ["", f"{'part':26}{LOCAL:>8}{DISTRIBUTED:>14}{'warm':>8}"]
    split = found["parts"]
    for name in (*PARTS, "ray"):
        values = [split[each].get(name) for each in (LOCAL, DISTRIBUTED, "warm")]
        if any(value is not None for value in values):
            lines.append(f"{name:26}{_number(values[0]):>8}{_number(values[1]):>14}{_number(values[2]):>8}")
    lines += ["", f"{'size':26}{LOCAL:>8}{DISTRIBUTED:>14}"]
    for size, figures in found["sizes"].items():
        values = [figures.get(f"{engine}_s") for engine in (LOCAL, DISTRIBUTED)]
        lines.append(f"{size:26}{_number(values[0]):>8}{_number(values[1]):>14}")
    return "\n".join(lines)


def targets(found: Mapping[str, Any]) -> list[Target]:
    """Compares the figures with what is promised."""
    beside_warm_s = found["parts"]["bare"]["beside_warm"]
    local_s, bare_s, before_s, outside_s = (found[key] for key in ("local_s", "bare_s", "before_s", "outside_ray_s"))
    return [
        _ratio(f"local within {_OVER_BARE:g} of a bare job", local_s, bare_s, _OVER_BARE),
        _ratio(f"local within {_OVER_BEFORE:g} of {before.COMMIT}", local_s, before_s, _OVER_BEFORE),
        _ratio(
            f"by a warm run within {_WARM_OVER_BARE:g} of a bare job", found["warm_s"], beside_warm_s, _WARM_OVER_BARE
        ),
        Target(
            f"local: at most {_OUTSIDE_S:g} s outside Ray's start and end",
            None if outside_s is None else outside_s <= _OUTSIDE_S,
            f"{_number(outside_s)} s",
        ),
    ]


def machine() -> Figures:
    """Returns what the figures were taken on."""
    return {
        "cores": os.cpu_count(),
        "platform": platform.platform(),
        "python": platform.python_version(),
        "load": os.getloadavg()[0],
        "versions": {name: version(name) for name in ("ray", "pandas", "pyarrow")},
    }


def _ratio(name: str, ours_s: float | None, theirs_s: float | None, bound: float) -> Target:
    if ours_s is None or theirs_s is None:
        return Target(name, None, f"{_number(ours_s)} s beside {_number(theirs_s)} s")
    return Target(name, ours_s <= bound * theirs_s, f"{ours_s / theirs_s:.2f}: {ours_s:.2f} s beside {theirs_s:.2f} s")


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


if __name__ == "__main__":
    main()
