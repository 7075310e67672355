"""Splits the beginning of a CSV into rows with Python's reader."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, BinaryIO, Final, Literal, NamedTuple, TypedDict

from raylane_common.errors import InvalidFile

if TYPE_CHECKING:
    from collections.abc import Mapping

# Enough for a dialect and for the names of 10,000 columns.
HEAD_BYTES: Final = 256 * 1024
CHECKED_ROWS: Final = 1000
# A cell may be as long as a block of the reader. The limit is that of the whole process.
csv.field_size_limit(16 * 1024 * 1024)


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
    doublequote: bool
    skipinitialspace: bool


def head_lines(text: BinaryIO) -> list[str]:
    """Returns the first lines of UTF-8 text, without one that is cut."""
    head = text.read(HEAD_BYTES).decode("utf-8", "ignore")
    # `str.splitlines` also splits at characters that are no line ends in a CSV.
    lines = list(io.StringIO(head, newline=""))
    if len(lines) > 1 and text.read(1):
        del lines[-1]
    return lines


def first_line(lines: list[str]) -> int:
    """Returns the number of the first line that is not blank."""
    return next((number for number, line in enumerate(lines, start=1) if line.strip()), 1)


def split(lines: list[str], start: int, fields: Mapping[str, str | int]) -> list[Row]:
    """Returns the first records of the lines from number `start`, without blank lines and comments."""
    rows: list[Row] = []
    comment = str(fields["comment"])
    reader = csv.reader(lines[start - 1 :], **csv_format(fields, spaced=has_spaced_cells(lines, fields)))
    line = start
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells) and not (comment and cells[0].startswith(comment)):
                rows.append(Row(line, cells))
            if len(rows) == CHECKED_ROWS:
                break
            line = start + reader.line_num
    except csv.Error as error:
        raise InvalidFile(f"line {line} cannot be split into cells: {error}", details={"line": line}) from error
    return rows


def has_spaced_cells(lines: list[str], fields: Mapping[str, str | int]) -> bool:
    """Returns whether spaces after the delimiters belong to them: before a quote, or everywhere in `1, a, b`."""
    quote, delimiter = str(fields["quote"]), str(fields["delimiter"])
    spaced = f"{delimiter} "
    if delimiter == " ":
        return False
    if quote and any(f"{spaced}{quote}" in line for line in lines):
        return True
    delimited = [line for line in lines[:CHECKED_ROWS] if delimiter in line]
    return len(delimited) > 1 and all(line.count(delimiter) == line.count(spaced) for line in delimited)


def csv_format(fields: Mapping[str, str | int], *, spaced: bool) -> CsvFormat:
    """Returns the fields of a reading as the arguments of `csv.reader`; `spaced` leaves out spaces after delimiters."""
    quote, escape = str(fields["quote"]), str(fields["escape"])
    return CsvFormat(
        delimiter=str(fields["delimiter"]),
        quotechar=quote or None,
        quoting=csv.QUOTE_MINIMAL if quote else csv.QUOTE_NONE,
        escapechar=escape or None,
        doublequote=not escape,
        skipinitialspace=spaced,
    )
