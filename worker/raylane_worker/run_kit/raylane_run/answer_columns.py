"""The columns of an answer: their names, and their values as Arrow arrays, a few MiB at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from .answer_objects import object_type
from .cells import Json, cell_type, check_depth, depth, has_plain, plain, to_cells, type_name, whole_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

# About this many bytes of the rows are converted at once.
_BATCH_BYTES: Final = 16 * 1024 * 1024
# The first rows may be all that is needed, and may be long.
_FIRST_CELLS: Final = 16 * 1024
_FIRST_BATCH: Final = 256
_MAX_BATCH: Final = 256 * 1024


@dataclass(frozen=True)
class Column:
    """One column: its name, the type of its cells, its type in Arrow, and its values from one row to another."""

    name: str
    cells: str
    arrow: pa.DataType
    array: Callable[[int, int], pa.Array]

    @property
    def described(self) -> dict[str, Json]:
        """The column as an answer describes it."""
        return {"name": self.name, "type": self.cells, "native_type": type_name(self.arrow)}


@dataclass(frozen=True)
class Rows:
    """All rows of a table. `total` is their number."""

    columns: tuple[Column, ...]
    total: int

    def batches(self, stop: int | None = None) -> Iterator[list[pa.Array]]:
        """Yields the columns' arrays for all rows, or those before `stop`, a few MiB at a time."""
        end = self.total if stop is None else min(stop, self.total)
        start, size = 0, max(1, min(_FIRST_BATCH, _FIRST_CELLS // len(self.columns)))
        while start < end:
            arrays = [column.array(start, min(start + size, end)) for column in self.columns]
            yield arrays
            found = len(arrays[0])
            start += found
            taken = sum(one.nbytes for one in arrays) or 1
            size = max(1, min(_MAX_BATCH, size * 8, found * _BATCH_BYTES // taken))

    def cells(self, stop: int | None = None) -> Iterator[list[Json]]:
        """Yields each row's cells."""
        kinds = [column.cells for column in self.columns]
        for arrays in self.batches(stop):
            converted = [to_cells(array, kind) for array, kind in zip(arrays, kinds, strict=True)]
            yield from map(list, zip(*converted, strict=True))

    def column(self, name: str) -> Column:
        """Returns the column of this name. Raises `KeyError`."""
        return {column.name: column for column in self.columns}[name]

    def only(self, names: Sequence[str]) -> Rows:
        """Returns these columns of the rows."""
        return Rows(tuple(map(self.column, names)), self.total)


def arrow_rows(table: pa.Table) -> Rows:
    """Returns the rows of an Arrow table."""
    names = unique_names(table.column_names)
    return Rows(tuple(map(_arrow_column, names, table.columns)), table.num_rows)


def unique_names(names: Sequence[object]) -> list[str]:
    """Returns the names as texts. A name that occurs again gets a number."""
    found: dict[str, None] = {}
    for name in names:
        text = whole_text(name if isinstance(name, str) else str(name))
        unique, number = text, 2
        while unique in found:
            unique, number = f"{text}_{number}", number + 1
        found[unique] = None
    return list(found)


def object_column(name: str, values: Sequence[Any]) -> Column:
    """Returns a column of Python objects."""
    kind = object_type(values, name)
    return Column(name, kind.cells, kind.arrow, lambda start, stop: kind.array(values[start:stop]))


def joined(values: pa.ChunkedArray) -> pa.Array:
    """Returns the plain values as one array. Each chunk may have a dictionary of its own."""
    chunks = [plain(chunk) for chunk in values.chunks]
    if len(chunks) == 1:
        return chunks[0]
    return pa.concat_arrays(chunks) if chunks else plain(pa.array([], values.type))


def _arrow_column(name: str, values: pa.ChunkedArray) -> Column:
    if not has_plain(values.type):
        return object_column(name, values.to_pylist())
    check_depth(name, depth(values.type))

    def array(start: int, stop: int) -> pa.Array:
        return joined(values.slice(start, stop - start))

    example = array(0, 0)
    return Column(name, cell_type(example.type), example.type, array)
