"""Writes a question as a prompt that has no other reading."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING, Final

from raylane_worker.generation.columns import columns_of
from raylane_worker.generation.template.question import (
    Aggregate,
    Comparison,
    CountMissing,
    Describe,
    Distinct,
    ListColumns,
    Measure,
    Preview,
    Statistic,
    TopRows,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from raylane_common.wire.sources import Column, Source
    from raylane_worker.generation.template.question import Condition, Operation, Question, Value

_STATISTICS: Final = {
    Statistic.SUM: "sum of",
    Statistic.MEAN: "average of",
    Statistic.MEDIAN: "median of",
    Statistic.MIN: "min of",
    Statistic.MAX: "max of",
    Statistic.STD: "standard deviation of",
    Statistic.DISTINCT: "count distinct",
}


def quote(text: str) -> str:
    """Returns the text between quotes that it does not contain, as a prompt may write a name or value."""
    mark = next((mark for mark in "'\"`" if mark not in text), "'")
    return f"{mark}{text}{mark}"


def write_prompt(question: Question, *, name: Callable[[str], str] = quote, with_source: bool = True) -> str:
    """Returns the prompt. `name` writes a column's name.

    With the source and with names in quotes, it has no other reading.
    """
    parts = [_operation(question.operation, question.source, name)]
    if with_source:
        parts.append(f"in {quote(question.source.name)}")
    if question.conditions:
        parts.append("where " + " and ".join(_condition(one, name) for one in question.conditions))
    return " ".join(parts)


def _operation(operation: Operation, source: Source, name: Callable[[str], str]) -> str:
    match operation:
        case Preview(limit=None):
            return "all rows"
        case Preview(limit=limit):
            return "first row" if limit == 1 else f"first {limit} rows"
        case ListColumns():
            return "columns"
        case Describe(columns=columns):
            return f"describe {_names(columns, name)}"
        case CountMissing(columns=columns) if columns == columns_of(source):
            return "missing values per column"
        case CountMissing(columns=columns):
            return f"missing values of {_names(columns, name)}"
        case Distinct(columns=columns):
            return f"distinct {_names(columns, name)}"
        case TopRows(limit=limit, column=column, descending=descending):
            return f"{'top' if descending else 'bottom'} {limit} by {name(column.name)}"
        case Aggregate(measures=(Measure(column=None),), keys=()):
            return "how many rows"
        case Aggregate(measures=measures, keys=keys, top=top, descending=descending):
            what = " and ".join(_measure(one, name) for one in measures)
            if top:
                return f"{'top' if descending else 'bottom'} {top} {_names(keys, name)} by {what}"
            return f"{what} by {_names(keys, name)}" if keys else what


def _measure(measure: Measure, name: Callable[[str], str]) -> str:
    if measure.column is None:
        return "number of rows"
    return f"{_STATISTICS[measure.statistic]} {name(measure.column.name)}"


def _condition(condition: Condition, name: Callable[[str], str]) -> str:
    column, values = name(condition.column.name), [_value(value) for value in condition.values]
    match condition.comparison:
        case Comparison.MISSING:
            return f"{column} is missing"
        case Comparison.BETWEEN:
            return f"{column} between {values[0]} and {values[1]}"
        case Comparison.IN:
            return f"{column} in ({', '.join(values)})"
        case comparison:
            return f"{column} {comparison} {values[0]}"


def _value(value: Value) -> str:
    if isinstance(value, datetime):
        return quote(value.isoformat(sep=" "))
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, bool):
        return str(value).lower()
    return quote(value) if isinstance(value, str) else repr(value)


def _names(columns: Iterable[Column], name: Callable[[str], str]) -> str:
    return ", ".join(name(column.name) for column in columns)
