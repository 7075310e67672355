"""Tables and values as text for people, as a run prints them."""

from __future__ import annotations

import json
import sys
import unicodedata
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .cells import Json

_ROWS: Final = 20
_COLUMNS: Final = 20
_CHARACTERS: Final = 40
_NUMBERS: Final = ("integer", "number", "decimal", "duration")
_MISSING: Final = ""


def show(text: str) -> None:
    """Prints a text, whatever the encoding of the output can show."""
    encoding = sys.stdout.encoding or "utf-8"
    print(text.encode(encoding, "backslashreplace").decode(encoding))  # noqa: T201  # the script's output


def table_text(columns: Sequence[tuple[str, str]], rows: Sequence[Sequence[Json]], total: int) -> str:
    """Returns the first rows of a table, aligned. `columns` are names and types of cells."""
    shown = columns[:_COLUMNS]
    lines = [[cell_text(name) for name, _ in shown]]
    lines += [[cell_text(cell) for cell in row[:_COLUMNS]] for row in rows[:_ROWS]]
    widths = [max(width(line[at]) for line in lines) for at in range(len(shown))]
    texts = []
    for line in lines:
        aligned = [
            " " * (wide - width(cell)) + cell if kind in _NUMBERS else cell + " " * (wide - width(cell))
            for cell, wide, (_, kind) in zip(line, widths, shown, strict=True)
        ]
        texts.append("  ".join(aligned).rstrip())
    left = total - min(len(rows), _ROWS)
    more = [f"… {left:,} more rows"] if left else []
    if len(columns) > _COLUMNS:
        more.append(f"… {len(columns) - _COLUMNS:,} more columns")
    if not total:
        more.append("(no rows)")
    texts.insert(1, "  ".join("-" * wide for wide in widths))
    return "\n".join(texts + more)


def cell_text(cell: Json) -> str:
    """Returns a cell on one line, with at most 40 characters, and nothing that a terminal would obey."""
    match cell:
        case None:
            text = _MISSING
        case str():
            text = cell
        case bool():
            text = "true" if cell else "false"
        case float():
            text = _number_text(cell)
        case int():
            text = str(cell)
        case _:
            text = json.dumps(cell, ensure_ascii=False)
    return line_text(text, _CHARACTERS)


def line_text(text: str, characters: int) -> str:
    """Returns a text on one line of at most so many characters, with what cannot be printed as in Python."""
    cut = text if len(text) <= characters else f"{text[: characters - 1]}…"
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in cut)


def width(text: str) -> int:
    """Returns how many places of a terminal the text takes."""
    if text.isascii():
        return len(text)
    return sum(
        2 if unicodedata.east_asian_width(one) in "WF" else 0 if unicodedata.combining(one) else 1 for one in text
    )


def _number_text(value: float) -> str:
    exact = repr(value)
    return exact if len(exact) <= 12 else f"{value:.10g}"
