"""The columns of a chart by their part in it: what stands along, what is measured, and what tells series apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from raylane_common.wire.names import CellType, ChartKind

if TYPE_CHECKING:
    from pydantic import JsonValue

    from raylane_common.wire.answer import AnswerChart, AnswerColumn

_STATISTICS = 5
"""The last columns of a box plot: min, q1, median, q3, max."""


@dataclass(frozen=True)
class Series:
    """One column of a chart, with its cells."""

    title: str
    type: CellType
    cells: tuple[JsonValue, ...]


def named(chart: AnswerChart, name: str | None) -> Series | None:
    """Returns the column with this name; None for None. Raises `ValueError` if the chart has no such column."""
    if name is None:
        return None
    for number, column in enumerate(chart.columns):
        if column.name == name:
            return _series(chart, number, column)
    raise ValueError(f"the chart has no column {name!r}")


def bins(chart: AnswerChart) -> tuple[Series, Series, Series]:
    """Returns the starts, the ends and the counts of a histogram's bins. Raises `ValueError` if it has others."""
    if len(chart.columns) != 3:
        raise ValueError("a histogram has the columns start, end and count")
    start, end, count = (_series(chart, number, column) for number, column in enumerate(chart.columns))
    return start, end, count


def boxes(chart: AnswerChart) -> tuple[list[Series], list[Series]]:
    """Returns the groups and the five statistics of a box plot. Raises `ValueError` if it has fewer."""
    if len(chart.columns) < _STATISTICS:
        raise ValueError("a box plot has the columns min, q1, median, q3 and max")
    found = [_series(chart, number, column) for number, column in enumerate(chart.columns)]
    return found[:-_STATISTICS], found[-_STATISTICS:]


def title_of(chart: AnswerChart) -> str:
    """Returns the chart's title, or what it shows."""
    if chart.title:
        return chart.title
    if chart.kind is ChartKind.HISTOGRAM:
        return f"distribution of {chart.x}" if chart.x else "distribution"
    measured, along = chart.y, chart.x or chart.color
    return f"{measured} by {along}" if measured and along else str(measured or along or chart.kind)


def _series(chart: AnswerChart, number: int, column: AnswerColumn) -> Series:
    return Series(column.name, column.type, tuple(row[number] for row in chart.rows))
