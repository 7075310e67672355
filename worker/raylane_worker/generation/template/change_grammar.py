"""Parses a change of an earlier question: "only 2024", "by city instead", "median", "as a line chart", "top 5"."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from raylane_common.wire.names import ChartKind
from raylane_worker.generation.template import changes, phrases
from raylane_worker.generation.template.chart_grammar import take_chart
from raylane_worker.generation.template.fitting_charts import check_chart
from raylane_worker.generation.template.grammar import parse_limit, parse_statistics
from raylane_worker.generation.template.prompt import Role
from raylane_worker.generation.template.question import Question, Statistic
from raylane_worker.generation.template.row_changes import parse_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from raylane_common.wire.sources import Column
    from raylane_worker.generation.template.name_cursor import NameCursor


@dataclass(frozen=True)
class _Old:
    """What a part replaces. None: all that is there; nothing at all: it is added."""

    columns: Sequence[Column] | None = None
    statistics: Sequence[Statistic] | None = None


_ADDED: Final = _Old((), ())
_ALL: Final = _Old()


@dataclass(frozen=True)
class _Part:
    """One part of a follow-up. `name` is what it changes; only rows may be changed several times."""

    name: str
    change: Callable[[_Old], Question]


_Parser: TypeAlias = "Callable[[NameCursor, Question], _Part | None]"


def parse_change(cursor: NameCursor, before: Question) -> Question:
    """Returns the earlier question with the changes that the prompt names, read as the cursor's choices say.

    `before` is about the source of the prompt. Raises `NotUnderstood` (details: the tokens that are left), and what
    `parse_question` raises.
    """
    question = before
    changed: list[str] = []
    while not cursor.at_end:
        if cursor.take_courtesy(phrases.NOW):
            continue
        # "instead of a" names what is replaced, so it is no courtesy.
        if not changed and not cursor.is_next("of", skip=1) and cursor.take("instead"):
            continue
        name, question = _parse_one(cursor, question)
        if name in changed and name != "rows":
            cursor.refuse(f"the follow-up changes the {name} twice")
        changed.append(name)
    if cursor.named_source not in (None, cursor.source):
        cursor.refuse()
    if question == before and not cursor.has_named_source:
        changes.refuse("the follow-up changes nothing of the earlier question")
    check_chart(question)
    return question


def _parse_one(cursor: NameCursor, question: Question) -> tuple[str, Question]:
    is_also = cursor.take(phrases.ALSO)
    is_joined = is_also or cursor.take(phrases.AND)
    if (changed := parse_rows(cursor, question, added=is_joined)) is not None:
        return "rows", changed
    if not is_also and cursor.take_source():
        return "source", question
    for parse in _PARSERS:
        if (part := parse(cursor, question)) is not None:
            old = _take_instead(cursor, is_also=is_also)
            if old is None:
                # "and by date" may replace the groups or add to them.
                old = _ADDED if is_also or (is_joined and cursor.choose(2)) else _ALL
            return part.name, part.change(old)
    cursor.refuse()


def _take_instead(cursor: NameCursor, *, is_also: bool) -> _Old | None:
    """Takes "instead", or "instead of" and what was there. Returns None if there is none."""
    if not cursor.take("instead"):
        return None
    if is_also:
        cursor.refuse("say 'also', or 'instead'")
    if not cursor.is_next("of"):
        return _ALL
    cursor.expect("of")
    cursor.take("the")
    if cursor.take(phrases.ROW_COUNT):
        return _Old(statistics=[Statistic.ROWS])
    cursor.take(phrases.BY)
    if cursor.is_at_column() and cursor.choose(2):
        return _Old(columns=cursor.take_columns())
    return _Old(statistics=parse_statistics(cursor))


def _parse_groups(cursor: NameCursor, question: Question) -> _Part | None:
    if cursor.take(phrases.OVERALL):
        return _Part("groups", lambda old: changes.without_keys(question))
    if cursor.take(phrases.BY):
        columns = cursor.take_columns()
        return _Part("groups", lambda old: changes.with_keys(question, columns, old.columns))
    kind = ChartKind.SCATTER if cursor.take(phrases.AGAINST) else ChartKind.LINE if cursor.take(phrases.OVER) else None
    if kind is None:
        return None
    column = cursor.take_column()
    return _Part("groups", lambda old: changes.placed_by(question, kind, column))


def _parse_chart(cursor: NameCursor, question: Question) -> _Part | None:
    chart = take_chart(cursor)
    if chart is None:
        chart = next((kind for said, kind in phrases.A_CHARTS if cursor.take(said, Role.WORD)), None)
    if chart is None:
        return None
    if chart in (ChartKind.HISTOGRAM, ChartKind.BOX) and cursor.take("of|for"):
        column = cursor.take_column()
        return _Part("chart", lambda old: changes.as_plot(question, chart, column))
    return _Part("chart", lambda old: changes.with_chart(question, chart))


def _parse_top(cursor: NameCursor, question: Question) -> _Part | None:
    if cursor.take(phrases.ALL_GROUPS):
        return _Part("number of groups", lambda old: changes.without_top(question))
    has_only = cursor.take(phrases.ONLY)
    for said, first, descending in (
        (phrases.TOP, phrases.LARGEST_FIRST, True),
        (phrases.BOTTOM, phrases.SMALLEST_FIRST, False),
    ):
        if cursor.take(first):
            return _top(question, None, descending=descending)
        if cursor.take_before_number(f"{said}|{'|'.join(f'the {one}' for one in said.split('|'))}"):
            limit = parse_limit(cursor)
            if not has_only:
                cursor.take("only")
            return _top(question, limit, descending=descending)
    if has_only:
        cursor.refuse()
    return None


def _top(question: Question, limit: int | None, *, descending: bool) -> _Part:
    return _Part("number of groups", lambda old: changes.with_top(question, limit, descending=descending))


def _parse_measures(cursor: NameCursor, question: Question) -> _Part | None:
    cursor.take(phrases.ONLY)
    has_with = cursor.take("with")
    cursor.take("the")
    if cursor.take(phrases.ROW_COUNT, Role.WORD):
        return _Part("statistic", lambda old: changes.with_statistics(question, [Statistic.ROWS], (), old.statistics))
    if any(cursor.is_next(names) for names, _ in phrases.STATISTICS) and cursor.choose(2) == 0:
        statistics = parse_statistics(cursor)
        columns = cursor.take_columns() if cursor.take("of") or cursor.is_at_column() else ()
        return _Part("statistic", lambda old: changes.with_statistics(question, statistics, columns, old.statistics))
    if cursor.take("of|for") or has_with or cursor.is_at_column():
        columns = cursor.take_columns()
        return _Part("column", lambda old: changes.with_columns(question, columns, old.columns))
    return None


_PARSERS: Final[tuple[_Parser, ...]] = (_parse_groups, _parse_chart, _parse_top, _parse_measures)
