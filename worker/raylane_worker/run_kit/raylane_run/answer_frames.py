"""Frames of pandas as rows of an answer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from .answer_columns import Column, Rows, joined, object_column, unique_names
from .answer_objects import object_type
from .cells import cell_type, has_plain, plain
from .held_types import held_type, may_number_rows

_DAY_S = 86_400


def frame_rows(data: Any) -> Rows:  # pandas has no types
    """Returns the rows of a DataFrame, a Series or an Index.

    The levels of its index come first if they say something: if they have names, or are no numbers of rows.
    """
    if isinstance(data, pd.Index):
        data = data.to_series(name=data.name).reset_index(drop=True)
    levels = _levels(data.index, of_series=isinstance(data, pd.Series))
    if isinstance(data, pd.Series):
        data = data.to_frame("value" if data.name is None else data.name)
    series = [*levels, *((_name(name), data.iloc[:, at]) for at, name in enumerate(data.columns))]
    names = unique_names([name for name, _ in series])
    return Rows(tuple(_column(name, one) for name, (_, one) in zip(names, series, strict=True)), len(data))


def _name(name: object) -> str:
    """Returns the name of a column; that of several levels has them all."""
    return "_".join(str(one) for one in name if one != "") if isinstance(name, tuple) else str(name)


def _levels(index: Any, *, of_series: bool) -> list[tuple[str, Any]]:
    if isinstance(index, pd.MultiIndex):
        return [
            (f"level_{at}" if name is None else _name(name), index.get_level_values(at).to_series())
            for at, name in enumerate(index.names)
        ]
    if index.name is not None:
        return [(_name(index.name), index.to_series())]
    return [] if _numbers_rows(index, of_series=of_series) else [("index", index.to_series())]


def _numbers_rows(index: Any, *, of_series: bool) -> bool:
    """Returns whether the index only numbers rows.

    That of a frame may have the numbers of some rows of what was read. A series often has its keys there, such as years
    or the values that it counts, so only numbers of all its own rows are none.
    """
    if not pd.api.types.is_integer_dtype(index.dtype):
        return False
    if len(index) == 0:
        return True
    lowest, highest = int(index.min()), int(index.max())
    if lowest == 0 and highest == len(index) - 1 and index.is_unique:
        return True
    return not of_series and may_number_rows(lowest, highest)


def _column(name: str, series: Any) -> Column:
    kind = series.dtype
    if (column := _without_values(name, series)) is not None:
        return column
    if isinstance(kind, pd.CategoricalDtype):
        return _categories(name, series)
    if isinstance(kind, np.dtype) and kind.kind in "biufMm":
        return _numpy_column(name, series.to_numpy())
    if isinstance(kind, pd.SparseDtype):
        return _column(name, series.sparse.to_dense())
    has_arrow = isinstance(kind, pd.DatetimeTZDtype) or hasattr(series.array, "__arrow_array__")
    if has_arrow and not isinstance(kind, pd.PeriodDtype | pd.IntervalDtype):
        return _extension_column(name, series)
    return object_column(name, series.astype(object).to_numpy())


def _without_values(name: str, series: Any) -> Column | None:
    """Returns a column that has no values, with the type that it had in its source.

    Missing objects do not say what they could be, and pandas makes floats of them when it groups by them.
    """
    kind = held_type(name)
    if kind is None or series.dtype not in ("object", "float64") or not has_plain(kind) or series.notna().any():
        return None

    def array(start: int, stop: int) -> pa.Array:
        return plain(pa.nulls(stop - start, kind))

    plain_kind = array(0, 0).type
    return Column(name, cell_type(plain_kind), plain_kind, array)


def _numpy_column(name: str, values: Any) -> Column:
    if values.dtype.kind == "f" and values.dtype.itemsize not in (4, 8):
        values = values.astype(np.float32 if values.dtype.itemsize == 2 else np.float64)
    if not values.dtype.isnative:
        values = values.astype(values.dtype.newbyteorder("="))
    target = pa.date32() if values.dtype == "datetime64[s]" and _are_days(values) else None

    def array(start: int, stop: int) -> pa.Array:
        found = pa.array(values[start:stop], from_pandas=True)
        return found if target is None else found.cast(target)

    kind = array(0, 0).type
    return Column(name, cell_type(kind), kind, array)


def _are_days(values: Any) -> bool:
    """Returns whether all moments are the beginning of a day, as `read` gives dates."""
    seconds = values.view("int64")
    return bool(((seconds % _DAY_S == 0) | np.isnat(values)).all())


def _extension_column(name: str, series: Any) -> Column:
    values = series.array

    def array(start: int, stop: int) -> pa.Array:
        try:
            found = pa.array(values[start:stop], from_pandas=True)
        except UnicodeEncodeError:  # half a character
            return object_type([""]).array(list(values[start:stop]))
        return joined(found) if isinstance(found, pa.ChunkedArray) else plain(found)

    kind = array(0, 0).type
    return Column(name, cell_type(kind), kind, array)


def _categories(name: str, series: Any) -> Column:
    codes = series.cat.codes.to_numpy()
    known = _column(name, series.cat.categories.to_series())
    values = known.array(0, len(series.cat.categories))

    def array(start: int, stop: int) -> pa.Array:
        chosen = codes[start:stop]
        return values.take(pa.array(chosen, mask=chosen < 0))

    return Column(name, known.cells, known.arrow, array)
