"""Python objects as cells of an answer: single values, and columns of objects, which may be of several types."""

from __future__ import annotations

import decimal
import json
import math
import operator
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from .cells import Json, cell_type, check_depth, number, plain, to_cells, whole_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

_EPOCH: Final = datetime(1970, 1, 1)
_MICROSECOND: Final = timedelta(microseconds=1)
_MICROSECONDS: Final = {"s": 1_000_000, "ms": 1000, "us": 1}
_DAY: Final = 86_400_000_000
# What Arrow's decimals hold.
_MAX_DIGITS: Final = 76
_SHORT_DIGITS: Final = 38
# Decimals with more digits before or after the point have an exponent. The worker reads no longer integers.
_WRITTEN_DIGITS: Final = 1000
_MAX_BITS: Final = 13_280
_MISSING_NAMES: Final = ("NAType", "NaTType")
_ARROW_UNITS: Final = ("s", "ms", "us", "ns")
_OTHER: Final = "other"


@dataclass(frozen=True)
class ObjectType:
    """What a column of objects holds: the type of its cells, that of its Arrow array, and how to make one.

    `is_uniform` says that Arrow can convert the objects itself, which is ten times faster.
    """

    cells: str
    arrow: pa.DataType
    convert: Callable[[Sequence[Any]], list[Any]]  # values of any type become those that Arrow takes
    is_uniform: bool = False

    def array(self, values: Sequence[Any]) -> pa.Array:
        """Returns some of the objects as an array."""
        if self.is_uniform:
            try:
                return pa.array(values, self.arrow, from_pandas=True)
            except (UnicodeEncodeError, pa.ArrowException):  # such as half a character; each value is converted then
                pass
        converted = self.convert(values)
        if self.cells in ("timestamp", "duration"):
            return pa.array(converted, pa.int64()).cast(self.arrow)
        return pa.array(converted, self.arrow)


def to_value(value: Any) -> tuple[str, Json]:
    """Returns the type and the cell of a single value. Raises `TypeError` for an object that is no value."""
    if isinstance(value, pa.Scalar) or (_is_numpy_scalar(value) and value.dtype.kind in "Mm"):
        values = plain(pa.array([value if isinstance(value, pa.Scalar) else _in_unit_of_arrow(value)]))
        kind = cell_type(values.type)
        return kind, to_cells(values, kind)[0]
    if not is_missing(value) and _kind(type(value)) == _OTHER:
        raise TypeError(f"a {type(value).__name__} is no value; convert it to a number, a text, a date or a list")
    found = object_type([value])
    kind = "number" if isinstance(value, float) else found.cells
    return kind, to_cells(found.array([value]), found.cells)[0]


def object_type(values: Sequence[Any], name: str = "value") -> ObjectType:
    """Returns how to make an array of all these objects. Missing ones are null in it.

    Objects of types that do not go together become text. Raises `ValueError`, which names the column, for values that
    are nested too deep.
    """
    classes = set(map(type, values))
    kinds = {kind for one in classes if (kind := _kind(one))}
    if "number" in kinds and len(kinds) > 1 and all(map(is_missing, _floats(values))):
        kinds.discard("number")
    match sorted(kinds):
        case ["integer"]:
            return _integer_type(values, name)
        case ["decimal"] | ["decimal", "integer"]:
            return _decimal_type(values)
        case ["number"] | ["integer", "number"] | ["decimal", "number"] | ["decimal", "integer", "number"]:
            return ObjectType("number", pa.float64(), _each(_to_float))
        case ["boolean"]:
            return ObjectType("boolean", pa.bool_(), _each(bool), is_uniform=True)
        case ["binary"]:
            return ObjectType("binary", pa.large_binary(), _each(bytes))
        case ["date"]:
            return ObjectType("date", pa.date32(), _each(_same))
        case ["time"]:
            return ObjectType("time", pa.time64("us"), _each(_same))
        case ["timestamp"] | ["date", "timestamp"]:
            return _timestamp_type(values)
        case ["duration"]:
            return _duration_type(values)
        case ["nested"]:
            return ObjectType("nested", pa.large_string(), _each(lambda one: _dumped(one, name)))
        case _:
            as_text = _each(lambda one: _text(one, name))
            return ObjectType("string", pa.large_string(), as_text, is_uniform=kinds <= {"string"})


def is_missing(value: Any) -> bool:
    """Returns whether the object is one of the ways to say that there is no value."""
    if value is None or type(value).__name__ in _MISSING_NAMES:
        return True
    if isinstance(value, decimal.Decimal):
        return value.is_nan()
    if _is_numpy_scalar(value) and value.dtype.kind in "Mm":
        return bool(value != value)
    return (isinstance(value, float) and math.isnan(value)) or (_is_numpy_scalar(value) and bool(value != value))


def json_of(value: Any, name: str = "value", level: int = 0) -> Json:
    """Returns any object as JSON, as in a nested cell. Raises `ValueError` if it is nested too deep."""
    check_depth(name, level)
    if hasattr(value, "tolist") and getattr(value, "ndim", None):
        value = list(value)
    if isinstance(value, Mapping):
        return {_key(key, name): json_of(one, name, level + 1) for key, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [json_of(one, name, level + 1) for one in value]
    if isinstance(value, pa.Scalar):
        return to_value(value)[1]
    if is_missing(value):
        return None
    kind = object_type([value], name)
    return to_cells(kind.array([value]), kind.cells)[0]


def _kind(of: type) -> str | None:
    """Returns the kind of all objects of a class; None for the classes that say that there is no value."""
    if of is type(None) or of.__name__ in _MISSING_NAMES:
        return None
    for classes, kind in _KINDS:
        if issubclass(of, classes):
            return kind
    if of.__module__ == "numpy":
        return _NUMPY_KINDS.get(of.__name__.rstrip("0123456789"), _OTHER)
    return "nested" if hasattr(of, "tolist") and hasattr(of, "ndim") else _OTHER


_KINDS: Final = (
    (bool, "boolean"),
    (int, "integer"),
    (float, "number"),
    (decimal.Decimal, "decimal"),
    (str, "string"),
    ((bytes, bytearray, memoryview), "binary"),
    (datetime, "timestamp"),
    (date, "date"),
    (time, "time"),
    (timedelta, "duration"),
    ((Mapping, list, tuple, set, frozenset), "nested"),
)
_NUMPY_KINDS: Final = {
    "bool": "boolean",
    "bool_": "boolean",
    "int": "integer",
    "uint": "integer",
    "intc": "integer",
    "longlong": "integer",
    "ulonglong": "integer",
    "float": "number",
    "longdouble": "number",
    "datetime": "timestamp",
    "timedelta": "duration",
    "ndarray": "nested",
}


def _is_numpy_scalar(value: object) -> bool:
    return type(value).__module__ == "numpy" and getattr(value, "ndim", 1) == 0


def _floats(values: Iterable[Any]) -> Iterable[Any]:
    return (one for one in values if _kind(type(one)) == "number")


def _each(convert: Callable[[Any], Any]) -> Callable[[Sequence[Any]], list[Any]]:
    return lambda values: [None if is_missing(one) else convert(one) for one in values]


def _same(value: Any) -> Any:
    return value


def _to_float(value: Any) -> float:
    try:
        return float(value)
    except OverflowError:  # an integer of more than 308 digits
        return math.inf if value > 0 else -math.inf


def _integer_type(values: Sequence[Any], name: str) -> ObjectType:
    whole = [operator.index(one) for one in values if not is_missing(one)]
    low, high = min(whole, default=0), max(whole, default=0)
    convert = _each(operator.index)
    if low >= -(2**63) and high < 2**63:
        return ObjectType("integer", pa.int64(), convert, is_uniform=True)
    if low >= 0 and high < 2**64:
        return ObjectType("integer", pa.uint64(), convert)
    if max(-low, high).bit_length() > _MAX_BITS:
        raise ValueError(f"an integer of {name!r} has more than 4,000 digits; give its logarithm, or a text")
    return _digits_type("integer", len(str(max(-low, high))), 0, _each(lambda one: decimal.Decimal(int(one))))


def _decimal_type(values: Sequence[Any]) -> ObjectType:
    found = [decimal.Decimal(one) for one in values if not is_missing(one)]
    finite = [one for one in found if one.is_finite()]
    scale = max((-int(one.as_tuple().exponent) for one in finite), default=0)
    scale = max(scale, 0)
    digits = max((one.adjusted() + 1 for one in finite), default=1)
    is_whole = scale == 0 and digits <= _WRITTEN_DIGITS and len(finite) == len(found)
    kind = "integer" if is_whole else "decimal"
    if len(finite) < len(found):
        return ObjectType(kind, pa.large_string(), _each(_decimal_text))
    return _digits_type(kind, max(digits, 1) + scale, scale, _each(decimal.Decimal))


def _digits_type(kind: str, digits: int, scale: int, convert: Callable[[Sequence[Any]], list[Any]]) -> ObjectType:
    if digits <= _SHORT_DIGITS:
        return ObjectType(kind, pa.decimal128(_SHORT_DIGITS if scale == 0 else digits, scale), convert)
    if digits <= _MAX_DIGITS:
        return ObjectType(kind, pa.decimal256(_MAX_DIGITS if scale == 0 else digits, scale), convert)
    return ObjectType(kind, pa.large_string(), _each(_decimal_text))


def _decimal_text(value: Any) -> str:
    number_ = decimal.Decimal(value)
    # Written out, a number such as 1E+1000000 would have a million digits.
    return format(number_, "f") if number_.is_finite() and abs(number_.adjusted()) < _WRITTEN_DIGITS else str(number_)


def _timestamp_type(values: Sequence[Any]) -> ObjectType:
    found = [_moment(one) for one in values if not is_missing(one)]
    zones = {_zone(one) for one in found}
    if None in zones and len(zones) > 1:
        # Moments and local times are not of one kind.
        return ObjectType("string", pa.large_string(), _each(lambda one: _moment(one).isoformat()))
    if found and all(_is_day_of_read(one) for one in found):
        return ObjectType("date", pa.date32(), _each(lambda one: _microseconds(one) // _DAY))
    zone = zones.pop() if len(zones) == 1 else "UTC" if zones else None
    if any(getattr(one, "nanosecond", 0) for one in found):
        convert = _each(lambda one: _microseconds(one) * 1000 + getattr(one, "nanosecond", 0))
        return ObjectType("timestamp", pa.timestamp("ns", zone), convert)
    return ObjectType("timestamp", pa.timestamp("us", zone), _each(_microseconds))


def _is_day_of_read(moment: Any) -> bool:
    """Returns whether a moment is a date, as the minimum of a column of dates that `read` gives is one in pandas."""
    return getattr(moment, "unit", "") == "s" and moment.tzinfo is None and moment.time() == time()


def _moment(value: Any) -> datetime:
    if _is_numpy_scalar(value):
        value = value.astype("datetime64[us]").item()
    return value if isinstance(value, datetime) else datetime.combine(value, time())


def _in_unit_of_arrow(value: Any) -> Any:
    """Returns a moment or a duration of NumPy, which may count minutes or months, as Arrow takes it."""
    kind, _, unit = value.dtype.str.lstrip("<>=").rstrip("]").partition("[")
    if unit in _ARROW_UNITS:
        return value
    return value.astype(f"{kind}[{'D' if kind == 'M8' and unit in 'YMWD' else 's'}]")


def _microseconds(value: Any) -> int:
    moment = _moment(value)
    if not datetime.min.year <= moment.year <= datetime.max.year:
        # Only a `Timestamp` of pandas has such a year, and it has no other way to say which moment it is.
        return int(value.to_datetime64().astype("int64")) * _MICROSECONDS[value.unit]
    if moment.tzinfo is not None:
        moment = moment.astimezone(UTC).replace(tzinfo=None)
    # The arithmetic of pandas would have the range of nanoseconds.
    return (datetime(*moment.timetuple()[:6], moment.microsecond) - _EPOCH) // _MICROSECOND


def _zone(moment: datetime) -> str | None:
    """Returns the name of a zone as Arrow takes it; None for a local time."""
    if moment.tzinfo is None:
        return None
    name = getattr(moment.tzinfo, "key", None) or getattr(moment.tzinfo, "zone", None)
    if name:
        return str(name)
    shift = moment.utcoffset() or timedelta()
    if not shift or shift.total_seconds() % 60:
        return "UTC"
    sign, minutes = "-" if shift < timedelta() else "+", round(abs(shift).total_seconds()) // 60
    return f"{sign}{minutes // 60:02d}:{minutes % 60:02d}"


def _duration_type(values: Sequence[Any]) -> ObjectType:
    if any(getattr(one, "nanoseconds", 0) for one in values):
        convert = _each(lambda one: _span(one) // _MICROSECOND * 1000 + getattr(one, "nanoseconds", 0))
        return ObjectType("duration", pa.duration("ns"), convert)
    return ObjectType("duration", pa.duration("us"), _each(lambda one: _span(one) // _MICROSECOND))


def _span(value: Any) -> timedelta:
    if _is_numpy_scalar(value):
        found: timedelta = value.astype("timedelta64[us]").item()
        return found
    return timedelta(value.days, value.seconds, value.microseconds)


def _dumped(value: Any, name: str) -> str:
    return json.dumps(json_of(value, name), ensure_ascii=False, allow_nan=False)


def _key(key: Any, name: str) -> str:
    return whole_text(key) if isinstance(key, str) else _text(key, name)


def _text(value: Any, name: str) -> str:
    """Returns a text as it is, a value as its cell, and any other object as Python shows it."""
    if isinstance(value, str):
        return whole_text(str(value))
    if (kind := _kind(type(value))) == _OTHER:
        return whole_text(str(value))
    cell = number(float(value)) if kind == "number" else json_of(value, name)
    return cell if isinstance(cell, str) else json.dumps(cell, ensure_ascii=False)
