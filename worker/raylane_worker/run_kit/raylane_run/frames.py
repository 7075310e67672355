"""Makes pandas frames of numpy's types, in which a missing value is NaN or NaT, the same for every version of pandas.

See docs/decisions/0035.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from .versions import require_pandas

if TYPE_CHECKING:
    from collections.abc import Iterable

_INT64_LIMIT: Final = 2**63
_FLOAT_LIMIT: Final = 2**53


def to_frame(table: pa.Table) -> pd.DataFrame:
    """Returns the rows of a table with plain types as a frame.

    Each column of Arrow is given up once it is converted, if the caller keeps no reference to the table. A pandas that
    is too old ends the script.
    """
    require_pandas(pd.__version__)
    names, count, columns = table.column_names, table.num_rows, table.columns[::-1]
    del table
    frame = pd.DataFrame({place: _series(columns.pop()) for place in range(len(names))}, index=pd.RangeIndex(count))
    frame.columns = pd.Index(names, dtype=object)
    return frame


def _series(values: pa.ChunkedArray) -> pd.Series:
    kind = values.type
    types = pa.types
    if types.is_string(kind):
        return _objects(values)
    if types.is_int64(kind) or (types.is_decimal(kind) and kind.scale == 0):
        return _integers(values)
    if types.is_float64(kind) or types.is_duration(kind):
        return _numpy(values)
    if types.is_boolean(kind):
        return _objects(values) if values.null_count else _numpy(values)
    if types.is_date32(kind):
        return _numpy(values.cast(pa.timestamp("s")))
    if types.is_timestamp(kind):
        utc = _numpy(values.cast(pa.timestamp(kind.unit)))
        return utc if kind.tz is None else utc.dt.tz_localize("UTC").dt.tz_convert(kind.tz)
    if types.is_time(kind):
        # Python's times have microseconds.
        return _objects(values.cast(pa.time64("us"), safe=False))
    return _object_series((_python(value, kind) for value in values.to_pylist()), len(values))


def _integers(values: pa.ChunkedArray) -> pd.Series:
    """Returns int64, or float64 if values are missing; Python's integers if either, or a sum, would lose digits."""
    extremes = [int(value) for value in pc.min_max(values).as_py().values() if value is not None]
    largest = max(map(abs, extremes), default=0)
    limit = _FLOAT_LIMIT if values.null_count else _INT64_LIMIT - 1
    if largest > limit or (largest * len(values) >= _INT64_LIMIT and _magnitude(values) >= _INT64_LIMIT):
        return _object_series((None if value is None else int(value) for value in values.to_pylist()), len(values))
    # numpy has no missing integers, so pyarrow makes them NaN.
    return _numpy(values.cast(pa.int64()))


def _magnitude(values: pa.ChunkedArray) -> int:
    """Returns the sum of the absolute values, which no sum of some of them exceeds."""
    return int(pc.sum(pc.abs(values.cast(pa.decimal128(38, 0)))).as_py())


def _numpy(values: pa.ChunkedArray) -> pd.Series:
    array = values.to_numpy()
    # One chunk is not copied, and belongs to Arrow.
    return pd.Series(array if array.flags.writeable else array.copy(), copy=False)


def _objects(values: pa.ChunkedArray) -> pd.Series:
    """Returns Python's objects, with NaN for null. If values repeat, each different one is made once."""
    first = values.chunk(0) if values.num_chunks else values
    if len(first.unique()) > len(first) / 2:
        objects = values.to_numpy()
        objects[values.is_null().to_numpy()] = np.nan
        return pd.Series(objects, dtype=object, copy=False)
    encoded = values.dictionary_encode()
    different = encoded.chunk(0).dictionary.to_pylist() if encoded.num_chunks else []
    objects = np.empty(len(different) + 1, dtype=object)
    objects[:-1], objects[-1] = different, np.nan
    places = [chunk.indices.fill_null(len(different)).to_numpy() for chunk in encoded.chunks]
    return pd.Series(objects[np.concatenate(places)] if places else objects[:0], dtype=object, copy=False)


def _object_series(values: Iterable[Any], count: int) -> pd.Series:
    objects = np.empty(count, dtype=object)
    for index, value in enumerate(values):
        objects[index] = np.nan if value is None else value
    return pd.Series(objects, dtype=object, copy=False)


def _python(value: Any, kind: pa.DataType) -> Any:  # whatever the type holds
    """Returns a value as Python has it: a map is a dict."""
    types = pa.types
    if value is None:
        return None
    if types.is_map(kind):
        return {key: _python(one, kind.item_type) for key, one in value}
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        return [_python(one, kind.value_type) for one in value]
    if types.is_struct(kind):
        return {field.name: _python(value[field.name], field.type) for field in kind}
    return value
