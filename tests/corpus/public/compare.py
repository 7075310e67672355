"""Compares how Raylane reads a file with other readers, and says each difference in one line."""

from __future__ import annotations

import math
import tempfile
from datetime import date, datetime, time
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from raylane_common.errors import RaylaneError
from raylane_common.wire.names import ColumnType, FileFormat
from raylane_common.wire.reading import NULL_MARKERS, Reading, ReadingOptions
from raylane_worker.data.prepare import read_file
from tests.corpus.files.check import as_ray_reads
from tests.corpus.public.references import Reference, reference

if TYPE_CHECKING:
    from collections.abc import Iterator

    from raylane_common.wire.sources import Column
    from raylane_worker.data.file_content import FileContent


def differences(path: Path) -> Iterator[str]:
    """Yields how Raylane reads the file otherwise than pandas and DuckDB do."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, "copy.parquet")
        try:
            content = read_file(path, path.name, ReadingOptions(), copy_to=copy)
        except RaylaneError as error:
            yield f"refused: {error.message}"
            return
        found = as_ray_reads(path, content, copy)
        yield from _dialect(path, content.reading)
        try:
            other = reference(path, content.reading)
        except Exception as error:  # whatever the other reader cannot do
            yield f"not compared: {type(error).__name__}: {str(error).splitlines()[0]}"
            return
        yield from _table(content, found, other)


def _dialect(path: Path, reading: Reading) -> Iterator[str]:
    if reading.format is not FileFormat.CSV:
        return
    usual = Reading(delimiter="\t" if path.name.endswith(".tsv") else ",")
    for name in ("encoding", "delimiter", "quote", "escape", "decimal", "header_line", "comment"):
        if getattr(reading, name) != getattr(usual, name):
            yield f"{name} is {getattr(reading, name)!r}"


def _table(content: FileContent, found: Any, other: Reference) -> Iterator[str]:
    names = [column.name if column.original_name is None else column.original_name for column in content.columns]
    kept = [place for place, name in enumerate(other.names) if name or any(c is not None for c in other.cells[place])]
    wanted = [other.names[place] for place in kept]
    if [_line(name) for name in names] != [_line(name) for name in wanted]:
        yield f"names are {names[:20]} and not {wanted[:20]}"
        return
    rows = len(other.cells[0]) if other.cells else 0
    if content.rows != rows and not (content.reading.format is FileFormat.JSON and rows == 2000):
        yield f"{content.rows} rows and not {rows}"
        return
    for place, column, values in zip(kept, content.columns, found.columns, strict=True):
        if other.types and column.type not in other.types[place]:
            others = " or ".join(sorted(other.types[place]))
            yield f"{column.name!r} is {column.type} and not {others}, such as {_examples(other.cells[place])}"
        if column.written is not None:
            yield f"{column.name!r} is written as {column.written}, such as {_examples(other.cells[place])}"
            continue
        for row, (cell, right) in enumerate(zip(values.to_pylist(), other.cells[place], strict=False), 1):
            if not _same(cell, right, column):
                yield f"{column.name!r} in row {row} is {cell!r} and not {right!r}"
                break


def _line(name: str) -> str:
    return " ".join(name.split())


def _examples(cells: list[Any]) -> list[Any]:
    return list(islice((cell for cell in dict.fromkeys(map(str, cells)) if cell != "None"), 4))


def _same(cell: Any, right: Any, column: Column) -> bool:
    if isinstance(right, str) and right.strip() in NULL_MARKERS and cell is None:
        return True
    if right is None or (isinstance(right, float) and math.isnan(right)) or right is pd.NaT:
        return cell is None or (isinstance(cell, float) and math.isnan(cell))
    if cell is None:
        return False
    if not isinstance(right, str):
        return _same_value(cell, right)
    match column.type:
        case ColumnType.INTEGER:
            return bool(cell == int(right))
        case ColumnType.NUMBER:
            return bool(cell == float(right))
        case ColumnType.BOOLEAN:
            return str(cell).lower() == right.lower()
        case ColumnType.DATE | ColumnType.TIMESTAMP:
            return bool(pd.Timestamp(cell) == pd.Timestamp(right))
        case ColumnType.TIME:
            return bool(cell == time.fromisoformat(right))
        case _:
            return bool(cell == right)


def _same_value(cell: Any, right: Any) -> bool:
    if isinstance(right, datetime) and isinstance(cell, date) and not isinstance(cell, datetime):
        return right == datetime.combine(cell, time())
    if isinstance(cell, str):  # a column of several types is text
        return cell in (str(right), f"{right:g}" if isinstance(right, float) else "", str(right).lower())
    if isinstance(cell, float) and isinstance(right, int | float):
        return math.isclose(cell, right, rel_tol=1e-15)
    return bool(cell == right)
