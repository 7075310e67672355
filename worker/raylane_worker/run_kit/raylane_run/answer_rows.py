"""The rows that a script gives to its answer, as columns of Arrow arrays, whatever holds them."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from .answer_objects import object_type
from .cells import Json, cell_type, check_depth, depth, has_plain, plain, to_cells, type_name, whole_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MAX_COLUMNS: Final = 5000
# About this many bytes of the rows are converted at once.
_BATCH_BYTES: Final = 16 * 1024 * 1024
# The first rows may be all that is needed, and may be long.
_FIRST_CELLS: Final = 16 * 1024
_FIRST_BATCH: Final = 256
_MAX_BATCH: Final = 256 * 1024
_TAKES: Final = "a DataFrame, a Series, an Arrow table, a Ray Dataset, or a list of rows as dicts"


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


def rows_of(data: Any, *, stop: int | None = None, columns: Sequence[str] | None = None) -> Rows:  # whatever it is
    """Returns the rows of what a script gave.

    A dataset that is longer than `stop` is read only to the row after that, if `stop` is given. `columns` are those
    that will be needed, or None. Raises `TypeError` for an object that does not hold rows, and `ValueError` for rows
    that an answer cannot hold.
    """
    pandas = sys.modules.get("pandas")
    if pandas is not None and isinstance(data, pandas.DataFrame | pandas.Series | pandas.Index):
        from .answer_frames import frame_rows

        return _checked(frame_rows(data))
    if _is_dataset(data):
        from .answer_datasets import dataset_rows

        return _checked(dataset_rows(data, stop, columns))
    return _checked(_other_rows(data))


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


def _other_rows(data: Any) -> Rows:
    if isinstance(data, pa.RecordBatch):
        data = pa.Table.from_batches([data])
    if isinstance(data, pa.Array | pa.ChunkedArray):
        data = pa.table({"value": data})
    if isinstance(data, pa.Table):
        return arrow_rows(data)
    if hasattr(data, "__arrow_c_stream__"):
        return arrow_rows(pa.table(data))
    if isinstance(data, Mapping):
        return _mapping_rows(data)
    if type(data).__module__ == "numpy" and getattr(data, "ndim", 0) == 1:
        data = list(data)
    if isinstance(data, Sequence) and not isinstance(data, str | bytes | bytearray | memoryview):
        return _list_rows(data)
    hint = "; call count(), sum() or another aggregate first" if type(data).__name__.endswith("GroupBy") else ""
    raise TypeError(f"a {type(data).__name__} does not hold rows; give {_TAKES}, or one value to answer.value{hint}")


def _mapping_rows(data: Mapping[Any, Any]) -> Rows:
    """Columns by their names, or one row."""
    names = unique_names(list(data))
    columns = [_items(one) for one in data.values()]
    if data and all(one is not None for one in columns):
        listed = [one for one in columns if one is not None]
        if len({len(one) for one in listed}) > 1:
            raise ValueError(f"the columns of a dict have different lengths; give {_TAKES}")
        return Rows(tuple(map(object_column, names, listed)), len(listed[0]))
    return Rows(tuple(object_column(name, [one]) for name, one in zip(names, data.values(), strict=True)), 1)


def _items(values: Any) -> list[Any] | None:
    if isinstance(values, list | tuple) or (hasattr(values, "tolist") and getattr(values, "ndim", 0) == 1):
        return list(values)
    return None


def _list_rows(data: Sequence[Any]) -> Rows:
    rows = [one._asdict() if hasattr(one, "_asdict") else one for one in data]
    if not any(isinstance(one, Mapping | list | tuple) for one in rows):
        return Rows((object_column("value", rows),), len(rows))
    if not all(isinstance(one, Mapping) for one in rows):
        raise TypeError(f"the columns of these rows have no names; give {_TAKES}")
    keys = list(dict.fromkeys(key for one in rows for key in one))
    columns = [[one.get(key) for one in rows] for key in keys]
    return Rows(tuple(map(object_column, unique_names(keys), columns)), len(rows))


def _is_dataset(data: object) -> bool:
    return any(one.__module__.startswith("ray.data") and one.__name__ == "Dataset" for one in type(data).__mro__)


def _checked(rows: Rows) -> Rows:
    if len(rows.columns) > MAX_COLUMNS:
        raise ValueError(f"{len(rows.columns):,} columns; an answer has at most {MAX_COLUMNS:,}, so choose some")
    if not rows.columns:
        raise ValueError("there are no columns; an answer needs at least one")
    return rows
