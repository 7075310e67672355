"""Changes one part of a question: its rows, its groups, its statistics, its chart, how many groups there are."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Final

from raylane_common.errors import NotUnderstood
from raylane_common.wire.names import ChartKind
from raylane_common.wire.sources import Column, ColumnType
from raylane_worker.generation.columns import columns_of
from raylane_worker.generation.template.question import (
    MAX_ROWS,
    Aggregate,
    Comparison,
    Condition,
    CountMissing,
    Describe,
    Distinct,
    Measure,
    Plot,
    Statistic,
    TopRows,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from raylane_worker.generation.template.question import Question

_TEMPORAL: Final = (ColumnType.DATE, ColumnType.TIMESTAMP)


def with_conditions(question: Question, conditions: Sequence[Condition], *, added: bool) -> Question:
    """Returns the question about the rows that meet the conditions, and its own ones.

    Its own conditions on the same columns are kept only if the new ones are `added` to them.
    """
    columns = () if added else {one.column for one in conditions}
    kept = [one for one in question.conditions if one.column not in columns]
    return replace(question, conditions=tuple(dict.fromkeys((*kept, *conditions))))


def year_conditions(question: Question, year: int) -> list[Condition]:
    """Returns the conditions that "only 2024" may mean: one for each column that has a year.

    If the question groups by one of them, or has a condition on one, only that one is meant.
    """
    columns = [one for one in columns_of(question.source) if one.type in _TEMPORAL or _is_year(one)]
    used = {*_keys(question), *(one.column for one in question.conditions)}
    if len(named := [one for one in columns if one in used]) == 1:
        columns = named
    first, last = date(year, 1, 1), date(year, 12, 31)
    return [
        Condition(one, Comparison.BETWEEN, (first, last))
        if one.type in _TEMPORAL
        else Condition(one, Comparison.EQUAL, (year,))
        for one in columns
    ]


def _is_year(column: Column) -> bool:
    return column.type is ColumnType.INTEGER and "year" in column.name.casefold().replace("_", " ").split()


def text_key(question: Question) -> Column | None:
    """Returns the only column of text by which the question groups; None if there is none."""
    texts = [one for one in _keys(question) if one.type is ColumnType.STRING]
    return texts[0] if len(texts) == 1 else None


def _keys(question: Question) -> tuple[Column, ...]:
    match question.operation:
        case Aggregate(keys=keys) | Distinct(columns=keys):
            return keys
        case Plot(by=Column() as key):
            return (key,)
        case _:
            return ()


def with_keys(question: Question, columns: tuple[Column, ...], *, added: bool) -> Question:
    """Returns the question with other groups, or with more if the columns are `added`. Raises `NotUnderstood`."""
    match question.operation:
        case Aggregate(keys=keys) as aggregate:
            wanted = tuple(dict.fromkeys((*keys, *columns))) if added else columns
            return replace(question, operation=replace(aggregate, keys=wanted))
        case Distinct(columns=keys):
            wanted = tuple(dict.fromkeys((*keys, *columns))) if added else columns
            return replace(question, operation=Distinct(wanted))
        case TopRows() as top if len(columns) == 1 and not added:
            return replace(question, operation=replace(top, column=columns[0]))
        case Plot(kind=ChartKind.BOX) as plot if len(columns) == 1 and not added:
            return replace(question, operation=replace(plot, by=columns[0]))
        case _:
            raise _refused("the earlier question has no groups that could be others")


def with_measures(
    question: Question, statistics: Sequence[Statistic], columns: Sequence[Column], *, added: bool
) -> Question:
    """Returns the question with other statistics: of these columns, or of its own ones if there are none.

    Raises `NotUnderstood` if the question has no statistics, or none of a column.
    """
    operation = question.operation
    if isinstance(operation, Distinct):
        operation = Aggregate((Measure(Statistic.ROWS),), operation.columns)
    if not isinstance(operation, Aggregate):
        raise _refused("the earlier question asks for no statistic that could be another one")
    chosen = [*columns] or [one.column for one in operation.measures if one.column is not None]
    found: list[Measure] = [*operation.measures] if added else []
    for statistic in statistics:
        if statistic is Statistic.ROWS:
            found.append(Measure(statistic))
        elif not chosen:
            raise _refused(f"the earlier question names no column; say of which one, as in '{statistic} of a'")
        else:
            found += [Measure(statistic, one) for one in chosen]
    measures = tuple(dict.fromkeys(found))
    if operation.top and len(measures) > 1:
        raise _refused("only one statistic can rank the groups")
    return replace(question, operation=replace(operation, measures=measures))


def with_columns(question: Question, columns: tuple[Column, ...]) -> Question:
    """Returns the same question about other columns. Raises `NotUnderstood` if it is about none, or about one."""
    match question.operation:
        case Aggregate(measures=measures):
            statistics = dict.fromkeys(one.statistic for one in measures)
            return with_measures(question, [*statistics], columns, added=False)
        case Describe():
            return replace(question, operation=Describe(columns))
        case CountMissing():
            return replace(question, operation=CountMissing(columns))
        case Plot() as plot if len(columns) == 1:
            return replace(question, operation=replace(plot, column=columns[0]))
        case _:
            raise _refused("the earlier question has no column that could be another one")


def with_top(question: Question, limit: int | None, *, descending: bool) -> Question:
    """Returns the question about the largest or smallest groups or rows; all of them if there is no limit.

    Raises `NotUnderstood` if the question has neither groups nor ranked rows.
    """
    operation = question.operation
    if isinstance(operation, TopRows):
        return replace(question, operation=replace(operation, limit=limit or operation.limit, descending=descending))
    if isinstance(operation, Distinct):
        operation = Aggregate((Measure(Statistic.ROWS),), operation.columns)
    if not isinstance(operation, Aggregate) or not operation.keys:
        raise _refused("the earlier question has no groups that could be ranked")
    if len(operation.measures) > 1:
        raise _refused("only one statistic can rank the groups")
    top = limit or operation.top or MAX_ROWS
    return replace(question, operation=replace(operation, top=top, descending=descending))


def without_top(question: Question) -> Question:
    """Returns the question about all groups. Raises `NotUnderstood` if it is not about some of them."""
    operation = question.operation
    if not isinstance(operation, Aggregate) or not operation.top:
        raise _refused("the earlier question already has all groups")
    return replace(question, operation=replace(operation, top=None, descending=True))


def as_plot(question: Question, kind: ChartKind) -> Question:
    """Returns a histogram or box plot of the only column that the question is about. Raises `NotUnderstood`."""
    columns: tuple[Column, ...] = ()
    match question.operation:
        case Aggregate(measures=measures):
            columns = tuple(dict.fromkeys(one.column for one in measures if one.column is not None))
        case Describe(columns=columns):
            pass
        case Plot(column=column):
            columns = (column,)
        case _:
            pass
    if len(columns) != 1:
        raise _refused("the earlier question is not about one column; name it, as in 'as a histogram of a'")
    keys = _keys(question)
    by = keys[0] if kind is ChartKind.BOX and len(keys) == 1 else None
    return replace(question, operation=Plot(kind, columns[0], by), chart=None)


def _refused(problem: str) -> NotUnderstood:
    return NotUnderstood(problem, details={"unconsumed": []})
