"""How one cell of an answer reads: for people, rounded where nobody reads further; for programs, exactly."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Final

from raylane_common.safe_text import safe_line
from raylane_common.wire.names import CellType

if TYPE_CHECKING:
    from pydantic import JsonValue

NULL: Final = "null"
NUMERIC: Final = frozenset((CellType.INTEGER, CellType.NUMBER, CellType.DECIMAL, CellType.DURATION))
"""The types whose cells are numbers, and so are aligned on the right."""

_DAY_S: Final = 86_400
_LONG_S: Final = 1e12


def shown(value: JsonValue, cell_type: CellType) -> str:
    """Returns a cell on one line that is safe to print. No value is "null".

    Floats of more than 12 digits are rounded, to 6 decimals, or below 0.001 to 6 digits.
    """
    match value:
        case None:
            return NULL
        case bool():
            return "true" if value else "false"
        case int() | float() if cell_type is CellType.DURATION:
            return _duration(value)
        case int():
            return str(value)
        case float():
            return _number(value)
        case str() if cell_type is CellType.TIMESTAMP:
            return safe_line(value).replace("T", " ", 1)
        case str():
            return safe_line(value)
        case _:
            return safe_line(json.dumps(value, ensure_ascii=False))


def exact(value: JsonValue) -> str:
    """Returns a cell for programs: each digit, texts as they are, times in ISO 8601, nested values as JSON.

    No value is the empty text.
    """
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case str():
            return value
        case float() if not math.isfinite(value):
            return "" if math.isnan(value) else _not_finite(value)
        case float() | int():
            return repr(value)
        case _:
            return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def number(value: JsonValue) -> float | None:
    """Returns a numeric cell as a float; None if it is missing or infinite, or no number."""
    # Decimals and large integers are text.
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def _number(value: float) -> str:
    if not math.isfinite(value):
        return _not_finite(value)
    value += 0.0  # no -0
    short = f"{value:.15g}" if abs(value) >= 1e9 else f"{value:.12g}"
    if float(short) == value:
        return short if "e" not in short or abs(value) >= 1e16 else repr(value)
    if abs(value) >= 1e9:
        return repr(value)
    if abs(value) < 0.001:
        return f"{value:.6g}"
    rounded = f"{value:.6f}"
    # 1.000000 says that it is not 1.
    return rounded if float(rounded).is_integer() else rounded.rstrip("0")


def _duration(seconds: float) -> str:
    if not math.isfinite(seconds):
        return _not_finite(seconds)
    if seconds and not 0.001 <= abs(seconds) < _LONG_S:
        return f"{shown(seconds, CellType.NUMBER)} s"  # no clock shows it
    # Python's floats have more digits than a clock; microseconds are what most have.
    whole, micro_s = divmod(round(abs(seconds) * 1_000_000), 1_000_000)
    days, rest = divmod(whole, _DAY_S)
    clock = f"{rest // 3600:02}:{rest // 60 % 60:02}:{rest % 60:02}"
    fraction = f".{micro_s:06}".rstrip("0").rstrip(".")
    return f"{'-' if seconds < 0 else ''}{f'{days} d ' if days else ''}{clock}{fraction}"


def _not_finite(value: float) -> str:
    return NULL if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
