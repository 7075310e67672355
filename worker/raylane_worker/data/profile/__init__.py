"""What is known of each column of a table: missing values, extremes, distinct values, order. One pass, bounded memory.

See docs/decisions/0029.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

import pyarrow as pa
from pyarrow import compute

from raylane_common.wire.sources import ColumnProfile, Shape, Top
from raylane_worker.data.profile.distinct import Distinct, Hashing
from raylane_worker.data.profile.numbers import Numbers
from raylane_worker.data.profile.order import Order
from raylane_worker.data.profile.shapes import Shapes

# The profile is part of the source, which is kept in Redis.
MAX_COLUMNS: Final = 1_000
_TOP_VALUES: Final = 5
_SHOWN_CHARACTERS: Final = 100
# A little below 2^63, because the sum of magnitudes is a float.
_INT64_LIMIT: Final = 9.2e18


class TableProfile:
    """Sees the rows of a table in batches, in the order of the file."""

    def __init__(self, schema: pa.Schema, *, share_samples: bool = False) -> None:
        """With `share_samples`, the profile holds frequent values."""
        hashing = Hashing()
        self.is_left_out = len(schema) > MAX_COLUMNS
        self._columns = [
            None if self.is_left_out or pa.types.is_nested(one.type) else _Column(one.type, hashing, share_samples)
            for one in schema
        ]

    def see(self, batch: pa.RecordBatch) -> None:
        """Takes a batch into account."""
        for column, values in zip(self._columns, batch.columns, strict=True):
            if column is not None:
                column.see(values)

    def result(self) -> tuple[ColumnProfile | None, ...]:
        """Returns the profile of each column; None for a nested one, and for all if there are too many."""
        return tuple(column.result() if column is not None else None for column in self._columns)

    def texts(self, index: int) -> Counter[str]:
        """Returns how often each value of a column of text occurs; nothing if there are too many."""
        column = self._columns[index]
        return column.texts if column is not None else Counter()

    def overflowing(self) -> frozenset[int]:
        """Returns the positions of the columns of integers whose sum may need more than 64 bits."""
        return frozenset(
            index for index, column in enumerate(self._columns) if column is not None and column.may_overflow
        )


class _Column:
    def __init__(self, arrow_type: pa.DataType, hashing: Hashing, share_samples: bool) -> None:
        self._type = arrow_type
        self._share_samples = share_samples
        self._nulls = 0
        self._distinct = Distinct(arrow_type, hashing)
        self._numbers = Numbers(arrow_type)
        self._order = Order()
        self._shapes = Shapes() if pa.types.is_string(arrow_type) else None

    def see(self, values: pa.Array) -> None:
        if pa.types.is_floating(self._type) and (is_nan := compute.is_nan(values)).true_count:
            values = compute.if_else(is_nan, pa.nulls(1, self._type)[0], values)  # NaN is missing
        self._nulls += values.null_count
        present = values.drop_null() if values.null_count else values
        if len(present):
            self._distinct.see(present)
            self._numbers.see(present)
            self._order.see(present)
            if self._shapes is not None:
                self._shapes.see(present)

    @property
    def texts(self) -> Counter[str]:
        return (self._distinct.counts if self._shapes is not None else None) or Counter()

    @property
    def may_overflow(self) -> bool:
        return pa.types.is_integer(self._type) and self._numbers.magnitude >= _INT64_LIMIT

    def result(self) -> ColumnProfile:
        counts, shapes = self._distinct.counts, self._shapes
        least, greatest = self._numbers.extremes()
        may_be_sorted = not self._nulls and self._distinct.count > 1
        frequent = counts.most_common(_TOP_VALUES) if counts is not None and self._share_samples else []
        return ColumnProfile(
            nulls=self._nulls,
            distinct=self._order.count if self._order.is_strict else self._distinct.count,
            distinct_is_exact=counts is not None or self._order.is_strict,
            min=least,
            max=greatest,
            mean=self._numbers.mean,
            magnitude=self._numbers.magnitude if self._numbers.mean is not None else None,
            order=self._order.name if may_be_sorted else None,
            unique=self._distinct.is_unique or self._order.is_strict,
            longest=shapes.longest if shapes is not None else None,
            shapes=tuple(Shape(shape=shape, count=count) for shape, count in shapes.result(counts)) if shapes else (),
            top=tuple(Top(value=value[:_SHOWN_CHARACTERS], count=count) for value, count in frequent),
        )
