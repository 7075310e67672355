"""The cells of an answer: the type of a column, and its values as JSON has them.

docs/wire-format.md says how each type is written. `CellType` of the wire format has the names of the types.
"""

from __future__ import annotations

import base64
import json
import re
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from functools import cache
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from collections.abc import Callable

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]

# Other programs read numbers of JSON as floats, which hold these integers exactly.
_SAFE_INTEGER: Final = 2**53
# Digits and the sign of any such integer.
_SHORT_DIGITS: Final = 17
# The worker refuses an answer that is nested much deeper.
_MAX_DEPTH: Final = 20
_UNITS: Final = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()
# The calendar repeats itself after 400 years.
_CYCLE_DAYS: Final = 146_097
_OFFSET: Final = re.compile(r"([+-])(\d\d):?(\d\d)", re.ASCII)
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def cell_type(kind: pa.DataType) -> str:
    """Returns the type of the cells of a column of this type in Arrow, which `plain` gives."""
    is_ = pa.types
    if is_.is_boolean(kind):
        return "boolean"
    if is_.is_integer(kind) or (is_.is_decimal(kind) and kind.scale <= 0):
        return "integer"
    if is_.is_floating(kind):
        return "number"
    if is_.is_decimal(kind):
        return "decimal"
    if is_.is_date(kind):
        return "date"
    if is_.is_time(kind):
        return "time"
    if is_.is_timestamp(kind):
        return "timestamp"
    if is_.is_duration(kind):
        return "duration"
    if is_binary(kind):
        return "binary"
    return "nested" if is_.is_nested(kind) else "string"


def is_binary(kind: pa.DataType) -> bool:
    """Returns whether values of this type are bytes."""
    is_ = pa.types
    return bool(
        is_.is_binary(kind) or is_.is_large_binary(kind) or is_.is_fixed_size_binary(kind) or is_.is_binary_view(kind)
    )


def is_text(kind: pa.DataType) -> bool:
    """Returns whether values of this type are text."""
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def type_name(kind: pa.DataType) -> str:
    """Returns the name of a type in Arrow. Whether the texts of a column have long offsets is no concern of readers."""
    if is_text(kind):
        return "string"
    return "binary" if is_binary(kind) and not pa.types.is_fixed_size_binary(kind) else str(kind)


def to_cells(values: pa.Array, kind: str) -> list[Json]:
    """Returns the values of a plain array as the cells of a column of this type.

    An array of text may hold nested values as JSON, and numbers that no type of Arrow can hold.
    """
    if is_text(values.type) and kind == "nested":
        return [None if one is None else json.loads(one) for one in values.to_pylist()]
    if is_text(values.type) and kind == "integer":
        texts = values.to_pylist()
        return [whole(int(one)) if one is not None and len(one) <= _SHORT_DIGITS else one for one in texts]
    return _CELLS[cell_type(values.type)](values)


def whole_text(text: str) -> str:
    """Returns the text with every half of a character replaced, which no UTF-8 can hold."""
    if not _SURROGATE.search(text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def depth(kind: pa.DataType) -> int:
    """Returns how many lists and structures are around the innermost value of a type."""
    if not pa.types.is_nested(kind):
        return 0
    return 1 + max((depth(kind.field(index).type) for index in range(kind.num_fields)), default=0)


def check_depth(name: str, found: int) -> None:
    """Raises `ValueError` if values of the column `name` are nested too deep for an answer."""
    if found > _MAX_DEPTH:
        raise ValueError(f"the values of {name!r} are nested {found} deep; an answer holds at most {_MAX_DEPTH}")


def _integers(values: pa.Array) -> list[Json]:
    return [None if one is None else whole(int(one)) for one in values.to_pylist()]


def whole(value: int) -> int | str:
    """Returns an integer as a cell: a text if others would round the number."""
    return value if -_SAFE_INTEGER <= value <= _SAFE_INTEGER else str(value)


def number(value: float) -> Json:
    """Returns a number as a cell: None for NaN, a text for infinity."""
    if value != value:
        return None
    if value in (float("inf"), float("-inf")):
        return "Infinity" if value > 0 else "-Infinity"
    return float(value) or 0.0


def _numbers(values: pa.Array) -> list[Json]:
    return [None if one is None else number(one) for one in values.to_pylist()]


def _decimals(values: pa.Array) -> list[Json]:
    return [None if one is None else format(one, "f") for one in values.to_pylist()]


def _texts(values: pa.Array) -> list[Json]:
    try:
        found: list[Json] = values.to_pylist()
    except UnicodeDecodeError:  # Parquet does not say which bytes a text has
        raw = values.cast(pa.large_binary()).to_pylist()
        found = [None if one is None else one.decode("utf-8", "replace") for one in raw]
    return found


def _booleans(values: pa.Array) -> list[Json]:
    found: list[Json] = values.to_pylist()
    return found


def _dates(values: pa.Array) -> list[Json]:
    days = values.cast(pa.date32()).view(pa.int32()).to_pylist()
    return [None if one is None else _day(one) for one in days]


def _times(values: pa.Array) -> list[Json]:
    per_s = _UNITS[values.type.unit]
    whole = values.view(pa.int32() if values.type.bit_width == 32 else pa.int64()).to_pylist()
    if any(one is not None and not 0 <= one < 86_400 * per_s for one in whole):
        raise ValueError("a time of day is not between 00:00 and 24:00; give it as a duration")
    return [None if one is None else _clock(*_split(one, per_s)) for one in whole]


def _timestamps(values: pa.Array) -> list[Json]:
    zone, per_s = _zone(values.type.tz), _UNITS[values.type.unit]
    return [None if one is None else _moment(*_split(one, per_s), zone) for one in values.view(pa.int64()).to_pylist()]


def _durations(values: pa.Array) -> list[Json]:
    per_s = _UNITS[values.type.unit]
    return [None if one is None else one / per_s for one in values.view(pa.int64()).to_pylist()]


def _bytes(values: pa.Array) -> list[Json]:
    return [None if one is None else base64.b64encode(one).decode() for one in values.to_pylist()]


def _nested(values: pa.Array) -> list[Json]:
    kind = values.type
    if pa.types.is_struct(kind):
        fields = [(kind.field(index).name, _inner(values.field(index))) for index in range(kind.num_fields)]
        return [
            {name: cells[index] for name, cells in fields} if is_valid else None
            for index, is_valid in enumerate(values.is_valid().to_pylist())
        ]
    if pa.types.is_map(kind):
        keys, items = _inner(values.keys), _inner(values.items)
        return [None if span is None else {_key(keys[at]): items[at] for at in range(*span)} for span in _spans(values)]
    if pa.types.is_fixed_size_list(kind):
        size = kind.list_size
        inner = _inner(values.values.slice(values.offset * size, len(values) * size))
        return [
            inner[index * size : (index + 1) * size] if is_valid else None
            for index, is_valid in enumerate(values.is_valid().to_pylist())
        ]
    inner = _inner(values.values)
    return [None if span is None else inner[span[0] : span[1]] for span in _spans(values)]


def _inner(values: pa.Array) -> list[Json]:
    values = plain(values)
    return to_cells(values, cell_type(values.type))


def _spans(values: pa.Array) -> list[tuple[int, int] | None]:
    """Returns where the items of each list begin and end."""
    starts, is_valid = values.offsets.to_pylist(), values.is_valid().to_pylist()
    if pa.types.is_list_view(values.type) or pa.types.is_large_list_view(values.type):
        ends = [start + size for start, size in zip(starts, values.sizes.to_pylist(), strict=True)]
    else:
        ends = starts[1:]
    return [(start, end) if known else None for start, end, known in zip(starts, ends, is_valid, strict=False)]


def _key(key: Json) -> str:
    return key if isinstance(key, str) else json.dumps(key)


def plain(values: pa.Array) -> pa.Array:
    """Returns the values without what only concerns their storage: dictionaries, views and extensions. NaN is null.

    Raises `ValueError` for a type that an answer cannot hold.
    """
    kind = values.type
    if pa.types.is_dictionary(kind):
        return plain(values.dictionary_decode())
    if pa.types.is_run_end_encoded(kind):
        return plain(pc.run_end_decode(values))
    if pa.types.is_float16(kind):
        return plain(values.cast(pa.float32()))
    if pa.types.is_floating(kind):
        return pc.if_else(pc.is_nan(values), None, values)
    if pa.types.is_string_view(kind):
        return values.cast(pa.large_string())
    if pa.types.is_binary_view(kind):
        return values.cast(pa.large_binary())
    if pa.types.is_null(kind):
        return values.cast(pa.string())
    if isinstance(kind, pa.BaseExtensionType):
        return _without_extension(values)
    if pa.types.is_union(kind) or pa.types.is_interval(kind):
        raise ValueError(f"an answer cannot hold values of type {kind}; convert them first")
    return values


def _without_extension(values: pa.Array) -> pa.Array:
    name = values.type.extension_name
    if name == "arrow.bool8":
        return values.cast(pa.bool_())
    if name == "arrow.uuid":
        return pa.array([None if one is None else str(one) for one in values.to_pylist()], pa.string())
    if (shape := getattr(values.type, "shape", None)) and not values.null_count:
        inner = values.storage.flatten()
        for length in reversed(shape):
            inner = pa.FixedSizeListArray.from_arrays(inner, length)
        return inner
    return plain(values.storage)


def has_plain(kind: pa.DataType) -> bool:
    """Returns whether `plain` takes values of this type. Those of others are converted one by one."""
    try:
        plain(pa.nulls(0, kind))
    except (ValueError, pa.ArrowNotImplementedError):
        return False
    name = getattr(kind, "extension_name", "")
    return name != "ray.data.arrow_pickled_object" and "variable_shaped" not in name


def _split(count: int, per_s: int) -> tuple[int, int]:
    """Returns whole seconds and nanoseconds."""
    seconds, rest = divmod(count, per_s)
    return seconds, rest * (10**9 // per_s)


def _moment(seconds: int, nanoseconds: int, zone: tzinfo | None) -> str:
    if zone is None:
        days, second = divmod(seconds, 86_400)
        return f"{_day(days)}T{_clock(second, nanoseconds)}"
    try:
        offset = (_EPOCH + timedelta(seconds=seconds)).astimezone(zone).isoformat()[19:]
        shift = zone.utcoffset((_EPOCH + timedelta(seconds=seconds)).astimezone(zone)) or timedelta()
    except OverflowError:  # such a year has no local time
        offset, shift = "+00:00", timedelta()
    return _moment(seconds + round(shift.total_seconds()), nanoseconds, None) + offset


def _day(days: int) -> str:
    """Returns a day as text. Years beyond 1 to 9999 have a sign and at least six digits, as in ISO 8601."""
    cycles, rest = divmod(days + _EPOCH_DAY - 1, _CYCLE_DAYS)
    found = date.fromordinal(rest + 1)
    year = found.year + 400 * cycles
    return f"{year:04d}{found:-%m-%d}" if 1 <= year <= 9999 else f"{year:+07d}{found:-%m-%d}"


def _clock(seconds: int, nanoseconds: int) -> str:
    text = f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
    if not nanoseconds:
        return text
    return f"{text}.{nanoseconds:09d}" if nanoseconds % 1000 else f"{text}.{nanoseconds // 1000:06d}"


@cache
def _zone(name: str | None) -> tzinfo | None:
    if name is None:
        return None
    if match := _OFFSET.fullmatch(name):
        shift = timedelta(hours=int(match[2]), minutes=int(match[3]))
        return timezone(-shift if match[1] == "-" else shift)
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, LookupError):  # the cluster may not know the zone; UTC is the same moment
        return UTC


_CELLS: Final[dict[str, Callable[[Any], list[Json]]]] = {  # arrays of pyarrow, which has no types
    "integer": _integers,
    "number": _numbers,
    "decimal": _decimals,
    "string": _texts,
    "boolean": _booleans,
    "date": _dates,
    "time": _times,
    "timestamp": _timestamps,
    "duration": _durations,
    "binary": _bytes,
    "nested": _nested,
}
