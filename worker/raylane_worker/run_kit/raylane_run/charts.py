"""The data of a chart: the rows that it draws, or the bins and boxes that are computed from all rows."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import pyarrow as pa

from .amounts import bins_of, read_amounts, whole_bins
from .answer_columns import Column, Rows, unique_names
from .answer_rows import rows_of
from .cells import Json, number, whole

MAX_ROWS: Final = 5000
_AMOUNTS: Final = ("integer", "number", "decimal", "duration")
_PLACES: Final = (*_AMOUNTS, "date", "time", "timestamp")
_LABELS: Final = (*_PLACES, "string", "boolean")


@dataclass(frozen=True)
class _Needs:
    """The types that a chart takes along each of its axes; an empty tuple for an axis that it does not have."""

    x: tuple[str, ...]
    y: tuple[str, ...]
    needs_x: bool = True
    is_computed: bool = False


_KINDS: Final = {
    "bar": _Needs(_LABELS, _AMOUNTS),
    "line": _Needs(_LABELS, _AMOUNTS),
    "scatter": _Needs(_PLACES, _PLACES),
    "pie": _Needs(_LABELS, _AMOUNTS),
    "histogram": _Needs(_AMOUNTS, (), is_computed=True),
    "box": _Needs(_LABELS, _AMOUNTS, needs_x=False, is_computed=True),
}


@dataclass(frozen=True)
class ChartData:
    """The columns and the rows of a chart, as an answer holds them.

    `labels` are the columns that divide a histogram or box plot, by their names in the data. `left_out` is the number
    of values that it cannot show.
    """

    columns: list[dict[str, Json]]
    rows: list[list[Json]]
    labels: dict[str, dict[str, Json]] = field(default_factory=dict)
    left_out: int = 0


def chart_data(kind: str, data: Any, x: str | None, y: str | None, color: str | None) -> ChartData:
    """Returns what a chart of this kind shows of the rows.

    Raises `ValueError` for an unknown kind, for a column that is missing or of a type that the chart cannot show, for
    too many rows, and what `rows_of` raises.
    """
    if kind not in _KINDS:
        raise ValueError(f"there is no chart {kind!r}; the kinds are {', '.join(_KINDS)}")
    needs = _KINDS[kind]
    for axis, name in (("x", x), ("y", y), ("color", color)):
        if name is not None and not isinstance(name, str):
            raise ValueError(f"{kind} chart: {axis} must be the name of one column, not a {type(name).__name__}")
    for axis, name, is_needed in (("x", x, needs.needs_x), ("y", y, bool(needs.y))):
        if name is None and is_needed:
            raise ValueError(f"{kind} chart: {axis}= is missing; give the name of a column")
    if y is not None and not needs.y:
        raise ValueError(f"{kind} chart: y= has no meaning, because the chart counts the rows; leave it out")
    if needs.is_computed and (y or x) in (x if y else None, color):
        raise ValueError(f"{kind} chart: column {y or x!r} is both what is counted and what divides it")
    names = [name for name in dict.fromkeys((x, y, color)) if name is not None]
    rows = rows_of(data, stop=None if needs.is_computed else MAX_ROWS, columns=names)
    for axis, name, types in (("x", x, needs.x), ("y", y, needs.y), ("color", color, _LABELS)):
        if name is not None:
            rows = _checked(kind, rows, axis, name, types)
    rows = rows.only(names)
    match kind:
        case "histogram":
            assert x is not None
            return _histogram(rows, x, color)
        case "box":
            assert y is not None
            return _boxes(rows, y, tuple(name for name in names if name != y))
        case _:
            return _plain(kind, rows, y)


def _checked(kind: str, rows: Rows, axis: str, name: str, types: tuple[str, ...]) -> Rows:
    """Returns the rows with a column `name` that the axis takes. One without any value becomes one of numbers."""
    known = [column.name for column in rows.columns]
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(map(repr, known[:20]))}"
        raise ValueError(f"{kind} chart: the data has no column {name!r} for {axis}; {hint}")
    found = rows.column(name)
    if found.cells in types:
        return rows
    if any(array.null_count < len(array) for (array,) in rows.only([name]).batches()):
        raise ValueError(f"{kind} chart: column {name!r} is of type {found.cells}, but {axis} takes {', '.join(types)}")
    empty = Column(name, "number", pa.float64(), lambda start, stop: pa.nulls(stop - start, pa.float64()))
    return Rows(tuple(empty if column is found else column for column in rows.columns), rows.total)


def _plain(kind: str, rows: Rows, y: str | None) -> ChartData:
    if rows.total > MAX_ROWS:
        raise ValueError(f"a {kind} chart shows at most {MAX_ROWS:,} rows; aggregate first, or draw a histogram or box")
    cells = list(rows.cells())
    if kind == "pie" and y is not None:
        at = [column.name for column in rows.columns].index(y)
        if any(_amount(row[at]) < 0 for row in cells):
            raise ValueError(f"pie chart: column {y!r} has negative values, which have no share; draw bars")
    return ChartData([column.described for column in rows.columns], cells)


def _amount(cell: Json) -> float:
    return float(cell) if isinstance(cell, int | float | str) else 0.0


def _histogram(rows: Rows, x: str, color: str | None) -> ChartData:
    amounts = read_amounts(rows, x, () if color is None else (color,))
    is_whole = amounts.values.dtype.kind in "iu"
    edges, bins = whole_bins(amounts.values) if is_whole else bins_of(amounts.values)
    count = max(len(edges) - 1, 0)
    if count * len(amounts.labels) > MAX_ROWS:
        raise ValueError(f"histogram chart: column {color!r} has too many different values for color")
    edge = {"type": "integer", "native_type": "int64"} if is_whole else {"type": "number", "native_type": "double"}
    columns: list[dict[str, Json]] = [
        {"name": "start", **edge},
        {"name": "end", **edge},
        {"name": "count", "type": "integer", "native_type": "int64"},
    ]
    labels = _label_columns(rows, () if color is None else (color,), columns)
    found: list[list[Json]] = []
    for label, chosen in zip(amounts.labels, amounts.groups(), strict=True):
        counts = np.bincount(bins[chosen], minlength=count).tolist()
        found += [[_edge(edges[at]), _edge(edges[at + 1]), counts[at], *label] for at in range(count)]
    return ChartData([*columns, *labels.values()], found, labels, amounts.left_out)


def _boxes(rows: Rows, y: str, labels: tuple[str, ...]) -> ChartData:
    amounts = read_amounts(rows, y, labels)
    if len(amounts.labels) > MAX_ROWS:
        raise ValueError(f"box chart: more than {MAX_ROWS:,} boxes; choose a column with fewer different values")
    numbers: list[dict[str, Json]] = [
        {"name": name, "type": "number", "native_type": "double"} for name in ("min", "q1", "median", "q3", "max")
    ]
    described = _label_columns(rows, labels, numbers)
    found: list[list[Json]] = []
    for label, chosen in zip(amounts.labels, amounts.groups(), strict=True):
        values = amounts.values[chosen].astype(np.float64)
        quartiles = np.quantile(values, [0, 0.25, 0.5, 0.75, 1]).tolist()
        found.append([*label, *map(number, quartiles)])
    return ChartData([*described.values(), *numbers], found, described, amounts.left_out)


def _label_columns(rows: Rows, labels: tuple[str, ...], computed: list[dict[str, Json]]) -> dict[str, dict[str, Json]]:
    """Returns the described columns of labels by their names in the data; none has the name of a computed column."""
    names = unique_names([*(column["name"] for column in computed), *labels])[len(computed) :]
    return {label: rows.column(label).described | {"name": name} for label, name in zip(labels, names, strict=True)}


def _edge(value: int | float) -> Json:
    return whole(value) if isinstance(value, int) else number(value)
