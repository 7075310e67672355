"""The columns of the tables that commands print, and what may happen to each where there is no room."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class Column:
    """A column, and what may happen to it where there is no room.

    The columns with the highest `rank` are left out first; those of rank 0, the ids and states, never are. Only a
    `text` is shortened, or folded if it `wraps`.
    """

    title: str
    rank: int = 0
    text: bool = False
    wraps: bool = False


def key(title: str) -> Column:
    """A column that is always shown in full: an id, a name to copy, or a state."""
    return Column(title)


def fact(title: str, rank: int) -> Column:
    """A column that is shown in full or not at all: a time, a number, a name of something else."""
    return Column(title, rank)


def text(title: str, rank: int, *, wraps: bool = False) -> Column:
    """A column for words, which may be shortened visibly."""
    return Column(title, rank, text=True, wraps=wraps)


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Returns the rows as lines whose cells begin below each other and are whole, also those of wide characters."""
    widths = [max(map(_width, column)) for column in zip(*rows, strict=True)]
    padded = ([cell + " " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True)] for row in rows)
    return ["  ".join(cells).rstrip() for cells in padded]


def _width(text: str) -> int:
    """Returns how many columns of a terminal the text takes."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len  # here, because few tables need it

    return cell_len(text)
