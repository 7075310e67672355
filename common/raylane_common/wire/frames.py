"""The cells of an answer as a frame of pandas, with the type of each column. docs/notebooks.md has a table of them.

No value of a cell changes: what a type of pandas cannot hold, such as a whole number beyond 2^63, stays an object of
Python. Missing is what pandas itself has for a type: NaN, NaT, NA or None.
"""

from __future__ import annotations

import base64
import re
from datetime import date, time, timedelta, timezone
from decimal import Decimal, DecimalException
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from raylane_common.counting import counted
from raylane_common.errors import InvalidAnswer, MissingPackage
from raylane_common.wire.durations import parts_of
from raylane_common.wire.names import CellType

try:
    import numpy as np
    import pandas as pd
except ModuleNotFoundError as _error:
    if _error.name not in ("numpy", "pandas"):
        raise
    raise MissingPackage("frames need one more package: pip install 'raylane[pandas]'") from _error

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from pydantic import JsonValue

    from raylane_common.wire.answer import AnswerColumn

_NO_SUCH_VALUE: Final = (ValueError, TypeError, OverflowError, DecimalException)
_INT64: Final = range(-(2**63), 2**63)
_NAT: Final = -(2**63)
_PER_S: Final = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_DAY_S: Final = 86_400
_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()
LOCAL_S: Final = range(-62_135_510_400, 253_402_214_400)
"""The seconds that have a local time everywhere, in the years 1 to 9999 without their first and last day."""
# The calendar repeats itself after 400 years.
_CYCLE_DAYS: Final = 146_097
_DAY: Final = re.compile(r"([+-]\d{6,}|\d{4})-(\d\d)-(\d\d)")
_CLOCK: Final = re.compile(r"(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?")
_OFFSET: Final = re.compile(r"([+-])(\d\d):(\d\d)(?::(\d\d))?")
_UNIT: Final = re.compile(r"\w+\[(s|ms|us|ns)(?:, tz=(.+))?\]")
# From version 3 on, pandas has a type of text of its own.
TEXT: Final = "str" if int(pd.__version__.partition(".")[0]) >= 3 else object


def frame_of(columns: Sequence[AnswerColumn], rows: Sequence[Sequence[JsonValue]]) -> pd.DataFrame:
    """Returns the rows as a frame. `columns` are those of the answer.

    Raises `InvalidAnswer` if a row has more or fewer cells; a worker checks that, and other programs may not.
    """
    for number, row in enumerate(rows, 1):
        if len(row) != len(columns):
            raise InvalidAnswer(f"row {number} has {counted(len(row), 'cell')} for {counted(len(columns), 'column')}")
    series = [series_of([row[index] for row in rows], column) for index, column in enumerate(columns)]
    frame = pd.DataFrame(dict(enumerate(series)), index=pd.RangeIndex(len(rows)))
    frame.columns = [column.name for column in columns]
    return frame


def series_of(cells: Sequence[JsonValue], column: AnswerColumn) -> pd.Series:
    """Returns the cells of one column; as they are if they are not of the column's type."""
    make = _MAKERS.get(column.type)
    if make is not None:
        try:
            return make(cells, column.native_type)
        except _NO_SUCH_VALUE:
            pass  # another program has written them
    return objects(cells)


def objects(values: Iterable[object]) -> pd.Series:
    """Returns any values as they are."""
    listed = list(values)
    array = np.empty(len(listed), dtype=object)
    # One by one: otherwise lists would become a second dimension.
    for index, value in enumerate(listed):
        array[index] = value
    return pd.Series(array, dtype=object)


def _each(cells: Sequence[JsonValue], convert: Callable[[Any], Any]) -> list[Any]:
    return [None if cell is None else convert(cell) for cell in cells]


def _integers(cells: Sequence[JsonValue], _: str) -> pd.Series:
    return whole_numbers(_each(cells, _whole))


def whole_numbers(values: Sequence[int | None]) -> pd.Series:
    """Returns whole numbers: as int64, with missing ones as Int64, and of any size as objects."""
    if not all(value is None or value in _INT64 for value in values):
        return objects(values)
    return pd.Series(values, dtype="Int64" if any(value is None for value in values) else "int64")


def _whole(cell: JsonValue) -> int:
    if isinstance(cell, bool) or not isinstance(cell, int | str):
        raise ValueError("is not a whole number")
    return int(cell)


def _numbers(cells: Sequence[JsonValue], _: str) -> pd.Series:
    return pd.Series(_each(cells, _number), dtype="float64")


def _number(cell: JsonValue) -> float:
    if isinstance(cell, bool) or (isinstance(cell, str) and cell.lstrip("-") != "Infinity"):
        raise ValueError("is not a number")
    return float(cell)  # type: ignore[arg-type]  # anything else raises


def _decimals(cells: Sequence[JsonValue], _: str) -> pd.Series:
    return objects(_each(cells, lambda cell: Decimal(_text(cell))))


def _booleans(cells: Sequence[JsonValue], _: str) -> pd.Series:
    if not all(isinstance(cell, bool | None) for cell in cells):
        raise ValueError("is not a truth value")
    return pd.Series(cells, dtype="boolean" if None in cells else "bool")


def _texts(cells: Sequence[JsonValue], _: str) -> pd.Series:
    return pd.Series(_each(cells, _text), dtype=TEXT)


def _text(cell: JsonValue) -> str:
    if not isinstance(cell, str):
        raise TypeError("is not text")
    return cell


def _binary(cells: Sequence[JsonValue], _: str) -> pd.Series:
    return objects(_each(cells, lambda cell: base64.b64decode(cell, validate=True)))


def _dates(cells: Sequence[JsonValue], _: str) -> pd.Series:
    return _counted(_each(cells, lambda cell: _days(cell) * _DAY_S), "datetime64[s]")


@lru_cache(maxsize=4096)  # most tables have few different days
def _days(text: str) -> int:
    """Returns the number of a day, counted from 1970. Raises `ValueError` if there is no such day."""
    found = _DAY.fullmatch(text)
    if found is None:
        raise ValueError("is not a date")
    cycles, year = divmod(int(found[1]) - 1, 400)
    return cycles * _CYCLE_DAYS + date(year + 1, int(found[2]), int(found[3])).toordinal() - _EPOCH_DAY


def _times(cells: Sequence[JsonValue], _: str) -> pd.Series:
    return objects(_each(cells, _time))


def _time(cell: str) -> time:
    seconds, nanoseconds = _clock(cell)
    if nanoseconds % 1000:
        raise ValueError("has more digits than a time of Python")
    return time(seconds // 3600, seconds // 60 % 60, seconds % 60, nanoseconds // 1000)


def _clock(text: str) -> tuple[int, int]:
    """Returns the seconds and the nanoseconds of a time of day."""
    found = _CLOCK.fullmatch(text)
    if found is None:
        raise ValueError("is not a time")
    seconds = (int(found[1]) * 60 + int(found[2])) * 60 + int(found[3])
    return seconds, int((found[4] or "").ljust(9, "0"))


def _timestamps(cells: Sequence[JsonValue], native_type: str) -> pd.Series:
    unit, zone = _unit_and_zone(native_type)
    moments = _each(cells, _moment)
    offsets = {moment[2] for moment in moments if moment is not None}
    if any(moment is not None and moment[1] * _PER_S[unit] % 10**9 for moment in moments):
        unit = "ns"
    counts = [None if one is None else one[0] * _PER_S[unit] + one[1] * _PER_S[unit] // 10**9 for one in moments]
    series = _counted(counts, f"datetime64[{unit}]")
    if offsets <= {None} and zone is None:
        return series
    if None in offsets:
        raise ValueError("some have a time zone, and some have none")
    if not all(one is None or one[0] in LOCAL_S for one in moments):
        raise ValueError("has no local time, and pandas would fail whenever it is looked at")
    return _in_zone(series, zone, offsets)


def _moment(text: str) -> tuple[int, int, int | None]:
    """Returns seconds since 1970, nanoseconds, and the offset of the zone in seconds; None without a zone.

    With a zone, the seconds are those of UTC.
    """
    day, _, clock = text.partition("T")
    found = _OFFSET.search(clock)
    seconds, nanoseconds = _clock(clock[: found.start()] if found else clock)
    total = _days(day) * _DAY_S + seconds
    if found is None:
        return total, nanoseconds, None
    if found.end() != len(clock):
        raise ValueError("is not a moment")
    offset = (int(found[2]) * 60 + int(found[3])) * 60 + int(found[4] or 0)
    offset = -offset if found[1] == "-" else offset
    return total - offset, nanoseconds, offset


def _in_zone(utc: pd.Series, zone: str | None, offsets: set[int]) -> pd.Series:
    """Returns the moments in their zone; in UTC if it is unknown here and the offsets differ."""
    moments = utc.dt.tz_localize("UTC")
    if zone is not None:
        try:
            return moments.dt.tz_convert(zone)
        except (KeyError, ValueError):  # the system does not know it
            pass
    return moments.dt.tz_convert(timezone(timedelta(seconds=offsets.pop()))) if len(offsets) == 1 else moments


def _durations(cells: Sequence[JsonValue], native_type: str) -> pd.Series:
    own, _ = _unit_and_zone(native_type)
    seconds = _each(cells, _number)
    for unit in (own, *(finer for finer in ("us", "ns") if _PER_S[finer] > _PER_S[own])):
        try:
            counts = [None if one is None else parts_of(one, _PER_S[unit]) for one in seconds]
            return _counted(counts, f"timedelta64[{unit}]")
        except _NO_SUCH_VALUE:
            continue
    return _numbers(cells, "")  # in seconds, as the cells have them


def _counted(counts: Sequence[int | None], dtype: str) -> pd.Series:
    """Returns points in time, counted in the unit of `dtype`. Raises `OverflowError` if one does not fit."""
    if not all(count is None or (count in _INT64 and count != _NAT) for count in counts):
        raise OverflowError("is too far away")
    array = np.array([_NAT if count is None else count for count in counts], dtype="int64")
    return pd.Series(array.view(dtype))


def _unit_and_zone(native_type: str) -> tuple[str, str | None]:
    found = _UNIT.fullmatch(native_type)
    return (found[1], found[2]) if found else ("us", None)


_MAKERS: Final[dict[CellType, Callable[[Sequence[JsonValue], str], pd.Series]]] = {
    CellType.INTEGER: _integers,
    CellType.NUMBER: _numbers,
    CellType.DECIMAL: _decimals,
    CellType.BOOLEAN: _booleans,
    CellType.STRING: _texts,
    CellType.DATE: _dates,
    CellType.TIME: _times,
    CellType.TIMESTAMP: _timestamps,
    CellType.DURATION: _durations,
    CellType.BINARY: _binary,
}
