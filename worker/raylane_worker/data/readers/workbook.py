"""Reads one sheet of a workbook: Excel of any age, or OpenDocument. Formulas have the values that were stored."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import date, datetime, time, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Final, NamedTuple

from python_calamine import CalamineError, CalamineWorkbook, PasswordError, SheetTypeEnum, SheetVisibleEnum

from raylane_common.errors import InvalidFile, InvalidRequest
from raylane_worker.data.readers import Decide
from raylane_worker.data.readers.typed_rows import typed_rows

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pyarrow as pa
    from python_calamine import CalamineSheet

    from raylane_common.wire.reading import Reading
    from raylane_worker.data.readers.typed_rows import Value

Cell = int | float | str | bool | time | date | datetime | timedelta

_ERRORS: Final = frozenset({"#N/A", "#DIV/0!", "#VALUE!", "#REF!", "#NAME?", "#NUM!", "#NULL!", "#GETTING_DATA"})
# Nobody writes more above a table.
_MAX_TITLE_ROWS: Final = 100
_SHOWN_CHARACTERS: Final = 60
_MAX_LISTED: Final = 10
# A float holds every whole number up to here.
_EXACT: Final = float(2**53)


class WorkbookBatches:
    """The rows of a sheet below the row that names the columns."""

    decide = Decide.ALL

    def __init__(self, sheet: CalamineSheet, header_line: int) -> None:
        """`header_line` is the row that names the columns, from 1; 0 if there is none."""
        self._sheet = sheet
        self._header_line = header_line
        names = next((cells for number, cells in _rows(sheet) if number == header_line), [None] * sheet.width)
        self.names = ["" if cell is None else str(cell).strip() for cell in names]
        self.warnings: list[str] = []

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        """Yields the batches."""
        with typed_rows(("TRUE", "FALSE")) as rows:
            for number, cells in _rows(self._sheet):
                if number > self._header_line and any(cell is not None for cell in cells):
                    rows.add(cells)
            yield from rows.batches()


class SheetLayout(NamedTuple):
    """The sheet that is read, and the row that names its columns, from 1; 0 if there is none."""

    sheet: str
    header_line: int
    warnings: tuple[str, ...]


@contextmanager
def open_file(path: Path, reading: Reading) -> Iterator[WorkbookBatches]:
    """Opens a workbook. Raises `InvalidFile`."""
    with _opened(path) as workbook:
        yield WorkbookBatches(workbook.get_sheet_by_name(reading.sheet or workbook.sheet_names[0]), reading.header_line)


def layout(path: Path, sheet_name: str | None, header_line: int | None) -> SheetLayout:
    """Returns which sheet is read, and which row names its columns. None for an argument means that it is found out.

    Raises `InvalidFile`, and `InvalidRequest` if there is no such sheet or row.
    """
    with _opened(path) as workbook:
        name, warnings = _choose_sheet(workbook, sheet_name)
        rows = [
            (number, cells)
            for number, cells in islice(_rows(workbook.get_sheet_by_name(name)), _MAX_TITLE_ROWS)
            if any(cell is not None for cell in cells)
        ]
    if not rows:
        raise InvalidFile(f"sheet {name!r} is empty; name another with --sheet")
    if header_line is not None:
        if header_line and header_line not in dict(rows):
            raise InvalidRequest.field("reading.header_line", f"is {header_line}, and this row of the sheet is empty")
        return SheetLayout(name, header_line, tuple(warnings))
    found, doubt = _find_header(rows)
    return SheetLayout(name, found, (*warnings, *doubt))


def _choose_sheet(workbook: CalamineWorkbook, wanted: str | None) -> tuple[str, list[str]]:
    sheets = [each for each in workbook.sheets_metadata if each.typ is SheetTypeEnum.WorkSheet]
    names = [each.name for each in sheets]
    listed = ", ".join(map(repr, names[:_MAX_LISTED])) + (" …" if len(names) > _MAX_LISTED else "")
    if not names:
        raise InvalidFile("the workbook has no sheet with cells")
    if wanted is not None:
        if wanted not in names:
            raise InvalidRequest.field("reading.sheet", f"there is no sheet {wanted!r}; the workbook has {listed}")
        return wanted, []
    visible = [each.name for each in sheets if each.visible is SheetVisibleEnum.Visible] or names
    if len(visible) == 1:
        return visible[0], []
    return visible[0], [f"only sheet {visible[0]!r} is read; the workbook has {listed}: use --sheet to choose another"]


def _find_header(rows: list[tuple[int, list[Value]]]) -> tuple[int, tuple[str, ...]]:
    """Returns the first row with names for at least half of the columns, and what is doubtful about it.

    A title has one cell, or a few.
    """
    filled = {number: sum(cell is not None for cell in cells) for number, cells in rows}
    most = max(filled.values())
    number, cells = next((number, cells) for number, cells in rows if filled[number] > most / 2)
    if len(rows) > 1 and any(not isinstance(cell, str) for cell in cells if cell is not None):
        doubt = (
            f"row {number} seems to be data, so the columns are named column_1, column_2 …; "
            f"if it names them, use --header-line {number}"
        )
        return 0, (doubt,)
    if number == rows[0][0]:
        return number, ()
    shown = next(str(cell) for cell in rows[0][1] if cell is not None)[:_SHOWN_CHARACTERS]
    title = (
        f"the column names are in row {number}, and what is above, such as {shown!r}, is left out; "
        "use --header-line to choose another row"
    )
    return number, (title,)


@contextmanager
def _opened(path: Path) -> Iterator[CalamineWorkbook]:
    try:
        with CalamineWorkbook.from_path(str(path)) as workbook:
            yield workbook
    except PasswordError as error:
        raise InvalidFile("the workbook has a password; save it without one") from error
    except CalamineError as error:
        raise InvalidFile(f"the workbook cannot be read: {error}; save it again as .xlsx") from error


def _rows(sheet: CalamineSheet) -> Iterator[tuple[int, list[Value]]]:
    """Yields the number of each row, from 1, and its values, without what is empty above and on the left."""
    if sheet.start is None:
        return
    # Rows come from the first one of the sheet, and cells from the first column that is used.
    for number, row in enumerate(sheet.iter_rows(), start=1):
        if number > sheet.start[0]:
            yield number, [_value(cell) for cell in row]


def _value(cell: Cell) -> Value:
    """Returns what a cell means. An empty one and an error are missing; a number without a fraction is whole."""
    match cell:
        case str():
            return None if not cell.strip() or cell in _ERRORS else cell
        case bool():
            return cell
        case float() if cell.is_integer() and abs(cell) <= _EXACT:
            return int(cell)
        case timedelta():
            return str(cell)
        case datetime() if cell.time() == time():
            return cell.date()
        case _:
            return cell
