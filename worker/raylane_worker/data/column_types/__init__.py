"""Decides the types of text columns by all of their cells, and converts the cells by the same rules.

A `TypeDecider` sees every batch; the forms that it decides convert them. See docs/decisions/0029.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import pyarrow as pa

from raylane_common.wire.names import FileFormat
from raylane_worker.data.arrow_texts import texts
from raylane_worker.data.column_types.cells import trimmed, without_markers
from raylane_worker.data.column_types.column import ColumnCells, Marks
from raylane_worker.data.column_types.forms import ARROW_TYPES, Cast, Missing, Texts, fits
from raylane_worker.data.column_types.forms import Form as Form
from raylane_worker.data.column_types.forms import Misfit as Misfit
from raylane_worker.data.column_types.plain import decimals as decimals
from raylane_worker.data.quoted import quoted
from raylane_worker.data.readers import Decide

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from raylane_common.wire.names import ColumnType
    from raylane_common.wire.reading import Reading, ReadingOptions


@dataclass(frozen=True)
class Unfit:
    """An option of the user that contradicts a column, and that no column follows."""

    option: str
    problem: str


@dataclass(frozen=True)
class Decided:
    """How each column is read; None for one whose type the file gives. It is final as `Decision` says."""

    forms: tuple[Form | None, ...]
    warnings: tuple[str, ...]
    is_final: bool
    unfit: Unfit | None = None


class TypeDecider:
    """Sees the cells of a file, in batches of any size and order, and decides the types of its columns."""

    def __init__(
        self,
        names: Sequence[str],
        schema: pa.Schema,
        reading: Reading,
        options: ReadingOptions,
        decide: Decide,
        numbers: Collection[int] = (),
    ) -> None:
        """`names` are the final names of the columns, and `schema` is that of the batches.

        `decide` says which columns need a type, and those at the positions `numbers` need one, too. A type
        that the user gives to a column comes first.
        """
        self._markers = markers_of(reading)
        self._reading = reading
        self._options = options
        self._asked = tuple(options.types.get(name) for name in names)
        self._keeps_text = decide is not Decide.ALL
        self._columns = [
            ColumnCells(name, self._markers, asked, only_dates=decide is Decide.DATES and index not in numbers)
            if pa.types.is_string(field.type) and (asked is not None or decide is not Decide.NOTHING)
            else None
            for index, (name, asked, field) in enumerate(zip(names, self._asked, schema, strict=True))
        ]

    def see(self, batch: pa.RecordBatch) -> None:
        """Takes the cells of a batch into account."""
        for column, cells in zip(self._columns, batch.columns, strict=True):
            if column is not None:
                column.see(cells)

    def decide(self) -> Decided:
        """Returns how the columns are read, if the file has no other cells."""
        marks = self._marks()
        found = [column.decision(marks) if column is not None else None for column in self._columns]
        decisions = [one for one in found if one is not None]
        forms = [one.form if one is not None else None for one in found]
        unfit, told = self._contradictions(marks, forms)
        return Decided(
            forms=tuple(map(self._form, forms, self._asked)),
            warnings=(*told, *(one.warning for one in decisions if one.warning)),
            # A later cell may follow the option.
            is_final=unfit is None
            and all(one.is_final and not (self._keeps_text and isinstance(one.form, Missing)) for one in decisions),
            unfit=unfit,
        )

    def _contradictions(self, marks: Marks, forms: Sequence[Form | None]) -> tuple[Unfit | None, list[str]]:
        """Returns an option that contradicts a column and that none follows, and warnings about the other options."""
        said = {"decimal": self._options.decimal, "date_order": self._options.date_order}
        found = [
            (column.name, one)
            for column, form in zip(self._columns, forms, strict=True)
            if column is not None and form is not None
            for one in column.followed(marks, form)
        ]
        follow = {one.option for _, one in found if one.problem is None}
        told: list[str] = []
        for name, one in found:
            if one.problem is None:
                continue
            if one.option not in follow:
                problem = f"is {said[one.option]!r}, but column {quoted(name)} is not written so: {one.problem}"
                return Unfit(one.option, problem), []
            option = one.option.replace("_", "-")
            told.append(f"--{option} {said[one.option]} does not fit column {quoted(name)}: {one.problem}")
        return None, told

    def _form(self, form: Form | None, asked: ColumnType | None) -> Form | None:
        if asked is not None:
            return form or Cast(ARROW_TYPES[asked])
        # In a format with types, a text is as it is, also if it is a word for a missing value.
        return None if self._keeps_text and isinstance(form, Missing | Texts) else form

    def _marks(self) -> Marks:
        proved = {mark for column in self._columns if column is not None and (mark := column.sure_mark())}
        if self._reading.decimal == ",":
            proved.add(",")
        mark = self._options.decimal or (next(iter(proved)) if len(proved) == 1 else None)
        return Marks(
            mark,
            self._options.date_order,
            is_said=self._options.decimal is not None,
            is_mixed=mark is None and len(proved) > 1,
            comma_delimits=self._reading.format is FileFormat.CSV and self._reading.delimiter == ",",
        )


def markers_of(reading: Reading) -> pa.StringArray:
    """Returns the cells that are missing values."""
    return texts(sorted({"", *reading.null_markers}))


@lru_cache(maxsize=1024)
def refuses_markers(form: Form | None, null_markers: tuple[str, ...]) -> bool:
    """Returns whether no marker of a missing value is a value in this form, so a cell that fits is not a marker."""
    return form is not None and not any(fits(form, texts([marker])) for marker in ("", *null_markers))


def convert(form: Form | None, cells: pa.Array, markers: pa.StringArray, *, tries_first: bool = False) -> pa.Array:
    """Returns the values of a column in a batch. Raises `Misfit` if a cell is not written in the form.

    `form` is None for a column that has a type already. Spaces around a cell belong only to a text. Markers are looked
    up only if that is needed, with `tries_first`, which is right only for a form that refuses markers.
    """
    if form is None:
        return cells
    if not pa.types.is_string(cells.type):
        return form.convert(cells)
    if tries_first:
        with suppress(Misfit):
            return form.convert(cells)
    known = without_markers(cells, markers)
    try:
        return form.convert(known)
    except Misfit:
        return form.convert(without_markers(trimmed(known), markers))
