"""Small tables with hostile names: keywords, statistics, courtesies, quotes, numbers, parts of each other."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Final, TypeAlias

import duckdb

from raylane_common.wire.reading import ReadingOptions
from tests.helpers.files import uploaded

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

    from raylane_common.wire.sources import FileSource

Cell: TypeAlias = int | float | str | bool | date | datetime | None

FILENAME: Final = "fuzz.csv"
# Values of each type, as DuckDB calls it. Empty cells are added.
VALUES: Final[dict[str, tuple[Cell, ...]]] = {
    "BIGINT": (0, 1, 2, 2, 3, 5, 10, -4, 100, 1000),
    "DOUBLE": (0.5, 1.25, 2.0, 2.0, -3.75, 10.5, 1000.0, 0.125),
    "VARCHAR": ("Female", "female", "US", "us", "rain", "O'Neill, Jr.", "A-1/B", "New York", "Ada", "x", "data", "Jr"),
    "BOOLEAN": (True, False),
    "DATE": (date(2024, 1, 30), date(2024, 1, 31), date(2024, 2, 1), date(2023, 12, 31)),
    "TIMESTAMP": (
        datetime(2024, 1, 30, 10, 0, 0),
        datetime(2024, 1, 31, 0, 0, 0),
        datetime(2024, 1, 31, 10, 30, 0),
        datetime(2024, 1, 31, 23, 59, 59),
        datetime(2024, 2, 1, 0, 0, 0),
        datetime(2024, 2, 1, 10, 0, 0),
    ),
}
# Tables whose names are hostile to each other.
_CHOSEN: Final = (
    ("name", "year", "count"),
    ("file", "lines", "rows"),
    ("region", "sales", "total sales"),
    ("city", "price", "average price", "avg_price"),
    ("city", "temp", "max temp", "max"),
    ("x", "min_x", "min", "max x"),
    ("first name", "last name", "first", "last", "age"),
    ("missing", "missing values", "values", "value"),
    ("where", "and", "or", "in", "not", "is", "by", "between"),
    ("sum", "mean", "min", "max", "total", "average", "count"),
    ("a", "b", "a and b", "a by b", "A"),
    ("number", "number of rooms", "number of rows", "rooms"),
    ("the", "of", "the price", "price", "of price"),
    ("me", "us", "it", "all", "please", "show me"),
    ("date", "day", "date of birth", "in", "2024"),
    ("5", "10", "5 rows", "top 5", "1,000"),
    ("price", "Price", "PRICE ($)", "price-2"),
    ("top speed", "top", "speed", "bottom", "largest"),
    ("distinct", "unique", "distinct count", "count distinct", "city"),
    ("columns", "schema", "data", "table", "file", "fuzz"),
    ("it's", 'say "hi"', "a,b", "a;b", "x`y"),
    ("größe", "Größe", "日本", "😀", "naïve name"),
    ("describe", "summary", "statistics", "standard deviation", "std"),
    ("count rows", "row count", "how many", "how many rows", "records"),
    ("salary", "department", "salary by department", "average salary by department"),
    ("is missing", "missing", "null", "empty", "none"),
)
_POOL: Final = tuple(dict.fromkeys(name for names in _CHOSEN for name in names))


@dataclass(frozen=True)
class Table:
    """A table with its source and its objects by URI, and in DuckDB as `t`, whose columns are `c0`, `c1` and so on."""

    source: FileSource
    objects: dict[str, bytes]
    types: dict[str, str]
    rows: list[list[Cell]]
    database: duckdb.DuckDBPyConnection

    def position(self, name: str) -> int:
        return list(self.types).index(name)


def make_tables(chance: Random, number: int = 50) -> list[Table]:
    """Returns the chosen tables, and tables with names drawn from all of them."""
    drawn = [chance.sample(_POOL, chance.randint(2, 7)) for _ in range(max(0, number - len(_CHOSEN)))]
    return [_make_table(chance, names, f"s{one}") for one, names in enumerate((*_CHOSEN, *drawn)[:number])]


def _make_table(chance: Random, names: Sequence[str], session_id: str) -> Table:
    kinds = ["BIGINT", "VARCHAR", *(chance.choice([*VALUES, "BIGINT", "VARCHAR"]) for _ in names)][: len(names)]
    chance.shuffle(kinds)
    types = dict(zip(names, kinds, strict=True))
    rows = [[_cell(chance, kind, row) for kind in kinds] for row in range(14)]
    output = io.StringIO()
    writer = csv.writer(output, lineterminator="\n")
    writer.writerow(names)
    writer.writerows([[_written(cell) for cell in row] for row in rows])
    data = output.getvalue().encode()
    # Names like 5 and 1,000 are values for the reader, if nobody says where the header is.
    options = ReadingOptions(header_line=1)
    source, objects = uploaded(FILENAME, data, bucket="fuzz", session_id=session_id, options=options)
    database = duckdb.connect()
    database.execute(f"CREATE TABLE t ({', '.join(f'c{one} {kind}' for one, kind in enumerate(kinds))})")
    database.executemany(f"INSERT INTO t VALUES ({', '.join('?' * len(kinds))})", rows)
    return Table(source, {f"s3://fuzz/{key}": body for key, body in objects.items()}, types, rows, database)


def _written(cell: Cell) -> str:
    if cell is None:
        return ""
    return str(cell).lower() if isinstance(cell, bool) else str(cell)


def _cell(chance: Random, kind: str, row: int) -> Cell:
    """The first rows have each value once, so that the type is found."""
    if row > 1 and chance.random() < 0.15:
        return None
    return chance.choice(VALUES[kind])
