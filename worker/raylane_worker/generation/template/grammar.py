"""Parses a prompt with a strict grammar: if any token is left over, the prompt is refused.

Each `take` may take or leave what follows, so a parser reads one of several ways; see `readings`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from raylane_common.wire.names import ChartKind
from raylane_worker.generation.columns import columns_of
from raylane_worker.generation.template import phrases
from raylane_worker.generation.template.chart_grammar import ChartWords, parse_plot, parse_rows_as
from raylane_worker.generation.template.conditions import parse_conditions
from raylane_worker.generation.template.fitting_charts import check_chart
from raylane_worker.generation.template.prompt import Role
from raylane_worker.generation.template.question import (
    MAX_ROWS,
    Aggregate,
    Condition,
    CountMissing,
    Describe,
    Distinct,
    Drawing,
    ListColumns,
    Measure,
    Operation,
    Plot,
    Preview,
    Question,
    Statistic,
    TopRows,
    numeric_columns,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from raylane_common.wire.sources import Column
    from raylane_worker.generation.template.name_cursor import NameCursor

# As many as the Unix command `head` shows.
_DEFAULT_ROWS: Final = 10
# A preview without a number shows all rows that meet the conditions, or the default number if there are no conditions.
_NO_LIMIT_GIVEN: Final = Preview(0)
_ROWS: Final = f"{phrases.ROWS}|{phrases.ROW}"
# Each one is an aggregate in the script and a column of the printed table.
_MAX_STATISTICS: Final = 50


def parse_question(cursor: NameCursor) -> Question:
    """Returns the question that the prompt asks, read as the cursor's choices say.

    Raises `NotUnderstood` (details: the tokens that are left), `UnknownColumn`, `AmbiguousColumn`, `TypeMismatch`,
    `UnknownSource`, `AmbiguousSource`.
    """
    words = ChartWords()
    operation = _parse_operation(cursor, words)
    conditions: tuple[Condition, ...] = ()
    while not cursor.at_end:
        if not conditions and cursor.take("where|, where"):
            conditions = parse_conditions(cursor)
        elif isinstance(operation, Aggregate) and not operation.keys and cursor.take(phrases.BY):
            operation = Aggregate(operation.measures, cursor.take_columns())
        elif operation == _NO_LIMIT_GIVEN and (plot := parse_rows_as(cursor)):
            operation = plot
        elif not words.take_end(cursor) and not cursor.take_source():
            _parse_ending(cursor)
    conditions += tuple(cursor.implied)
    if operation == _NO_LIMIT_GIVEN:
        operation = Preview(None if conditions else _DEFAULT_ROWS)
    question = with_chart(Question(cursor.source, operation, conditions, names_source=cursor.has_named_source), words)
    check_chart(question)
    return question


def with_chart(question: Question, words: ChartWords) -> Question:
    """Returns the question with the chart that the words ask for, if it is not that already."""
    is_that = isinstance(question.operation, Plot) and words.chart in (question.operation.kind, Drawing.FITTING)
    return replace(question, chart=None if is_that else words.chart)


def _parse_ending(cursor: NameCursor) -> None:
    if cursor.take_courtesy("please|, please") and cursor.at_end:
        return
    if any(map(cursor.has_ahead, phrases.CHART_WORDS)):
        cursor.refuse(f"the kinds of charts are {', '.join(ChartKind)}")
    cursor.refuse("put a text value between quotes" if cursor.is_after_text else "")


def _parse_operation(cursor: NameCursor, words: ChartWords) -> Operation:
    while cursor.take_courtesy(phrases.POLITE):
        pass
    to_show = cursor.take_courtesy(phrases.SHOW)
    while cursor.take_courtesy(phrases.POLITE):
        pass
    words.take_beginning(cursor)
    while words.chart is not None and cursor.take_courtesy(phrases.POLITE):
        pass
    if (plot := parse_plot(cursor, words)) is not None:
        return plot
    for form in (_parse_listing, _parse_missing, _parse_distinct, _parse_count):
        if (operation := form(cursor)) is not None:
            cursor.take_courtesy(phrases.TAIL)
            if isinstance(operation, Aggregate) and cursor.take_and():
                return Aggregate(_distinct((*operation.measures, *_parse_measures(cursor))))
            return operation
    found = _parse_top(cursor) or _parse_preview(cursor)
    if found is None and to_show and (cursor.at_end or cursor.choose(2)):
        return _NO_LIMIT_GIVEN
    return found or Aggregate(_parse_measures(cursor))


def _parse_listing(cursor: NameCursor) -> Operation | None:
    if cursor.take(phrases.COLUMNS, Role.WORD):
        return ListColumns()
    if cursor.take(phrases.DESCRIBE, Role.WORD):
        return Describe(_parse_optional_columns(cursor) or numeric_columns(cursor.source))
    return None


def _parse_missing(cursor: NameCursor) -> Operation | None:
    if not cursor.take(phrases.COUNT_MISSING, Role.WORD):
        return None
    named = () if cursor.take(phrases.EACH_COLUMN) else _parse_optional_columns(cursor)
    return CountMissing(named or columns_of(cursor.source))


def _parse_distinct(cursor: NameCursor) -> Operation | None:
    if not cursor.take(phrases.DISTINCT):
        return None
    cursor.take_courtesy(phrases.VALUES)
    return Distinct(cursor.take_columns())


def _parse_count(cursor: NameCursor) -> Operation | None:
    if cursor.take_noun(phrases.COUNT_ROWS) or cursor.take(phrases.COUNT, Role.WORD):
        return Aggregate((Measure(Statistic.ROWS),))
    return None


def _parse_top(cursor: NameCursor) -> Operation | None:
    descending = cursor.take(phrases.TOP)
    if not descending and not cursor.take(phrases.BOTTOM):
        return None
    limit = parse_limit(cursor)
    if limit is None:
        cursor.refuse("expected a number of rows")
    cursor.take(_ROWS, Role.WORD)
    if cursor.take("by"):
        return TopRows(limit, cursor.take_column(), descending)
    keys = cursor.take_columns()
    cursor.expect("by")
    return Aggregate((_parse_rank(cursor),), keys, limit, descending)


def _parse_rank(cursor: NameCursor) -> Measure:
    if cursor.take_noun(phrases.COUNT_ROWS) or cursor.take(f"{phrases.ROWS}|count", Role.WORD):
        return Measure(Statistic.ROWS)
    if cursor.is_at_column() and not _is_at_statistic(cursor) and not cursor.is_at_operation_name():
        cursor.refuse("say which statistic ranks the groups, such as its sum or average")
    first, *more = _parse_measures(cursor)
    if more:
        cursor.refuse("only one statistic can rank the groups")
    return first


def _parse_preview(cursor: NameCursor) -> Preview | None:
    if cursor.take(phrases.FIRST_ROW, Role.WORD):
        return Preview(1)
    if cursor.take_before_number(phrases.HEAD) or cursor.take(phrases.HEAD, Role.WORD):
        limit = parse_limit(cursor)
        cursor.take(phrases.ROWS if limit is None else _ROWS, Role.WORD)
        return _NO_LIMIT_GIVEN if limit is None else Preview(limit)
    if (limit := parse_limit(cursor)) is not None:
        if not cursor.take(_ROWS, Role.WORD):
            cursor.refuse("expected 'rows'")
        return Preview(limit)
    if cursor.take(phrases.ALL_ROWS, Role.WORD):
        return Preview(None)
    return _NO_LIMIT_GIVEN if cursor.take(f"{phrases.ROWS}|data", Role.WORD) else None


def parse_limit(cursor: NameCursor) -> int | None:
    """Takes a number of rows or groups. Returns None if none follows."""
    limit = cursor.take_number()
    if limit is not None and not 1 <= limit <= MAX_ROWS:
        cursor.position -= 1
        cursor.refuse(f"between 1 and {MAX_ROWS:,} rows can be shown")
    return limit


def _parse_measures(cursor: NameCursor) -> tuple[Measure, ...]:
    """Parses statistics: `average a`, `min and max of a`, `average a and b`, `average a and number of rows`."""
    measures: list[Measure] = []
    has_more = True
    while has_more:
        if cursor.take_noun(phrases.COUNT_ROWS):
            measures.append(Measure(Statistic.ROWS))
            has_more = cursor.take_and()
            continue
        statistics = _guess_statistics(cursor) or parse_statistics(cursor)
        columns = [cursor.take_column()]
        has_more = False
        while not has_more and cursor.take_and():
            # With a column named max, "and max" may begin another statistic, or name this column.
            is_more = _is_at_statistic(cursor) or cursor.is_next(phrases.COUNT_ROWS)
            has_more = is_more and (not cursor.is_at_column() or not cursor.choose(2))
            if not has_more:
                columns.append(cursor.take_column())
        measures += [Measure(statistic, column) for column in columns for statistic in statistics]
        if len(measures) > _MAX_STATISTICS:
            cursor.refuse(f"at most {_MAX_STATISTICS} statistics can be asked for at once")
    return _distinct(measures)


def _distinct(measures: Iterable[Measure]) -> tuple[Measure, ...]:
    return tuple(dict.fromkeys(measures))


def _guess_statistics(cursor: NameCursor) -> list[Statistic]:
    """Reads the name of a column such as `total sales` as one that is meant itself, without its statistic."""
    if not cursor.is_at_operation_name():
        return []
    guesses = (Statistic.SUM, Statistic.MEAN)
    choice = cursor.choose(len(guesses) + 1)
    if not choice:
        return []
    cursor.guess_name()
    return [guesses[choice - 1]]


def parse_statistics(cursor: NameCursor) -> list[Statistic]:
    """Takes one or more statistics, as in "min and max"."""
    found: list[Statistic] = []
    while True:
        statistic = next((one for names, one in phrases.STATISTICS if cursor.take(names)), None)
        if statistic is None:
            cursor.refuse()
        found.append(statistic)
        if statistic is Statistic.DISTINCT:
            cursor.take_courtesy(phrases.VALUES)
        if cursor.is_at_column() or not cursor.take_and():
            return found
        cursor.take("the")


def _is_at_statistic(cursor: NameCursor) -> bool:
    return any(cursor.is_next(names) for names, _ in phrases.STATISTICS)


def _parse_optional_columns(cursor: NameCursor) -> tuple[Column, ...]:
    """Parses the columns after an operation that does not require any; () for all of them."""
    option = cursor.choose(3)
    if option == 0:
        cursor.take("of|for|in|on")
        return cursor.take_columns()
    if option == 1:
        cursor.take("of|for|in|on")
        cursor.take("the|this")
        if not cursor.take("all columns|columns|numeric columns|data|dataset|table|file", Role.WORD):
            cursor.refuse()
    return ()
