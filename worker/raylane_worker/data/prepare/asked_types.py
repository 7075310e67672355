"""Checks that columns have the types that the user gives to them, and names the first cell that does not."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

import pyarrow as pa

from raylane_common.errors import InvalidFile, InvalidRequest
from raylane_common.wire.names import ColumnType, FileFormat
from raylane_worker.data.column_types import Decided, Misfit, convert, markers_of
from raylane_worker.data.column_types.column import ColumnCells, Marks
from raylane_worker.data.column_types.forms import ARROW_TYPES, Cast, Form, Texts
from raylane_worker.data.prepare.chunks import chunks
from raylane_worker.data.quoted import clipped, quoted
from raylane_worker.data.readers import open_batches
from raylane_worker.data.readers.csv_file import open_file as open_csv

if TYPE_CHECKING:
    from pydantic import JsonValue

    from raylane_worker.data.prepare.file import File


def check_asked(file: File, decided: Decided) -> None:
    """Raises `InvalidFile` if a column cannot have the type that the user gives to it.

    Raises `InvalidRequest` if columns contradict what the user says of the whole file, and none follows it.
    """
    if decided.unfit is not None:
        raise InvalidRequest.field(f"reading.{decided.unfit.option}", decided.unfit.problem)
    for index, (name, form) in enumerate(zip(file.names, decided.forms, strict=True)):
        asked = file.options.types.get(name)
        if asked is not None and asked is not ColumnType.STRING and isinstance(form, Texts):
            _refuse(file, index, asked, decided)


def refuse_cast(file: File, index: int) -> NoReturn:
    """Raises `InvalidFile` for a column whose values have another type in the file and cannot be converted."""
    _refuse(file, index, file.options.types[file.names[index]], None)


def _refuse(file: File, index: int, asked: ColumnType, decided: Decided | None) -> NoReturn:
    name = file.names[index]
    shown = clipped(name)
    rows = 0
    with open_batches(file.path, file.reading) as batches:
        for chunk in chunks(batches):
            place = _first_misfit(chunk.column(index), name, asked, markers_of(file.reading))
            if place is not None:
                _refuse_cell(file, name, chunk.column(index)[place], rows + place + 1, asked)
            rows += chunk.num_rows
    doubt = next((one for one in decided.warnings if quoted(name) in one), None) if decided else None
    problem = f"the cells are not of type {asked}, because they are written in several ways; use --type {shown}=string"
    raise InvalidFile(f"reading.types.{shown}: {doubt or problem}", details={"column": name})


def _refuse_cell(file: File, name: str, cell: pa.Scalar, row: int, asked: ColumnType) -> NoReturn:
    place: dict[str, JsonValue] = {"column": name, "row": row}
    where = f"row {row}"
    if file.reading.format is FileFormat.CSV:
        with open_csv(file.path, file.reading) as batches:
            place["line"] = line = batches.line_of(row)
        where += f" (line {line})"
    column, shown = clipped(name), quoted(str(cell.as_py()))
    raise InvalidFile(
        f"reading.types.{column}: {where} holds {shown}, which is not of type {asked}; correct it, leave out "
        f"--type {column}={asked}, or use --null to count such words as missing",
        details=place,
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
