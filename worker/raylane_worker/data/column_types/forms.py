"""A form reads the cells of one column: what they must look like, and which values they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final, Protocol

import pyarrow as pa
from pyarrow import compute

from raylane_common.wire.names import ColumnType
from raylane_worker.data.arrow_texts import texts
from raylane_worker.data.column_types.cells import is_any

if TYPE_CHECKING:
    from collections.abc import Sequence

STRING: Final = pa.string()
# What a user gets who names a type.
ARROW_TYPES: Final = {
    ColumnType.INTEGER: pa.int64(),
    ColumnType.NUMBER: pa.float64(),
    ColumnType.STRING: pa.string(),
    ColumnType.BOOLEAN: pa.bool_(),
    ColumnType.DATE: pa.date32(),
    ColumnType.TIME: pa.time32("s"),
    ColumnType.TIMESTAMP: pa.timestamp("us"),
}


class Misfit(Exception):
    """A cell is not written in the form."""


class Form(Protocol):
    """How the cells of a column are read."""

    @property
    def type(self) -> pa.DataType:
        """The type of the values."""

    @property
    def written(self) -> str | None:
        """How the cells are written, if not as the type is usually written."""

    def __hash__(self) -> int:
        """Equal forms read equal values."""

    def convert(self, cells: pa.StringArray) -> pa.Array:
        """Returns the values; null stays null. Raises `Misfit` if one cell is not written in this form."""


def fits(form: Form, cells: pa.StringArray) -> bool:
    """Returns whether all cells are written in the form."""
    try:
        form.convert(cells)
    except Misfit:
        return False
    return True


@dataclass(frozen=True)
class Texts:
    """Every cell is a text, as it is."""

    type: ClassVar[pa.DataType] = pa.string()
    written: ClassVar[str | None] = None

    def convert(self, cells: pa.StringArray) -> pa.Array:
        return cells


@dataclass(frozen=True)
class Missing:
    """No cell has a value, only spaces. Text is the type that every reader, join and group takes."""

    type: pa.DataType = STRING
    written: ClassVar[str | None] = None

    def convert(self, cells: pa.StringArray) -> pa.Array:
        if cells.null_count < len(cells):
            raise Misfit
        return pa.nulls(len(cells), self.type)


@dataclass(frozen=True)
class Cast:
    """Values that the file gives a type, with the type that the user wants."""

    type: pa.DataType
    written: ClassVar[str | None] = None

    def convert(self, cells: pa.Array) -> pa.Array:
        try:
            return compute.cast(cells, self.type)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise Misfit from error


@dataclass(frozen=True)
class Booleans:
    """`true` and `false`, also `True` and `TRUE`; `words` are the true and the false ones.

    `yes` and `no` stay text and 0 and 1 stay numbers, because people ask for them by these names.
    """

    type: ClassVar[pa.DataType] = pa.bool_()
    written: ClassVar[str | None] = None
    words: tuple[Sequence[str], Sequence[str]] = (("true", "True", "TRUE"), ("false", "False", "FALSE"))

    def convert(self, cells: pa.StringArray) -> pa.Array:
        yes, no = map(texts, self.words)
        is_true = compute.is_in(cells, value_set=yes)
        known = compute.or_(is_true, compute.is_in(cells, value_set=no))
        if is_any(compute.and_(compute.is_valid(cells), compute.invert(known))):
            raise Misfit
        return compute.if_else(compute.is_valid(cells), is_true, pa.nulls(1, pa.bool_())[0])


# What a user may also mean who says that a column is boolean.
ANY_BOOLEANS = Booleans(
    (
        ("true", "True", "TRUE", "t", "T", "yes", "Yes", "YES", "y", "Y", "1"),
        ("false", "False", "FALSE", "f", "F", "no", "No", "NO", "n", "N", "0"),
    )
)
