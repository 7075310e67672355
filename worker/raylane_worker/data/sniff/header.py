"""Finds out which line of a CSV names the columns. See docs/decisions/0028."""

from __future__ import annotations

import re
from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

from raylane_common.counting import counted
from raylane_common.errors import InvalidFile, InvalidRequest
from raylane_common.wire.reading import NULL_MARKERS
from raylane_worker.data.readers import years

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from raylane_worker.data.readers.rows import Row

_NUMBER: Final = re.compile(r"\s*[-+(]?[$€£¥]?\s*[0-9][0-9.,' \u00a0\u202f]*([eE][-+]?[0-9]+)?\s*[%€$£¥)]?\s*")
_DATE: Final = re.compile(r"\s*[0-9]{1,4}[-/.][0-9]{1,2}[-/.][0-9]{1,4}([ T].*)?|\s*[0-9]{1,2}:[0-9]{2}(:[0-9.]+)?\s*")
_SHOWN_CHARACTERS: Final = 60
# Nobody writes more above a table.
_MAX_TITLE_ROWS: Final = 20
# Surveys have three rows of names: codes, questions, and what the program imports them as, in JSON.
_MAX_MORE_NAMES: Final = 3
_BEFORE_UNITS: Final = ("[", "(", "°", "%", "{")
# Shorter ones, such as `A9`, are those of names, too.
_LONG_FORM: Final = 4
# So many rows show what a column holds.
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
        problem = f"is {said}, but the beginning of the file has only {counted(len(lines), 'line')}"
        raise InvalidRequest.field("reading.header_line", problem)
    if said and not lines[said - 1].strip():
        raise InvalidRequest.field("reading.header_line", f"line {said} is blank; name the line with the column names")
    return Header(said)


def find_header(rows: list[Row], *, skipped_until: int, has_header: bool) -> Header:
    """Returns the line that names the columns, and what is doubtful about it.

    DuckDB leaves out the lines before `skipped_until`, and says whether the first line of the rest names the columns.
    """
    place = _place_of_names(rows)
    if place is not None and _is_title(rows[: place + 1]):
        return Header(rows[place].line, tuple(_title_warnings(rows, rows[place])))
    below_title = rows[1:] if _has_lone_title(rows) else [row for row in rows if row.line >= skipped_until] or rows
    if any(_filled(row) > 1 for row in rows if row.line < skipped_until):
        # These are not a title. A row of another length is refused when it is read.
        below_title, has_header = rows, True
    if not below_title:
        raise InvalidFile("the file holds only comments and blank lines")
    _refuse_row_names(below_title[0], below_title[1:])
    first, *others = below_title
    title = tuple(_title_warnings(rows, first))
    is_data = _is_data(first, others) and not _names_years(first)
    if title and is_data:
        raise InvalidFile(
            f"no line names the columns: line {first.line} looks like the lines below, and those above like a title; "
            f"delete what is above line {first.line}, or use --header-line {first.line} if it names them",
            details={"line": first.line},
        )
    if not title and (is_data or not has_header) and not _names_years(first) and not _has_index(first, others):
        doubt = (
            f"line {first.line} seems to be data, so the columns are named column_1, column_2 …; "
            f"if it names them, use --header-line {first.line}"
        )
        return Header(0, (doubt,))
    unclear = _doubt(first, others) or _more_names(others, rows[place] if place is not None else None)
    return Header(first.line, (*title, unclear) if unclear else title)


def _has_index(first: Row, others: list[Row]) -> bool:
    """Returns whether the first row leaves out the name of a column whose cells all differ, as R and pandas do."""
    index = [row.cells[0] for row in others]
    names = first.cells[1:]
    return (
        not first.cells[0].strip()
        and all(name.strip() for name in names)
        and len(set(names)) == len(names)
        and all(index)
        and len(set(index)) == len(index)
    )


def _refuse_row_names(first: Row, others: list[Row]) -> None:
    """Raises `InvalidFile` if each row has one cell more than there are names, as R writes tables with row names."""
    widths = {len(row.cells) for row in others}
    if len(others) > 1 and widths == {len(first.cells) + 1} and all(row.cells[-1].strip() for row in others):
        raise InvalidFile(
            f"line {first.line} names {counted(len(first.cells), 'column')}, and every line below has one cell more; "
            "add a name for the first column (R: write.csv, or col.names=NA)",
            details={"line": first.line},
        )


def _place_of_names(rows: list[Row]) -> int | None:
    """Returns the place of the first row that has only names, above a column of numbers or dates."""
    for place, row in enumerate(rows[:_MAX_TITLE_ROWS]):
        below = [each.cells for each in rows[place + 1 : place + 1 + _ROWS_BELOW]]
        if has_names(row.cells) and _is_above_values(row.cells, below):
            return place
    return None


def _is_title(rows: list[Row]) -> bool:
    """Returns whether all rows but the last are a title of the table that begins with the last one.

    A title has fewer cells with content than the table, or a blank line below it. Two lines with several cells are
    records, unless they describe the table as `Source: census`, or have at most half as many cells and a blank line
    below, as in the details of an account above a table of a bank.
    """
    *above, names = rows
    if above and _last_line(above[-1]) < names.line - 1 and all(2 * _filled(row) <= _filled(names) for row in above):
        return True
    records = [row for row in above if _filled(row) > 1 and not row.cells[0].rstrip().endswith(":")]
    is_apart = any(after.line > _last_line(before) + 1 for before, after in pairwise(rows))
    return len(records) < 2 and (is_apart or all(_filled(row) < _filled(names) for row in above))


def _has_lone_title(rows: list[Row]) -> bool:
    """Returns whether one cell is above a table, apart from it by a blank line or as a comment."""
    if len(rows) < 3 or len(rows[0].cells) > 1 or _filled(rows[1]) == 1:
        return False
    return rows[1].line > _last_line(rows[0]) + 1 or rows[0].cells[0].startswith("#")


def _last_line(row: Row) -> int:
    """Returns the number of the line on which the row ends."""
    return row.line + sum(cell.count("\n") for cell in row.cells)


def _filled(row: Row) -> int:
    return sum(bool(cell.strip()) for cell in row.cells)


def has_names(cells: list[str]) -> bool:
    """Returns whether the cells may name columns: they differ, and none is a number or a date."""
    filled = [cell for cell in cells if cell.strip()]
    return bool(filled) and len(set(filled)) == len(filled) and not any(map(_is_value, filled))


def _is_above_values(names: list[str], below: list[list[str]]) -> bool:
    """Returns whether a column below the names has only numbers or dates. Empty cells at the end do not count.

    The next row and most others have no cells beyond the names: below a title, they have.
    """
    width = max((place for place, name in enumerate(names, start=1) if name.strip()), default=0)
    is_longer = [any(map(str.strip, cells[len(names) :])) for cells in below]
    fitting = [
        cells[:width] for cells, longer in zip(below, is_longer, strict=True) if len(cells) >= width and not longer
    ]
    if not fitting or is_longer[0] or 2 * sum(is_longer) > len(is_longer):
        return False
    return any(map(_has_values, zip(*fitting, strict=True)))


def _is_value(cell: str) -> bool:
    return bool(_NUMBER.fullmatch(cell) or _DATE.fullmatch(cell))


def _has_values(column: Sequence[str]) -> bool:
    """Returns whether all cells are numbers or dates, except missing ones."""
    filled = [cell for cell in column if cell.strip() not in NULL_MARKERS]
    return bool(filled) and all(map(_is_value, filled))


def _title_warnings(rows: list[Row], header: Row) -> Iterator[str]:
    above = [row for row in rows if row.line < header.line]
    if above:
        shown = ", ".join(cell.strip() for cell in above[0].cells)[:_SHOWN_CHARACTERS]
        yield (
            f"the column names are on line {header.line}, and what is above, such as {shown!r}, is left out; "
            "use --header-line to choose another line"
        )


def _is_data(first: Row, others: list[Row]) -> bool:
    """Returns whether the first row has a number above numbers and a date above dates, in every such column.

    Missing values tell nothing. A row without others is data if it has a number or a date.
    """
    if not others:
        return any(map(_is_value, first.cells))
    columns = zip(first.cells, *(row.cells for row in others if len(row.cells) == len(first.cells)), strict=True)
    of_values = [
        (cell, column) for cell, *column in columns if cell.strip() not in NULL_MARKERS and _has_values(column)
    ]
    return bool(of_values) and all(_is_alike(cell, column) for cell, column in of_values)


def _is_alike(cell: str, column: list[str]) -> bool:
    """Returns whether the cell is a number as most of the column are, or a date as most of them are.

    `50%` above plain numbers is a name.
    """
    if "%" in cell and not any("%" in each for each in column):
        return False
    filled = [each for each in column if each.strip()]
    dates = sum(bool(_DATE.fullmatch(each)) for each in filled)
    return bool(_DATE.fullmatch(cell) if 2 * dates > len(filled) else _NUMBER.fullmatch(cell))


def _names_years(first: Row) -> bool:
    """Returns whether the first row has different years next to other names: `country,2019,2020`."""
    return years.are_names([cell for cell in first.cells if _NUMBER.fullmatch(cell)], len(first.cells))


def _doubt(first: Row, others: list[Row]) -> str | None:
    """Returns a warning if the first row may be a record: with a number above numbers, or only texts as those below."""
    same_length = [row.cells for row in others if len(row.cells) == len(first.cells)]
    columns = list(zip(first.cells, *same_length, strict=True))
    of_values = [(name, cells) for name, *cells in columns if _has_values(cells)]
    if not same_length:
        return None
    if of_values:
        is_like_below = any(_is_alike(name, cells) and not years.YEAR.fullmatch(name) for name, cells in of_values)
    else:
        # A name does not begin with a date.
        is_like_below = (
            bool(_DATE.match(first.cells[0]))
            or all(_form(name) == _common_form(cells) for name, *cells in columns)
            or any(_is_repeated(name, cells) for name, *cells in columns)
        )
    if not is_like_below:
        return None
    return (
        f"line {first.line} is taken for the names of the columns, but looks like the lines below; "
        "if it is data, use --header-line 0"
    )


def _is_repeated(name: str, cells: list[str]) -> bool:
    """Returns whether a name has the words of most cells below it, or their form, with digits: `Fri 27 Nov 2026`."""
    form = _form(name)
    is_long = "9" in form and len(form) >= _LONG_FORM
    is_usual = bool(name.strip()) and 2 * cells.count(name) > len(cells)
    return len(cells) > 1 and (is_usual or (is_long and {form} == set(map(_form, cells))))


def _more_names(others: list[Row], names: Row | None) -> str | None:
    """Returns a warning if `names` is a row below the header: it has units or more names, and no values.

    Between them may be other rows of names, as surveys have them.
    """
    place = next((place for place, row in enumerate(others[:_MAX_MORE_NAMES]) if row is names), None)
    if names is None or place is None or len(others) < place + 3:
        return None
    below = [row.cells for row in others[place + 1 :] if len(row.cells) == len(names.cells)]
    above_values = [name.strip() for name, *cells in zip(names.cells, *below, strict=True) if _has_values(cells)]
    if 2 * sum(name[:1].isalpha() or name.startswith(_BEFORE_UNITS) for name in above_values) <= len(above_values):
        return None
    lines, seem, them = ("line", "seems", "it") if not place else (f"lines {others[0].line} to", "seem", "them")
    return (
        f"{lines} {names.line} {seem} to hold units or more names, so that columns of numbers are text; delete {them}, "
        f"or use --header-line {names.line} if it names the columns"
    )


def _common_form(column: list[str]) -> str:
    return Counter(_form(cell) for cell in column).most_common(1)[0][0]


def _form(text: str) -> str:
    """Returns the text with 'A' for capitals, 'a' for other letters and '9' for digits, each run as one character."""
    letters = "".join("A" if one.isupper() else "a" if one.isalpha() else "9" if one.isdigit() else one for one in text)
    return re.sub(r"(.)\1+", r"\1", letters.strip())
