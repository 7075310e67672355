"""Checks that the cells of an answer have the types of their columns, as docs/wire-format.md writes them."""

from __future__ import annotations

import math
import re
from datetime import date, datetime, time
from typing import TYPE_CHECKING, Final

from raylane_common.wire.names import CellType

if TYPE_CHECKING:
    from collections.abc import Callable

# Other programs read numbers of JSON as floats, which hold these integers exactly.
SAFE_INTEGER: Final = 2**53
# Deeper values are for no reader. Far below the recursion of any JSON parser.
_MAX_DEPTH: Final = 24
_INTEGER: Final = re.compile(r"-?[1-9][0-9]{15,4000}")
_DECIMAL: Final = re.compile(r"-?[0-9]{1,4000}(?:\.[0-9]{1,4000})?(?:E[+-]?[0-9]{1,20})?")
_INFINITE: Final = ("Infinity", "-Infinity")
_BASE64: Final = re.compile(r"[A-Za-z0-9+/]*={0,2}")
# Years beyond 1 to 9999 have a sign and at least six digits; Python knows no such dates.
_FAR_DAY: Final = re.compile(r"[+-][0-9]{6,12}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])")
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_CLOCK: Final = re.compile(r"([0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.(?:[0-9]{6}|[0-9]{9}))?")
_OFFSET: Final = re.compile(r"[+-][0-9]{2}:[0-9]{2}(?::[0-9]{2})?")


def conforms(cell: object, kind: CellType) -> bool:
    """Returns whether a cell, as JSON was parsed, is missing or a value of this type."""
    return cell is None or _RULES[kind](cell)


def _is_integer(cell: object) -> bool:
    if isinstance(cell, str):
        return _INTEGER.fullmatch(cell) is not None and abs(int(cell)) > SAFE_INTEGER
    return isinstance(cell, int) and not isinstance(cell, bool) and abs(cell) <= SAFE_INTEGER


def _is_number(cell: object) -> bool:
    return _is_finite(cell) or (isinstance(cell, str) and cell in _INFINITE)


def _is_finite(cell: object) -> bool:
    return (isinstance(cell, float) and math.isfinite(cell)) or (_is_integer(cell) and not isinstance(cell, str))


def _is_decimal(cell: object) -> bool:
    return isinstance(cell, str) and (_DECIMAL.fullmatch(cell) is not None or cell in _INFINITE)


def _is_text(cell: object) -> bool:
    return isinstance(cell, str)


def _is_boolean(cell: object) -> bool:
    return isinstance(cell, bool)


def _is_date(cell: object) -> bool:
    return isinstance(cell, str) and _is_day(cell)


def _is_time(cell: object) -> bool:
    return isinstance(cell, str) and _is_clock(cell)


def _is_timestamp(cell: object) -> bool:
    if not isinstance(cell, str) or len(cell) > 100:
        return False
    day, found, rest = cell.partition("T")
    if not found or not _is_day(day):
        return False
    at = next((index for index, character in enumerate(rest) if character in "+-"), len(rest))
    return _is_clock(rest[:at]) and (at == len(rest) or _is_offset(rest[at:]))


def _is_day(text: str) -> bool:
    return _FAR_DAY.fullmatch(text) is not None or (_DAY.fullmatch(text) is not None and _parses(date, text))


def _is_clock(text: str) -> bool:
    match = _CLOCK.fullmatch(text)
    return match is not None and _parses(time, match[1])


def _is_offset(text: str) -> bool:
    return _OFFSET.fullmatch(text) is not None and _parses(datetime, f"2000-01-01T00:00:00{text}")


def _parses(kind: type[date | time | datetime], text: str) -> bool:
    try:
        kind.fromisoformat(text)
    except ValueError:
        return False
    return True


def _is_binary(cell: object) -> bool:
    return isinstance(cell, str) and len(cell) % 4 == 0 and _BASE64.fullmatch(cell) is not None


def _is_nested(cell: object) -> bool:
    return isinstance(cell, list | dict) and _is_json(cell, 0)


def _is_json(value: object, depth: int) -> bool:
    if depth > _MAX_DEPTH:
        return False
    if isinstance(value, dict):
        return all(_is_json(one, depth + 1) for one in value.values())
    if isinstance(value, list):
        return all(_is_json(one, depth + 1) for one in value)
    return value is None or isinstance(value, str | bool) or _is_finite(value)


_RULES: Final[dict[CellType, Callable[[object], bool]]] = {
    CellType.INTEGER: _is_integer,
    CellType.NUMBER: _is_number,
    CellType.DECIMAL: _is_decimal,
    CellType.STRING: _is_text,
    CellType.BOOLEAN: _is_boolean,
    CellType.DATE: _is_date,
    CellType.TIME: _is_time,
    CellType.TIMESTAMP: _is_timestamp,
    CellType.DURATION: _is_finite,
    CellType.BINARY: _is_binary,
    CellType.NESTED: _is_nested,
}
