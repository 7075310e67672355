"""Reads the whole corpus, prints a table, and fails if one file is read wrong or too few are read right.

Run as `python -m tests.corpus.files [--match TEXT] [--report FILE]`.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.corpus.files import cases
from tests.corpus.files.check import Outcome, Verdict, judge

if TYPE_CHECKING:
    from collections.abc import Mapping

RIGHT_PERCENT: Final = 99


def main() -> int:
    """Returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--match", default="", metavar="TEXT", help="only cases whose group or name has it")
    parser.add_argument("--report", type=Path, default=Path("build/corpus.json"), metavar="FILE")
    arguments = parser.parse_args()
    counts: defaultdict[str, Counter[Outcome]] = defaultdict(Counter)
    verdicts: dict[str, Verdict] = {}
    started = time.monotonic()
    for group, case in cases():
        name = f"{group}: {case.name}"
        if arguments.match not in name:
            continue
        if name in verdicts:
            raise ValueError(f"two cases are named {name!r}")
        with tempfile.TemporaryDirectory() as folder:
            verdicts[name] = judge(case, Path(folder))
        counts[group][verdicts[name].outcome] += 1
        if verdicts[name].outcome is not Outcome.RIGHT:
            print(f"{verdicts[name].outcome:8} {name}: {verdicts[name].why[:300]}")
    print(_table(counts), f"{len(verdicts)} files in {time.monotonic() - started:.0f} s", sep="\n")
    total = sum(counts.values(), Counter[Outcome]())
    arguments.report.parent.mkdir(parents=True, exist_ok=True)
    arguments.report.write_text(
        json.dumps(
            {
                "files": len(verdicts),
                "outcomes": total,
                "groups": counts,
                "not_right": {name: vars(one) for name, one in verdicts.items() if one.outcome is not Outcome.RIGHT},
            },
            indent=2,
        )
    )
    return int(total[Outcome.WRONG] > 0 or total[Outcome.RIGHT] * 100 < RIGHT_PERCENT * len(verdicts))


def _table(counts: Mapping[str, Counter[Outcome]]) -> str:
    rows = [*counts.items(), ("all", sum(counts.values(), Counter[Outcome]()))]
    width = max(len(name) for name, _ in rows)
    lines = [f"{'':{width}} {' '.join(f'{outcome:>8}' for outcome in Outcome)}"]
    lines += [f"{name:{width}} {' '.join(f'{count[outcome]:8}' for outcome in Outcome)}" for name, count in rows]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
