"""Fits a table to the width of a terminal: what somebody copies, such as an id, is never cut or folded."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from rich.cells import cell_len

from raylane.answers.width import clip, pad

if TYPE_CHECKING:
    from collections.abc import Sequence

    from raylane.cli.columns import Column

_GAP: Final = "  "
# A shorter part of a text says too little.
_LEAST: Final = 12


@dataclass(frozen=True)
class Fitted:
    """The lines of a table, the first of which are its head, and the titles of the columns that had no room."""

    head: list[str]
    lines: list[str]
    hidden: list[str]


def fitted(columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int, cut: str) -> Fitted:
    """Returns the table for a terminal of this `width`. `cut` marks what was shortened.

    If the columns that are always shown do not fit beside each other, or there is one and nothing fits beside it, each
    row becomes a few lines.
    """
    natural = [max(map(cell_len, cells)) for cells in zip([column.title for column in columns], *rows, strict=True)]
    shown = list(range(len(columns)))
    while (widths := _widths(columns, natural, shown, width)) is None:
        rank = max(columns[index].rank for index in shown)
        if rank == 0:
            return Fitted([], _stacked(columns, rows, width, cut), [])
        if len(shown) == 1:
            widths = {shown[0]: width}
            break
        # Of equals, the last one goes first.
        shown.remove(max(index for index in shown if columns[index].rank == rank))
    hidden = [column.title for index, column in enumerate(columns) if index not in shown]
    if hidden and len(shown) == 1 and columns[shown[0]].rank == 0:
        return Fitted([], _stacked(columns, rows, width, cut), [])
    lines = [line for row in rows for line in _row(columns, row, shown, widths, cut)]
    titles = [column.title for column in columns]
    return Fitted(_row(columns, titles, shown, widths, cut), lines, hidden)


def _widths(
    columns: Sequence[Column], natural: Sequence[int], shown: Sequence[int], width: int
) -> dict[int, int] | None:
    """Returns the width of each shown column; None if they do not fit."""
    widths = {index: min(natural[index], width) if columns[index].text else natural[index] for index in shown}
    least = {
        index: min(each, max(_LEAST, cell_len(columns[index].title))) if columns[index].text else each
        for index, each in widths.items()
    }
    too_wide = sum(widths.values()) + len(_GAP) * (len(shown) - 1) - width
    if too_wide > sum(widths.values()) - sum(least.values()):
        return None
    for _ in range(too_wide):
        # The widest text gives way first, so that all become about equal.
        widths[max((index for index in shown if widths[index] > least[index]), key=widths.__getitem__)] -= 1
    return widths


def _row(
    columns: Sequence[Column], cells: Sequence[str], shown: Sequence[int], widths: dict[int, int], cut: str
) -> list[str]:
    parts = {
        index: textwrap.wrap(cells[index], widths[index], break_on_hyphens=False) or [""]
        if columns[index].wraps
        else [clip(cells[index], widths[index], cut)]
        for index in shown
    }
    lines = []
    for number in range(max(map(len, parts.values()))):
        texts = (part[number] if number < len(part) else "" for part in parts.values())
        padded = (pad(each, widths[index]) for each, index in zip(texts, shown, strict=True))
        lines.append(_GAP.join(padded).rstrip())
    return lines


def _stacked(columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int, cut: str) -> list[str]:
    """Returns each row as a few lines: its first key, and below it what else there is."""
    first = next(index for index, column in enumerate(columns) if column.rank == 0)
    longest = max(cell_len(column.title) for column in columns)
    lines = []
    for row in rows:
        lines.append(row[first])
        for index, (column, cell) in enumerate(zip(columns, row, strict=True)):
            if cell and index != first:
                shown = cell if column.wraps or not column.text else clip(cell, max(1, width - longest - 4), cut)
                lines.append(f"  {pad(column.title, longest)}  {shown}")
    return lines
