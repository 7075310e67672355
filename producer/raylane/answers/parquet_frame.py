"""The rows of a table of an answer that are in its Parquet file, as a frame of pandas.

Each column has the type that it has in `raylane_common.wire.frames`. Most of them are taken from Arrow as they are.
"""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Final

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from raylane.answers.arrow_cells import cells
from raylane.answers.parquet_rows import ParquetRows
from raylane_common.errors import InvalidAnswer
from raylane_common.wire.frames import LOCAL_S, TEXT, series_of
from raylane_common.wire.names import CellType

if TYPE_CHECKING:
    from collections.abc import Callable

    from raylane_common.wire.answer import AnswerColumn, AnswerFile

_PER_S: Final = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_NOT_A_TIME: Final = -(2**63)
# What Arrow cannot convert, such as text of other bytes than UTF-8 or a time zone that is unknown here.
_NOT_DIRECT: Final = (pa.ArrowException, ValueError, KeyError, OverflowError)


def parquet_frame(opened: IO[bytes], described: AnswerFile) -> pd.DataFrame:
    """Returns all rows of an open Parquet file. `described` is what the answer says about it.

    Raises `InvalidAnswer` if the file is another one, or cannot be read.
    """
    table = ParquetRows(opened, described).table()
    try:
        series = [_series(values, column) for values, column in zip(table.columns, described.columns, strict=True)]
    except (pa.ArrowException, ValueError, RecursionError) as error:
        problem = "is not the Parquet file that the answer describes: it has values of other types"
        raise InvalidAnswer(f"{described.name} {problem} ({error})") from error
    frame = pd.DataFrame(dict(enumerate(series)), index=pd.RangeIndex(table.num_rows))
    frame.columns = [column.name for column in described.columns]
    return frame


def _series(values: pa.ChunkedArray, column: AnswerColumn) -> pd.Series:
    applies, convert = _DIRECT.get(column.type, (lambda _: False, None))
    if convert is not None and applies(values.type):
        try:
            return convert(_in_own_unit(values, column))
        except _NOT_DIRECT:
            pass
    listed = [cell for chunk in values.chunks for cell in cells(chunk, column.type)]
    return series_of(listed, column)


def _in_own_unit(values: pa.ChunkedArray, column: AnswerColumn) -> pa.ChunkedArray:
    """Returns moments in the unit of the answer. Parquet has no whole seconds."""
    kind = values.type
    if column.native_type.startswith("timestamp[s") and pa.types.is_timestamp(kind) and kind.unit == "ms":
        return values.cast(pa.timestamp("s", kind.tz))
    return values


def _is_integer(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind)) and kind != pa.uint64()


def _integers(values: pa.ChunkedArray) -> pd.Series:
    whole = values.cast(pa.int64())
    return whole.to_pandas(types_mapper={pa.int64(): pd.Int64Dtype()}.get) if values.null_count else whole.to_pandas()


def _numbers(values: pa.ChunkedArray) -> pd.Series:
    return pd.Series(values.cast(pa.float64()).to_numpy() + 0.0)  # no -0.0


def _booleans(values: pa.ChunkedArray) -> pd.Series:
    return values.to_pandas(types_mapper={pa.bool_(): pd.BooleanDtype()}.get if values.null_count else None)


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _texts(values: pa.ChunkedArray) -> pd.Series:
    return values.to_pandas().astype(TEXT)


def _dates(values: pa.ChunkedArray) -> pd.Series:
    return values.cast(pa.date32()).cast(pa.timestamp("s")).to_pandas()


def _timestamps(values: pa.ChunkedArray) -> pd.Series:
    ends = pc.min_max(values.cast(pa.int64())).as_py().values()
    if _NOT_A_TIME in ends:
        raise ValueError("pandas takes the first moment of all for a missing one")
    if values.type.tz is not None and not all(
        end is None or end // _PER_S[values.type.unit] in LOCAL_S for end in ends
    ):
        raise ValueError("some have no local time")
    return values.to_pandas()


_DIRECT: Final[dict[CellType, tuple[Callable[[pa.DataType], bool], Callable[[pa.ChunkedArray], pd.Series]]]] = {
    CellType.INTEGER: (_is_integer, _integers),
    CellType.NUMBER: (pa.types.is_floating, _numbers),
    CellType.BOOLEAN: (pa.types.is_boolean, _booleans),
    CellType.STRING: (_is_text, _texts),
    CellType.DATE: (pa.types.is_date, _dates),
    CellType.TIMESTAMP: (pa.types.is_timestamp, _timestamps),
}
