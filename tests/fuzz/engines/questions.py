"""Random questions about a table, of every form that has the types for it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from hypothesis import strategies as st

from raylane_common.errors import RaylaneError
from raylane_common.wire.sources import ColumnType
from raylane_worker.generation.template.question import (
    Aggregate,
    Comparison,
    Condition,
    CountMissing,
    Describe,
    Distinct,
    Measure,
    Preview,
    Question,
    Statistic,
    TopRows,
)
from raylane_worker.generation.template.type_check import check_types

if TYPE_CHECKING:
    from collections.abc import Sequence

    from raylane_common.wire.sources import Column
    from raylane_worker.generation.template.question import Operation, Value
    from tests.fuzz.engines.tables import Table

_MANY_MEASURES: Final = 40
_MANY_CONDITIONS: Final = 9
_ORDERED: Final = (ColumnType.DATE, ColumnType.TIME, ColumnType.TIMESTAMP)


@st.composite
def questions(draw: st.DrawFn, table: Table) -> Question:
    """Questions that the template generator accepts."""
    columns = table.source.columns
    operation = draw(_operations(columns))
    chosen = draw(st.lists(st.sampled_from(columns), max_size=2)) if draw(st.booleans()) else []
    conditions = tuple(draw(conditions_on(table, column)) for column in chosen)
    question = Question(table.source, operation, conditions)
    try:
        check_types(question)
    except RaylaneError:
        return Question(table.source, Preview(3), conditions)
    return question


@st.composite
def long_questions(draw: st.DrawFn, table: Table) -> Question:
    """Questions with many statistics and conditions."""
    columns = table.source.columns
    operation = draw(_operations(columns))
    if isinstance(operation, Aggregate) and not operation.top:
        measures = draw(st.lists(_measure(columns), min_size=1, max_size=_MANY_MEASURES, unique=True))
        operation = replace(operation, measures=tuple(measures))
    chosen = draw(st.lists(st.sampled_from(columns), max_size=_MANY_CONDITIONS))
    question = Question(table.source, operation, tuple(draw(conditions_on(table, column)) for column in chosen))
    try:
        check_types(question)
    except RaylaneError:
        return Question(table.source, Preview(3), question.conditions)
    return question


@st.composite
def _operations(draw: st.DrawFn, columns: Sequence[Column]) -> Operation:
    several = st.lists(st.sampled_from(columns), min_size=1, max_size=2, unique=True).map(tuple)
    numbers = [one for one in columns if one.type.is_numeric]
    ordered = [one for one in columns if one.type.is_numeric or one.type in _ORDERED]
    limit = st.integers(1, 4)
    forms: dict[str, st.SearchStrategy[Operation]] = {
        "groups": st.builds(Aggregate, _measures(columns), several),
        "values": st.builds(Aggregate, _measures(columns)),
        "top groups": st.builds(Aggregate, _ranks(columns), several, limit, st.booleans()),
        "distinct": st.builds(Distinct, several),
        "missing": st.builds(CountMissing, several),
        "preview": st.builds(Preview, st.none() | limit),
    }
    if numbers:
        chosen = st.lists(st.sampled_from(numbers), min_size=1, unique=True).map(tuple)
        forms["describe"] = st.builds(Describe, chosen)
    if ordered:
        forms["top rows"] = st.builds(TopRows, limit, st.sampled_from(ordered), st.booleans())
    weighted = ["groups", "groups", "values", *forms]
    return draw(forms[draw(st.sampled_from(weighted))])


def _measures(columns: Sequence[Column]) -> st.SearchStrategy[tuple[Measure, ...]]:
    return st.lists(_measure(columns), min_size=1, max_size=4, unique=True).map(tuple)


def _ranks(columns: Sequence[Column]) -> st.SearchStrategy[tuple[Measure, ...]]:
    """Measures that rank groups. Deviations are computed in different ways, so they are not ranked by."""
    return _measure(columns).filter(lambda one: one.statistic is not Statistic.STD).map(lambda one: (one,))


@st.composite
def _measure(draw: st.DrawFn, columns: Sequence[Column]) -> Measure:
    column = draw(st.sampled_from(columns))
    if column.type.is_numeric:
        statistics = [one for one in Statistic if one is not Statistic.ROWS]
    elif column.type in _ORDERED:
        statistics = [Statistic.MIN, Statistic.MAX, Statistic.DISTINCT]
    else:
        statistics = [Statistic.DISTINCT]
    statistic = draw(st.sampled_from([*statistics, Statistic.ROWS]))
    return Measure(statistic, None if statistic is Statistic.ROWS else column)


@st.composite
def conditions_on(draw: st.DrawFn, table: Table, column: Column) -> Condition:
    """Conditions on the column, with values that it has or nearly has."""
    index = [one.name for one in table.source.columns].index(column.name)
    present = [value for value in table.data.column(index).to_pylist() if value is not None]
    comparisons = [Comparison.MISSING, Comparison.PRESENT]
    if present:
        comparisons += [Comparison.EQUAL, Comparison.UNEQUAL, Comparison.IN] * 2
        if column.type is ColumnType.STRING:
            comparisons.append(Comparison.CONTAINS)
        elif column.type is not ColumnType.BOOLEAN:
            comparisons += [Comparison.GREATER, Comparison.GREATER_EQUAL, Comparison.LESS, Comparison.LESS_EQUAL]
            comparisons.append(Comparison.BETWEEN)
    comparison = draw(st.sampled_from(comparisons))
    if comparison in (Comparison.MISSING, Comparison.PRESENT):
        return Condition(column, comparison)
    values = st.sampled_from(present).flatmap(lambda value: _value(column, value))
    match comparison:
        case Comparison.BETWEEN:
            return Condition(column, comparison, tuple(sorted((draw(values), draw(values)), key=_place)))
        case Comparison.IN:
            return Condition(column, comparison, tuple(draw(st.lists(values, min_size=1, max_size=2, unique=True))))
        case Comparison.CONTAINS:
            return Condition(column, comparison, (str(draw(values))[:2] or "a",))
        case _:
            return Condition(column, comparison, (draw(values),))


def _place(value: Any) -> Any:
    """Returns what a bound is sorted by: a day is its beginning."""
    is_day = isinstance(value, date) and not isinstance(value, datetime)
    return datetime.combine(value, time()) if is_day else value


def _value(column: Column, value: Any) -> st.SearchStrategy[Value]:
    """Values as conditions have them: that of a row, and for some types one near it."""
    match column.type:
        case ColumnType.INTEGER:
            whole = int(value)
            return st.sampled_from([whole, whole, Decimal(whole) + Decimal("0.5")] if abs(whole) < 100 else [whole])
        case ColumnType.NUMBER:
            # DuckDB compares longer decimals with whole numbers only.
            is_short = abs(value) < 10**9
            return st.sampled_from([float(value), float(value) + 0.25, int(value)] if is_short else [int(value)])
        case ColumnType.TIME:
            return st.just(value.isoformat())
        case ColumnType.TIMESTAMP:
            moment = datetime.fromisoformat(_in_utc(value).isoformat())
            return st.sampled_from([moment, moment, moment.date()])
        case _:
            return st.just(value)


def _in_utc(moment: datetime) -> datetime:
    return moment if moment.tzinfo is None else moment.astimezone(UTC).replace(tzinfo=None)
