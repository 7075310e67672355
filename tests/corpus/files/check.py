"""Reads a file as the worker does, and compares what a run would see with what the file means."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

import pyarrow as pa
from pyarrow import csv as arrow_csv
from pyarrow import parquet

from raylane_common.errors import RaylaneError
from raylane_common.wire.names import ColumnType, FileFormat
from raylane_common.wire.reading import ReadingOptions
from raylane_worker.data.prepare import read_file

if TYPE_CHECKING:
    from pathlib import Path

    from raylane_worker.data.prepare import FileContent
    from tests.corpus.files.case import Case, Table

Verdict = Literal["right", "refused", "wrong"]


@dataclass(frozen=True)
class Outcome:
    """What became of a case: `refused` is a typed error where a table was expected."""

    verdict: Verdict
    problem: str = ""
    is_prepared: bool = False


def check(case: Case, directory: Path) -> Outcome:
    """Returns whether the file of the case is read as it is meant; `directory` is empty, and is used for the files."""
    path, copy = directory / "file", directory / "copy.parquet"
    path.write_bytes(case.data)
    try:
        content = read_file(path, "file.csv", ReadingOptions.model_validate(case.said), copy_to=copy)
    except RaylaneError as error:
        if case.table is None:
            is_named = case.refused.lower() in error.message.lower()
            return Outcome("right" if is_named else "wrong", f"refused with another reason: {error.message}")
        return Outcome("refused", error.message)
    if case.table is None:
        return Outcome("wrong", f"not refused: {[column.name for column in content.columns]}, {content.rows} rows")
    problem = _difference(case, case.table, content, _seen_by_a_run(content, path, copy))
    return Outcome("wrong" if problem else "right", problem, bool(content.reasons))


def _seen_by_a_run(content: FileContent, path: Path, copy: Path) -> pa.Table:
    """Returns the table that a run reads: the prepared copy, or the file with the options of Ray and of the run kit."""
    if content.reasons:
        return parquet.read_table(copy)
    if content.reading.format is FileFormat.PARQUET:
        return parquet.read_table(path)
    convert = arrow_csv.ConvertOptions(strings_can_be_null=True)
    with arrow_csv.open_csv(path, arrow_csv.ReadOptions(use_threads=False), convert_options=convert) as batches:
        return batches.read_all()


def _difference(case: Case, table: Table, content: FileContent, seen: pa.Table) -> str:
    """Returns the first difference between what is meant and what is seen; '' if there is none."""
    columns = [(column.name, column.type) for column in content.columns]
    if seen.column_names != table.names:
        return f"columns {seen.column_names}, not {table.names}"
    if table.rows and columns != list(table.columns):
        return f"types {columns}, not {list(table.columns)}"
    if content.rows != len(table.rows) or seen.num_rows != len(table.rows):
        return f"{content.rows} rows told, {seen.num_rows} seen, not {len(table.rows)}"
    if case.warned and not any(case.warned in warning for warning in content.warnings):
        return f"no warning with {case.warned!r} in {content.warnings}"
    meant = [list(cells) for cells in zip(*table.rows, strict=True)]
    for name, cells, column in zip(table.names, meant, seen.columns, strict=False):
        if wrong := next(((a, b) for a, b in zip(cells, column.to_pylist(), strict=True) if not _same(a, b)), None):
            return f"in column {name} {wrong[1]!r}, not {wrong[0]!r}"
    return _answer_difference(table, content, seen)


def _answer_difference(table: Table, content: FileContent, seen: pa.Table) -> str:
    """Compares three answers: the count, a sum, and a count by group."""
    if not table.rows:
        return ""
    numeric = next((index for index, column in enumerate(content.columns) if column.type.is_numeric), None)
    cells = list(zip(*table.rows, strict=True))
    if numeric is not None:
        present = [cell for cell in cells[numeric] if cell is not None]
        expected = sum(present) if all(isinstance(cell, int) for cell in present) else math.fsum(present)
        found: Any = pa.compute.sum(seen.column(numeric)).as_py() or 0
        if not math.isclose(expected, float(found), rel_tol=1e-12, abs_tol=1e-9):
            return f"the sum of {table.names[numeric]} is {found}, not {expected}"
    group = next((index for index, column in enumerate(content.columns) if column.type is ColumnType.STRING), 0)
    counts = seen.group_by(seen.column_names[group]).aggregate([([], "count_all")]).to_pylist()
    found_counts = {row[seen.column_names[group]]: row["count_all"] for row in counts}
    if found_counts != dict(Counter(cells[group])):
        return f"groups of {table.names[group]}: {dict(list(found_counts.items())[:5])}"
    return ""


def _same(meant: Any, seen: Any) -> bool:
    if isinstance(meant, float) and seen is not None:
        return math.isclose(meant, float(seen), rel_tol=1e-15)
    if isinstance(meant, datetime) and isinstance(seen, datetime):
        return meant == seen.replace(tzinfo=None)
    return bool(meant == seen)
