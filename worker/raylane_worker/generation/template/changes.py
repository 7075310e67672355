"""Changes one part of a question: its groups, its statistics, its columns, its chart, how many groups there are."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from raylane_common.errors import NotUnderstood
from raylane_common.wire.names import ChartKind
from raylane_common.wire.sources import Column, ColumnType
from raylane_worker.generation.template.charts import group_count
from raylane_worker.generation.template.question import (
    MAX_ROWS,
    Aggregate,
    CountMissing,
    Describe,
    Distinct,
    Drawing,
    Measure,
    Plot,
    Statistic,
    TopRows,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn

    from raylane_worker.generation.template.question import Operation, Question

_ALONG: Final = (ChartKind.LINE, ChartKind.SCATTER)


def refuse(problem: str) -> NoReturn:
    """Raises `NotUnderstood`: the earlier question has not what the follow-up changes."""
    raise NotUnderstood(problem, details={"unconsumed": []})


def keys_of(question: Question) -> tuple[Column, ...]:
    """Returns the columns that divide or place what the question is about."""
    match question.operation:
        case Aggregate(keys=keys) | Distinct(columns=keys):
            return keys
        case Plot(by=Column() as key):
            return (key,)
        case _:
            return ()


def text_key(question: Question) -> Column | None:
    """Returns the only column of text by which the question groups; None if there is none."""
    texts = [one for one in keys_of(question) if one.type is ColumnType.STRING]
    return texts[0] if len(texts) == 1 else None


def with_keys(question: Question, columns: Sequence[Column], replaced: Sequence[Column] | None) -> Question:
    """Returns the question with other groups: instead of the `replaced` ones, which may be none, or of all if None.

    Raises `NotUnderstood` if the question has no groups that could be others.
    """
    operation = question.operation
    match operation:
        case Aggregate() | Distinct():
            keys = _replaced(keys_of(question), columns, replaced, "groups")
            if isinstance(operation, Distinct):
                return replace(question, operation=Distinct(keys))
            top = operation.top if keys else None
            return replace(
                question,
                operation=replace(operation, keys=keys, top=top, descending=operation.descending or not keys),
            )
        case TopRows() if replaced is None:
            return replace(question, operation=replace(operation, column=_one(columns)))
        case Plot(kind=ChartKind.BOX) if not replaced:
            return replace(question, operation=replace(operation, by=_one(columns)))
        case _:
            refuse("the earlier question has no groups that could be others")


def without_keys(question: Question) -> Question:
    """Returns the question without groups. Raises `NotUnderstood` if it has none."""
    match question.operation:
        case Aggregate(measures=measures, keys=(_, *_)):
            return replace(question, operation=Aggregate(measures))
        case Plot(kind=ChartKind.BOX, by=Column()) as plot:
            return replace(question, operation=replace(plot, by=None))
        case _:
            refuse("the earlier question has no groups")


def _replaced(
    there: Sequence[Column], new: Sequence[Column], replaced: Sequence[Column] | None, what: str
) -> tuple[Column, ...]:
    if replaced is None:
        return tuple(new)
    if missing := [one.name for one in replaced if one not in there]:
        refuse(f"{missing[0]!r} is none of the {what} of the earlier question")
    found: list[Column] = []
    for one in there:
        found += new if one in replaced else [one]
    return tuple(dict.fromkeys(found if replaced else [*there, *new]))


def _one(columns: Sequence[Column]) -> Column:
    if len(columns) != 1:
        refuse("the earlier question is about one column there, so name one")
    return columns[0]


def with_statistics(
    question: Question,
    statistics: Sequence[Statistic],
    columns: Sequence[Column],
    replaced: Sequence[Statistic] | None,
) -> Question:
    """Returns the question with other statistics: of these columns, or of its own ones if there are none.

    They take the place of those `replaced`, which may be none, or of all if None. Raises `NotUnderstood` if the
    question has no statistics, or none of a column.
    """
    operation = _aggregate(question.operation)
    own = dict.fromkeys(one.column for one in operation.measures if one.column is not None)
    if missing := [one for one in replaced or () if one not in {measure.statistic for measure in operation.measures}]:
        refuse(f"the earlier question does not ask for the {missing[0]}")
    found: list[Measure] = []
    if not replaced:
        found += () if replaced is None else operation.measures
        found += _measures(statistics, columns or [*own])
    else:
        for measure in operation.measures:
            its_columns = [measure.column] if measure.column else [*own]
            changed = measure.statistic in replaced
            found += _measures(statistics, columns or its_columns) if changed else [measure]
    return _with_measures(question, operation, found)


def _measures(statistics: Sequence[Statistic], columns: Sequence[Column]) -> list[Measure]:
    found: list[Measure] = []
    for statistic in statistics:
        if statistic is Statistic.ROWS:
            found.append(Measure(statistic))
        elif not columns:
            refuse(f"the earlier question names no column; say of which one, as in '{statistic} of a'")
        else:
            found += [Measure(statistic, one) for one in columns]
    return found


def _aggregate(operation: Operation) -> Aggregate:
    if isinstance(operation, Distinct):
        return Aggregate((Measure(Statistic.ROWS),), operation.columns)
    if not isinstance(operation, Aggregate):
        refuse("the earlier question asks for no statistic that could be another one")
    return operation


def _with_measures(question: Question, operation: Aggregate, measures: Sequence[Measure]) -> Question:
    found = tuple(dict.fromkeys(measures))
    if operation.top and len(found) > 1:
        refuse("only one statistic can rank the groups")
    return replace(question, operation=replace(operation, measures=found))


def with_columns(question: Question, columns: Sequence[Column], replaced: Sequence[Column] | None) -> Question:
    """Returns the same question about other columns: instead of the `replaced` ones, or of all if None.

    Raises `NotUnderstood` if it is about none, or about one.
    """
    operation = question.operation
    match operation:
        case Aggregate():
            return _with_measures(question, operation, _measures_of(operation, columns, replaced))
        case Describe(columns=there):
            return replace(question, operation=Describe(_replaced(there, columns, replaced, "columns")))
        case CountMissing(columns=there):
            return replace(question, operation=CountMissing(_replaced(there, columns, replaced, "columns")))
        case Plot(column=there) | TopRows(column=there) if replaced is None or [*replaced] == [there]:
            return replace(question, operation=replace(operation, column=_one(columns)))
        case _:
            refuse("the earlier question has no column that could be another one")


def _measures_of(operation: Aggregate, columns: Sequence[Column], replaced: Sequence[Column] | None) -> list[Measure]:
    there = dict.fromkeys(one.column for one in operation.measures if one.column is not None)
    if not there:
        refuse("the earlier question counts rows, and is about no column; name a statistic, as in 'average of a'")
    if missing := [one.name for one in replaced or () if one not in there]:
        refuse(f"the earlier question has no statistic of {missing[0]!r}")
    statistics = dict.fromkeys(one.statistic for one in operation.measures if one.column is not None)
    if replaced:
        found: list[Measure] = []
        for one in operation.measures:
            found += [Measure(one.statistic, new) for new in columns] if one.column in replaced else [one]
        return found
    added = [Measure(statistic, one) for one in columns for statistic in statistics]
    return added if replaced is None else [*operation.measures, *added]


def with_top(question: Question, limit: int | None, *, descending: bool) -> Question:
    """Returns the question about the largest or smallest groups or rows; all of them if there is no limit.

    Raises `NotUnderstood` if the question has neither groups nor ranked rows.
    """
    operation = question.operation
    if isinstance(operation, TopRows):
        return replace(question, operation=replace(operation, limit=limit or operation.limit, descending=descending))
    if not isinstance(operation, Aggregate | Distinct):
        refuse("the earlier question has no groups that could be ranked")
    operation = _aggregate(operation)
    if not operation.keys:
        refuse("the earlier question has no groups that could be ranked")
    if len(operation.measures) > 1:
        refuse("only one statistic can rank the groups")
    size = group_count(operation)
    if limit is None and size is not None and size > MAX_ROWS:
        refuse(f"the answer has about {size:,} groups, and at most {MAX_ROWS:,} can be ranked; say how many you want")
    top = limit or operation.top or MAX_ROWS
    return replace(question, operation=replace(operation, top=top, descending=descending))


def without_top(question: Question) -> Question:
    """Returns the question about all groups. Raises `NotUnderstood` if it is not about some of them."""
    operation = question.operation
    if not isinstance(operation, Aggregate) or not operation.top:
        refuse("the earlier question already has all groups")
    return replace(question, operation=replace(operation, top=None, descending=True))


def with_chart(question: Question, chart: ChartKind | Drawing) -> Question:
    """Returns the question with this chart of its answer, or of the values of which its answer is made.

    Raises `NotUnderstood` if these are not the values of one column. Whether the chart fits is not checked.
    """
    operation = question.operation
    if isinstance(operation, Plot) and (chart in (operation.kind, Drawing.FITTING)):
        return question
    if isinstance(operation, Plot) and chart in _ALONG and operation.kind in _ALONG:
        return replace(question, operation=replace(operation, kind=chart))
    if chart in (ChartKind.HISTOGRAM, ChartKind.BOX):
        return as_plot(question, chart)
    return replace(question, chart=chart)


def as_plot(question: Question, kind: ChartKind, column: Column | None = None) -> Question:
    """Returns a histogram or box plot of the column, or of the only one that the question is about.

    Raises `NotUnderstood` if it is not about one.
    """
    columns: tuple[Column, ...] = ()
    match question.operation:
        case TopRows() | Aggregate(top=int()):
            refuse(
                "the earlier question ranks rows or groups, and a chart of values shows all rows; ask a whole question"
            )
        case Aggregate(measures=measures):
            columns = tuple(dict.fromkeys(one.column for one in measures if one.column is not None))
        case Describe(columns=columns):
            pass
        case Plot(column=found):
            columns = (found,)
        case _:
            pass
    if column is None and len(columns) != 1:
        refuse(f"the earlier question is not about one column; name it, as in '{kind} of a'")
    keys = keys_of(question)
    along = isinstance(question.operation, Plot) and question.operation.kind in _ALONG
    by = keys[0] if kind is ChartKind.BOX and len(keys) == 1 and not along else None
    return replace(question, operation=Plot(kind, column or columns[0], by), chart=None)


def placed_by(question: Question, kind: ChartKind, column: Column) -> Question:
    """Returns the question with its points along another column. Raises `NotUnderstood` if it draws no rows."""
    operation = question.operation
    if not isinstance(operation, Plot):
        refuse("the earlier question does not draw rows; ask a whole question, as in 'plot a against b'")
    return replace(question, operation=Plot(kind, operation.column, column))
