"""Makes pandas frames of numpy's types, in which a missing value is NaN or NaT, the same for every version of pandas.

See docs/decisions/0035.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from collections.abc import Iterable

_INT64_LIMIT: Final = 2**63
_FLOAT_LIMIT: Final = 2**53


def to_frame(table: pa.Table) -> pd.DataFrame:
    """Returns the rows of a table with plain types as a frame."""
    columns = [_series(table.column(index)) for index in range(table.num_columns)]
    frame = pd.DataFrame(dict(enumerate(columns)), index=pd.RangeIndex(table.num_rows))
    frame.columns = pd.Index(table.column_names, dtype=object)
    return frame


def _series(values: pa.ChunkedArray) -> pd.Series:
    kind = values.type
    types = pa.types
    if types.is_string(kind):
        return _objects(values)
    if types.is_int64(kind) or (types.is_decimal(kind) and kind.scale == 0):
        return _integers(values)
    if types.is_float64(kind) or types.is_duration(kind):
        return pd.Series(values.to_numpy())
    if types.is_boolean(kind):
        return _objects(values) if values.null_count else pd.Series(values.to_numpy())
    if types.is_date32(kind):
        return pd.Series(values.cast(pa.timestamp("s")).to_numpy())
    if types.is_timestamp(kind):
        utc = pd.Series(values.cast(pa.timestamp(kind.unit)).to_numpy())
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
    return pd.Series(values.cast(pa.int64()).to_numpy())


def _magnitude(values: pa.ChunkedArray) -> int:
    """Returns the sum of the absolute values, which no sum of some of them exceeds."""
    return int(pc.sum(pc.abs(values.cast(pa.decimal128(38, 0)))).as_py())


def _objects(values: pa.ChunkedArray) -> pd.Series:
    """Returns Python's objects, each different one once, and NaN for null."""
    encoded = pa.chunked_array(values.dictionary_encode().chunks or [], type=pa.dictionary(pa.int32(), values.type))
    encoded = encoded.unify_dictionaries()
    different = encoded.chunk(0).dictionary.to_pylist() if encoded.num_chunks else []
    objects = np.empty(len(different) + 1, dtype=object)
    objects[:-1], objects[-1] = different, np.nan
    places = [chunk.indices.fill_null(len(different)).to_numpy() for chunk in encoded.chunks]
    return pd.Series(objects[np.concatenate(places)] if places else objects[:0], dtype=object)


def _object_series(values: Iterable[Any], count: int) -> pd.Series:
    objects = np.empty(count, dtype=object)
    for index, value in enumerate(values):
        objects[index] = np.nan if value is None else value
    return pd.Series(objects, dtype=object)


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
