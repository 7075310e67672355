"""Finds the cell that does not have the type that the user gives to its column."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NoReturn

import pyarrow as pa
from pyarrow import compute

from raylane_common.errors import InvalidFile
from raylane_common.wire.names import ColumnType, FileFormat
from raylane_worker.data.column_types import Decided, Misfit, convert, markers_of
from raylane_worker.data.column_types.column import ColumnCells, Marks
from raylane_worker.data.column_types.forms import ARROW_TYPES, Cast, Form, Texts
from raylane_worker.data.prepare.chunks import chunks
from raylane_worker.data.readers import open_batches

if TYPE_CHECKING:
    from raylane_worker.data.prepare.passes import File

_SHOWN_CHARACTERS: Final = 100


def check_asked(file: File, decided: Decided) -> None:
    """Raises `InvalidFile` if a column cannot have the type that the user gives to it."""
    for index, (name, form) in enumerate(zip(file.names, decided.forms, strict=True)):
        asked = file.options.types.get(name)
        if asked is not None and asked is not ColumnType.STRING and isinstance(form, Texts):
            _refuse(file, index, asked, decided)


def refuse_cast(file: File, index: int) -> NoReturn:
    """Raises `InvalidFile` for a column whose values the file gives a type that does not become the user's."""
    _refuse(file, index, file.options.types[file.names[index]], None)


def _refuse(file: File, index: int, asked: ColumnType, decided: Decided | None) -> NoReturn:
    name = file.names[index]
    shown = repr(name[:_SHOWN_CHARACTERS])
    rows, breaks = 0, 0
    with open_batches(file.path, file.reading) as batches:
        for chunk in chunks(batches):
            place = _first_misfit(chunk.column(index), name, asked, markers_of(file.reading))
            if place is not None:
                record = rows + place + 1
                line = file.reading.header_line + record + breaks + _line_breaks(chunk.slice(0, place))
                where = f"row {record}" + (f" (line {line})" if file.reading.format is FileFormat.CSV else "")
                cell = str(chunk.column(index)[place].as_py())[:_SHOWN_CHARACTERS]
                raise InvalidFile(
                    f"types.{name[:_SHOWN_CHARACTERS]}: {where} holds {cell!r}, which is not of type {asked}; correct "
                    f"it, leave out --type {name[:_SHOWN_CHARACTERS]}={asked}, or use --null to count such words as "
                    "missing",
                    details={"column": name, "row": record, "line": line},
                )
            rows, breaks = rows + chunk.num_rows, breaks + _line_breaks(chunk)
    doubt = next((one for one in decided.warnings if shown in one), None) if decided else None
    raise InvalidFile(
        doubt
        or f"types.{name[:_SHOWN_CHARACTERS]}: the cells are not of type {asked}, because they are written in "
        "several ways; use --type string",
        details={"column": name},
    )


def _first_misfit(cells: pa.Array, name: str, asked: ColumnType, markers: pa.StringArray) -> int | None:
    if _all_fit(cells, name, asked, markers):
        return None
    low, high = 0, len(cells)
    while high - low > 1:
        middle = (low + high) // 2
        if _all_fit(cells.slice(low, middle - low), name, asked, markers):
            low = middle
        else:
            high = middle
    return low if not _all_fit(cells.slice(low, 1), name, asked, markers) else None


def _all_fit(cells: pa.Array, name: str, asked: ColumnType, markers: pa.StringArray) -> bool:
    """Returns whether all cells may have the type, in any file."""
    if not pa.types.is_string(cells.type):
        return _converts(Cast(ARROW_TYPES[asked]), cells, markers)
    seen = ColumnCells(name, markers, asked)
    seen.see(cells)
    forms = [seen.decision(Marks(mark, order)).form for mark in (".", ",") for order in ("dmy", "mdy")]
    return any(not isinstance(form, Texts) for form in forms)


def _converts(form: Form, cells: pa.Array, markers: pa.StringArray) -> bool:
    try:
        convert(form, cells, markers)
    except Misfit:
        return False
    return True


def _line_breaks(rows: pa.RecordBatch) -> int:
    """Returns how many line breaks the cells hold."""
    texts = (column for column in rows.columns if pa.types.is_string(column.type))
    return sum(compute.sum(compute.count_substring(column, "\n")).as_py() or 0 for column in texts)
