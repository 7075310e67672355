"""Splits the beginning of a CSV into rows with Python's reader."""

from __future__ import annotations

import csv
import io
import re
from itertools import chain
from typing import TYPE_CHECKING, BinaryIO, Final, Literal, NamedTuple, TypedDict

from raylane_common.errors import InvalidFile
from raylane_worker.data.readers.csv_escapes import kept_escapes

if TYPE_CHECKING:
    from collections.abc import Mapping

# Enough for a dialect.
HEAD_BYTES: Final = 256 * 1024
# The names of 10,000 columns, or a long cell in the first row, may need more.
_LONG_HEAD_BYTES: Final = 16 * 1024 * 1024 - HEAD_BYTES
_ENOUGH_LINES: Final = 10
CHECKED_ROWS: Final = 1000
# The lines that database clients draw around the rows of a table, and the one that they write below it.
_RULE: Final = re.compile(r"[-+=|:,;\s]*")
_DASHES: Final = ("---", "===", "-+-", "--,", "--;", "--\t", "--|", "-- ")
_ROW_COUNT: Final = re.compile(r"\(?[0-9,]+ rows?( selected| affected| in set.*)?\)?\.?", re.IGNORECASE)
# A cell may be as long as a block of the reader. The limit is that of the whole process.
csv.field_size_limit(16 * 1024 * 1024)


class Head(NamedTuple):
    """The first lines of a file, with their ends, and whether these are all lines."""

    lines: list[str]
    is_whole: bool

    @property
    def first_line(self) -> int:
        """The number of the first line that is not blank."""
        return next((number for number, line in enumerate(self.lines, start=1) if line.strip()), 1)


class Row(NamedTuple):
    """A record, and the number of the line on which it begins."""

    line: int
    cells: list[str]


class CsvFormat(TypedDict):
    """The arguments of `csv.reader`."""

    delimiter: str
    quotechar: str | None
    quoting: Literal[0, 3]
    escapechar: str | None
    skipinitialspace: bool


def head_of(text: BinaryIO) -> Head:
    """Returns the first lines of UTF-8 text, without one that is cut."""
    head = b""
    for size in (HEAD_BYTES, _LONG_HEAD_BYTES):
        head += text.read(size)
        # `str.splitlines` also splits at characters that are not line ends in a CSV.
        lines = list(io.StringIO(head.decode("utf-8", "ignore"), newline=""))
        if len(head) < HEAD_BYTES or len(lines) > _ENOUGH_LINES:
            break
    is_whole = not text.read(1)
    return Head(lines if is_whole or len(lines) == 1 else lines[:-1], is_whole)


def split(head: Head, start: int, fields: Mapping[str, str | int]) -> list[Row]:
    """Returns the first records of the lines from number `start`, without blank lines and comments."""
    rows: list[Row] = []
    comment = str(fields["comment"])
    lines = without_rules(kept_escapes(head.lines[start - 1 :], fields))
    reader = csv.reader(lines, **csv_format(fields, spaced=has_spaced_cells(head.lines, fields)))
    line = start
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells) and not (comment and cells[0].startswith(comment)):
                rows.append(Row(line, cells))
            if len(rows) == CHECKED_ROWS:
                return rows
            line = start + reader.line_num
    except csv.Error as error:
        raise InvalidFile(f"line {line} cannot be split into cells: {error}", details={"line": line}) from error
    if not head.is_whole and len(rows) > 1 and rows[-1].line < len(head.lines):
        # A cell with line ends, whose own end may be below the head.
        del rows[-1]
    return rows


def is_rule(line: str) -> bool:
    """Returns whether the line is drawn below the names of a table, or around its rows: `----+-----`."""
    return any(dashes in line for dashes in _DASHES) and bool(_RULE.fullmatch(line))


def without_rules(lines: list[str]) -> list[str]:
    """Returns the lines, blank where they are drawn."""
    return ["\n" if is_rule(line) else line for line in lines]


def is_row_count(cells: list[str]) -> bool:
    """Returns whether a record is only the number of rows, such as `(2 rows)`."""
    return bool(_ROW_COUNT.fullmatch(" ".join(cells).strip()))


def names_of(header: list[str], rows: list[Row], lines: list[str], quote: str) -> list[str]:
    """Returns the names of the columns: '' for one that the header does not name.

    R writes the names of rows into a first column that its header leaves out. Delimiters at the end of all rows make
    columns without names and without values; those only at the end of the header make none.
    """
    while rows and header and not header[-1].strip() and all(len(row.cells) < len(header) for row in rows):
        header = header[:-1]
    width = _width(rows, len(header))
    if width == len(header) and has_row_names(header, rows, lines, quote):
        return ["", *header]
    return [*header, *[""] * (width - len(header))]


def _width(rows: list[Row], header_width: int) -> int:
    """Returns how many cells a row has, if all cells beyond the header's are empty; otherwise the header's."""
    widths = [len(row.cells) for row in rows]
    if not header_width:
        return max(set(widths), key=lambda width: (widths.count(width), width), default=0)
    surplus = [cell for row in rows for cell in row.cells[header_width:]]
    return max(header_width, *widths, 0) if not any(cell.strip() for cell in surplus) else header_width


def has_row_names(header: list[str], rows: list[Row], lines: list[str], quote: str) -> bool:
    """Returns whether all rows begin with a name that the header does not count: a number from 1 on, or in quotes.

    R puts quotes around the names of columns, too. A title above a table has none.
    """
    if len(rows) < 2 or not header or any(len(row.cells) != len(header) + 1 for row in rows):
        return False
    first = [row.cells[0] for row in rows]
    counts = first == [str(number) for number in range(1, len(rows) + 1)]
    above = lines[: rows[0].line - 1]
    has_title = not any(line.startswith(quote) for line in above)
    quoted = bool(quote) and not has_title and all(lines[row.line - 1].startswith(quote) for row in rows)
    return counts or (quoted and len(set(first)) == len(first))


def has_spaced_cells(lines: list[str], fields: Mapping[str, str | int]) -> bool:
    """Returns whether spaces after the delimiters belong to them: before a quote, or everywhere in `1, a, b`.

    If spaces are the delimiters, several of them are one, which aligns the columns. So do those before a line, unless
    all lines have as many spaces.
    """
    quote, delimiter = str(fields["quote"]), str(fields["delimiter"])
    spaced = f"{delimiter} "
    checked = lines[:CHECKED_ROWS]
    if delimiter == " ":
        filled = [line.rstrip("\r\n") for line in checked if line.strip()]
        is_indented = any(line.startswith(" ") for line in filled) and len({line.count(" ") for line in filled}) > 1
        return is_indented or any(spaced in line.strip() for line in filled)
    if quote and any(f"{spaced}{quote}" in line for line in checked):
        cells = chain.from_iterable(csv.reader(checked, **csv_format(fields, spaced=False)))
        return any(cell.startswith(" ") and cell.lstrip(" ").startswith(quote) for cell in cells)
    delimited = [line for line in checked if delimiter in line]
    if any(line.count(delimiter) != line.count(spaced) for line in delimited):
        return False
    # Delimiters in quotes, as in "Smith, Ann", separate no cells.
    rows = [cells for cells in csv.reader(delimited, **csv_format(fields, spaced=False)) if len(cells) > 1]
    return len(rows) > 1 and all(cell.startswith(" ") for cells in rows for cell in cells[1:])


def csv_format(fields: Mapping[str, str | int], *, spaced: bool) -> CsvFormat:
    """Returns the fields of a reading as the arguments of `csv.reader`; `spaced` leaves out spaces after delimiters."""
    quote, escape = str(fields["quote"]), str(fields["escape"])
    return CsvFormat(
        delimiter=str(fields["delimiter"]),
        quotechar=quote or None,
        quoting=csv.QUOTE_MINIMAL if quote else csv.QUOTE_NONE,
        escapechar=escape or None,
        skipinitialspace=spaced,
    )
