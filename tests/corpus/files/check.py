"""Reads a case as Raylane and a run do, and compares all that was read with what is expected."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from raylane_common.errors import InvalidFile, InvalidRequest
from raylane_common.wire.reading import FileFormat
from raylane_common.wire.sources import ColumnType
from raylane_worker.data.prepare import read_file
from raylane_worker.run_kit.raylane_run.file_rows import read_file as kit_read_file
from raylane_worker.run_kit.raylane_run.frames import to_frame
from raylane_worker.run_kit.raylane_run.sources import FileSource as KitSource
from tests.corpus.files.model import Answers, Case, Refused, Table
from tests.helpers import frames

if TYPE_CHECKING:
    from pathlib import Path

    from raylane_worker.data.file_content import FileContent

# A refusal says which line, sheet, column, or part of the file it means, and what to do.
_TELLS_WHERE: Final = r"line|row|column|sheet|file|text|archive|encoding|header"
_TYPES: Final = (
    (pa.types.is_boolean, ColumnType.BOOLEAN),
    (pa.types.is_integer, ColumnType.INTEGER),
    (pa.types.is_floating, ColumnType.NUMBER),
    (lambda arrow: pa.types.is_decimal(arrow) and arrow.scale == 0, ColumnType.INTEGER),
    (pa.types.is_decimal, ColumnType.NUMBER),
    (pa.types.is_date, ColumnType.DATE),
    (pa.types.is_time, ColumnType.TIME),
    (pa.types.is_timestamp, ColumnType.TIMESTAMP),
    (pa.types.is_string, ColumnType.STRING),
    (pa.types.is_large_string, ColumnType.STRING),
)


class Outcome(StrEnum):
    """What became of a case."""

    RIGHT = "right"
    REFUSED = "refused"
    WRONG = "wrong"


@dataclass(frozen=True)
class Verdict:
    """The outcome of a case, why it is not right, and what the reader warned of."""

    outcome: Outcome
    why: str = ""
    warnings: tuple[str, ...] = ()


def judge(case: Case, folder: Path) -> Verdict:
    """Reads the file of the case in `folder`, and returns whether it was read right."""
    path = case.write(folder)
    upload = path.rename(folder / "upload")  # the worker's file has no ending
    try:
        content = read_file(upload, case.filename, case.options, copy_to=folder / "copy.parquet")
    except (InvalidFile, InvalidRequest) as error:
        return _judge_refusal(case, str(error))
    except Exception as error:  # a crash is an outcome, like any other
        return Verdict(Outcome.WRONG, f"{type(error).__name__}: {error}")
    if isinstance(case.expected, Refused):
        return Verdict(Outcome.WRONG, f"was read as {_shown(content)} and must be refused: {case.expected.because}")
    try:
        found = as_the_kit_reads(upload.rename(path), content, folder / "copy.parquet")
    except (pa.ArrowException, OSError) as error:
        return Verdict(Outcome.WRONG, f"the kit cannot read it: {error}")
    difference = _difference(case, case.expected, content, found)
    return Verdict(Outcome.WRONG if difference else Outcome.RIGHT, difference, content.warnings)


def as_the_kit_reads(path: Path, content: FileContent, copy: Path) -> pa.Table:
    """Returns the table that a run gets: the rows of the prepared copy, or of the file itself."""
    is_csv = not content.reasons and content.reading.format is FileFormat.CSV
    place = copy if content.reasons else path
    columns = tuple((column.name, column.native_type) for column in content.columns)
    return kit_read_file(
        KitSource(path.name, "csv" if is_csv else "parquet", place.absolute().as_uri(), content.rows, columns)
    )


def type_of(arrow: Any) -> ColumnType:
    """Returns the type of the wire format for an Arrow type."""
    return next((kind for test, kind in _TYPES if test(arrow)), ColumnType.OTHER)


def _judge_refusal(case: Case, message: str) -> Verdict:
    if not isinstance(case.expected, Refused):
        return Verdict(Outcome.REFUSED, message)
    if not re.search(case.expected.match, message, re.IGNORECASE):
        return Verdict(Outcome.WRONG, f"the refusal {message!r} does not match {case.expected.match!r}")
    if not re.search(_TELLS_WHERE, message, re.IGNORECASE):
        return Verdict(Outcome.WRONG, f"the refusal {message!r} does not say where")
    return Verdict(Outcome.RIGHT)


def _difference(case: Case, expected: Table, content: FileContent, found: pa.Table) -> str:
    """Returns the first difference, or an empty text."""
    names = [column.name for column in content.columns]
    if names != list(expected) or found.column_names != names:
        return f"columns are {names}, in the data {found.column_names}, and must be {list(expected)}"
    for column, wanted in zip(content.columns, expected.values(), strict=True):
        if column.type is not wanted.type or type_of(found.schema.field(column.name).type) is not wanted.type:
            actual = found.schema.field(column.name).type
            return f"{column.name} is {column.type} ({actual}) and must be {wanted.type}: {content.warnings}"
    rows = len(next(iter(expected.values())).cells)
    if content.rows != rows or found.num_rows != rows:
        return f"{content.rows} rows, in the data {found.num_rows}, and must be {rows}"
    frame = to_frame(found)
    for name, wanted in expected.items():
        read = {"Arrow": found.column(name).to_pylist(), "pandas": frames.cells(frame[name])}
        for library, cells in read.items():
            for row, (cell, right) in enumerate(zip(cells, wanted.cells, strict=True), 1):
                if not same(cell, right):
                    return f"{name} in row {row} is {cell!r} in {library} and must be {right!r}"
    if case.warns and not any(re.search(case.warns, warning) for warning in content.warnings):
        return f"no warning has {case.warns!r}: {content.warnings}"
    return _difference_of_answers(case, expected, found) or _difference_of_profile(content, expected)


def same(cell: object, right: object) -> bool:
    """Whether two cells are equal. NaN is missing, and 1 equals 1.0 but not True."""
    if isinstance(cell, float) and math.isnan(cell):
        cell = None
    if isinstance(right, Decimal | int) and isinstance(cell, str):  # a profile has large and exact numbers as texts
        return Decimal(cell) == right
    if isinstance(cell, bool) is not isinstance(right, bool):
        return False
    return cell == right


def questions(table: Table) -> tuple[str | None, str]:
    """Returns the column that is added up, and the one that makes groups."""
    numeric = [name for name, column in table.items() if column.type.is_numeric]
    others = [name for name, column in table.items() if not column.type.is_numeric]
    return numeric[-1] if numeric else None, (others or list(table))[0]


def computed(table: Table) -> Answers:
    """The three answers, computed by DuckDB from what is expected."""
    measure, key = questions(table)
    measure_sql = "sum(measure)" if measure is not None else "null"
    arrow = pa.table({name: table[column].array() for name, column in (("measure", measure or key), ("key", key))})
    with duckdb.connect() as connection:
        connection.register("expected", arrow)
        [(rows, total)] = connection.execute(f"SELECT count(*), {measure_sql} FROM expected").fetchall()
        groups = connection.execute(f"SELECT key, count(*), {measure_sql} FROM expected GROUP BY 1").fetchall()
    return Answers(rows, total, {group: (count, value) for group, count, value in groups})


def read_answers(table: Table, found: pa.Table) -> Answers:
    """The three answers, computed by Arrow, as Ray does, from what was read."""
    measure, key = questions(table)
    values = found.column(measure if measure is not None else key)
    if pa.types.is_floating(values.type):  # the run kit takes NaN for missing, see docs/decisions/0025
        values = pc.if_else(pc.is_nan(values), None, values)
    plain = pa.table({"key": found.column(key), "measure": values})
    grouped = plain.group_by("key").aggregate([([], "count_all"), *([("measure", "sum")] if measure else [])])
    sums = grouped.column("measure_sum").to_pylist() if measure else [None] * grouped.num_rows
    return Answers(
        found.num_rows,
        pc.sum(plain.column("measure")).as_py() if measure else None,
        {
            group: (count, value)
            for group, count, value in zip(
                grouped.column("key").to_pylist(), grouped.column("count_all").to_pylist(), sums, strict=True
            )
        },
    )


def _difference_of_answers(case: Case, expected: Table, found: pa.Table) -> str:
    right = computed(expected)
    if case.answers is not None and not _close(case.answers, right):
        return f"DuckDB has {right} where the case states {case.answers}"
    if not _close(answers := read_answers(expected, found), right):
        return f"the answers are {answers} and must be {right}"
    return ""


def _close(one: Answers, other: Answers) -> bool:
    return (
        one.rows == other.rows
        and _close_number(one.total, other.total)
        and one.groups.keys() == other.groups.keys()
        and all(
            one.groups[key][0] == other.groups[key][0] and _close_number(one.groups[key][1], other.groups[key][1])
            for key in one.groups
        )
    )


def _close_number(one: Any, other: Any) -> bool:
    if one is None or other is None:
        return one is other
    return one == other or math.isclose(one, other, rel_tol=1e-9)


def _difference_of_profile(content: FileContent, expected: Table) -> str:
    for column, wanted in zip(content.columns, expected.values(), strict=True):
        profile = column.profile
        if profile is None:
            continue
        cells = [cell for cell in wanted.cells if cell is not None]
        if profile.nulls != len(wanted.cells) - len(cells):
            return f"the profile of {column.name} has {profile.nulls} missing values"
        if profile.distinct_is_exact and profile.distinct != len(set(map(repr, cells))):
            return f"the profile of {column.name} has {profile.distinct} different values"
        if column.type.is_numeric and cells and not (same(profile.min, min(cells)) and same(profile.max, max(cells))):
            return f"the profile of {column.name} has values from {profile.min} to {profile.max}"
    return ""


def _shown(content: FileContent) -> str:
    return f"{content.rows} rows of {[f'{column.name}: {column.type}' for column in content.columns][:6]}"
