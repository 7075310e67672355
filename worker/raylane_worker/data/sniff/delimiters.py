"""Chooses among delimiters by the lengths of the rows that they give. See docs/decisions/0028."""

from __future__ import annotations

import csv
import io
from collections import Counter
from itertools import dropwhile, islice
from typing import Final, NamedTuple

from raylane_worker.data.readers.rows import Row, has_row_names
from raylane_worker.data.sniff.header import has_names

# Those that texts and numbers hardly ever have.
_RARE: Final = ("^", "~", "\x01", "\x1e", "\x1f", "\t")
_DELIMITERS: Final = (*_RARE, "|", ";", ",", ":", " ")
# Those that texts seldom have, and numbers never.
_SELDOM: Final = ("|", ";")
# Times, ratios and words have them, so the names have to have them too.
_IN_VALUES: Final = (":", " ")
_CHECKED_ROWS: Final = 200
_MAX_TITLE_LINES: Final = 3
# A few rows may have another length.
_REGULAR: Final = 0.9


class Regularity(NamedTuple):
    """A delimiter, the part of the rows below a title that have the most frequent length with it, and their number."""

    delimiter: str
    share: float
    rows: int

    def is_better(self, other: Regularity) -> bool:
        """Whether more rows have the most frequent length; a delimiter that cells hardly ever have wins a draw.

        One that words have loses a draw.
        """
        wins_draw = self.delimiter in _RARE or (other.delimiter in _IN_VALUES and self.delimiter not in _IN_VALUES)
        return self.rows > other.rows or (self.rows == other.rows and wins_draw)


def most_regular(text: str, quote: str | None) -> Regularity | None:
    """Returns the delimiter with which most rows have the same length; None if there is no regular one.

    `quote` is the one that the user names, or None.
    """
    found = [regularity(text, delimiter, quote) for delimiter in _DELIMITERS if delimiter in text]
    best = max((one for one in found if one.share > _REGULAR), key=lambda one: one.rows, default=None)
    return best and (_below_title(text, best, quote) or best)


def _below_title(text: str, best: Regularity, quote: str | None) -> Regularity | None:
    """Returns the delimiter of the lines below a title, if the `best` one may only be in its words.

    With it, all these lines have the same length, and the first one of them has only names. None if there is none.
    """
    if best.delimiter not in _IN_VALUES:
        return None
    below = text
    for title_lines in range(1, _MAX_TITLE_LINES + 1):
        below = "".join(dropwhile(_is_blank, below.splitlines(keepends=True)[1:]))
        for delimiter in _DELIMITERS:
            names = next(csv.reader(io.StringIO(below, newline=""), delimiter=delimiter), [])
            if delimiter not in _IN_VALUES and len(names) > 1 and has_names(names):
                found = regularity(below, delimiter, quote)
                if found.share == 1 and found.rows == best.rows - title_lines:
                    # The title belongs to its table.
                    return found._replace(rows=best.rows)
    return None


def _is_blank(line: str) -> bool:
    return not line.strip()


def regularity(text: str, delimiter: str, quote: str | None) -> Regularity:
    """Returns how regular the first rows are; not at all if most of them have one cell."""
    quotes = (quote,) if quote is not None else ('"', "'")
    return max((_regularity(text, delimiter, each) for each in quotes), key=lambda one: one.share)


def _regularity(text: str, delimiter: str, quote: str) -> Regularity:
    reader = csv.reader(
        io.StringIO(text, newline=""),
        delimiter=delimiter,
        quotechar=quote or None,
        quoting=csv.QUOTE_MINIMAL if quote else csv.QUOTE_NONE,
        skipinitialspace=True,
    )
    try:
        rows = [Row(reader.line_num, cells) for cells in islice(reader, _CHECKED_ROWS) if cells]
    except csv.Error:
        rows = []
    widths = [len(row.cells) for row in rows]
    if _leaves_out_first(rows, text, delimiter, quote):
        widths[0] += 1
    if delimiter in _IN_VALUES and widths[:1] == [1]:
        return Regularity(delimiter, 0, 0)
    # A title has one cell. With other delimiters, it may be the name of the only column.
    below = list(dropwhile(lambda width: width == 1, widths))
    if delimiter in _RARE or (delimiter in _SELDOM and len(set(below)) == 1 and has_names(rows[-len(below)].cells)):
        widths = below
    [(width, count)] = Counter(widths).most_common(1) or [(1, 0)]
    return Regularity(delimiter, count / len(widths), count) if width > 1 else Regularity(delimiter, 0, 0)


def has_lines_in_quotes(text: str, delimiter: str, quote: str) -> bool:
    """Returns whether quotes enclose line ends in cells, all quotes are right, and all rows have the same length.

    A delimiter that breaks such cells makes more rows, and they may have the same length, too.
    """
    if not quote:
        return False
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, quotechar=quote, strict=True)
    try:
        widths = [len(cells) for cells in islice(reader, _CHECKED_ROWS)]
    except csv.Error:
        return False
    return len(set(widths)) == 1 and widths[0] > 1 and reader.line_num > len(widths)


def _leaves_out_first(rows: list[Row], text: str, delimiter: str, quote: str) -> bool:
    """Returns whether the header has several names, and not the first one, which pandas writes as an empty cell."""
    header = rows[0].cells if rows else []
    if len(header) < 2 or any(len(row.cells) != len(header) + 1 for row in rows[1:]):
        return False
    lines = list(io.StringIO(text, newline=""))
    return text.startswith(delimiter) or has_row_names(header, rows[1:], lines, quote)
