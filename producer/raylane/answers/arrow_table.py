"""The rows that an answer holds itself, as a Parquet file. The rows of a longer table are in its own one."""

from __future__ import annotations

import base64
import io
import re
from decimal import Decimal, DecimalException
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from raylane.answers.cells import exact
from raylane_common.wire.durations import parts_of
from raylane_common.wire.names import CellType

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pydantic import JsonValue

    from raylane_common.wire.answer import AnswerColumn, AnswerTable

    _Maker = Callable[[Sequence[JsonValue], str], pa.Array]

# What a column says that cannot have the type that fits its cells, such as a date in the year 12024.
_NO_SUCH_VALUE: Final = (pa.ArrowException, ValueError, TypeError, OverflowError, DecimalException)
_UNIT: Final = re.compile(r"\w+\[(s|ms|us|ns)(?:, tz=(.+))?\]")
_DECIMAL: Final = re.compile(r"decimal(?:32|64|128|256)\((\d+), (-?\d+)\)")
_DEFAULT_UNIT: Final = "us"
_PER_S: Final = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


def parquet_bytes(table: AnswerTable) -> bytes:
    """Returns the table as a Parquet file.

    A column whose cells its type cannot hold is one of text; so are nested values, as JSON.
    """
    columns = [_array([row[index] for row in table.rows], column) for index, column in enumerate(table.columns)]
    file = io.BytesIO()
    pq.write_table(pa.Table.from_arrays(columns, [column.name for column in table.columns]), file, compression="zstd")
    return file.getvalue()


def _array(cells: Sequence[JsonValue], column: AnswerColumn) -> pa.Array:
    for make in _MAKERS.get(column.type, ()):
        try:
            return make(cells, column.native_type)
        except _NO_SUCH_VALUE:
            continue
    return pa.array([None if cell is None else exact(cell) for cell in cells], pa.string())


def _each(cells: Sequence[JsonValue], convert: Callable[[Any], object], kind: pa.DataType | None = None) -> pa.Array:
    return pa.array([None if cell is None else convert(cell) for cell in cells], kind)


def _integers(cells: Sequence[JsonValue], native_type: str) -> pa.Array:
    kind = native_type if re.fullmatch(r"u?int\d+", native_type) else "int64"
    return _each(cells, int, pa.type_for_alias(kind))


def _long_integers(cells: Sequence[JsonValue], _: str) -> pa.Array:
    return _each(cells, lambda cell: Decimal(str(cell)), pa.decimal128(38, 0))


def _numbers(cells: Sequence[JsonValue], native_type: str) -> pa.Array:
    return _each(cells, float, pa.float32() if native_type == "float" else pa.float64())


def _decimals(cells: Sequence[JsonValue], native_type: str) -> pa.Array:
    found = _DECIMAL.fullmatch(native_type)
    return _each(cells, Decimal, pa.decimal128(int(found[1]), int(found[2])) if found else None)


def _booleans(cells: Sequence[JsonValue], _: str) -> pa.Array:
    return _each(cells, lambda cell: cell, pa.bool_())


def _texts(cells: Sequence[JsonValue]) -> pa.Array:
    return _each(cells, str, pa.string())


def _dates(cells: Sequence[JsonValue], _: str) -> pa.Array:
    return _texts(cells).cast(pa.date32())


def _times(cells: Sequence[JsonValue], native_type: str) -> pa.Array:
    unit, _ = _unit_and_zone(native_type)
    kind = pa.time32(unit) if unit in ("s", "ms") else pa.time64(unit)
    width = pa.int32() if kind.bit_width == 32 else pa.int64()
    return _each(cells, lambda cell: _count(str(cell), _PER_S[unit]), width).view(kind)


def _count(text: str, per_s: int) -> int:
    """Returns a time such as "10:30:00.000005" as a number of parts of a second. Raises `ValueError` if it has more."""
    clock, _, fraction = text.partition(".")
    hours, minutes, seconds = map(int, clock.split(":"))
    nanoseconds = ((hours * 60 + minutes) * 60 + seconds) * 10**9 + int(fraction.ljust(9, "0"))
    count, rest = divmod(nanoseconds * per_s, 10**9)
    if rest:
        raise ValueError(f"{text} has more digits than {per_s} parts of a second")
    return count


def _timestamps(cells: Sequence[JsonValue], native_type: str) -> pa.Array:
    unit, zone = _unit_and_zone(native_type)
    return _texts(cells).cast(pa.timestamp(unit, zone))


def _finer(make: _Maker, name: str) -> _Maker:
    return lambda cells, _: make(cells, f"{name}[ns]")


def _durations(cells: Sequence[JsonValue], native_type: str) -> pa.Array:
    unit, _ = _unit_and_zone(native_type)
    return _each(cells, lambda cell: parts_of(float(cell), _PER_S[unit]), pa.int64()).view(pa.duration(unit))


def _binary(cells: Sequence[JsonValue], _: str) -> pa.Array:
    return _each(cells, lambda cell: base64.b64decode(cell, validate=True), pa.binary())


def _unit_and_zone(native_type: str) -> tuple[str, str | None]:
    found = _UNIT.fullmatch(native_type)
    return (found[1], found[2]) if found else (_DEFAULT_UNIT, None)


_MAKERS: Final[dict[CellType, tuple[_Maker, ...]]] = {
    CellType.INTEGER: (_integers, _long_integers),
    CellType.NUMBER: (_numbers,),
    CellType.DECIMAL: (_decimals,),
    CellType.BOOLEAN: (_booleans,),
    CellType.DATE: (_dates,),
    CellType.TIME: (_times, _finer(_times, "time64")),
    CellType.TIMESTAMP: (_timestamps, _finer(_timestamps, "timestamp")),
    CellType.DURATION: (_durations, _finer(_durations, "duration")),
    CellType.BINARY: (_binary,),
}
