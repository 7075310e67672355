"""Reads one sheet of a workbook in a process of its own: `python -m raylane_worker.data.readers.sheet_process`.

The library holds a sheet in memory as a whole, with every cell between the first and the last one. It ends its process
if the sheet does not fit, and a small file can ask for any amount. So this process has limits, and does nothing else.
"""

from __future__ import annotations

import errno
import json
import resource
import sys
from contextlib import suppress
from datetime import date, datetime, time, timedelta
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from python_calamine import (
    CalamineError,
    CalamineSheet,
    CalamineWorkbook,
    PasswordError,
    SheetTypeEnum,
    SheetVisibleEnum,
)

from raylane_worker.data.bound_process import end_with
from raylane_worker.data.readers import years
from raylane_worker.data.readers.refused import Refused
from raylane_worker.data.readers.row_file import EXACT, RowFile
from raylane_worker.data.readers.sheet_xml import hidden_in, is_xml, negative_in, rows_with_errors

if TYPE_CHECKING:
    from collections.abc import Iterator

    from raylane_worker.data.readers.row_file import Value

# The first and the last cell, each as row and column from 0.
_Range = tuple[tuple[int, int], tuple[int, int]]
Cell = int | float | str | bool | time | date | datetime | timedelta

_ERRORS: Final = frozenset({"#N/A", "#DIV/0!", "#VALUE!", "#REF!", "#NAME?", "#NUM!", "#NULL!", "#GETTING_DATA"})
# Nobody writes more above a table.
_MAX_TITLE_ROWS: Final = 100
_SHOWN_CHARACTERS: Final = 60
_MAX_LISTED: Final = 10
# A row of more names, and two with values.
_FEW_ROWS: Final = 3
_ALPHABET: Final = 26
_NO_SIGN: Final = "negative times would be read as other times; if the sheet has some, save the workbook as .xlsx"
_MAX_EXACT: Final = float(EXACT[-1])


def layout(book: CalamineWorkbook, path: str, wanted: str | None, header_line: int | None) -> dict[str, Any]:
    """Returns which sheet is read, which row names its columns (from 1; 0 if none does), and what is doubtful.

    What is None is found out. Raises `Refused`.
    """
    name, warnings = _choose_sheet(book, wanted)
    # Titles and the table may be far apart.
    found = book.get_sheet_by_name(name)
    filled = (row for row in _rows(found) if any(cell is not None for cell in row[1]))
    rows = list(islice(filled, _MAX_TITLE_ROWS))
    if not rows:
        others = [each for each in book.sheet_names if each != name]
        which = f", such as {_listed(others)}" if others else ""
        raise Refused(f"sheet {name!r} is empty" + (f"; name another with --sheet{which}" if others else ""))
    if header_line is None:
        header_line, doubts = _find_header(rows)
        warnings += doubts
    elif header_line and header_line not in dict(rows):
        raise Refused(
            f"row {header_line} of the sheet is empty; name the row with the column names", field="reading.header_line"
        )
    warnings += _more_names(header_line, rows)
    warnings += _merged_below(header_line, found.merged_cell_ranges or [])
    warnings += hidden_in(path, name)
    return {"sheet": name, "header_line": header_line, "warnings": warnings}


def write_rows(sheet: CalamineSheet, path: str, header_line: int, rows: RowFile) -> dict[str, Any]:
    """Writes the rows below the header to `rows`. Returns the names of the columns, and warnings about the cells.

    Raises `Refused` for a negative time.
    """
    long, blank = _LongNumbers(sheet), _BlankRows(sheet, path)
    names = next((cells for number, cells in _rows(sheet) if number == header_line), [None] * sheet.width)
    for number, row in _written(sheet):
        long.note(number, row)
        if number > header_line and not blank.has(number, row):
            rows.add([_value(cell) for cell in row])
    warnings = [*long.warnings(), *blank.warnings()]
    if times := {place for place, kinds in enumerate(rows.kinds) if "time" in kinds}:
        _refuse_negative(sheet, path, times)
        warnings += [] if is_xml(path) else [_NO_SIGN]
    return {"names": ["" if cell is None else str(cell).strip() for cell in names], "warnings": warnings}


def _refuse_negative(sheet: CalamineSheet, path: str, places: set[int]) -> None:
    """Raises `Refused` for a negative time in the columns at these places, which the library reads as another time."""
    first = sheet.start[1] if sheet.start else 0
    named = {_letters(first + place): place for place in places}
    negative: dict[int, list[tuple[int, str]]] = {}
    for reference in negative_in(path, sheet.name):
        column = reference.rstrip("0123456789")
        if column in named:
            negative.setdefault(int(reference[len(column) :]), []).append((named[column], reference))
    for number, row in enumerate(sheet.iter_rows(), start=1) if negative else ():
        for place, reference in negative.get(number, []):
            if isinstance(row[place], time):
                raise Refused(
                    f"{reference} is a negative number in the format of a date or time, and would be read as another "
                    "time; give the column the format [h]:mm:ss or that of numbers, and save the workbook"
                )


class _LongNumbers:
    """Notes the first number that has lost digits, and how many there are."""

    def __init__(self, sheet: CalamineSheet) -> None:
        self._first_column = sheet.start[1] if sheet.start else 0
        self._first = ""
        self._count = 0

    def note(self, number: int, row: list[Cell]) -> None:
        """Looks at a row of the sheet."""
        for place, cell in enumerate(row):
            if isinstance(cell, float) and not -_MAX_EXACT <= cell <= _MAX_EXACT and cell.is_integer():
                self._first = self._first or f"{_letters(self._first_column + place)}{number} {cell:.0f}"
                self._count += 1

    def warnings(self) -> list[str]:
        """Returns what was found."""
        if not self._count:
            return []
        more = f" and {self._count - 1:,} more" if self._count > 1 else ""
        return [f"a workbook keeps only 15 digits of a number: {self._first}{more}; keep longer numbers as text"]


class _BlankRows:
    """Counts the rows without a value between the others. The library gives most errors as empty cells."""

    def __init__(self, sheet: CalamineSheet, path: str) -> None:
        self._sheet = sheet
        self._path = path
        self._count = self._first = self._last_row = 0

    @cached_property
    def _errors(self) -> frozenset[int] | None:
        return rows_with_errors(self._path, self._sheet.name)

    def has(self, number: int, row: list[Cell]) -> bool:
        """Returns whether a row of the sheet has neither a value nor an error. Counts those before another row."""
        is_blank = all(isinstance(cell, str) and not cell.strip() for cell in row)
        if is_blank and number not in (self._errors or ()):
            return True
        if self._last_row and number > self._last_row + 1:
            self._first = self._first or self._last_row + 1
            self._count += number - self._last_row - 1
        self._last_row = number
        return False

    def warnings(self) -> list[str]:
        """Returns a warning if one of the rows may be a missing value or an error, and not only a space."""
        if not self._count or (self._sheet.width > 1 and self._errors is not None):
            return []
        rows = "row between the others is" if self._count == 1 else "rows between the others are"
        return [f"{self._count:,} blank {rows} left out, first row {self._first}; write missing values as NA"]


def _letters(column: int) -> str:
    """Returns the name of a column, which is counted from 0: A to Z, then AA."""
    name, rest = "", column + 1
    while rest:
        rest, letter = divmod(rest - 1, _ALPHABET)
        name = chr(ord("A") + letter) + name
    return name


def _choose_sheet(book: CalamineWorkbook, wanted: str | None) -> tuple[str, list[str]]:
    sheets = [each for each in book.sheets_metadata if each.typ is SheetTypeEnum.WorkSheet]
    names = [each.name for each in sheets]
    if not names:
        raise Refused("the workbook has no sheet with cells")
    if wanted is not None:
        if wanted not in names:
            raise Refused(f"there is no sheet {wanted!r}; the workbook has {_listed(names)}", field="reading.sheet")
        return wanted, []
    visible = [each.name for each in sheets if each.visible is SheetVisibleEnum.Visible] or names
    if len(names) == 1:
        return names[0], []
    hidden = ", of which some are hidden" if len(visible) < len(names) else ""
    return visible[0], [
        f"only sheet {visible[0]!r} is read; the workbook has {_listed(names)}{hidden}: use --sheet to choose another"
    ]


def _listed(names: list[str]) -> str:
    return ", ".join(map(repr, names[:_MAX_LISTED])) + (" …" if len(names) > _MAX_LISTED else "")


def _find_header(rows: list[tuple[int, list[Value]]]) -> tuple[int, list[str]]:
    """Returns the first row with names for more than half of the columns, and what is doubtful about it.

    A title has one cell, or a few.
    """
    filled = {number: sum(cell is not None for cell in cells) for number, cells in rows}
    most = max(filled.values())
    number, cells = next((number, cells) for number, cells in rows if filled[number] > most / 2)
    is_name = [isinstance(cell, str) for cell in cells if cell is not None]
    if years.are_names([str(cell) for cell in cells if not isinstance(cell, str | None)], len(cells)):
        is_name = [True]
    # Without rows below it, names are more likely than data.
    if not any(is_name) or (len(rows) > 1 and not all(is_name)):
        doubt = f"row {number} seems to be data, so the columns are named column_1, column_2 …"
        return 0, [f"{doubt}; if it names them, use --header-line {number}"]
    if number == rows[0][0]:
        return number, []
    shown = next(str(cell) for cell in rows[0][1] if cell is not None)[:_SHOWN_CHARACTERS]
    title = f"the column names are in row {number}, and what is above, such as {shown!r}, is left out"
    return number, [f"{title}; use --header-line to choose another row"]


def _more_names(header_line: int, rows: list[tuple[int, list[Value]]]) -> list[str]:
    """Returns a warning if the row below the header has only texts, and the rows below it have numbers or dates."""
    below = [(number, cells) for number, cells in rows if number > header_line]
    if not header_line or len(below) < _FEW_ROWS:
        return []
    (number, cells), *others = below
    columns = [
        (cell, [each for each in column if each is not None])
        for cell, *column in zip(cells, *(row for _, row in others), strict=True)
    ]
    above_values = [cell for cell, column in columns if column and not any(isinstance(each, str) for each in column)]
    if not any(above_values) or not all(cell is None or isinstance(cell, str) for cell in cells):
        return []
    doubt = f"row {number} seems to hold units or more names, so that columns of numbers are text"
    return [f"{doubt}; delete it, or use --header-line {number} if it names the columns"]


def _merged_below(header_line: int, merged: list[_Range]) -> list[str]:
    """Returns a warning if cells of several rows below the header are merged: only the first one has the value."""
    rows = [one for one in merged if one[0][0] >= header_line and one[1][0] > one[0][0]]
    if not rows:
        return []
    (first, left), (last, right) = rows[0]
    more = f" and {len(rows) - 1:,} more" if len(rows) > 1 else ""
    found = f"cells of several rows are merged: {_letters(left)}{first + 1}:{_letters(right)}{last + 1}{more}"
    return [f"{found}; only the first of these rows has the value, so split them, and fill in the value"]


def _rows(sheet: CalamineSheet) -> Iterator[tuple[int, list[Value]]]:
    """Yields the number of each row, from 1, and its values, without what is empty above and on the left."""
    for number, row in _written(sheet):
        yield number, [_value(cell) for cell in row]


def _written(sheet: CalamineSheet) -> Iterator[tuple[int, list[Cell]]]:
    """Yields the number of each row, from 1, and its cells, without what is empty above and on the left."""
    if sheet.start is None:
        return
    # Rows come from the first one of the sheet, and cells from the first column that is used.
    for number, row in enumerate(sheet.iter_rows(), start=1):
        if number > sheet.start[0]:
            yield number, row


def _value(cell: Cell) -> Value:
    """Returns what a cell means. An empty one and an error are missing; a number without a fraction is whole."""
    match cell:
        case str():
            return None if not cell.strip() or cell in _ERRORS else cell
        case bool():
            return cell
        case float() if -_MAX_EXACT <= cell <= _MAX_EXACT and cell.is_integer():
            return int(cell)
        case timedelta():
            return _duration(cell)
        case datetime() if cell.time() == time():
            return cell.date()
        case _:
            return cell


def _duration(cell: timedelta) -> str:
    """Returns a duration as Excel shows it, in hours and not in days, and with milliseconds if it has some."""
    seconds, milliseconds = divmod(round(abs(cell.total_seconds()) * 1000), 1000)
    text = f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}" + f".{milliseconds:03}" * bool(milliseconds)
    return f"-{text}" if cell < timedelta() and (seconds or milliseconds) else text


def _answer(order: dict[str, Any]) -> dict[str, Any]:
    try:
        with CalamineWorkbook.from_path(order["path"]) as book:
            if order["rows_fd"] is None:
                return layout(book, order["path"], order["sheet"], order["header_line"])
            with open(order["rows_fd"], "wb", closefd=False) as file:
                rows = RowFile(file, booleans=("TRUE", "FALSE"))
                found = write_rows(book.get_sheet_by_name(order["sheet"]), order["path"], order["header_line"], rows)
                return found | rows.summary()
    except Refused as refused:
        return {"refused": refused.problem, "field": refused.field}
    except OSError as error:
        # A full disk is not the fault of the workbook.
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        return {"errno": error.errno}
    except PasswordError:
        return {"refused": "the workbook has a password; save it without one", "field": None}
    except CalamineError as error:
        return {"refused": f"the workbook cannot be read: {error}; save it again as .xlsx", "field": None}


def main() -> None:
    """Reads the order from stdin as JSON, and writes the answer to stdout as JSON."""
    order = json.load(sys.stdin)
    end_with(order["alive_fd"])
    limits = {resource.RLIMIT_AS: order["memory_bytes"], resource.RLIMIT_CPU: order["cpu_s"], resource.RLIMIT_CORE: 0}
    for limit, value in limits.items():
        # Not every system has every limit.
        with suppress(ValueError, OSError):
            resource.setrlimit(limit, (value, value))
    json.dump(_answer(order), sys.stdout)


if __name__ == "__main__":
    main()
