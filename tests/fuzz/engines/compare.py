"""Compares the answer of a script with that of DuckDB, and with that of the other engine."""

from __future__ import annotations

import math
from datetime import datetime
from typing import TYPE_CHECKING, Any

from raylane_common.wire.answer import Answer, AnswerChart, AnswerTable, AnswerValue

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.fuzz.engines.reference import Expected

# Of the largest number of the table: sums of floats depend on their order.
_TOLERANCE = 1e-9


def difference(answer: Answer, expected: Expected | None) -> str:
    """Returns what differs from the table that DuckDB has; "" if nothing does."""
    values = [one for one in answer.items if isinstance(one, AnswerValue)]
    tables = [one for one in answer.items if isinstance(one, AnswerTable)]
    if expected is None:
        return "" if not answer.items and "No value of" in "".join(answer.notes) else f"a text is unknown, got {answer}"
    if values:
        names, types = tuple(one.name for one in values), tuple(str(one.value_type) for one in values)
        rows: tuple[tuple[Any, ...], ...] = (tuple(one.value for one in values),)
    elif tables:
        names = tuple(one.name for one in tables[0].columns)
        types = tuple(str(one.type) for one in tables[0].columns)
        rows = tables[0].rows
        if tables[0].total_rows != len(rows):
            return f"{tables[0].total_rows} rows in all, {len(rows)} here"
    else:
        return f"there is no answer in {answer}"
    if names != expected.names:
        return f"columns {names}, DuckDB has {expected.names}"
    if len(rows) != len(expected.rows):
        return f"{len(rows)} rows {rows}, DuckDB has {len(expected.rows)}: {expected.rows}"
    for index, (found, right) in enumerate(zip(types, expected.types, strict=True)):
        if found != right and any(row[index] is not None for row in expected.rows):
            return f"column {names[index]!r} is of type {found}, DuckDB has {right}: {rows}"
    for row, other in zip(rows, expected.rows, strict=True):
        if not all(same(cell, one, expected.scale) for cell, one in zip(row, other, strict=True)):
            return f"row {row}, DuckDB has {other}; all rows: {rows}, DuckDB has {expected.rows}"
    return _chart_difference(answer, tables)


def _chart_difference(answer: Answer, tables: Sequence[AnswerTable]) -> str:
    """Returns what a chart of groups shows that its table does not have."""
    for chart in answer.items:
        if not isinstance(chart, AnswerChart) or not tables:
            continue
        [table] = tables
        names = [one.name for one in table.columns]
        at = [names.index(one.name) for one in chart.columns]
        if chart.rows != tuple(tuple(row[index] for index in at) for row in table.rows):
            return f"the chart shows {chart.rows}, the table {table.rows}"
    return ""


def same(cell: Any, right: Any, scale: float) -> bool:
    """Returns whether a cell has this value. Floats may differ by a little."""
    if isinstance(right, datetime):
        return isinstance(cell, str) and datetime.fromisoformat(cell) == right
    if isinstance(right, float) and isinstance(cell, int | float) and not isinstance(cell, bool):
        return math.isclose(cell, right, rel_tol=_TOLERANCE, abs_tol=_TOLERANCE * scale)
    return type(cell) is type(right) and bool(cell == right)


def engine_difference(local: Answer, distributed: Answer, scale: float) -> str:
    """Returns what differs between the answers of the two engines; "" if nothing does."""
    one, other = _plain(local), _plain(distributed)
    return "" if _close(one, other, scale) else f"local: {one}\ndistributed: {other}"


def _plain(answer: Answer) -> list[Any]:
    """Returns the parts of an answer that both engines must give alike. A column without values has any type."""
    found: list[Any] = [sorted(answer.notes)]
    for item in answer.items:
        if isinstance(item, AnswerValue):
            found.append([item.name, item.value, item.value is None or str(item.value_type)])
        elif isinstance(item, AnswerTable | AnswerChart):
            empty = [all(row[index] is None for row in item.rows) for index in range(len(item.columns))]
            columns = [
                [column.name, is_empty or str(column.type)]
                for column, is_empty in zip(item.columns, empty, strict=True)
            ]
            found.append([item.type, columns, [list(row) for row in item.rows]])
        else:
            found.append(item)
    return found


def _close(one: Any, other: Any, scale: float) -> bool:
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(_close(*pair, scale) for pair in zip(one, other, strict=True))
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=_TOLERANCE, abs_tol=_TOLERANCE * scale)
    return type(one) is type(other) and bool(one == other)
