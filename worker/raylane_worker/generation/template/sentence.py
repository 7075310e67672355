"""Describes in one sentence how a prompt was read."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from raylane_common.wire.answer import MAX_CHART_ROWS
from raylane_common.wire.names import ChartKind
from raylane_common.wire.sources import ColumnType
from raylane_worker.generation.template.charts import chart_of, cuts_rows
from raylane_worker.generation.template.days import compares_days, is_day
from raylane_worker.generation.template.fitting_charts import PLOT_NAMES, grouped
from raylane_worker.generation.template.question import (
    Aggregate,
    Comparison,
    CountMissing,
    Describe,
    Distinct,
    Drawing,
    ListColumns,
    Plot,
    Preview,
    Statistic,
    TopRows,
    has_quartiles,
)

if TYPE_CHECKING:
    from raylane_common.wire.sources import Column
    from raylane_worker.generation.template.question import Condition, Measure, Operation, Question, Value

_STATISTIC_NAMES: Final = {
    Statistic.SUM: "sum",
    Statistic.MEAN: "average",
    Statistic.MEDIAN: "median",
    Statistic.MIN: "minimum",
    Statistic.MAX: "maximum",
    Statistic.STD: "sample standard deviation (n - 1)",
    Statistic.DISTINCT: "number of distinct values",
}
_DAY_COMPARISONS: Final = {
    Comparison.EQUAL: "on",
    Comparison.UNEQUAL: "not on",
    Comparison.GREATER: "after",
    Comparison.GREATER_EQUAL: "not before",
    Comparison.LESS: "before",
    Comparison.LESS_EQUAL: "not after",
    Comparison.IN: "on",
}


def write_sentence(question: Question) -> str:
    """Returns one sentence on how the prompt was read, with notes on the answer."""
    sentence = _operation(question.operation)
    if question.conditions:
        rows = "" if sentence.endswith(("rows", "row")) else " over the rows"
        sentence += f"{rows} where " + " and ".join(_condition(one) for one in question.conditions)
    sentence += _chart(question)
    return "; ".join([f"{sentence} in {question.source.name}", *_notes(question)])


def _chart(question: Question) -> str:
    groups = grouped(question.operation)
    if question.chart is Drawing.NOTHING:
        return ", without a chart,"
    if question.chart is None or groups is None:
        return ""
    kind = chart_of(groups, question.chart)
    return f", as a {PLOT_NAMES[kind]}," if kind else ""


def _operation(operation: Operation) -> str:
    match operation:
        case Preview(limit=None):
            return "All rows"
        case Preview(limit=limit):
            return "The first row" if limit == 1 else f"The first {limit} rows"
        case ListColumns():
            return "The columns and their types"
        case Describe(columns=columns):
            return f"Summary statistics of {_names(columns)}"
        case CountMissing(columns=columns):
            return f"The number of missing values of {_names(columns)}"
        case Distinct(columns=columns):
            what = "values" if len(columns) == 1 else "combinations"
            return f"The distinct {what} of {_names(columns)} with their frequency"
        case TopRows(limit=limit, column=column, descending=descending):
            rows = "row" if limit == 1 else f"{limit} rows"
            return f"The {rows} with the {_extreme(descending)} {column.name!r}"
        case Plot(kind=kind, column=column, by=by):
            return _plot(kind, column, by)
        case Aggregate(measures=measures, keys=keys, top=top, descending=descending):
            what = " and the ".join(_measure(measure) for measure in measures)
            if top:
                groups = "group" if top == 1 else f"{top} groups"
                return f"The {groups} by {_names(keys)} with the {_extreme(descending)} {what}"
            return f"The {what}" + (f" for each {_names(keys)}" if keys else "")


def _plot(kind: ChartKind, column: Column, by: Column | None) -> str:
    what = f"A {PLOT_NAMES[kind]} of {column.name!r}"
    if by is None:
        return what
    return f"{what} {'for each' if kind is ChartKind.BOX else 'against'} {by.name!r}"


def _extreme(descending: bool) -> str:
    return "largest" if descending else "smallest"


def _measure(measure: Measure) -> str:
    if measure.column is None:
        return "number of rows"
    return f"{_STATISTIC_NAMES[measure.statistic]} of {measure.column.name!r}"


def _condition(condition: Condition) -> str:
    column, values = repr(condition.column.name), [_value(value) for value in condition.values]
    if compares_days(condition):
        days = ["the day " * is_day(value) + text for value, text in zip(condition.values, values, strict=True)]
        if condition.comparison is Comparison.BETWEEN:
            return f"{column} is between {' and '.join(days)} (both included)"
        return f"{column} is {_DAY_COMPARISONS[condition.comparison]} {' or '.join(days)}"
    match condition.comparison:
        case Comparison.MISSING | Comparison.PRESENT:
            return f"{column} {condition.comparison}"
        case Comparison.BETWEEN:
            return f"{column} is between {values[0]} and {values[1]} (both included)"
        case Comparison.IN:
            return f"{column} is one of {', '.join(values)}"
        case comparison:
            return f"{column} {comparison} {values[0]}"


def _value(value: Value) -> str:
    return str(value) if isinstance(value, date | Decimal) else repr(value)


def _notes(question: Question) -> list[str]:
    operation, conditions = question.operation, question.conditions
    notes = []
    if cuts_rows(question):
        notes.append(f"at most {MAX_CHART_ROWS:,} rows are drawn, the first ones")
    if isinstance(operation, TopRows):
        notes.append("ties are ordered by the other columns")
    if isinstance(operation, Describe) and not has_quartiles(question.source):
        notes.append("quartiles are left out, since the source is not known to be small")
    if any(one.column.type is ColumnType.STRING and one.values for one in conditions):
        notes.append("text is compared exactly, including case")
    if unequal := dict.fromkeys(one.column for one in conditions if one.comparison is Comparison.UNEQUAL):
        notes.append(f"rows where {_names(tuple(unequal))} is missing are left out")
    if any("tz=" in one.column.native_type and one.values for one in conditions):
        notes.append("times and days are those of UTC")
    if isinstance(operation, Aggregate) and operation.top:
        notes.append(f"ties are ordered by {_names(operation.keys)}")
    return notes


def _names(columns: tuple[Column, ...]) -> str:
    return ", ".join(repr(column.name) for column in columns)
