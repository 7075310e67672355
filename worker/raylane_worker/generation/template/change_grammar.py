"""Parses a change of an earlier question: "only 2024", "by city instead", "median", "as a line chart", "top 5"."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from raylane_common.wire.names import ChartKind
from raylane_worker.generation.template import changes, phrases
from raylane_worker.generation.template.chart_grammar import parse_box, parse_histogram, take_kind, take_kind_alone
from raylane_worker.generation.template.charts import with_chart
from raylane_worker.generation.template.conditions import parse_conditions
from raylane_worker.generation.template.grammar import parse_limit, parse_statistics
from raylane_worker.generation.template.prompt import Role
from raylane_worker.generation.template.question import Comparison, Condition, Statistic

if TYPE_CHECKING:
    from raylane_worker.generation.template.name_cursor import NameCursor
    from raylane_worker.generation.template.question import Question

_YEARS: Final = range(1000, 3000)


def parse_change(cursor: NameCursor, before: Question) -> Question:
    """Returns the earlier question with the changes that the prompt names, read as the cursor's choices say.

    Raises `NotUnderstood` (details: the tokens that are left), and what `parse_question` raises.
    """
    question = before
    while not cursor.at_end:
        if not cursor.take_courtesy(phrases.NOW):
            question = _parse_one(cursor, question)
    if question == before:
        cursor.refuse("it changes nothing of the earlier question")
    return with_chart(question) if question.chart else question


def _parse_one(cursor: NameCursor, question: Question) -> Question:
    added = cursor.take(phrases.ALSO)
    for parse in (_parse_rows, _parse_groups, _parse_chart, _parse_top, _parse_measures):
        if (changed := parse(cursor, question, added)) is not None:
            _take_instead(cursor)
            return changed
    cursor.refuse()


def _take_instead(cursor: NameCursor) -> None:
    """Takes "instead", or "instead of" and what was there."""
    if not cursor.take("instead"):
        return
    if cursor.take("of"):
        if cursor.is_at_column() and cursor.choose(2):
            cursor.take_column()
        elif not cursor.take(phrases.ROW_COUNT) and not cursor.take(phrases.BY):
            parse_statistics(cursor)


def _parse_rows(cursor: NameCursor, question: Question, added: bool) -> Question | None:
    if cursor.take(phrases.ALL_AGAIN):
        return replace(question, conditions=())
    if cursor.take("without|except"):
        return _without(cursor, question)
    only = cursor.take(phrases.ONLY)
    if cursor.take("where"):
        return changes.with_conditions(question, parse_conditions(cursor), added=added)
    if (condition := _parse_year(cursor, question, only=only)) is not None:
        return changes.with_conditions(question, [condition], added=added)
    if only and cursor.is_at_column():
        return changes.with_conditions(question, parse_conditions(cursor), added=added)
    if only:
        return changes.with_conditions(question, [_parse_value_of_key(cursor, question, Comparison.EQUAL)], added=added)
    return None


def _without(cursor: NameCursor, question: Question) -> Question:
    if cursor.take("conditions|the conditions|the condition|filters|the filters|the filter"):
        return replace(question, conditions=())
    condition = _parse_value_of_key(cursor, question, Comparison.UNEQUAL)
    return changes.with_conditions(question, [condition], added=True)


def _parse_value_of_key(cursor: NameCursor, question: Question, comparison: Comparison) -> Condition:
    """Takes a text of the column by which the question groups."""
    key = changes.text_key(question)
    if key is None or cursor.at_end:
        cursor.refuse("say which column, as in \"only where a = 'x'\"")
    token = cursor.tokens[cursor.position]
    if not (token.quoted or token.is_text) or cursor.is_next(phrases.NOT_VALUES):
        cursor.refuse("put a text value between quotes")
    cursor.take_token()
    return Condition(key, comparison, (token.text,))


def _parse_year(cursor: NameCursor, question: Question, *, only: bool) -> Condition | None:
    has_preposition = cursor.take("in|for|from|of|the year|in the year")
    is_last = cursor.position + 1 == len(cursor.tokens)
    year = cursor.take_number() if only or has_preposition or is_last else None
    if year is None or year not in _YEARS:
        if has_preposition:
            cursor.refuse()
        return None
    found = changes.year_conditions(question, year)
    if not found:
        cursor.refuse(f"{question.source.name} has no column of dates")
    return found[cursor.choose(len(found))]


def _parse_groups(cursor: NameCursor, question: Question, added: bool) -> Question | None:
    if cursor.take(phrases.OVERALL):
        return changes.with_keys(question, (), added=False)
    if not cursor.take(phrases.BY):
        return None
    return changes.with_keys(question, cursor.take_columns(), added=added)


def _parse_chart(cursor: NameCursor, question: Question, added: bool) -> Question | None:
    if (kind := take_kind(cursor) or take_kind_alone(cursor)) is not None:
        return with_chart(replace(question, chart=kind))
    if cursor.take(phrases.AS_CHART):
        return with_chart(question)
    for said, kind, parse in (
        (phrases.AS_HISTOGRAM, ChartKind.HISTOGRAM, parse_histogram),
        (phrases.AS_BOX, ChartKind.BOX, parse_box),
    ):
        if cursor.take(said):
            if cursor.is_next("of|for"):
                return replace(question, operation=parse(cursor), chart=None)
            return changes.as_plot(question, kind)
    return None


def _parse_top(cursor: NameCursor, question: Question, added: bool) -> Question | None:
    for said, first, descending in (
        (phrases.TOP, phrases.LARGEST_FIRST, True),
        (phrases.BOTTOM, phrases.SMALLEST_FIRST, False),
    ):
        if cursor.take(first):
            return changes.with_top(question, None, descending=descending)
        if cursor.take_before_number(said):
            return changes.with_top(question, parse_limit(cursor), descending=descending)
    return changes.without_top(question) if cursor.take("all groups|all of them") else None


def _parse_measures(cursor: NameCursor, question: Question, added: bool) -> Question | None:
    cursor.take("the")
    if cursor.take(phrases.ROW_COUNT, Role.WORD):
        return changes.with_measures(question, [Statistic.ROWS], (), added=added)
    if any(cursor.is_next(names) for names, _ in phrases.STATISTICS):
        statistics = parse_statistics(cursor)
        columns = cursor.take_columns() if cursor.take("of") or cursor.is_at_column() else ()
        return changes.with_measures(question, statistics, columns, added=added)
    if cursor.take("of|for|with") or cursor.is_at_column():
        return changes.with_columns(question, cursor.take_columns())
    return None
