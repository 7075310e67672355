"""Checks a question against the types of the source's columns."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from raylane_common.errors import AmbiguousColumn, TypeMismatch
from raylane_common.wire.names import ChartKind
from raylane_common.wire.sources import ColumnType, FileSource
from raylane_worker.generation.columns import columns_of
from raylane_worker.generation.template.question import (
    Aggregate,
    Comparison,
    Describe,
    Distinct,
    Plot,
    Statistic,
    TopRows,
    is_ordered,
)

if TYPE_CHECKING:
    from raylane_common.wire.sources import Column, Source
    from raylane_worker.generation.template.question import Condition, Question


def check_types(question: Question) -> None:
    """Checks that the operation fits the types of its columns. The types of values are checked when they are parsed.

    Raises `TypeMismatch` if it does not, or if a condition compares with a text that means a missing value, and
    `AmbiguousColumn` for a source with duplicate column names.
    """
    if question.template_id != "count" or question.conditions:
        _check_names(question.source)
    for condition in question.conditions:
        _check_markers(condition, question.source)
    match question.operation:
        case Describe(columns=columns):
            for column in columns:
                _require(column, column.type.is_numeric, "be described; only numbers can")
            if not columns:
                raise TypeMismatch(f"{question.source.name} has no numeric column to describe")
        case Distinct(columns=columns):
            for column in columns:
                _require(column, column.type is not ColumnType.OTHER, "be compared")
        case TopRows(column=column):
            _require(column, is_ordered(column), "rank rows; only numbers and dates can")
        case Aggregate():
            _check_aggregate(question.operation)
        case Plot():
            _check_plot(question.operation)
        case _:
            pass


def _check_names(source: Source) -> None:
    counts = Counter(column.name for column in columns_of(source))
    if duplicates := [name for name, count in counts.items() if count > 1]:
        raise AmbiguousColumn(
            f"{source.name} has several columns named {', '.join(map(repr, duplicates))}, so Ray can only count its "
            "rows; rename them and upload the file again",
            details={"columns": list(duplicates), "source": source.name},
        )


def _check_markers(condition: Condition, source: Source) -> None:
    column = condition.column
    # In a table every text is a value, as in Hive.
    if column.type is not ColumnType.STRING or not isinstance(source, FileSource):
        return
    markers = [str(value) for value in condition.values if value in source.reading.null_markers]
    if markers and condition.comparison is not Comparison.CONTAINS:
        raise TypeMismatch(
            f"{markers[0]!r} in column {column.name!r} is a missing value, as everywhere in this source, so no row has "
            f"this text; write '{column.name} is missing'",
            details={"column": column.name, "type": str(column.type), "value": markers[0]},
        )


def _check_aggregate(operation: Aggregate) -> None:
    for measure in operation.measures:
        column, statistic = measure.column, measure.statistic
        if column is None:
            continue
        if statistic is Statistic.DISTINCT:
            _require(column, column.type is not ColumnType.OTHER, "be compared")
        elif statistic in (Statistic.MIN, Statistic.MAX):
            _require(column, is_ordered(column), f"have a {statistic}; only numbers and dates can")
        else:
            _require(column, column.type.is_numeric, f"have a {statistic}; only numbers can")
    for key in operation.keys:
        _require(key, key.type is not ColumnType.OTHER, "be grouped by")
    first = operation.measures[0]
    if operation.top and first.column and first.statistic in (Statistic.MIN, Statistic.MAX):
        _require(first.column, first.column.type.is_numeric, "rank groups; only numbers can")


def _check_plot(plot: Plot) -> None:
    what = "be drawn so; only numbers can"
    if plot.column.type in (ColumnType.STRING, ColumnType.BOOLEAN):
        what += f", but 'bar chart of {plot.column.name}' shows how often each value occurs"
    if plot.kind is ChartKind.SCATTER:
        _require(plot.column, is_ordered(plot.column), "be drawn as points; only numbers, dates and times can")
    else:
        _require(plot.column, plot.column.type.is_numeric, what)
    if plot.by == plot.column:
        raise TypeMismatch(
            f"column {plot.column.name!r} cannot be drawn against itself", details={"column": plot.column.name}
        )
    if plot.by and plot.kind is ChartKind.BOX:
        _require(plot.by, plot.by.type is not ColumnType.OTHER, "be grouped by")
    elif plot.by:
        _require(plot.by, is_ordered(plot.by), "place what is drawn; only numbers, dates and times can")


def _require(column: Column, fits: bool, what: str) -> None:
    if not fits:
        native = "" if column.native_type == column.type else f" ({column.native_type})"
        kind = "has no values" if column.native_type == "null" else f"is of type {column.type}{native}"
        raise TypeMismatch(
            f"column {column.name!r} {kind} and cannot {what}",
            details={"column": column.name, "type": str(column.type)},
        )
