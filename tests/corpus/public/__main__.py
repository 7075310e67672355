"""Compares how public files are read, prints every difference, and fails if one of them has not been judged.

Run as `python -m tests.corpus.public [FOLDER] [--match TEXT]`. Each difference that was judged is in `judged.toml`, as
the line that is printed, below the reason why Raylane is right or why there are two opinions.
"""

from __future__ import annotations

import argparse
import sys
import time
import tomllib
import warnings
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.corpus.public import packages
from tests.corpus.public.compare import Comparison, compare

if TYPE_CHECKING:
    from collections.abc import Iterable

FOLDER: Final = Path("build/public")


@dataclass
class Report:
    """What became of all files. `because` has the reason for each line that was judged."""

    because: dict[str, str]
    results: dict[str, Comparison] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)

    def add(self, name: str, result: Comparison) -> None:
        """Takes the comparison of a file into account."""
        self.results[name] = result
        self.seen |= set(self._lines(name))

    def print(self, *, is_complete: bool) -> bool:
        """Prints the report. Returns whether every difference was judged, and every judgement is of a difference."""
        unjudged = [line for line in self.seen if line not in self.because]
        unused = sorted(set(self.because) - self.seen) if is_complete else []
        refused = {name for name, result in self.results.items() if result.refusal}
        self._section("Files that Raylane refuses", (line for name in refused for line in self._lines(name)))
        others = self.results.keys() - refused
        self._section("Files that it reads otherwise", (line for name in others for line in self._lines(name)))
        _list("Not judged", unjudged)
        _list("Judged, but not so any more", unused)
        differing = {name for name in others if self.results[name].differences}
        wrong = {name for name in self.results if any(line not in self.because for line in self._lines(name))}
        print(
            f"\n{len(self.results):,} files, with {self._sum('cells'):,} cells and {self._sum('sums'):,} sums compared",
            f"{len(others) - len(differing):6,} read as pandas and DuckDB read them",
            f"{len(differing - wrong):6,} read otherwise by design",
            f"{len(refused - wrong):6,} refused by design",
            f"{len(wrong):6,} wrong, or not judged",
            sep="\n",
        )
        return not unjudged and not unused

    def _lines(self, name: str) -> list[str]:
        result = self.results[name]
        found = [f"refused: {result.refusal}"] if result.refusal else result.differences
        return [f"{name}: {difference}" for difference in found]

    def _section(self, title: str, lines: Iterable[str]) -> None:
        by_reason: defaultdict[str, list[str]] = defaultdict(list)
        for line in lines:
            if line in self.because:
                by_reason[self.because[line]].append(line)
        print(f"\n{title}")
        for reason, found in sorted(by_reason.items()):
            print(f"\n  {reason}:", *(f"    {line}" for line in sorted(found)), sep="\n")

    def _sum(self, name: str) -> int:
        return sum(getattr(result, name) for result in self.results.values())


def main() -> int:
    """Returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, help="a folder with other files; the public ones if left out")
    parser.add_argument("--match", default="", metavar="TEXT", help="only files whose name has it")
    arguments = parser.parse_args()
    packages.download(FOLDER)
    sys.path.append(str(FOLDER))  # openpyxl and xlrd
    # The other readers warn of what they leave out, and of formats that they try.
    warnings.filterwarnings("ignore", category=UserWarning)
    report = Report({} if arguments.folder else _judged())
    started = time.monotonic()
    found = packages.tables(arguments.folder) if arguments.folder else packages.public_tables(FOLDER)
    for name, path in found:
        if arguments.match in name:
            report.add(name, compare(path))
            if len(report.results) % 100 == 0:
                print(f"{len(report.results):,} files …", file=sys.stderr)
    is_right = report.print(is_complete=not arguments.folder and not arguments.match)
    print(f"{time.monotonic() - started:.0f} s")
    return int(not is_right)


def _judged() -> dict[str, str]:
    """Returns the reason for each line."""
    judgements = tomllib.loads(Path(__file__).with_name("judged.toml").read_text("utf-8"))["judged"]
    return {line: one["because"] for one in judgements for line in one["differences"].splitlines() if line}


def _list(title: str, lines: Iterable[str]) -> None:
    found = sorted(lines)
    if found:
        print(f"\n{title}\n", *(f"  {line}" for line in found), sep="\n")


if __name__ == "__main__":
    sys.exit(main())
