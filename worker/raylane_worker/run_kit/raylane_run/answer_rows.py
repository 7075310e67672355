"""The rows that a script gives to its answer, as columns of Arrow arrays, whatever holds them."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final

import pyarrow as pa

from .answer_columns import Rows, arrow_rows, object_column, unique_names

MAX_COLUMNS: Final = 5000
_TAKES: Final = "a DataFrame, a Series, an Arrow table, a Ray Dataset, or a list of rows as dicts"


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
