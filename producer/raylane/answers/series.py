"""The columns of a chart by their part in it: its places, what is measured there, and what tells series apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from raylane_common.wire.names import ChartKind

if TYPE_CHECKING:
    from pydantic import JsonValue

    from raylane_common.wire.answer import AnswerChart
    from raylane_common.wire.names import CellType

# The last columns of a box plot: min, q1, median, q3, max.
_STATISTICS: Final = 5


@dataclass(frozen=True)
class Series:
    """One column of a chart, with its cells."""

    title: str
    type: CellType
    cells: tuple[JsonValue, ...]


def named(chart: AnswerChart, name: str | None) -> Series | None:
    """Returns the column with this name; None if the chart has no such column."""
    numbers = [number for number, column in enumerate(chart.columns) if column.name == name]
    return _series(chart, numbers[0]) if numbers else None


def bins(chart: AnswerChart) -> tuple[Series, Series, Series] | None:
    """Returns the starts, the ends and the counts of a histogram's bins; None if it has fewer columns."""
    if len(chart.columns) < 3:
        return None
    return _series(chart, 0), _series(chart, 1), _series(chart, 2)


def statistics(chart: AnswerChart) -> list[Series] | None:
    """Returns the minima, quartiles and maxima of a box plot; None if it has fewer columns."""
    count = len(chart.columns)
    if count < _STATISTICS:
        return None
    return [_series(chart, number) for number in range(count - _STATISTICS, count)]


def title_of(chart: AnswerChart) -> str:
    """Returns the chart's title, or what it shows."""
    if chart.title:
        return chart.title
    if chart.kind is ChartKind.HISTOGRAM:
        return f"distribution of {chart.x}" if chart.x else "distribution"
    along = chart.x or chart.color
    return f"{chart.y} by {along}" if chart.y and along else chart.y or along or chart.kind


def _series(chart: AnswerChart, number: int) -> Series:
    column = chart.columns[number]
    return Series(column.name, column.type, tuple(row[number] for row in chart.rows))
