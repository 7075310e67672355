"""The values of a Parquet file as the cells of an answer. docs/wire-format.md says how each type is written.

The run wrote the file from the same values as the rows that the answer itself holds, so both read alike.
"""

from __future__ import annotations

import base64
import json
import math
import re
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from functools import cache, lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc

from raylane_common.wire.names import CellType

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pydantic import JsonValue

# Other programs read numbers of JSON as floats, which hold these integers exactly.
_SAFE_INTEGER: Final = 2**53
_PER_S: Final = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_DAY_S: Final = 86_400
_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()
_CYCLE_DAYS: Final = 146_097
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
# The seconds until 2037, for which Arrow knows the clocks of a zone. It takes the last known offset for later ones.
_BY_ARROW: Final = range(2_114_380_800)
_OFFSET: Final = re.compile(r"([+-])(\d\d):(\d\d)")


def cells(values: Any, cell_type: CellType | None = None) -> list[JsonValue]:  # pyarrow has no types
    """Returns the values of an Arrow array as cells. `cell_type` is that of the column in the answer.

    What Parquet cannot hold was written as JSON.
    """
    kind = values.type
    if cell_type is CellType.NESTED and _is_text(kind):
        return [None if text is None else json.loads(text) for text in values.to_pylist()]
    if cell_type is CellType.INTEGER and _is_text(kind):
        return _digits(values)
    if pa.types.is_dictionary(kind):
        return cells(values.dictionary_decode(), cell_type)
    for applies, converted in _CONVERSIONS:
        if applies(kind):
            return converted(values)
    return _texts(values.cast(pa.string()))


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _is_bytes(kind: pa.DataType) -> bool:
    is_ = pa.types
    return bool(is_.is_binary(kind) or is_.is_large_binary(kind) or is_.is_fixed_size_binary(kind))


def _is_list(kind: pa.DataType) -> bool:
    is_ = pa.types
    return bool(is_.is_list(kind) or is_.is_large_list(kind) or is_.is_fixed_size_list(kind))


def _plain(values: pa.Array) -> list[JsonValue]:
    found: list[JsonValue] = values.to_pylist()
    return found


def _texts(values: pa.Array) -> list[JsonValue]:
    try:
        return _plain(values)
    except UnicodeDecodeError:  # Parquet does not say which bytes a text has
        raw = values.cast(pa.large_binary()).to_pylist()
        return [None if one is None else one.decode("utf-8", "replace") for one in raw]


def _integers(values: pa.Array) -> list[JsonValue]:
    return [one if one is None or abs(one) <= _SAFE_INTEGER else str(one) for one in map(_whole, values.to_pylist())]


def _digits(values: pa.Array) -> list[JsonValue]:
    try:
        return _integers(values)
    except ValueError:  # another program has written them
        return _texts(values)


def _whole(value: Any) -> int | None:
    return None if value is None else int(value)


def _decimals(values: pa.Array) -> list[JsonValue]:
    if values.type.scale <= 0:
        return _integers(values)
    return [None if one is None else format(one, "f") for one in values.to_pylist()]


def _numbers(values: pa.Array) -> list[JsonValue]:
    return [None if one is None else _number(float(one)) for one in values.to_pylist()]


def _number(value: float) -> JsonValue:
    if math.isfinite(value):
        return value or 0.0
    return None if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _dates(values: pa.Array) -> list[JsonValue]:
    days = values.cast(pa.date32()).view(pa.int32()).to_pylist()
    return [None if one is None else _day(one) for one in days]


@lru_cache(maxsize=4096)  # most tables have few different days
def _day(days: int) -> str:
    """Returns a day of the calendar, which repeats itself after 400 years. Far years have a sign and six digits."""
    cycles, rest = divmod(days + _EPOCH_DAY - 1, _CYCLE_DAYS)
    found = date.fromordinal(rest + 1)
    year = found.year + 400 * cycles
    return f"{year:04d}{found:-%m-%d}" if 1 <= year <= 9999 else f"{year:+07d}{found:-%m-%d}"


def _times(values: pa.Array) -> list[JsonValue]:
    per_s = _PER_S[values.type.unit]
    counts = values.view(pa.int32() if values.type.bit_width == 32 else pa.int64()).to_pylist()
    return [None if one is None else _clock(one // per_s, one % per_s, per_s) for one in counts]


def _clock(seconds: int, rest: int, per_s: int) -> str:
    """Returns a time with as many digits after the dot as it needs: 0, 6 or 9."""
    text = f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
    if not rest:
        return text
    nanoseconds = rest * (10**9 // per_s)
    return f"{text}.{nanoseconds:09d}" if nanoseconds % 1000 else f"{text}.{nanoseconds // 1000:06d}"


def _timestamps(values: pa.Array) -> list[JsonValue]:
    per_s = _PER_S[values.type.unit]
    utc = values.view(pa.int64()).to_pylist()
    shifts: Sequence[int | None] = [None] * len(utc) if values.type.tz is None else _shifts(values, per_s)
    return [None if one is None else _moment(one, shift, per_s) for one, shift in zip(utc, shifts, strict=True)]


def _shifts(values: pa.Array, per_s: int) -> list[int]:
    """Returns by how many seconds the clocks of the zone are ahead. An unknown zone is UTC, the same moment."""
    zone, utc = _zone(values.type.tz), values.view(pa.int64())
    try:
        local = pc.local_timestamp(values).view(pa.int64())
        by_arrow = pc.divide(pc.subtract(local, utc), per_s).to_pylist()
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        by_arrow = None
    return [
        0 if one is None else _shift(zone, one // per_s) if by_arrow is None or one // per_s not in _BY_ARROW else known
        for one, known in zip(utc.to_pylist(), by_arrow or [0] * len(utc), strict=True)
    ]


@lru_cache(maxsize=4096)
def _shift(zone: tzinfo, seconds: int) -> int:
    try:
        shift = (_EPOCH + timedelta(seconds=seconds)).astimezone(zone).utcoffset()
    except OverflowError:  # such a year has no local time
        return 0
    return 0 if shift is None else round(shift.total_seconds())


@cache
def _zone(name: str) -> tzinfo:
    if found := _OFFSET.fullmatch(name):
        shift = timedelta(hours=int(found[2]), minutes=int(found[3]))
        return timezone(-shift if found[1] == "-" else shift)
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, LookupError):
        return UTC


def _moment(count: int, shift: int | None, per_s: int) -> str:
    seconds, rest = divmod(count, per_s)
    days, second = divmod(seconds + (shift or 0), _DAY_S)
    return f"{_day(days)}T{_clock(second, rest, per_s)}{'' if shift is None else _offset(shift)}"


def _offset(seconds: int) -> str:
    minutes, rest = divmod(abs(seconds), 60)
    text = f"{'-' if seconds < 0 else '+'}{minutes // 60:02d}:{minutes % 60:02d}"
    return f"{text}:{rest:02d}" if rest else text


def _durations(values: pa.Array) -> list[JsonValue]:
    per_s = _PER_S[values.type.unit]
    return [None if one is None else one / per_s for one in values.view(pa.int64()).to_pylist()]


def _bytes(values: pa.Array) -> list[JsonValue]:
    return [None if one is None else base64.b64encode(one).decode() for one in values.to_pylist()]


def _structs(values: pa.Array) -> list[JsonValue]:
    fields = [(field.name, cells(column)) for field, column in zip(values.type, values.flatten(), strict=True)]
    return [
        {name: column[index] for name, column in fields} if is_valid else None
        for index, is_valid in enumerate(values.is_valid().to_pylist())
    ]


def _lists(values: pa.Array) -> list[JsonValue]:
    inner = iter(cells(values.flatten()))
    return [None if size is None else list(islice(inner, size)) for size in pc.list_value_length(values).to_pylist()]


def _maps(values: pa.Array) -> list[JsonValue]:
    entries = values.cast(pa.list_(pa.struct([("key", values.type.key_type), ("value", values.type.item_type)])))
    return list(map(_object, _lists(entries)))


def _object(pairs: Any) -> JsonValue:
    return None if pairs is None else {_key(pair["key"]): pair["value"] for pair in pairs}


def _key(key: JsonValue) -> str:
    return key if isinstance(key, str) else json.dumps(key)


_CONVERSIONS: Final[tuple[tuple[Callable[[Any], bool], Callable[[Any], list[JsonValue]]], ...]] = (
    (_is_text, _texts),
    (pa.types.is_boolean, _plain),
    (pa.types.is_integer, _integers),
    (pa.types.is_floating, _numbers),
    (pa.types.is_decimal, _decimals),
    (pa.types.is_date, _dates),
    (pa.types.is_time, _times),
    (pa.types.is_timestamp, _timestamps),
    (pa.types.is_duration, _durations),
    (_is_bytes, _bytes),
    (pa.types.is_struct, _structs),
    (_is_list, _lists),
    (pa.types.is_map, _maps),
)
