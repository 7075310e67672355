"""Parses what a prompt says about a chart: "plot …", "a bar chart of …", "histogram of x", "… as a line chart"."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raylane_common.wire.names import ChartKind
from raylane_worker.generation.template import phrases
from raylane_worker.generation.template.prompt import Role
from raylane_worker.generation.template.question import Plot

if TYPE_CHECKING:
    from raylane_worker.generation.template.name_cursor import NameCursor


def parse_plot(cursor: NameCursor, *, is_drawn: bool) -> Plot | None:
    """Takes a chart of the values of rows. Returns None if there is none.

    `is_drawn` says that the prompt begins with a word such as "plot".
    """
    if cursor.take(phrases.HISTOGRAM, Role.WORD):
        return parse_histogram(cursor)
    if cursor.take(phrases.BOX, Role.WORD):
        return parse_box(cursor)
    if cursor.take(phrases.SCATTER, Role.WORD):
        cursor.take("of|for")
        first = cursor.take_column()
        if cursor.take(phrases.AGAINST):
            return Plot(ChartKind.SCATTER, first, cursor.take_column())
        cursor.expect("and|,")
        return Plot(ChartKind.SCATTER, cursor.take_column(), first)
    # What follows a column decides, and only then may a column be what the prompt begins with.
    if cursor.is_at_column() and (is_drawn or cursor.has_ahead("as")) and cursor.choose(2):
        return _parse_column(cursor, is_drawn=is_drawn)
    return None


def _parse_column(cursor: NameCursor, *, is_drawn: bool) -> Plot:
    """Takes "a against b" after a word such as "plot", or "a as a histogram"."""
    column = cursor.take_column()
    if cursor.take(phrases.AS_HISTOGRAM):
        return Plot(ChartKind.HISTOGRAM, column)
    if cursor.take(phrases.AS_BOX):
        return Plot(ChartKind.BOX, column, cursor.take_column() if cursor.take(phrases.BY) else None)
    if is_drawn and cursor.take(phrases.OVER):
        return Plot(ChartKind.LINE, column, cursor.take_column())
    if is_drawn and cursor.take(phrases.AGAINST):
        return Plot(ChartKind.SCATTER, column, cursor.take_column())
    if cursor.take(phrases.AGAINST):
        other = cursor.take_column()
        cursor.expect(phrases.AS_SCATTER)
        return Plot(ChartKind.SCATTER, column, other)
    cursor.refuse("say how, as in 'plot a against b', 'plot average a by b' or 'histogram of a'")


def parse_histogram(cursor: NameCursor) -> Plot:
    """Takes the column of a histogram."""
    cursor.take("of|for")
    return Plot(ChartKind.HISTOGRAM, cursor.take_column())


def parse_box(cursor: NameCursor) -> Plot:
    """Takes the column of a box plot, and that of its groups."""
    cursor.take("of|for")
    column = cursor.take_column()
    return Plot(ChartKind.BOX, column, cursor.take_column() if cursor.take(phrases.BY) else None)


def parse_rows_as(cursor: NameCursor) -> Plot | None:
    """Takes the end of "rows as a histogram of a". Returns None if there is none."""
    if cursor.take(phrases.AS_HISTOGRAM):
        return parse_histogram(cursor)
    if cursor.take(phrases.AS_BOX):
        return parse_box(cursor)
    return None


def take_kind_of(cursor: NameCursor) -> ChartKind | None:
    """Takes the beginning "a bar chart of". Returns None if there is none."""
    return next((kind for said, kind in phrases.CHARTS_OF if cursor.take(said, Role.WORD)), None)


def take_kind_alone(cursor: NameCursor) -> ChartKind | None:
    """Takes "a line chart", as in "make it a line chart". Returns None if there is none."""
    return next((kind for said, kind in phrases.A_CHARTS if cursor.take(said, Role.WORD)), None)


def take_kind(cursor: NameCursor) -> ChartKind | None:
    """Takes the end "as a line chart". Returns None if there is none."""
    return next((kind for said, kind in phrases.AS_CHARTS if cursor.take(said)), None)
