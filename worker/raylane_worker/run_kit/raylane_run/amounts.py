"""The numbers of a column and their groups, from any number of rows, and the bins of a histogram."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa

from .cells import Json, to_cells

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .answer_columns import Rows

_MAX_BINS: Final = 50
_SECONDS: Final = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


@dataclass(frozen=True)
class Amounts:
    """The finite values of a column, and the number of each value's group.

    `labels` has the cells of each group, in the order in which they appear; one empty list without labels.
    `left_out` is how many values are infinite.
    """

    values: Any  # an array of numpy, of integers or floats of 64 bits
    codes: Any  # an array of numpy
    labels: list[list[Json]]
    left_out: int

    def groups(self) -> Iterator[Any]:
        """Yields where in `values` those of each group are."""
        if not self.labels:
            return
        order = np.argsort(self.codes, kind="stable")
        ends = np.cumsum(np.bincount(self.codes, minlength=len(self.labels)))
        yield from np.split(order, ends[:-1])


def read_amounts(rows: Rows, name: str, labels: Sequence[str]) -> Amounts:
    """Returns the values of the column `name`, grouped by the columns `labels`. Missing values are left out."""
    chosen = rows.only([name, *labels])
    kinds = [column.cells for column in chosen.columns[1:]]
    known: dict[tuple[object, ...], int] = {}
    cells: list[list[Json]] = []
    values, codes, left_out = [], [], 0
    for array, *label_arrays in chosen.batches():
        found = _numbers(array)
        is_valid = array.is_valid().to_numpy(zero_copy_only=False)
        is_finite = is_valid & np.isfinite(found)
        left_out += int((is_valid & np.isinf(found)).sum())
        values.append(found[is_finite])
        codes.append(_codes([one.filter(pa.array(is_finite)) for one in label_arrays], kinds, known, cells))
    if not labels:
        cells = [[]] if any(map(len, values)) else []
        codes = [np.zeros(len(one), np.int64) for one in values]
    empty = _numbers(chosen.columns[0].array(0, 0))
    return Amounts(
        np.concatenate([empty, *values]),
        np.concatenate([np.zeros(0, np.int64), *codes]),
        cells,
        left_out,
    )


def _codes(
    arrays: Sequence[pa.Array], kinds: Sequence[str], known: dict[tuple[object, ...], int], cells: list[list[Json]]
) -> Any:
    """Returns the number of the group of each row. Adds new groups to `known` and `cells`."""
    if not arrays:
        return np.zeros(0, np.int64)
    encoded = [one.dictionary_encode("encode") for one in arrays]
    named = [to_cells(one.dictionary, kind) for one, kind in zip(encoded, kinds, strict=True)]
    stacked = np.stack([one.indices.to_numpy(zero_copy_only=False).astype(np.int64) for one in encoded])
    different, first, inverse = np.unique(stacked, axis=1, return_index=True, return_inverse=True)
    numbers = np.zeros(different.shape[1], np.int64)
    for at in np.argsort(first):
        label = [cells_[index] for cells_, index in zip(named, different[:, at].tolist(), strict=True)]
        key = tuple((type(one), one) for one in label)
        if key not in known:
            known[key] = len(cells)
            cells.append(label)
        numbers[at] = known[key]
    return numbers[inverse.reshape(-1)]


def _numbers(array: pa.Array) -> Any:
    """Returns the values as integers or floats of 64 bits. Missing ones are any number."""
    kind = array.type
    if pa.types.is_duration(kind):
        return array.view(pa.int64()).fill_null(0).to_numpy() / _SECONDS[kind.unit]
    if pa.types.is_unsigned_integer(kind):
        return array.cast(pa.uint64()).fill_null(0).to_numpy()
    if pa.types.is_integer(kind):
        return array.cast(pa.int64()).fill_null(0).to_numpy()
    return array.cast(pa.float64()).fill_null(math.nan).to_numpy()


def bins_of(values: Any) -> tuple[list[float], Any]:
    """Returns the edges of the bins of floats, of equal width, and each value's bin. The last bin has its end."""
    if not len(values):
        return [], np.zeros(0, np.int64)
    low, high = float(values.min()), float(values.max())
    if low == high:
        low, high = low - 0.5, high + 0.5
    parts = np.linspace(0, 1, _count(len(values)) + 1)
    # Not the difference of both, which may be larger than a float.
    edges = np.unique(np.clip(low * (1 - parts) + high * parts, low, high))
    edges[0], edges[-1] = low, high
    if len(edges) == 1:
        # So large that a half changes nothing.
        edges = np.sort([low, np.nextafter(low, 0)])
    found = np.searchsorted(edges, values, side="right") - 1
    return edges.tolist(), np.clip(found, 0, len(edges) - 2)


def whole_bins(values: Any) -> tuple[list[int], Any]:
    """Returns the edges of the bins of integers, of equal width, and each value's bin. No bin has its end."""
    if not len(values):
        return [], np.zeros(0, np.int64)
    low, high = int(values.min()), int(values.max())
    width = -(-(high - low + 1) // _count(len(values)))
    count = -(-(high - low + 1) // width)
    # Differences of 64 bits are right as unsigned integers.
    above = values.astype(np.uint64) - np.uint64(low % 2**64)
    return [low + width * at for at in range(count + 1)], (above // np.uint64(width)).astype(np.int64)


def _count(values: int) -> int:
    """Returns how many bins show so many values, by the rule of Sturges."""
    return min(_MAX_BINS, math.ceil(math.log2(values)) + 1)
