"""What is known of the values of a column, and therefore how pandas holds them in a run.

The kit gives whole numbers as int64; as float64 if some are missing; and as Python's integers if digits would be lost.
See docs/decisions/0025 and 0035.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from raylane_common.wire.sources import ColumnType

if TYPE_CHECKING:
    from raylane_common.wire.sources import Column

# The magnitude in a profile is a float, so the limits are below those of 64 bits and of Python's decimals.
_SUM_FITS: Final = 2**62
_DECIMAL_SUM_FITS: Final = 10**20
_INT64: Final = (-(2**63), 2**63 - 1)
_INT64_DIGITS: Final = 18
# "decimal(10,2)" of Hive, where "decimal" is "decimal(10,0)", and "decimal128(10, 2)" of Arrow.
_DECIMAL: Final = re.compile(r"(?:decimal|numeric|dec)\d*\s*(?:\(\s*(\d+)\s*(?:,\s*(\d+)\s*)?\))?", re.IGNORECASE)


def may_be_missing(column: Column) -> bool:
    """Returns whether a value of the column may be missing."""
    return column.profile is None or column.profile.nulls > 0


def is_whole(column: Column) -> bool:
    """Returns whether the column has whole numbers: integers, or decimals without digits after the point."""
    decimal = _decimal(column)
    return column.type is ColumnType.INTEGER or (decimal is not None and decimal[1] == 0)


def is_decimal(column: Column) -> bool:
    """Returns whether the column has exact decimals, such as amounts of money."""
    decimal = _decimal(column)
    return column.type is ColumnType.NUMBER and decimal is not None and decimal[1] > 0


def scale_of(column: Column) -> int | None:
    """Returns the number of digits after the point that the numbers of a column have at most; None for floats."""
    if decimal := _decimal(column):
        return decimal[1]
    return 0 if column.type is ColumnType.INTEGER else None


def has_decimals(column: Column) -> bool:
    """Returns whether a dataset holds the numbers as decimals, whole or not."""
    return _decimal(column) is not None or column.native_type == "uint64"


def sum_may_overflow(column: Column) -> bool:
    """Returns whether the sum of the whole numbers may need more than 64 bits."""
    return not _magnitude_is_below(column, _SUM_FITS)


def is_wide(column: Column) -> bool:
    """Returns whether one of the whole numbers may need more than 64 bits."""
    decimal = _decimal(column)
    if not is_whole(column) or not has_decimals(column) or (decimal and decimal[0] <= _INT64_DIGITS):
        return False
    low, high = (column.profile.min, column.profile.max) if column.profile else (None, None)
    return not (isinstance(low, int) and isinstance(high, int) and _INT64[0] <= low <= high <= _INT64[1])


def sum_may_be_long(column: Column) -> bool:
    """Returns whether the sum of the decimals may have more digits than Python's decimals keep."""
    decimal = _decimal(column)
    is_long = decimal is None or decimal[0] > _INT64_DIGITS
    return is_long and not _magnitude_is_below(column, _DECIMAL_SUM_FITS)


def _magnitude_is_below(column: Column, limit: int) -> bool:
    magnitude = column.profile.magnitude if column.profile else None
    return magnitude is not None and magnitude < limit


def _decimal(column: Column) -> tuple[int, int] | None:
    """Returns the digits of a decimal, all and those after the point; None if the column has no decimals."""
    if not (match := _DECIMAL.fullmatch(column.native_type.strip())):
        return None
    return int(match[1] or 10), int(match[2] or 0)


def zone_of(column: Column) -> str | None:
    """Returns the time zone of a column of times; None if it has none."""
    _, found, zone = column.native_type.partition("tz=")
    return zone.removesuffix("]") if found else None


def unit_of(column: Column) -> str:
    """Returns the unit in which the kit holds the times of the column: ns if they have nanoseconds, or us."""
    return "ns" if column.native_type.startswith("timestamp[ns") else "us"
