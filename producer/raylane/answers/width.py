"""Texts of a given number of columns on a terminal, where some characters take two columns and others none."""

from __future__ import annotations

from rich.cells import cell_len, split_graphemes


def pad(text: str, columns: int, *, right: bool = False) -> str:
    """Returns the text with spaces after it, or before it if it belongs on the `right`, up to this many columns."""
    spaces = " " * (columns - cell_len(text))
    return spaces + text if right else text + spaces


def clip(text: str, columns: int, cut: str) -> str:
    """Returns the text, or if it takes more columns, its beginning and a sign for the rest. No character is split."""
    if cell_len(text) <= columns:
        return text
    room = columns - cell_len(cut)
    if room < 0:
        return cut[:columns]
    end = 0
    for _, span_end, span_columns in split_graphemes(text)[0]:
        room -= span_columns
        if room < 0:
            break
        end = span_end
    return text[:end] + cut
