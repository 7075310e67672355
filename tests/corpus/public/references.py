"""Reads a file as pandas and DuckDB do: the cells as texts, and the types of the columns."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import feather

from raylane_common.wire.names import ColumnType, FileFormat
from raylane_common.wire.reading import NULL_MARKERS
from tests.corpus.files.check import type_of

if TYPE_CHECKING:
    from pathlib import Path

    from raylane_common.wire.reading import Reading

Cells = list[Any]
_DUCKDB_TYPES: Final = {
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
            return _json(path)
        case FileFormat.PARQUET:
            return _arrow(pq.ParquetFile(path).read())
        case FileFormat.ARROW:
            return _arrow(feather.read_table(path))


def _csv(path: Path, reading: Reading) -> Reference:
    options: dict[str, Any] = {
        "sep": reading.delimiter,
        "encoding": reading.encoding,
        "quotechar": reading.quote or '"',
        "quoting": 0 if reading.quote else 3,
        "escapechar": reading.escape or None,
        "comment": reading.comment or None,
        "skiprows": max(reading.header_line - 1, 0),
        "skipinitialspace": reading.delimiter == " ",
        "header": None,
        "keep_default_na": False,
        "na_values": list(NULL_MARKERS),
        "low_memory": False,
        "skip_blank_lines": True,
    }
    written = pd.read_csv(path, dtype=str, **options)
    rows = written.iloc[1:] if reading.header_line else written
    names = [_text(name) or "" for name in written.iloc[0]] if reading.header_line else [""] * written.shape[1]
    cells = [[_text(cell) for cell in rows[column]] for column in rows.columns]
    if rows.empty:
        return Reference(names, cells)
    inferred = pd.read_csv(path, **options | {"skiprows": options["skiprows"] + (reading.header_line > 0)})
    types = [{_pandas_type(inferred[column], texts)} for column, texts in zip(inferred.columns, cells, strict=True)]
    for known, more in zip(types, _duckdb_types(path, reading, len(names)), strict=False):
        known.add(more)
    return Reference(names, cells, types)


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


def _duckdb_types(path: Path, reading: Reading, columns: int) -> list[ColumnType]:
    """Returns nothing if DuckDB reads another number of columns, or fails."""
    markers = ", ".join(f"'{marker}'" for marker in NULL_MARKERS)
    try:
        with duckdb.connect() as connection:
            found = connection.execute(
                f"DESCRIBE SELECT * FROM read_csv(?, header = {reading.header_line > 0}, nullstr = [{markers}], "
                "sample_size = -1)",
                [str(path)],
            ).fetchall()
    except duckdb.Error:
        return []
    return [_DUCKDB_TYPES.get(row[1], ColumnType.OTHER) for row in found] if len(found) == columns else []


def _workbook(path: Path, reading: Reading) -> Reference:
    engine = "xlrd" if path.read_bytes()[:2] == b"\xd0\xcf" else "openpyxl"
    sheet = pd.read_excel(
        path, sheet_name=reading.sheet, header=None, dtype=object, engine=engine, keep_default_na=False, na_values=[""]
    )
    rows = sheet.where(sheet.notna(), None).values.tolist()
    header, rows = (rows[reading.header_line - 1], rows[reading.header_line :]) if reading.header_line else ([], rows)
    rows = [row for row in rows if any(cell is not None for cell in row)]
    names = ["" if cell is None else str(cell) for cell in header] or [""] * sheet.shape[1]
    return Reference(names, [[row[place] for row in rows] for place in range(len(names))])


def _json(path: Path) -> Reference:
    records = json.loads(path.read_bytes())
    if isinstance(records, dict):
        [records] = [value for value in records.values() if isinstance(value, list)]
    flat = [pd.json_normalize(record, max_level=1).iloc[0].to_dict() for record in records[:2000]]
    names = list(dict.fromkeys(name for record in flat for name in record))
    return Reference(names, [[record.get(name) for record in flat] for name in names])


def _arrow(table: pa.Table) -> Reference:
    cells = [column.to_pylist() for column in table.columns]
    return Reference(table.column_names, cells, [{type_of(column.type)} for column in table.columns])
