"""Finds out which line of a CSV names the columns. See docs/decisions/0028."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Final, NamedTuple

from raylane_common.errors import InvalidFile, InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from raylane_worker.data.readers.rows import Row

_NUMBER: Final = re.compile(r"\s*[-+(]?[$€£¥]?\s*[0-9][0-9.,' \u00a0\u202f]*([eE][-+]?[0-9]+)?\s*[%€$£¥)]?\s*")
_DATE: Final = re.compile(r"\s*[0-9]{1,4}[-/.][0-9]{1,2}[-/.][0-9]{1,4}([ T].*)?|\s*[0-9]{1,2}:[0-9]{2}(:[0-9.]+)?\s*")
_YEAR: Final = re.compile(r"\s*(1[89]|20|21)[0-9]{2}\s*")
_SHOWN_CHARACTERS: Final = 60
# Nobody writes more above a table.
_MAX_TITLE_ROWS: Final = 20
# Rows that tell what a column holds.
_ROWS_BELOW: Final = 50


class Header(NamedTuple):
    """The line that names the columns, from 1; 0 if there is none."""

    line: int
    warnings: tuple[str, ...] = ()


def said_header(said: int | None, lines: list[str]) -> Header | None:
    """Returns the header that the user says. Raises `InvalidRequest` if the file does not have this line."""
    if said is None:
        return None
    if said > len(lines):
        problem = f"is {said}, but the beginning of the file has only {len(lines)} lines"
        raise InvalidRequest.field("reading.header_line", problem)
    if said and not lines[said - 1].strip():
        raise InvalidRequest.field("reading.header_line", f"line {said} is blank; name the line with the column names")
    return Header(said)


def find_header(rows: list[Row], *, skipped_until: int, has_header: bool) -> Header:
    """Returns the line that names the columns, and what is doubtful about it.

    DuckDB leaves out the lines before `skipped_until`, and says whether the first line of the rest names the columns.
    """
    place = _place_of_names(rows)
    if place is not None:
        return Header(rows[place].line, tuple(_title_warnings(rows, rows[place])))
    below_title = [row for row in rows if row.line >= skipped_until] or rows
    if not below_title:
        raise InvalidFile("the file holds only comments and blank lines")
    first, *others = below_title
    title = tuple(_title_warnings(rows, first))
    if not has_header and not title and others and not _names_years(first):
        doubt = (
            f"line {first.line} seems to be data, so the columns are named column_1, column_2 …; "
            f"if it names them, use --header-line {first.line}"
        )
        return Header(0, (doubt,))
    unclear = _doubt(first, others)
    return Header(first.line, (*title, unclear) if unclear else title)


def _place_of_names(rows: list[Row]) -> int | None:
    """Returns the place of the first row that has only names, above a column of numbers or dates.

    What is above it must be a title: fewer cells with content, or a blank line below it. None if there is no such row.
    """
    for place, row in enumerate(rows[:_MAX_TITLE_ROWS]):
        below = [each.cells for each in rows[place + 1 : place + 1 + _ROWS_BELOW]]
        if _has_names(row.cells) and _is_above_values(row.cells, below):
            return place if all(_is_title(rows, above, place) for above in range(place)) else None
    return None


def _is_title(rows: list[Row], above: int, place: int) -> bool:
    filled = sum(bool(cell.strip()) for cell in rows[above].cells)
    names = sum(bool(cell.strip()) for cell in rows[place].cells)
    is_apart = any(rows[each + 1].line > rows[each].line + 1 for each in range(above, place))
    return filled < names or is_apart


def _has_names(cells: list[str]) -> bool:
    filled = [cell for cell in cells if cell.strip()]
    return bool(filled) and len(set(filled)) == len(filled) and not any(map(_is_value, filled))


def _is_above_values(names: list[str], below: list[list[str]]) -> bool:
    """Returns whether a column below the names has only numbers or dates."""
    same_length = [cells for cells in below if len(cells) == len(names)]
    return bool(same_length) and any(map(_has_values, zip(*same_length, strict=True)))


def _is_value(cell: str) -> bool:
    return bool(_NUMBER.fullmatch(cell) or _DATE.fullmatch(cell))


def _has_values(column: tuple[str, ...]) -> bool:
    filled = [cell for cell in column if cell.strip()]
    return bool(filled) and all(map(_is_value, filled))


def _title_warnings(rows: list[Row], header: Row) -> Iterator[str]:
    above = [row for row in rows if row.line < header.line]
    if above:
        shown = ", ".join(cell.strip() for cell in above[0].cells)[:_SHOWN_CHARACTERS]
        yield (
            f"the column names are on line {header.line}, and what is above, such as {shown!r}, is left out; "
            "use --header-line to choose another line"
        )


def _names_years(first: Row) -> bool:
    """Returns whether the first row has different years beside other names: `country,2019,2020`."""
    numbers = [cell for cell in first.cells if _NUMBER.fullmatch(cell)]
    are_years = all(map(_YEAR.fullmatch, numbers)) and len(set(numbers)) == len(numbers)
    return are_years and 1 < len(numbers) < len(first.cells)


def _doubt(first: Row, others: list[Row]) -> str | None:
    """Returns a warning if nothing tells the first row from the others: all cells are text of the same forms."""
    same_length = [row.cells for row in others if len(row.cells) == len(first.cells)]
    columns = list(zip(*same_length, strict=True))
    if not columns or any(_has_values(column) for column in columns):
        return None
    if any(_form(name) != _common_form(column) for name, column in zip(first.cells, columns, strict=True)):
        return None
    return (
        f"line {first.line} is taken for the names of the columns, but looks like the lines below; "
        "if it is data, use --header-line 0"
    )


def _common_form(column: tuple[str, ...]) -> str:
    return Counter(_form(cell) for cell in column).most_common(1)[0][0]


def _form(text: str) -> str:
    """Returns the text with 'A' for capitals, 'a' for other letters and '9' for digits, each run as one character."""
    letters = "".join("A" if one.isupper() else "a" if one.isalpha() else "9" if one.isdigit() else one for one in text)
    return re.sub(r"(.)\1+", r"\1", letters.strip())
