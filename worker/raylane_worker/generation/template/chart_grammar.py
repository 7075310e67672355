"""Parses what a prompt says about a chart: "plot …", "a bar chart of …", "histogram of x", "… as a line chart"."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from raylane_common.wire.names import ChartKind
from raylane_common.wire.sources import ColumnType
from raylane_worker.generation.columns import columns_of
from raylane_worker.generation.template import phrases
from raylane_worker.generation.template.prompt import Role
from raylane_worker.generation.template.question import (
    Aggregate,
    Distinct,
    Drawing,
    Measure,
    Plot,
    Statistic,
    is_ordered,
    is_temporal,
)

if TYPE_CHECKING:
    from raylane_common.wire.sources import Column
    from raylane_worker.generation.template.name_cursor import NameCursor
    from raylane_worker.generation.template.question import Operation

_ALONG: Final = (ChartKind.LINE, ChartKind.SCATTER)


@dataclass
class ChartWords:
    """What the words of a prompt say about its chart so far."""

    chart: ChartKind | Drawing | None = None

    def take_beginning(self, cursor: NameCursor) -> None:
        """Takes "plot" or "a bar chart of", if the prompt begins so."""
        if cursor.take(phrases.DRAW, Role.WORD):
            self.chart = Drawing.FITTING
        kind = next((kind for said, kind in phrases.CHARTS_OF if cursor.take(said, Role.WORD)), None)
        if kind is not None:
            self.chart = kind
        elif self.chart is None and cursor.take(phrases.CHART_OF, Role.WORD):
            self.chart = Drawing.FITTING

    def take_end(self, cursor: NameCursor) -> bool:
        """Takes "as a line chart". Returns whether it follows."""
        is_next = cursor.is_next(phrases.CHART_ENDS, skip=1 if cursor.is_next(",") else 0)
        if self.chart not in (None, Drawing.FITTING) or not is_next:
            return False
        cursor.take(",")
        self.chart = take_chart(cursor)
        if self.chart is None:
            cursor.refuse()
        return True


def take_chart(cursor: NameCursor) -> ChartKind | Drawing | None:
    """Takes the end "as a line chart". Returns None if there is none."""
    if cursor.take(phrases.NO_CHART):
        return Drawing.NOTHING
    if cursor.take(phrases.AS_CHART):
        return Drawing.FITTING
    return next((kind for said, kind in phrases.AS_CHARTS if cursor.take(said)), None)


def parse_plot(cursor: NameCursor, words: ChartWords) -> Operation | None:
    """Takes a chart of the values of rows. Returns None if there is none."""
    if cursor.take(phrases.HISTOGRAM, Role.WORD):
        return Plot(ChartKind.HISTOGRAM, cursor.take_column())
    if cursor.take(phrases.BOX, Role.WORD):
        return _parse_box(cursor, cursor.take_column())
    if cursor.take(phrases.SCATTER, Role.WORD):
        first = cursor.take_column()
        if cursor.take(phrases.AGAINST):
            return Plot(ChartKind.SCATTER, first, cursor.take_column())
        cursor.expect("and|,")
        return Plot(ChartKind.SCATTER, cursor.take_column(), first)
    # What follows a column decides, and only then may a column be what the prompt begins with.
    may_begin = words.chart is not None or any(map(cursor.has_ahead, ("as", *phrases.AGAINST.split("|"))))
    if may_begin and cursor.is_at_column() and cursor.choose(2):
        return _parse_column(cursor, words)
    return None


def parse_rows_as(cursor: NameCursor) -> Plot | None:
    """Takes the end of "rows as a histogram of a". Returns None if there is none."""
    kind = next((kind for said, kind in phrases.AS_CHARTS if cursor.take(said)), None)
    if kind is None:
        return None
    if kind not in (ChartKind.HISTOGRAM, ChartKind.BOX) or not cursor.take("of|for"):
        cursor.refuse()
    column = cursor.take_column()
    return Plot(kind, column) if kind is ChartKind.HISTOGRAM else _parse_box(cursor, column)


def _parse_box(cursor: NameCursor, column: Column) -> Plot:
    return Plot(ChartKind.BOX, column, cursor.take_column() if cursor.take(phrases.BY) else None)


def _parse_column(cursor: NameCursor, words: ChartWords) -> Operation:
    """Takes "a against b", "a over b as a line chart", "a as a histogram", or a column after a word such as "plot"."""
    column = cursor.take_column()
    for said, kind in ((phrases.AGAINST, ChartKind.SCATTER), (phrases.OVER, ChartKind.LINE)):
        if cursor.take(said):
            return _parse_along(cursor, words, kind, column)
    if words.chart is not None and cursor.take(phrases.BY):
        return _guess_along(cursor, words, column, cursor.take_column())
    said_kind = next((kind for said, kind in phrases.AS_CHARTS if cursor.take(said)), None)
    if said_kind is ChartKind.HISTOGRAM:
        return Plot(said_kind, column)
    if said_kind is ChartKind.BOX:
        return _parse_box(cursor, column)
    if said_kind is not None:
        words.chart = said_kind
    if words.chart is None:
        cursor.refuse()
    return _parse_alone(cursor, words, column)


def _parse_along(cursor: NameCursor, words: ChartWords, kind: ChartKind, column: Column) -> Plot:
    by = cursor.take_column()
    said = take_chart(cursor) if words.chart in (None, Drawing.FITTING) else words.chart
    if kind is ChartKind.LINE and said is None and words.chart is None:
        cursor.refuse("say how, as in 'as a line chart'")
    if isinstance(said, ChartKind) and said in _ALONG:
        kind, words.chart = said, None
    elif said is not None:
        words.chart = said
    return Plot(kind, column, by)


def _guess_along(cursor: NameCursor, words: ChartWords, column: Column, by: Column) -> Operation:
    """Reads "plot a by b", which does not say which statistic of `a` is meant, or whether all rows are."""
    cursor.is_guess = True
    guesses: list[Operation] = [Aggregate((Measure(Statistic.MEAN, column),), (by,))]
    if words.chart in (Drawing.FITTING, *_ALONG):
        guesses += [Plot(ChartKind.LINE, column, by)] if is_ordered(by) else [Plot(ChartKind.BOX, column, by)]
    guesses.append(Aggregate((Measure(Statistic.SUM, column),), (by,)))
    return _guessed(cursor, words, guesses)


def _parse_alone(cursor: NameCursor, words: ChartWords, column: Column) -> Operation:
    """Reads "plot a": the frequencies of texts. Numbers may be drawn in several ways, so they are guesses."""
    if column.type in (ColumnType.STRING, ColumnType.BOOLEAN):
        return Distinct((column,))
    cursor.is_guess = True
    days = [one for one in columns_of(cursor.source) if is_temporal(one)]
    guesses: list[Operation] = []
    if column.type.is_numeric:
        guesses = [Plot(ChartKind.HISTOGRAM, column), Plot(ChartKind.BOX, column)]
        guesses += [Plot(ChartKind.LINE, column, days[0])] if len(days) == 1 else []
    return _guessed(cursor, words, [*guesses, Distinct((column,))])


def _guessed(cursor: NameCursor, words: ChartWords, guesses: list[Operation]) -> Operation:
    guess = guesses[cursor.choose(len(guesses))]
    if isinstance(guess, Plot):
        words.chart = None
    return guess
