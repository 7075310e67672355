"""The same tables in every dialect: delimiter by encoding by header by line end by compression by marks of numbers."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import zipfile
from dataclasses import dataclass
from datetime import date, datetime, time
from itertools import product
from typing import TYPE_CHECKING, Final, Literal

import pyarrow as pa

from tests.corpus.files.case import (
    BOOLEAN,
    DATE,
    INTEGER,
    NUMBER,
    STRING,
    TIME,
    TIMESTAMP,
    Case,
    Cell,
    Table,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

ORDERS: Final = Table(
    [("id", INTEGER), ("region", STRING), ("amount", NUMBER), ("day", DATE), ("paid", BOOLEAN), ("note", STRING)],
    [
        (
            number,
            region,
            number * 37 % 1000 / 4 + 0.25,
            date(2024, 1 + number % 12, 1 + number % 28),
            number % 3 == 0,
            note,
        )
        for number, region, note in (
            (n, ("North", "South", "Zürich", "Åre")[n % 4], ("plain", "a, b; c", 'say "hi"', None, "two\nlines")[n % 5])
            for n in range(1, 41)
        )
    ],
)
CODES: Final = Table(
    [("zip", STRING), ("phone", STRING), ("serial", STRING), ("part", STRING), ("n", INTEGER)],
    [(f"{n * 501 % 99999:05d}", f"+4930{n:06d}", str(10**19 + n), f"{n}E5", n) for n in range(1, 21)],
)
MOMENTS: Final = Table(
    [("at", TIMESTAMP), ("start", TIME), ("level", NUMBER), ("n", INTEGER)],
    [(datetime(2023, 12, 31, n, 30, n), time(n, 15), n / 8, n if n % 4 else None) for n in range(24)],
)
TABLES: Final = {"orders": ORDERS, "codes": CODES, "moments": MOMENTS}


@dataclass(frozen=True)
class Dialect:
    """How a table is written."""

    delimiter: str = ","
    encoding: str = "utf-8"
    line_end: str = "\n"
    compression: str = ""
    top: str = ""
    header: bool = True
    decimal: str = "."
    null: str = ""
    quote_all: bool = False


def write(table: Table, dialect: Dialect) -> bytes:
    """Returns the table as a file."""
    written = io.StringIO()
    quoting: Literal[0, 1] = csv.QUOTE_ALL if dialect.quote_all else csv.QUOTE_MINIMAL
    writer = csv.writer(written, delimiter=dialect.delimiter, lineterminator=dialect.line_end, quoting=quoting)
    if dialect.header:
        writer.writerow(table.names)
    writer.writerows([_cell(cell, dialect) for cell in row] for row in table.rows)
    data = (dialect.top + written.getvalue()).encode(dialect.encoding)
    return _packed(data, dialect.compression)


def cases() -> Iterator[Case]:
    """Yields each table in each dialect of a grid, and in some that combine more."""
    for name, dialect in _dialects():
        for of, table in TABLES.items():
            said = {} if dialect.header else {"header_line": 0}
            expected = table if dialect.header else _without_names(table)
            yield Case(f"{of}, {name}", write(table, dialect), expected, said)


def _dialects() -> Iterator[tuple[str, Dialect]]:
    for delimiter, encoding in product(",;\t|", ("utf-8", "utf-8-sig", "cp1252", "utf-16", "utf-16-le")):
        yield f"{delimiter!r} in {encoding}", Dialect(delimiter, encoding)
    for delimiter, line_end in product(",;\t", ("\r\n", "\r")):
        yield (
            f"{delimiter!r}, lines end with {line_end!r}",
            Dialect(delimiter, line_end=line_end, quote_all=line_end == "\r"),
        )
    for delimiter, compression in product(",;", ("gzip", "bz2", "zstd", "zip")):
        yield f"{delimiter!r} in {compression}", Dialect(delimiter, compression=compression)
    for delimiter, top in product(",;\t", ("# exported 2024-01-05\n", "Report of the year\n\n", "\n\n")):
        yield f"{delimiter!r} below {top!r}", Dialect(delimiter, top=top)
    for delimiter in ",;\t|":
        yield f"{delimiter!r} below a separator line", Dialect(delimiter, top=f"sep={delimiter}\r\n", line_end="\r\n")
        yield f"{delimiter!r} without a header", Dialect(delimiter, header=False)
        yield f"{delimiter!r}, everything in quotes", Dialect(delimiter, quote_all=True)
    for delimiter, null in product(",;", ("NA", "N/A", "NULL", "null", "None", "-", ".", "?", "\\N", "#N/A", "nan")):
        yield f"{delimiter!r}, missing is {null}", Dialect(delimiter, null=null)
    for delimiter, encoding in product(";\t", ("utf-8", "cp1252")):
        yield f"{delimiter!r}, decimal comma in {encoding}", Dialect(delimiter, encoding, decimal=",")
    yield "as Excel saves it in Germany", Dialect(";", "cp1252", "\r\n", decimal=",")
    yield "Unicode text of Excel", Dialect("\t", "utf-16", "\r\n")
    yield "packed twice over", Dialect(";", "cp1252", "\r\n", "gzip", "Report\n\n", decimal=",", null="NA")


def _cell(cell: Cell, dialect: Dialect) -> str:
    match cell:
        case None:
            return dialect.null
        case bool():
            return "true" if cell else "false"
        case float():
            return str(cell).replace(".", dialect.decimal)
        case _:
            return str(cell)


def _without_names(table: Table) -> Table:
    return Table([(f"column_{place}", kind) for place, (_, kind) in enumerate(table.columns, start=1)], table.rows)


def _packed(data: bytes, compression: str) -> bytes:
    match compression:
        case "gzip":
            return gzip.compress(data)
        case "bz2":
            return bz2.compress(data)
        case "zstd":
            return bytes(pa.compress(data, "zstd", asbytes=True))
        case "zip":
            packed = io.BytesIO()
            with zipfile.ZipFile(packed, "w") as archive:
                archive.writestr("inner.csv", data)
            return packed.getvalue()
        case _:
            return data
