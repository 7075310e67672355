"""Answers for tests: values, tables, charts and files from values of Python."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Final, cast

from raylane.testing.factories.made import made
from raylane_common.errors import InvalidRequest
from raylane_common.wire.answer import (
    MAX_INLINE_ROWS,
    Answer,
    AnswerChart,
    AnswerColumn,
    AnswerFile,
    AnswerTable,
    AnswerValue,
)
from raylane_common.wire.names import CellType, ChartKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pydantic import JsonValue

    from raylane_common.wire.answer import AnswerItem

ROWS: Final[tuple[Mapping[str, object], ...]] = (
    {"region": "EU", "sum(amount)": 3.5},
    {"region": "US", "sum(amount)": 7.25},
)
"""The rows of a table that a test does not describe."""
# Beyond this, JSON is read as another number by many programs.
_SAFE_INTEGER: Final = 2**53
_NATIVE: Final = {
    CellType.INTEGER: "int64",
    CellType.NUMBER: "double",
    CellType.BOOLEAN: "bool",
    CellType.DATE: "date32[day]",
    CellType.TIME: "time64[us]",
    CellType.TIMESTAMP: "timestamp[us]",
    CellType.DURATION: "duration[us]",
    CellType.BINARY: "binary",
}
# A truth value is a whole number of Python, and a moment is a date, so the order matters.
_TYPES: Final[tuple[tuple[type | tuple[type, ...], CellType], ...]] = (
    (bool, CellType.BOOLEAN),
    (int, CellType.INTEGER),
    (float, CellType.NUMBER),
    (Decimal, CellType.DECIMAL),
    (str, CellType.STRING),
    (datetime, CellType.TIMESTAMP),
    (date, CellType.DATE),
    (time, CellType.TIME),
    (timedelta, CellType.DURATION),
    (bytes, CellType.BINARY),
    ((list, tuple, dict), CellType.NESTED),
)


def make_answer(*items: AnswerItem, notes: Sequence[str] = ()) -> Answer:
    """Returns an answer with these items: by default, with one table.

    Example:
        answer = make_answer(make_value("rows", 1461), make_table([{"city": "Oslo", "mean": 3.5}]))
        print(answer.to_pandas())
    """
    return made(Answer, {"items": items or (make_table(),), "notes": notes}, {})


def make_value(name: str, value: object, **fields: object) -> AnswerValue:
    """Returns a value, whose type follows from the value of Python. `fields` are those of `AnswerValue`."""
    kind = _type_of(name, [value])
    return made(AnswerValue, {"name": name, "value": _cell(value), "value_type": kind}, fields)


def make_table(
    rows: Iterable[Mapping[str, object]] | None = None,
    *,
    total_rows: int | None = None,
    columns: Mapping[str, CellType | str] | None = None,
    **fields: object,
) -> AnswerTable:
    """Returns a table from rows of Python's values, from which the types of its columns follow.

    `columns` names types that do not follow from the values, such as those of a table without rows. If `total_rows` is
    more than there are `rows`, the others are in a file, as with a real answer. `fields` are those of `AnswerTable`.
    Raises `InvalidRequest` for values that no column can hold.

    Example:
        table = make_table([{"day": datetime.date(2024, 1, 31), "amount": Decimal("1.50")}], total_rows=25_000)
        print(table.columns, table.file.name)
    """
    listed = [*ROWS] if rows is None and columns is None else [*(rows or ())]
    described, cells = _columns_and_cells(listed[:MAX_INLINE_ROWS], columns or {})
    total = len(listed) if total_rows is None else total_rows
    is_long = total > len(cells)
    file = make_file("table-1.parquet", rows=total, columns=described) if is_long else None
    defaults = {"columns": described, "rows": cells, "total_rows": total, "file": file}
    return made(AnswerTable, defaults, fields)


def make_chart(
    kind: ChartKind | str = ChartKind.BAR,
    rows: Iterable[Mapping[str, object]] | None = None,
    *,
    columns: Mapping[str, CellType | str] | None = None,
    **fields: object,
) -> AnswerChart:
    """Returns a chart of the rows; its `x` and `y` are the first two columns unless `fields` say otherwise."""
    listed = [*ROWS] if rows is None and columns is None else [*(rows or ())]
    described, cells = _columns_and_cells(listed, columns or {})
    x, y = ([column.name for column in described] + [None, None])[:2]
    return made(AnswerChart, {"kind": kind, "x": x, "y": y, "columns": described, "rows": cells}, fields)


def make_file(name: str = "rows.parquet", **fields: object) -> AnswerFile:
    """Returns a file that a run wrote. `fields` are those of `AnswerFile`.

    For `download`, give its content to `MemoryProducer.succeed(files={name: content})`.
    """
    s3_uri = f"s3://raylane/sessions/ada/runs/rl-1/{name}"
    columns = (AnswerColumn(name="region", type=CellType.STRING), AnswerColumn(name="amount", type=CellType.NUMBER))
    return made(AnswerFile, {"name": name, "s3_uri": s3_uri, "rows": 2, "columns": columns, "size_bytes": 42}, fields)


def _columns_and_cells(
    rows: Sequence[Mapping[str, object]], types: Mapping[str, CellType | str]
) -> tuple[tuple[AnswerColumn, ...], tuple[tuple[JsonValue, ...], ...]]:
    for index, row in enumerate(rows):
        if not isinstance(row, Mapping):
            raise InvalidRequest.field(f"rows.{index}", "must be a mapping of names to values")
    names = list(dict.fromkeys([*(name for row in rows for name in row), *types]))
    columns = []
    for name in names:
        kind = types.get(name) or _type_of(name, [row.get(name) for row in rows])
        native = _NATIVE.get(cast("CellType", kind), "string")
        columns.append(made(AnswerColumn, {"native_type": native}, {"name": name, "type": kind}))
    return tuple(columns), tuple(tuple(_cell(row.get(name)) for name in names) for row in rows)


def _type_of(name: str, values: Sequence[object]) -> CellType:
    kinds = {_type_of_one(name, value) for value in values if value is not None}
    if kinds == {CellType.INTEGER, CellType.NUMBER}:
        return CellType.NUMBER
    if len(kinds) > 1:
        raise InvalidRequest.field(name, f"its values have the types {', '.join(sorted(kinds))}, and a column has one")
    return kinds.pop() if kinds else CellType.STRING


def _type_of_one(name: str, value: object) -> CellType:
    for kinds, cell_type in _TYPES:
        if isinstance(value, kinds):
            return cell_type
    raise InvalidRequest.field(name, f"an answer holds no values of the type {type(value).__name__}")


def _cell(value: object) -> JsonValue:
    """Returns a value as a worker would write it; see docs/wire-format.md."""
    match value:
        case bool() | None | str():
            return value
        case int():
            return value if abs(value) <= _SAFE_INTEGER else str(value)
        case float():
            return _number(value)
        case Decimal():
            return _number(float(value)) if not value.is_finite() else format(value, "f")
        case date() | time():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case bytes():
            return base64.b64encode(value).decode()
        case Mapping():
            return {str(key): _cell(each) for key, each in value.items()}
        case _:
            return [_cell(each) for each in cast("Sequence[object]", value)]


def _number(value: float) -> JsonValue:
    if math.isnan(value):
        return None
    return (value or 0.0) if math.isfinite(value) else "Infinity" if value > 0 else "-Infinity"
