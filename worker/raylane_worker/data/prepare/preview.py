"""The first rows of a file as text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Iterable

# Enough to recognise a file. The preview is part of the result, which stays in Redis for days.
PREVIEW_ROWS: Final = 5
PREVIEW_CELL_CHARACTERS: Final = 1000


def preview(batches: Iterable[pa.RecordBatch]) -> tuple[tuple[str, ...], ...]:
    """Returns the first rows, with cells as they are written; long ones are cut and end with '…'."""
    rows: list[tuple[str, ...]] = []
    for batch in batches:
        head = batch.slice(0, PREVIEW_ROWS - len(rows))
        rows += zip(*(map(_text, column) for column in head.columns), strict=True)
        if len(rows) >= PREVIEW_ROWS:
            break
    return tuple(rows)


def _text(cell: pa.Scalar) -> str:
    if not cell.is_valid:
        return ""
    text = cell.as_py() if pa.types.is_string(cell.type) else _written(cell)
    return text if len(text) <= PREVIEW_CELL_CHARACTERS else f"{text[: PREVIEW_CELL_CHARACTERS - 1]}…"


def _written(cell: pa.Scalar) -> str:
    try:
        return str(cell)
    except (OverflowError, ValueError):
        # Python has no such moment or duration. Arrow's text of an array, `[…]`, says so instead.
        text: str = pa.repeat(cell, 1).to_string(skip_new_lines=True)
        return text[1:-1]
