"""Compares how Raylane reads a file with other readers, and says each difference in one line."""

from __future__ import annotations

import json
import math
import tempfile
from dataclasses import dataclass, field
from datetime import date, datetime, time
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from raylane_common.errors import RaylaneError
from raylane_common.wire.names import ColumnType, FileFormat
from raylane_common.wire.reading import NULL_MARKERS, Reading, ReadingOptions
from raylane_worker.data.prepare import read_file
from tests.corpus.files.check import as_the_kit_reads
from tests.corpus.public.duckdb_reads import DuckdbReads, duckdb_reads, summaries_of
from tests.corpus.public.references import Reference, reference

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

    from raylane_common.wire.sources import Column
    from raylane_worker.data.file_content import FileContent

_DATES: Final = (ColumnType.DATE, ColumnType.TIMESTAMP)
_MINUS: Final = frozenset("-(\u2212")
# The order in which the numbers of a sum are added decides its last digits.
_SUM_TOLERANCE: Final = 1e-9


@dataclass
class Comparison:
    """What was compared of a file, and each difference in one line. `refusal` is set if Raylane refuses it."""

    differences: list[str] = field(default_factory=list)
    refusal: str | None = None
    cells: int = 0
    sums: int = 0


def compare(path: Path) -> Comparison:
    """Reads the file with Raylane and with the other readers of its format."""
    result = Comparison()
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, "copy.parquet")
        try:
            content = read_file(path, path.name, ReadingOptions(), copy_to=copy)
        except RaylaneError as error:
            result.refusal = error.message
            return result
        found = as_the_kit_reads(path, content, copy)
    result.differences += _dialect(path, content.reading)
    try:
        other = reference(path, content.reading)
    except Exception as error:  # whatever the other reader cannot do
        result.differences.append(f"not compared: {type(error).__name__}: {str(error).splitlines()[0]}")
        return result
    second = duckdb_reads(path, content.reading)
    is_comparable = second is not None and len(second.types) == len(other.names) == len(content.columns)
    if second is not None and is_comparable:
        for known, more in zip(other.types, second.types, strict=False):
            known.add(more)
    result.differences += _table(content, found, other)
    result.cells = content.rows * len(content.columns)
    if second is not None and is_comparable:
        result.differences += _sums(content, found, second, result)
    return result


def _dialect(path: Path, reading: Reading) -> Iterator[str]:
    if reading.format is not FileFormat.CSV:
        return
    usual = Reading(delimiter="\t" if path.name.endswith(".tsv") else ",")
    for name in ("encoding", "delimiter", "quote", "escape", "decimal", "header_line", "comment"):
        if getattr(reading, name) != getattr(usual, name):
            yield f"{name} is {getattr(reading, name)!r}"


def _table(content: FileContent, found: pa.Table, other: Reference) -> Iterator[str]:
    names = [column.name if column.original_name is None else column.original_name for column in content.columns]
    kept = [place for place, name in enumerate(other.names) if name or any(c is not None for c in other.cells[place])]
    wanted = [other.names[place] for place in kept]
    if [_line(name) for name in names] != [_line(name) for name in wanted]:
        yield f"names are {names[:20]} and not {wanted[:20]}"
        return
    rows = len(other.cells[0]) if other.cells else 0
    if content.rows != rows:
        yield f"{content.rows} rows and not {rows}"
        return
    for place, column, values in zip(kept, content.columns, found.columns, strict=True):
        cells = other.cells[place]
        if other.types and column.type not in other.types[place]:
            others = " or ".join(sorted(other.types[place]))
            yield f"{column.name!r} is {column.type} and not {others}, such as {_examples(cells)}"
        if column.written is not None:
            yield f"{column.name!r} is written as {column.written}, such as {_examples(cells)}"
            cells = _meant(cells, column)
        ours = values.to_pylist()
        if ours == cells:
            continue
        pairs = enumerate(zip(ours, cells, strict=True), 1)
        different = [(row, cell, right) for row, (cell, right) in pairs if not _same(cell, right, column)]
        if different:
            row, cell, right = different[0]
            yield f"{column.name!r} differs in {len(different):,} rows; in row {row} it is {cell!r} and not {right!r}"


def _sums(content: FileContent, found: pa.Table, theirs: DuckdbReads, result: Comparison) -> Iterator[str]:
    """Yields the columns of numbers, dates and times for which DuckDB has another count, extreme or sum."""
    if content.rows != theirs.rows:
        yield f"{content.rows} rows and, as DuckDB reads it, {theirs.rows}"
        return
    for place, ours in summaries_of(found).items():
        its = theirs.summaries.get(place)
        if its is None or its.is_number != ours.is_number:
            continue  # the difference of types was said before
        result.sums += 1
        for name in ("count", "least", "greatest", "total"):
            mine, other = getattr(ours, name), getattr(its, name)
            is_same = mine == other or (None not in (mine, other) and math.isclose(mine, other, rel_tol=_SUM_TOLERANCE))
            if not is_same:
                yield f"{name} of {content.columns[place].name!r} is {mine} and, as DuckDB reads it, {other}"


def _line(name: str) -> str:
    return " ".join(name.split())


def _examples(cells: list[Any]) -> list[Any]:
    return list(islice((cell for cell in dict.fromkeys(map(str, cells)) if cell != "None"), 4))


def _meant(cells: list[Any], column: Column) -> list[Any]:
    """Returns the cells of a column that is not written as programs write it, as pandas or a decimal reads them."""
    written = str(column.written)
    if column.type in _DATES:
        dates = pd.to_datetime(pd.Series(cells), dayfirst=written.startswith("day"), utc="zone" in written)
        return [None if one is pd.NaT else one.to_pydatetime() for one in dates]
    mark = "," if "decimal comma" in written else "."
    return [None if cell is None else _number(cell, mark) for cell in cells]


def _number(text: str, mark: str) -> float:
    digits = "".join(one for one in text if one.isdigit() or one == mark).replace(mark, ".")
    return float(-Decimal(digits) if _MINUS & set(text) else Decimal(digits))


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
    if isinstance(right, dict | list) and isinstance(cell, str):
        return bool(json.loads(cell) == right)
    if isinstance(right, datetime) and isinstance(cell, date) and not isinstance(cell, datetime):
        return right.replace(tzinfo=None) == datetime.combine(cell, time())
    if isinstance(cell, str):  # a column of several types is text
        return cell in (str(right), f"{right:g}" if isinstance(right, float) else "", str(right).lower())
    if isinstance(cell, float) and isinstance(right, int | float):
        return math.isclose(cell, right, rel_tol=1e-15)
    return bool(cell == right)
