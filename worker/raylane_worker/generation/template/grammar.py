"""Parses a prompt with a strict grammar: if any token is left over, the prompt is refused.

Names take precedence over keywords: where a column is expected, `total` is the column of that name if there is one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from raylane_common.errors import GenerationError, NeedsModel
from raylane_worker.generation.columns import columns_of
from raylane_worker.generation.template import phrases
from raylane_worker.generation.template.conditions import parse_conditions
from raylane_worker.generation.template.cursor import TokenCursor
from raylane_worker.generation.template.forms import supported_forms
from raylane_worker.generation.template.question import (
    MAX_ROWS,
    Aggregate,
    Condition,
    CountMissing,
    Describe,
    Distinct,
    ListColumns,
    Measure,
    Operation,
    Preview,
    Question,
    Statistic,
    TopRows,
    numeric_columns,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from raylane_common.wire.sources import Column, Source
    from raylane_worker.generation.template.names import NameIndex
    from raylane_worker.generation.template.tokens import Token

# As many as the Unix command `head` shows.
_DEFAULT_ROWS: Final = 10
# A preview without a number shows all rows that meet the conditions, or the default number if there are no conditions.
_NO_LIMIT_GIVEN: Final = Preview(0)
# Each one is an aggregate in the script and a column of the printed table.
_MAX_STATISTICS: Final = 50


def parse_question(tokens: Sequence[Token], source: Source, sources: NameIndex[Source]) -> Question:
    """Returns the question that the prompt asks about `source`. `sources` finds all sources of the session by name.

    Raises `NotUnderstood` (details: the tokens that are left), `NeedsModel`, `UnknownColumn`, `AmbiguousColumn`,
    `TypeMismatch`, `UnknownSource`, `AmbiguousSource`.
    """
    cursor = TokenCursor(tokens, source, sources)
    try:
        return _parse_prompt(cursor)
    except GenerationError:
        if (word := _word_that_needs_model(cursor)) is not None:
            raise NeedsModel(
                f"the template generator cannot handle {word!r}; configure a model, or use one of the supported forms",
                details={"word": word, "supported": supported_forms()},
            ) from None
        raise


def _word_that_needs_model(cursor: TokenCursor) -> str | None:
    cursor.position = 0
    for index, token in enumerate(cursor.tokens):
        if cursor.is_next(phrases.NEEDS_MODEL, skip=index) and not cursor.is_at_column(skip=index):
            return token.text
    return None


def _parse_prompt(cursor: TokenCursor) -> Question:
    operation = _parse_operation(cursor)
    conditions: tuple[Condition, ...] = ()
    while not cursor.at_end:
        if not conditions and cursor.take("where|, where"):
            conditions = parse_conditions(cursor)
        elif isinstance(operation, Aggregate) and not operation.keys and cursor.take(phrases.BY):
            operation = Aggregate(operation.measures, cursor.take_columns())
        elif not cursor.take_source() and not cursor.take(phrases.TAIL):
            cursor.refuse()
    if operation == _NO_LIMIT_GIVEN:
        operation = Preview(None if conditions else _DEFAULT_ROWS)
    return Question(cursor.source, operation, conditions, names_source=cursor.has_named_source)


def _parse_operation(cursor: TokenCursor) -> Operation:
    cursor.take_all(phrases.POLITE)
    to_show = cursor.take(phrases.SHOW)
    cursor.take_all(phrases.POLITE)
    for form in (_parse_listing, _parse_missing, _parse_distinct, _parse_count, _parse_top):
        if (operation := form(cursor)) is not None:
            return operation
    return _parse_preview(cursor, to_show=to_show) or Aggregate(_parse_measures(cursor))


def _parse_listing(cursor: TokenCursor) -> Operation | None:
    if cursor.take(phrases.COLUMNS):
        return ListColumns()
    if cursor.take(phrases.DESCRIBE):
        return Describe(_parse_optional_columns(cursor) or numeric_columns(cursor.source))
    return None


def _parse_missing(cursor: TokenCursor) -> Operation | None:
    if not cursor.take(phrases.COUNT_MISSING):
        return None
    named = () if cursor.take(phrases.EACH_COLUMN) else _parse_optional_columns(cursor)
    return CountMissing(named or columns_of(cursor.source))


def _parse_distinct(cursor: TokenCursor) -> Operation | None:
    if not cursor.take(phrases.DISTINCT):
        return None
    if cursor.is_next("count"):
        cursor.position -= 1
        return None
    cursor.take(phrases.VALUES)
    return Distinct(cursor.take_columns())


def _parse_count(cursor: TokenCursor) -> Operation | None:
    rows = Aggregate((Measure(Statistic.ROWS),))
    if cursor.take(phrases.COUNT_ROWS):
        return rows
    start = cursor.position
    if cursor.take(phrases.COUNT):
        if _is_at_clause(cursor):
            return rows
        cursor.position = start
    return None


def _parse_top(cursor: TokenCursor) -> Operation | None:
    start = cursor.position
    descending = cursor.take("top|highest|largest")
    limit = cursor.take_number() if descending or cursor.take("bottom|lowest|smallest") else None
    if limit is None:
        cursor.position = start
        return None
    _check_limit(cursor, limit)
    cursor.take(phrases.ROWS)
    if cursor.take("by"):
        return TopRows(limit, cursor.take_column(), descending)
    keys = cursor.take_columns()
    cursor.expect("by")
    return Aggregate((_parse_rank(cursor),), keys, limit, descending)


def _parse_rank(cursor: TokenCursor) -> Measure:
    if cursor.take(f"{phrases.COUNT_ROWS}|{phrases.ROWS}|count"):
        return Measure(Statistic.ROWS)
    if not any(cursor.is_next(names) for names, _ in phrases.STATISTICS) and cursor.is_at_column():
        cursor.refuse("say which statistic ranks the groups, as in 'top 3 weather by average temp_max'")
    first, *more = _parse_measures(cursor)
    if more:
        cursor.refuse("only one statistic can rank the groups")
    return first


def _parse_preview(cursor: TokenCursor, *, to_show: bool) -> Preview | None:
    if cursor.take("first row|first record|first line"):
        return Preview(1)
    if cursor.take("first|head|preview|sample of|sample"):
        limit = cursor.take_number()
        if limit is not None:
            _check_limit(cursor, limit)
        cursor.take(phrases.ROWS)
        return Preview(limit) if limit is not None else _NO_LIMIT_GIVEN
    if (limit := cursor.take_number()) is not None:
        _check_limit(cursor, limit)
        cursor.expect(phrases.ROWS)
        return Preview(limit)
    if cursor.take(phrases.ALL_ROWS):
        return Preview(None)
    if cursor.take(f"{phrases.ROWS}|data") or (to_show and _is_at_clause(cursor)):
        return _NO_LIMIT_GIVEN
    return None


def _check_limit(cursor: TokenCursor, limit: int) -> None:
    if not 1 <= limit <= MAX_ROWS:
        cursor.position -= 1
        cursor.refuse(f"between 1 and {MAX_ROWS:,} rows can be shown")


def _parse_measures(cursor: TokenCursor) -> tuple[Measure, ...]:
    """Parses statistics of columns: `average a`, `min and max of a`, `average a and b`, `average a and max b`."""
    measures: list[Measure] = []
    has_more = True
    while has_more:
        statistics = _parse_statistics(cursor)
        columns = [cursor.take_column()]
        has_more = False
        while not has_more and cursor.take_and():
            if cursor.is_at_column() or not _is_at_statistic(cursor):
                columns.append(cursor.take_column())
            else:
                has_more = True
        measures += [Measure(statistic, column) for column in columns for statistic in statistics]
        if len(measures) > _MAX_STATISTICS:
            cursor.refuse(f"at most {_MAX_STATISTICS} statistics can be asked for at once")
    return tuple(dict.fromkeys(measures))


def _parse_statistics(cursor: TokenCursor) -> list[Statistic]:
    found: list[Statistic] = []
    while True:
        statistic = next((one for names, one in phrases.STATISTICS if cursor.take(names)), None)
        if statistic is None:
            cursor.refuse()
        found.append(statistic)
        if statistic is Statistic.DISTINCT:
            cursor.take(phrases.VALUES)
        if cursor.is_at_column() or not cursor.take_and():
            return found


def _is_at_statistic(cursor: TokenCursor) -> bool:
    return any(cursor.is_next(names) for names, _ in phrases.STATISTICS)


def _parse_optional_columns(cursor: TokenCursor) -> tuple[Column, ...]:
    """Parses the columns after an operation that does not require any; a source may follow instead."""
    if cursor.is_at_column():
        return cursor.take_columns()
    if _is_at_clause(cursor):
        return ()
    introduced = cursor.take("of the|of|for the|for|in the|in|on the|on|the|this")
    if cursor.take(f"all columns|columns|numeric columns|{phrases.SOURCE_NOUN}"):
        return ()
    return cursor.take_columns() if introduced else ()


def _is_at_clause(cursor: TokenCursor) -> bool:
    """Returns whether the prompt ends here or continues with a clause that may follow any operation."""
    start = cursor.position
    found = cursor.at_end or cursor.is_next(f"where|{phrases.BY}|{phrases.TAIL}") or cursor.take_source()
    cursor.position = start
    return found
