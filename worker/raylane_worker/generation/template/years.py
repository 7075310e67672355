"""Parses the years of a follow-up: "only 2012", "in 2012 and 2013", "from 2012 to 2014", "since 2013"."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Final

from raylane_common.wire.sources import ColumnType
from raylane_worker.generation.columns import columns_of
from raylane_worker.generation.template.changes import keys_of
from raylane_worker.generation.template.question import Comparison, Condition, is_temporal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from raylane_common.wire.sources import Column
    from raylane_worker.generation.template.name_cursor import NameCursor
    from raylane_worker.generation.template.question import Question

_YEARS: Final = range(1000, 3000)
_BOUNDS: Final = (
    ("since", Comparison.GREATER_EQUAL),
    ("after", Comparison.GREATER),
    ("before", Comparison.LESS),
)


def parse_years(cursor: NameCursor, question: Question, *, only: bool) -> Condition | None:
    """Takes years. Returns the condition on the column that they are about, or None if no year follows.

    Without `only` or a preposition, one year must be the last word. Raises `NotUnderstood` if no column has years.
    """
    has_year_word = cursor.take("the year|in the year|for the year|the years|in the years")
    bound = next((one for word, one in _BOUNDS if not has_year_word and cursor.take(word)), None)
    is_between = bound is None and cursor.take("between")
    is_range = is_between or (bound is None and cursor.take("from"))
    has_preposition = bound is not None or is_range or has_year_word or cursor.take("in|for")
    first = _take_year(cursor)
    if first is None:
        if has_preposition:
            cursor.refuse()
        return None
    years = [first]
    if bound is None and cursor.take("and" if is_between else "to|until|through"):
        is_range = True
        years.append(_expect_year(cursor))
    else:
        while bound is None and not is_range and cursor.take(", and|,|and|or"):
            years.append(_expect_year(cursor))
    if is_range and (len(years) < 2 or years[0] > years[1]):
        cursor.refuse("say the first and the last year, as in 'from 2012 to 2014'")
    if not (only or has_preposition or len(years) > 1 or cursor.at_end or cursor.is_next(",|as|instead|please")):
        cursor.refuse()
    return _condition(cursor, question, _about(bound, years, is_range=is_range), years)


def _take_year(cursor: NameCursor) -> int | None:
    token = None if cursor.at_end else cursor.tokens[cursor.position]
    if token is None or not token.text.isdecimal() or len(token.text) != 4 or int(token.text) not in _YEARS:
        return None
    return cursor.take_number()


def _expect_year(cursor: NameCursor) -> int:
    year = _take_year(cursor)
    if year is None:
        cursor.refuse("expected a year")
    return year


def _about(bound: Comparison | None, years: Sequence[int], *, is_range: bool) -> Comparison:
    if bound is not None:
        return bound
    if is_range:
        return Comparison.BETWEEN
    return Comparison.EQUAL if len(years) == 1 else Comparison.IN


def _condition(cursor: NameCursor, question: Question, comparison: Comparison, years: list[int]) -> Condition:
    columns = _columns_with_years(question)
    if not columns:
        cursor.refuse(f"{question.source.name} has no column of dates")
    column = columns[cursor.choose(len(columns))]
    if not is_temporal(column):
        return Condition(column, comparison, tuple(dict.fromkeys(years)))
    first, last = date(min(years), 1, 1), date(max(years), 12, 31)
    match comparison:
        case Comparison.GREATER_EQUAL | Comparison.LESS:
            return Condition(column, comparison, (first,))
        case Comparison.GREATER:
            return Condition(column, comparison, (last,))
        case Comparison.IN if len({*years}) <= max(years) - min(years):
            cursor.refuse("years of dates must follow each other; ask about each of them")
        case _:
            return Condition(column, Comparison.BETWEEN, (first, last))


def _columns_with_years(question: Question) -> list[Column]:
    """Returns the columns that have years; only the one by which the question groups or filters, if there is one."""
    columns = [one for one in columns_of(question.source) if is_temporal(one) or _is_year(one)]
    used = {*keys_of(question), *(one.column for one in question.conditions)}
    named = [one for one in columns if one in used]
    return named if len(named) == 1 else columns


def _is_year(column: Column) -> bool:
    return column.type is ColumnType.INTEGER and "year" in column.name.casefold().replace("_", " ").split()
