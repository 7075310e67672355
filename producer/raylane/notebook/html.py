"""Small pieces of HTML from outside text. A piece is HTML; every function escapes the texts that it is given."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Final

from raylane_common.safe_text import safe_line, safe_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# A longer text is cut, because a cell of a notebook is not a place to read it.
_MAX_TEXT: Final = 300
_MAX_BLOCK: Final = 20_000
# Otherwise Jupyter reads "$5 and $6" as a formula.
_NO_FORMULAS: Final = "tex2jax_ignore mathjax_ignore"
_RIGHT: Final = ' style="text-align: right"'
_LEFT: Final = ' style="text-align: left"'


def whole(pieces: Iterable[str]) -> str:
    """Returns the pieces as what one cell shows."""
    return f'<div class="{_NO_FORMULAS}">{"".join(pieces)}</div>'


def escaped(text: str) -> str:
    """Returns a text on one line as HTML; a long one is cut."""
    line = safe_line(text)
    return html.escape(line if len(line) <= _MAX_TEXT else f"{line[:_MAX_TEXT]}…")


def line(text: str) -> str:
    """Returns a line of text."""
    return f"<div>{escaped(text)}</div>"


def note(text: str) -> str:
    """Returns a line that explains something."""
    return f'<div style="opacity: 0.7">{escaped(text)}</div>'


def folded(title: str, text: str) -> str:
    """Returns lines of text below a title that unfolds them, such as code."""
    shown = safe_text(text if len(text) <= _MAX_BLOCK else f"{text[:_MAX_BLOCK]}\n…")
    return f"<details><summary>{escaped(title)}</summary><pre>{html.escape(shown)}</pre></details>"


def facts(named: Sequence[tuple[str, str | None]]) -> str:
    """Returns what is known, one fact to a row. A fact that is None or empty is left out."""
    rows = [f"<tr><th{_LEFT}>{escaped(name)}</th><td{_LEFT}>{escaped(fact)}</td></tr>" for name, fact in named if fact]
    return f"<table><tbody>{''.join(rows)}</tbody></table>" if rows else ""


def table(header: Sequence[str], rows: Iterable[Sequence[str]], *, right: Sequence[bool] = (), title: str = "") -> str:
    """Returns a table. `right` says which columns are aligned on the right."""
    styles = [_RIGHT if on_right else _LEFT for on_right in right] or [_LEFT] * len(header)
    caption = f"<caption{_LEFT}>{escaped(title)}</caption>" if title else ""
    head = "".join(f"<th{style}>{escaped(cell)}</th>" for cell, style in zip(header, styles, strict=True))
    # A row that another program has written may have fewer cells.
    body = "".join(
        f"<tr>{''.join(f'<td{style}>{escaped(cell)}</td>' for cell, style in zip(row, styles, strict=False))}</tr>"
        for row in rows
    )
    return f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def picture(media_type: str, base64: str, words: str) -> str:
    """Returns a picture that is part of the page. As an image it runs nothing, and its styles stay in it."""
    return f'<img src="data:{media_type};base64,{base64}" alt="{escaped(words)}" style="max-width: 100%">'
