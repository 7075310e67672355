"""Reads a file as pandas, openpyxl, xlrd, Python and DuckDB do: the cells, and the types of the columns."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import duckdb
import pandas as pd
import pyarrow as pa
from pyarrow import feather

from raylane_common.wire.names import ColumnType, FileFormat
from raylane_common.wire.reading import NULL_MARKERS
from tests.corpus.files.check import type_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from raylane_common.wire.reading import Reading

Cells = list[Any]


@dataclass
class Reference:
    """What other readers found: names as written, cells (texts for a CSV), and by column the types that each has."""

    names: list[str]
    cells: list[Cells]
    types: list[set[ColumnType]] = field(default_factory=list)


def reference(path: Path, reading: Reading) -> Reference:
    """Reads the file with other readers, in the dialect that Raylane found."""
    match reading.format:
        case FileFormat.CSV:
            return _csv(path, reading)
        case FileFormat.WORKBOOK:
            return _workbook(path, reading)
        case FileFormat.JSON | FileFormat.JSON_LINES:
            return _json(path, reading)
        case FileFormat.PARQUET:
            return _parquet(path)
        case FileFormat.ARROW:
            return _arrow(feather.read_table(path))


def _csv(path: Path, reading: Reading) -> Reference:
    has_header = reading.header_line > 0
    options: dict[str, Any] = {
        # Spaces that align cells are one delimiter each time; pandas alone would see cells between them.
        "sep": reading.delimiter if reading.delimiter != " " else r"\s+",
        "encoding": reading.encoding,
        "quotechar": reading.quote or '"',
        "quoting": 0 if reading.quote else 3,
        "escapechar": reading.escape or None,
        "comment": reading.comment or None,
        "keep_default_na": False,
        "low_memory": False,
    }
    first = pd.read_csv(_from_header(path, reading), dtype=str, header=None, nrows=1, **options)
    names = [str(name) for name in first.iloc[0]] if has_header else [""] * first.shape[1]
    options |= {
        "header": 0 if has_header else None,
        "names": range(len(names)),
        "na_values": list(NULL_MARKERS),
    }
    rows = pd.read_csv(_from_header(path, reading), dtype=str, **options)
    if not isinstance(rows.index, pd.RangeIndex):  # the header leaves out the names of the rows
        names = ["", *names]
        options["names"] = range(len(names))
        rows = pd.read_csv(_from_header(path, reading), dtype=str, **options)
    cells = [[_text(cell) for cell in rows[column]] for column in rows.columns]
    if rows.empty:
        return Reference(names, cells)
    inferred = pd.read_csv(_from_header(path, reading), **options)
    types = [{_pandas_type(inferred[column], texts)} for column, texts in zip(inferred.columns, cells, strict=True)]
    return Reference(names, cells, types)


def _from_header(path: Path, reading: Reading) -> Path | io.StringIO:
    """Returns the text from the line of the header. To pandas, a quote in a title is the beginning of a cell."""
    if reading.header_line <= 1:
        return path
    with pa.input_stream(str(path), compression="detect") as file:
        lines = io.StringIO(file.read().decode(reading.encoding), newline="")
    for _ in range(reading.header_line - 1):
        lines.readline()
    return lines


def _text(cell: object) -> str | None:
    return cell if isinstance(cell, str) else None


def _pandas_type(column: Any, texts: Cells) -> ColumnType:
    if pd.api.types.is_bool_dtype(column):
        return ColumnType.BOOLEAN
    if pd.api.types.is_integer_dtype(column):
        return ColumnType.INTEGER
    if pd.api.types.is_float_dtype(column):
        present = [text for text in texts if text is not None]
        if not present:
            return ColumnType.STRING
        # pandas has floats for whole numbers, if one is missing.
        is_whole = all(text.strip().lstrip("+-").isdigit() for text in present)
        return ColumnType.INTEGER if is_whole else ColumnType.NUMBER
    return ColumnType.STRING


def _workbook(path: Path, reading: Reading) -> Reference:
    is_old = path.read_bytes()[:2] == b"\xd0\xcf"
    sheet = pd.read_excel(
        path,
        sheet_name=reading.sheet,
        header=None,
        dtype=object,
        engine="xlrd" if is_old else "openpyxl",
        engine_kwargs={"logfile": io.StringIO()} if is_old else None,
        keep_default_na=False,
        na_values=[""],
    )
    rows = sheet.where(sheet.notna(), None).values.tolist()
    header, rows = (rows[reading.header_line - 1], rows[reading.header_line :]) if reading.header_line else ([], rows)
    rows = [row for row in rows if any(cell is not None for cell in row)]
    names = ["" if cell is None else str(cell) for cell in header] or [""] * sheet.shape[1]
    return Reference(names, [[row[place] for row in rows] for place in range(len(names))])


def _json(path: Path, reading: Reading) -> Reference:
    text = path.read_bytes()
    if reading.format is FileFormat.JSON_LINES:
        records = [json.loads(line) for line in text.splitlines() if line.strip()]
    else:
        records = json.loads(text)
        if isinstance(records, dict):
            [records] = [value for value in records.values() if isinstance(value, list)]
    flat = [dict(_flat(record)) for record in records]
    names = list(dict.fromkeys(name for record in flat for name in record))
    return Reference(names, [[record.get(name) for record in flat] for name in names])


def _flat(record: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yields the values, and those of an object in the record under both names."""
    for name, value in record.items():
        if isinstance(value, dict):
            yield from ((f"{name}.{inner}", one) for inner, one in value.items())
        else:
            yield name, value


def _parquet(path: Path) -> Reference:
    """Reads with DuckDB, because Raylane has the reader of pyarrow."""
    with duckdb.connect() as connection:
        return _arrow(connection.read_parquet(str(path)).to_arrow_table())


def _arrow(table: pa.Table) -> Reference:
    cells = [column.to_pylist() for column in table.columns]
    return Reference(table.column_names, cells, [{type_of(column.type)} for column in table.columns])
