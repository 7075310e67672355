"""Extremes of numbers, dates and times; mean and sum of magnitudes of numbers."""

from __future__ import annotations

import math
from typing import Final

import pyarrow as pa
from pyarrow import compute

_IS_NUMBER: Final = (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal)
_IS_MOMENT: Final = (pa.types.is_date, pa.types.is_time, pa.types.is_timestamp)
# From the first day of the year 1 to the last one of 9999, counted from 1970.
_USUAL_DAYS: Final = range(-719_162, 2_932_897)
_PER_DAY: Final = {"s": 86_400, "ms": 86_400 * 10**3, "us": 86_400 * 10**6, "ns": 86_400 * 10**9}


class Numbers:
    """What is known of the values of one column. NaN and infinity are left out."""

    def __init__(self, arrow_type: pa.DataType) -> None:
        self._type = arrow_type
        self._is_number = any(test(arrow_type) for test in _IS_NUMBER)
        self._has_extremes = self._is_number or any(test(arrow_type) for test in _IS_MOMENT)
        self._least: pa.Scalar | None = None
        self._greatest: pa.Scalar | None = None
        self._count = 0
        self._sum = 0.0
        self.magnitude = 0.0

    def see(self, values: pa.Array) -> None:
        """Takes values without null into account."""
        if not self._has_extremes:
            return
        if pa.types.is_floating(self._type):
            is_finite = compute.is_finite(values)
            values = values if is_finite.false_count == 0 else values.filter(is_finite)
        if not len(values):
            return
        self._see_extremes(values)
        if self._is_number:
            floats = compute.cast(values, pa.float64(), safe=False)
            self._count += len(values)
            self._sum += compute.sum(floats).as_py()
            self.magnitude += compute.sum(compute.abs(floats)).as_py()

    def _see_extremes(self, values: pa.Array) -> None:
        found = compute.min_max(values)
        least, greatest = found["min"], found["max"]
        if self._least is None or compute.less(least, self._least).as_py():
            self._least = least
        if self._greatest is None or compute.greater(greatest, self._greatest).as_py():
            self._greatest = greatest

    def extremes(self) -> tuple[float | str | None, float | str | None]:
        """Returns the least and the greatest value: numbers as numbers, moments as ISO 8601 writes them.

        None is a moment before the year 1 or after 9999, which people mean as infinity.
        """
        return self._plain(self._least), self._plain(self._greatest)

    @property
    def mean(self) -> float | None:
        """The mean of numbers; None if there are none, or if their sum is more than a float holds."""
        return self._sum / self._count if self._count and math.isfinite(self.magnitude) else None

    def _plain(self, value: pa.Scalar | None) -> float | str | None:
        if value is None:
            return None
        if not self._is_number:
            if not _has_usual_year(value):
                return None
            return str(compute.cast(value, pa.string()).as_py())
        found: float = value.as_py()
        if pa.types.is_decimal(self._type):
            return int(found) if self._type.scale == 0 else float(found)
        return found


def _has_usual_year(moment: pa.Scalar) -> bool:
    if pa.types.is_time(moment.type):
        return True
    per_day = 1 if pa.types.is_date(moment.type) else _PER_DAY[moment.type.unit]
    return moment.value // per_day in _USUAL_DAYS
