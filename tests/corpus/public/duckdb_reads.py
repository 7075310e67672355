"""Reads a CSV with DuckDB, which finds out the dialect itself: the types of the columns, and sums over them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final

import duckdb

from raylane_common.wire.names import ColumnType, FileFormat
from raylane_common.wire.reading import NULL_MARKERS

if TYPE_CHECKING:
    from decimal import Decimal
    from pathlib import Path

    import pyarrow as pa

    from raylane_common.wire.reading import Reading

_TYPES: Final = {
    "BIGINT": ColumnType.INTEGER,
    "HUGEINT": ColumnType.INTEGER,
    "DOUBLE": ColumnType.NUMBER,
    "BOOLEAN": ColumnType.BOOLEAN,
    "DATE": ColumnType.DATE,
    "TIME": ColumnType.TIME,
    "TIMESTAMP": ColumnType.TIMESTAMP,
    "TIMESTAMP WITH TIME ZONE": ColumnType.TIMESTAMP,
    "VARCHAR": ColumnType.STRING,
}
_NUMBERS: Final = ("BIGINT", "HUGEINT", "DOUBLE", "DECIMAL")
_TIMES: Final = ("DATE", "TIME")


@dataclass(frozen=True)
class Summary:
    """How many values a column has, their extremes, and the sum of numbers. Dates and times are microseconds."""

    is_number: bool
    count: int
    least: int | float | Decimal | None
    greatest: int | float | Decimal | None
    total: int | float | Decimal | None


@dataclass(frozen=True)
class DuckdbReads:
    """The number of rows, the types of all columns, and the summaries of numbers, dates and times, by their place."""

    rows: int
    types: list[ColumnType]
    summaries: dict[int, Summary]


def duckdb_reads(path: Path, reading: Reading) -> DuckdbReads | None:
    """Returns what DuckDB finds; None for other files than CSVs, and for those that it cannot read."""
    if reading.format is not FileFormat.CSV:
        return None
    markers = ", ".join(f"'{marker}'" for marker in NULL_MARKERS)
    connection = _connection()
    try:
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE read AS FROM read_csv(?, header = {reading.header_line > 0}, "
            f"nullstr = [{markers}], sample_size = -1)",
            [str(path)],
        )
    except duckdb.Error:
        return None
    types = [_TYPES.get(kind, ColumnType.OTHER) for _, kind in _columns(connection, "read")]
    [(rows,)] = connection.execute("SELECT count(*) FROM read").fetchall()
    return DuckdbReads(rows, types, _summaries(connection, "read"))


def summaries_of(table: pa.Table) -> dict[int, Summary]:
    """Returns the summaries of the columns of numbers, dates and times, by their place."""
    connection = _connection()
    connection.register("found", table)
    return _summaries(connection, "found")


@cache
def _connection() -> duckdb.DuckDBPyConnection:
    return duckdb.connect(config={"threads": 1})


def _columns(connection: duckdb.DuckDBPyConnection, table: str) -> list[tuple[str, str]]:
    return [(row[0], row[1]) for row in connection.execute(f"DESCRIBE {table}").fetchall()]


def _summaries(connection: duckdb.DuckDBPyConnection, table: str) -> dict[int, Summary]:
    kinds: dict[int, bool] = {}
    aggregates: list[str] = []
    for place, (name, kind) in enumerate(_columns(connection, table)):
        is_number = kind.startswith(_NUMBERS)
        if is_number or kind.startswith(_TIMES):
            kinds[place] = is_number
            column = '"' + name.replace('"', '""') + '"'
            value = column if is_number else f"epoch_us({column})"
            total = f"sum({column})" if is_number else "NULL"
            aggregates += [f"count({column})", f"min({value})", f"max({value})", total]
    if not aggregates:
        return {}
    [row] = connection.execute(f"SELECT {', '.join(aggregates)} FROM {table}").fetchall()
    return {place: Summary(kinds[place], *row[4 * at : 4 * at + 4]) for at, place in enumerate(kinds)}
