"""A chart with few rows as bars of characters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.cells import cell_len

from raylane.answers.cells import NUMERIC, number, shown
from raylane.answers.series import bins, named, title_of
from raylane.answers.width import clip, pad
from raylane_common.safe_text import safe_line
from raylane_common.wire.names import ChartKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from raylane.answers.layout import Layout
    from raylane.answers.series import Series
    from raylane_common.wire.answer import AnswerChart

MAX_BARS: Final = 20
_MAX_WIDTH: Final = 100
_MIN_BAR: Final = 8
# Parts of a character, in eighths of its width.
_EIGHTHS: Final = ("", "▏", "▎", "▍", "▌", "▋", "▊", "▉")
_WITH_BARS: Final = (ChartKind.BAR, ChartKind.LINE, ChartKind.PIE, ChartKind.HISTOGRAM)


def bar_lines(chart: AnswerChart, layout: Layout) -> list[str]:
    """Returns one bar for each row of the chart, below its title. All bars start at zero.

    Returns no lines for a chart that has too many rows, too little room, or nothing that bars can show.
    """
    rows = _labelled(chart)
    if rows is None or not 0 < len(rows) <= MAX_BARS:
        return []
    width = min(layout.width or _MAX_WIDTH, _MAX_WIDTH)
    labels = [clip(label, width // 3, layout.cut) for label, _, _ in rows]
    beside = max(map(cell_len, labels)) + len(" | ") + len(" ") + max(len(text) for _, text, _ in rows)
    bars = _bars([value for _, _, value in rows], width - beside, blocks=layout.blocks)
    if not bars:
        return []
    names = max(map(cell_len, labels))
    lines = [
        " ".join(filter(None, (f"{pad(label, names)} | {bar}".rstrip(), text)))
        for label, bar, (_, text, _) in zip(labels, bars, rows, strict=True)
    ]
    return [safe_line(title_of(chart)), *lines]


def _labelled(chart: AnswerChart) -> list[tuple[str, str, float | None]] | None:
    """Returns the label, the value as text and the value of each bar; None if the chart has no bars."""
    if chart.kind not in _WITH_BARS:
        return None
    color = named(chart, chart.color)
    if chart.kind is ChartKind.HISTOGRAM:
        found = bins(chart)
        if found is None:
            return None
        start, end, measured = found
        ranges = [
            f"{shown(low, start.type)} to {shown(high, end.type)}"
            for low, high in zip(start.cells, end.cells, strict=True)
        ]
        labels = _joined(ranges, color)
    else:
        along, by_name = named(chart, chart.x), named(chart, chart.y)
        if by_name is None or by_name.type not in NUMERIC or (along or color) is None:
            return None
        measured = by_name
        labels = _joined([""] * len(measured.cells), along)
        labels = labels if chart.color == chart.x else _joined(labels, color)
    return [
        (label, shown(cell, measured.type), number(cell)) for label, cell in zip(labels, measured.cells, strict=True)
    ]


def _joined(labels: list[str], series: Series | None) -> list[str]:
    """Returns the labels with the cell of the series behind each."""
    if series is None:
        return labels
    return [
        ", ".join(filter(None, (label, shown(cell, series.type))))
        for label, cell in zip(labels, series.cells, strict=True)
    ]


def _bars(values: Sequence[float | None], room: int, *, blocks: bool) -> list[str]:
    known = [value for value in values if value is not None]
    highest, lowest = max([0.0, *known]), min([0.0, *known])
    if room < _MIN_BAR or not known or highest == lowest:
        return []
    # Divided first: the difference of two large numbers may be infinite.
    largest = max(highest, -lowest)
    share = (-lowest / largest) / (highest / largest - lowest / largest)
    left = min(max(1, round(room * share)), room - 1) if lowest and highest else room if lowest else 0
    return [_bar(value, highest, lowest, left, room - left, blocks=blocks) for value in values]


def _bar(value: float | None, highest: float, lowest: float, left: int, right: int, *, blocks: bool) -> str:
    full = "█" if blocks else "#"
    if value is None or value == 0:
        return " " * left
    if value < 0:
        return pad(full * max(1, round(value / lowest * left)), left, right=True)
    eighths = max(1, round(value / highest * right * 8))
    if not blocks:
        return " " * left + full * max(1, round(eighths / 8))
    return " " * left + full * (eighths // 8) + _EIGHTHS[eighths % 8]
