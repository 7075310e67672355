"""Compares ways to find out a dialect, on files whose dialect is known. See docs/decisions/0028.

Run as `python -m tests.corpus.sniffers [--files NUMBER] [--show NUMBER]`. It fails if Raylane reads a file differently
without a warning.
"""

from __future__ import annotations

import argparse
import csv
import io
import random
import sys
import tempfile
import time
from collections import Counter, defaultdict
from dataclasses import dataclass
from enum import StrEnum
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Final

import duckdb

from raylane_common.errors import InvalidFile
from raylane_common.wire.reading import ReadingOptions
from raylane_worker.data.readers import open_batches
from raylane_worker.data.sniff import sniff
from tests.corpus.files.dialect import Dialect, Quoting

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_SEED: Final = 28
Rows = list[list[str]]

# Tables whose rows are repeated; of the first ones, each has a column that is not text.
_TABLES: Final[dict[str, Rows]] = {
    "people": [["id", "name", "city", "score"], ["1", "Ada", "London", "1.5"], ["2", "Grace", "", "2.25"]],
    "numbers": [["x", "y", "z"], ["1", "2.5", "-3"], ["4", "5.25", "6"], ["7", "8.75", "0"]],
    "days": [["day", "n", "note"], ["2024-01-05", "10", "a b"], ["2024-02-06", "20", "c"]],
    "accents": [["größe", "name", "n"], ["1,5", "Zoë Müller", "3"], ["2,5", "François Côté", "4"]],
    "years": [["country", "2019", "2020"], ["Chad", "1", "2"], ["Mali", "3", "4"]],
    "notes": [
        ["id", "note", "n"],
        ["1", 'says "yes", loudly; twice', "2"],
        ["2", "two\nlines", "3"],
        ["3", "it's", "4"],
    ],
    "words": [["first_name", "last_name"], ["Ada", "Lovelace"], ["Grace", "Hopper"], ["Mary", "Shelley"]],
    "names": [["id", "name", "email"], ["a1", "Lovelace, Ada", "ada@x.org"], ["b2", "Hopper, Grace", "grace@x.org"]],
    "column": [["n"], ["1"], ["22"], ["333"]],
    "index": [["", "x", "y"], ["0", "a", "1.5"], ["1", "b", "2.5"], ["2", "c", "3.5"]],
}
_WITH_NUMBERS: Final = ("people", "numbers", "days", "accents", "notes")
_TOPS: Final = {
    "nothing": "",
    "a title": "Sales report\n",
    "a title and a blank line": "Sales report 2024\n\n",
    "a comment": "# exported 2024-01-05\n",
    "a separator line": "sep={delimiter}\n",
    "blank lines": "\n\n",
}


@dataclass(frozen=True)
class File:
    """A file, the names of its columns ('' for none), and its cells."""

    features: tuple[str, ...]
    data: bytes
    names: list[str]
    rows: Rows


class Outcome(StrEnum):
    """What a reader made of a file. `WARNED` is a difference that a warning names."""

    RIGHT = "right"
    REFUSED = "refused"
    WARNED = "warned"
    WRONG = "wrong"


Read = tuple[list[str], Rows, bool]


def files(count: int) -> Iterator[File]:
    """Yields files of random dialects, the same ones each time."""
    dice = random.Random(_SEED)
    while count:
        file = _file(dice)
        if file is not None:
            count -= 1
            yield file


def _file(dice: random.Random) -> File | None:
    """Returns a file, or None if the dialect cannot hold the table."""
    table = dice.choice(list(_TABLES))
    rounds = dice.choice([1, 1, 20, 3000])
    dialect = Dialect(
        delimiter=dice.choice([",", ",", ";", ";", "\t", "|", ":", "^"]),
        quote=dice.choice(['"', '"', '"', "'"]),
        quoting=dice.choice(list(Quoting)),
        escape=dice.choice(["", "", "\\"]),
        line_end=dice.choice(["\n", "\r\n", "\r"]),
        last_line_ends=dice.random() < 0.8,
        encoding=dice.choice(["utf-8", "utf-8", "utf-8-sig", "utf-16", "cp1252"]),
    )
    has_header = dice.random() < 0.8 or table not in _WITH_NUMBERS
    top = dice.choice([*["nothing"] * 5, *list(_TOPS)[1:]]) if has_header and table != "column" else "nothing"
    trailing = dice.random() < 0.1 and table != "column"
    names, *body = _TABLES[table]
    rows = [*([names] if has_header else []), *body * rounds]
    if dialect.quoting is Quoting.NONE and any(_is_special(cell, dialect) for row in rows for cell in row):
        return None
    if table == "column" and dialect.delimiter != ",":
        return None
    text = dialect.text([[*row, ""] for row in rows] if trailing else rows)
    text = _TOPS[top].format(delimiter=dialect.delimiter).replace("\n", dialect.line_end) + text
    features = (
        f"delimiter {dialect.delimiter!r}",
        f"quotes {dialect.quoting} {dialect.quote}",
        f"line ends {dialect.line_end!r}",
        f"encoding {dialect.encoding}",
        f"table of {table}",
        f"{'names' if has_header else 'no names'}",
        f"above {top}",
        f"{'trailing delimiters' if trailing else 'plain rows'}",
        f"{len(rows)} rows",
    )
    return File(features, text.encode(dialect.encoding), names if has_header else [""] * len(names), body * rounds)


def _is_special(cell: str, dialect: Dialect) -> bool:
    return bool({dialect.delimiter, dialect.quote, "\n"} & set(cell)) or (bool(dialect.escape) and "\\" in cell)


def raylane(path: Path) -> Read:
    """Reads as Raylane does."""
    found = sniff(path, ReadingOptions())
    with open_batches(path, found.reading) as batches:
        rows = [
            list(row) for batch in batches for row in zip(*[each.to_pylist() for each in batch.columns], strict=True)
        ]
    return list(batches.names), rows, bool(found.warnings or batches.warnings)


def duckdb_alone(path: Path) -> Read:
    """Reads with DuckDB's sniffer and reader."""
    with duckdb.connect() as connection:
        relation = connection.sql("SELECT * FROM read_csv($path, all_varchar = true)", params={"path": str(path)})
        names = ["" if name.startswith("column") else name for name in relation.columns]
        return names, [[cell or "" for cell in row] for row in relation.fetchall()], False


def csv_sniffer(path: Path) -> Read:
    """Reads with Python's sniffer and reader."""
    data = path.read_bytes()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("cp1252", "replace")
    sniffer = csv.Sniffer()
    dialect = sniffer.sniff(text[:65536])
    rows = [row for row in csv.reader(io.StringIO(text, newline=""), dialect) if row]
    if sniffer.has_header(text[:65536]):
        return rows[0], rows[1:], False
    return [""] * len(rows[0]), rows, False


def judge(file: File, read: Callable[[Path], Read], path: Path) -> Outcome:
    """Returns what the reader makes of the file at `path`."""
    path.write_bytes(file.data)
    try:
        names, rows, has_warning = read(path)
    except (InvalidFile, duckdb.Error, csv.Error):
        return Outcome.REFUSED
    if _is_same([names, *rows], [file.names, *file.rows]):
        return Outcome.RIGHT
    return Outcome.WARNED if has_warning else Outcome.WRONG


def _is_same(found: Rows, expected: Rows) -> bool:
    """Whether the cells are the same. Empty ones at the end of a row do not count."""
    return all(
        all(cell == right for cell, right in zip_longest(row or [], wanted or [], fillvalue=""))
        for row, wanted in zip_longest(found, expected)
        if row is not None or wanted is not None
    ) and len(found) == len(expected)


def main() -> int:
    """Returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=2000, metavar="NUMBER")
    parser.add_argument("--show", type=int, default=0, metavar="NUMBER", help="how many files that are not right")
    arguments = parser.parse_args()
    readers = {"csv.Sniffer": csv_sniffer, "DuckDB": duckdb_alone, "Raylane": raylane}
    counts: defaultdict[str, Counter[Outcome]] = defaultdict(Counter)
    features: defaultdict[str, Counter[str]] = defaultdict(Counter)
    seconds: defaultdict[str, float] = defaultdict(float)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "data.csv")
        for file in files(arguments.files):
            for name, read in readers.items():
                started = time.perf_counter()
                outcome = judge(file, read, path)
                seconds[name] += time.perf_counter() - started
                counts[name][outcome] += 1
                if outcome is not Outcome.RIGHT:
                    features[name].update(file.features)
                    if name == "Raylane" and counts[name].total() - counts[name][Outcome.RIGHT] <= arguments.show:
                        print(outcome, file.features, file.data[:200])
    print(f"{'':12} {' '.join(f'{outcome:>8}' for outcome in Outcome)}   ms a file   most often not right")
    for name, count in counts.items():
        worst = ", ".join(f"{feature} {times}" for feature, times in features[name].most_common(4))
        figures = " ".join(f"{count[outcome]:8}" for outcome in Outcome)
        print(f"{name:12} {figures}   {seconds[name] / arguments.files * 1000:9.1f}   {worst}")
    return int(counts["Raylane"][Outcome.WRONG] > 0)


if __name__ == "__main__":
    sys.exit(main())
