"""Finds out whether the rows of a table are sorted by a column."""

from __future__ import annotations

from typing import Literal

import pyarrow as pa
from pyarrow import compute


class Order:
    """What is known of the order of a column's values."""

    def __init__(self) -> None:
        self._ascends = self._descends = True
        self._repeats = False
        self.count = 0
        self._last: pa.Array | None = None

    def see(self, values: pa.Array) -> None:
        """Takes the next values, without null, into account."""
        self.count += len(values)
        if not (self._ascends or self._descends):
            return
        if self._last is not None:
            self._compare(self._last, values.slice(0, 1))
        self._compare(values.slice(0, len(values) - 1), values.slice(1))
        self._last = values.slice(len(values) - 1)

    def _compare(self, before: pa.Array, after: pa.Array) -> None:
        if not len(before) or not (self._ascends or self._descends):
            return
        try:
            self._ascends = self._ascends and compute.less_equal(before, after).false_count == 0
            self._descends = self._descends and compute.greater_equal(before, after).false_count == 0
            self._repeats = self._repeats or compute.equal(before, after).true_count > 0
        except pa.ArrowNotImplementedError:
            self._ascends = self._descends = False

    @property
    def name(self) -> Literal["ascending", "descending"] | None:
        """The order; None if there is none."""
        if self.count < 2:
            return None
        return "ascending" if self._ascends else "descending" if self._descends else None

    @property
    def is_strict(self) -> bool:
        """Whether the values are in an order in which none occurs twice."""
        return self.name is not None and not self._repeats
