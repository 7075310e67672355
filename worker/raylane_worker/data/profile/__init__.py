"""What is known of the values of a column, found in one pass over its batches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

import pyarrow as pa
from pyarrow import compute

from raylane_common.wire.sources import ColumnProfile, Top

if TYPE_CHECKING:
    from pydantic import JsonValue

# Beyond it, the number of different values is not counted.
MAX_DISTINCT: Final = 10_000
_MAX_TOP: Final = 5
_SHOWN_CHARACTERS: Final = 100


class ColumnProfiler:
    """Sees the values of one column, batch by batch."""

    def __init__(self, arrow_type: pa.DataType, *, share_samples: bool) -> None:
        """With `share_samples`, the profile holds the most frequent texts."""
        self._type = arrow_type
        self._share_samples = share_samples
        self._rows = self._nulls = 0
        self._sum = self._magnitude = 0.0
        self._longest: int | None = None
        self._least: pa.Scalar | None = None
        self._most: pa.Scalar | None = None
        self._counts: pa.Table | None = None
        self._is_counted = not pa.types.is_nested(arrow_type)
        self._rises = self._falls = True
        self._last: pa.Scalar | None = None

    def observe(self, values: pa.Array) -> None:
        """Adds the values of a batch."""
        self._rows += len(values)
        self._nulls += values.null_count
        present = values.drop_null()
        if not len(present):
            return
        if pa.types.is_string(self._type):
            longest = compute.max(compute.utf8_length(present)).as_py()
            self._longest = max(longest, self._longest or 0)
        if self._is_number:
            as_float = present.cast(pa.float64(), safe=False)
            self._sum += compute.sum(as_float).as_py()
            self._magnitude += compute.sum(compute.abs(as_float)).as_py()
        if self._is_ordered:
            self._add_extremes(present)
        if self._is_counted:
            self._count(present)

    def profile(self) -> ColumnProfile:
        """Returns what is known."""
        present = self._rows - self._nulls
        distinct = self._counts.num_rows if self._counts is not None else 0
        is_sorted = self._is_ordered and present > 1
        order: Literal["ascending", "descending"] | None = None
        if is_sorted and (self._rises or self._falls):
            order = "ascending" if self._rises else "descending"
        return ColumnProfile(
            nulls=self._nulls,
            distinct=distinct if self._is_counted else present,
            distinct_is_exact=self._is_counted,
            min=_shown(self._least),
            max=_shown(self._most),
            mean=self._sum / present if self._is_number and present else None,
            magnitude=self._magnitude if self._is_number else None,
            order=order,
            unique=self._is_counted and distinct == present,
            longest=self._longest,
            top=self._top() if self._share_samples else (),
        )

    @property
    def _is_number(self) -> bool:
        kind = pa.types
        return bool(kind.is_integer(self._type) or kind.is_floating(self._type) or kind.is_decimal(self._type))

    @property
    def _is_ordered(self) -> bool:
        return self._is_number or bool(pa.types.is_temporal(self._type))

    def _add_extremes(self, present: pa.Array) -> None:
        found = compute.min_max(present)
        least, most = found["min"], found["max"]
        if self._least is None or least.as_py() < self._least.as_py():
            self._least = least
        if self._most is None or most.as_py() > self._most.as_py():
            self._most = most
        if self._rises or self._falls:
            chained = present if self._last is None else pa.concat_arrays([pa.repeat(self._last, 1), present])
            before, after = chained.slice(0, len(chained) - 1), chained.slice(1)
            self._rises = self._rises and compute.all(compute.less_equal(before, after), min_count=0).as_py()
            self._falls = self._falls and compute.all(compute.greater_equal(before, after), min_count=0).as_py()
            self._last = present[-1]

    def _count(self, present: pa.Array) -> None:
        found = compute.value_counts(present)
        counts = pa.table({"value": found.field("values"), "count": found.field("counts")})
        if self._counts is not None:
            both = pa.concat_tables([self._counts, counts])
            counts = both.group_by("value").aggregate([("count", "sum")]).rename_columns(["value", "count"])
        self._counts = counts
        if counts.num_rows > MAX_DISTINCT:
            self._is_counted, self._counts = False, None

    def _top(self) -> tuple[Top, ...]:
        if self._counts is None:
            return ()
        first = self._counts.sort_by([("count", "descending")]).slice(0, _MAX_TOP).to_pylist()
        return tuple(Top(value=str(row["value"])[:_SHOWN_CHARACTERS], count=row["count"]) for row in first)


def _shown(value: pa.Scalar | None) -> int | float | str | None:
    if value is None:
        return None
    shown: JsonValue = (
        value.as_py() if pa.types.is_integer(value.type) or pa.types.is_floating(value.type) else str(value)
    )
    return shown  # type: ignore[return-value]  # a number or a text
