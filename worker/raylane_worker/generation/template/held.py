"""What is known of the values of a column, and therefore how pandas holds them in a run.

The kit gives whole numbers as int64; as float64 if some are missing; and as Python's integers if digits would be lost.
See docs/decisions/0025 and 0035.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from raylane_common.wire.sources import ColumnType

if TYPE_CHECKING:
    from raylane_common.wire.sources import Column

# The magnitude in a profile is a float, so the limit is below that of 64 bits.
_SUM_FITS: Final = 2**62
_INT64: Final = (-(2**63), 2**63 - 1)


def may_be_missing(column: Column) -> bool:
    """Returns whether a value of the column may be missing."""
    return column.profile is None or column.profile.nulls > 0


def sum_may_overflow(column: Column) -> bool:
    """Returns whether the sum of the whole numbers may need more than 64 bits."""
    profile = column.profile
    return profile is None or profile.magnitude is None or not profile.magnitude < _SUM_FITS


def is_wide(column: Column) -> bool:
    """Returns whether one of the whole numbers may need more than 64 bits."""
    if column.type is not ColumnType.INTEGER or not has_decimals(column):
        return False
    low, high = (column.profile.min, column.profile.max) if column.profile else (None, None)
    return not (isinstance(low, int) and isinstance(high, int) and _INT64[0] <= low <= high <= _INT64[1])


def has_decimals(column: Column) -> bool:
    """Returns whether a dataset holds the numbers as decimals, whole or not."""
    return column.native_type.startswith(("decimal", "uint64"))


def is_decimal(column: Column) -> bool:
    """Returns whether the column has exact decimals, such as amounts of money."""
    return column.type is ColumnType.NUMBER and column.native_type.startswith("decimal")


def zone_of(column: Column) -> str | None:
    """Returns the time zone of a column of times; None if it has none."""
    _, found, zone = column.native_type.partition("tz=")
    return zone.removesuffix("]") if found else None


def unit_of(column: Column) -> str:
    """Returns the unit in which the kit holds the times of the column: ns if they have nanoseconds, or us."""
    return "ns" if column.native_type.startswith("timestamp[ns") else "us"
