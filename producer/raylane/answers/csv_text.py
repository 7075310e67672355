"""Cells as CSV: UTF-8, a comma between cells, and quotes only where they are needed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from raylane.answers.cells import exact

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pydantic import JsonValue

# The module csv leaves a carriage return without quotes.
_NEEDS_QUOTES: Final = re.compile(r'[",\r\n]')


def csv_header(names: Sequence[str]) -> bytes:
    """Returns the first line, with the names of the columns."""
    return _line(names)


def csv_lines(rows: Iterable[Sequence[JsonValue]]) -> bytes:
    """Returns one line for each row. A cell without a value is empty."""
    return b"".join(map(_line, rows))


def _line(cells: Sequence[JsonValue]) -> bytes:
    line = ",".join(map(_field, cells))
    # Readers skip an empty line, which a row of one empty cell would be.
    return ((line or '""') + "\n").encode("utf-8", "replace")


def _field(cell: JsonValue) -> str:
    text = cell if isinstance(cell, str) else exact(cell)
    # Numbers have nothing to quote, and are most of the cells.
    if isinstance(cell, int | float) or not _NEEDS_QUOTES.search(text):
        return text
    return '"' + text.replace('"', '""') + '"'
