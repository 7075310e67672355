"""Counts the distinct values of a column: exactly while there are few, then by a sketch of their hashes."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

import pyarrow as pa
from pyarrow import compute

from raylane_worker.data.arrow_texts import texts

if TYPE_CHECKING:
    import duckdb

# Up to this number, all values are kept.
MAX_EXACT: Final = 10_000
# The sketch keeps this many of the smallest hashes; its error is about 1 / sqrt(4096), 1.6%.
_KEPT_HASHES: Final = 4096
_HASHES: Final = 2.0**64
_ZERO: Final = {each: compute.cast(texts(["0"]), each)[0] for each in (pa.float32(), pa.float64())}


class Hashing:
    """Hashes the values of Arrow arrays to 64 bits, with DuckDB, which is opened when it is needed."""

    def __init__(self) -> None:
        self._connection: duckdb.DuckDBPyConnection | None = None

    def hash(self, values: pa.Array) -> pa.UInt64Array:
        """Returns the hash of each value."""
        if self._connection is None:
            import duckdb

            self._connection = duckdb.connect(
                config={"threads": 1, "autoinstall_known_extensions": False, "autoload_known_extensions": False}
            )
        table = pa.Table.from_arrays([values], names=["v"])
        hashes = self._connection.from_arrow(table).project("hash(v) AS h").to_arrow_table().column(0)
        return hashes.chunk(0) if hashes.num_chunks == 1 else pa.concat_arrays(hashes.chunks)


class Distinct:
    """The number of distinct values of a column. `counts` says how often each occurs, while there are few.

    The keys of `counts` are the values as text. Binary values are no text, so they are only hashed.
    """

    def __init__(self, arrow_type: pa.DataType, hashing: Hashing) -> None:
        is_binary = pa.types.is_binary(arrow_type) or pa.types.is_fixed_size_binary(arrow_type)
        self.counts: Counter[str] | None = None if is_binary else Counter()
        self._type = arrow_type
        self._hashing = hashing
        self._known: pa.Array | None = None
        self._smallest: pa.UInt64Array | None = None

    def see(self, values: pa.Array) -> None:
        """Takes values without null into account."""
        if pa.types.is_floating(self._type):
            values = compute.add(values, _ZERO[self._type])  # makes -0 the same as 0
        if self.counts is None:
            self._sketch(values)
            return
        each, counts = compute.value_counts(values).flatten()
        # Kept as they are, because not every text can be cast back.
        known = each if self._known is None else compute.unique(pa.concat_arrays([self._known, each]))
        if len(known) > MAX_EXACT:
            self.counts = self._known = None
            self._sketch(known)
            return
        self._known = known
        keys = each if pa.types.is_string(each.type) else compute.cast(each, pa.string())
        for key, count in zip(keys.to_pylist(), counts.to_pylist(), strict=True):
            self.counts[key] += count

    @property
    def count(self) -> int:
        """The number of distinct values; an estimate if `counts` is None."""
        if self.counts is not None:
            return len(self.counts)
        kept = len(self._smallest) if self._smallest is not None else 0
        if self._smallest is None or kept < _KEPT_HASHES:
            return kept
        greatest: int = self._smallest[kept - 1].as_py()
        return round((kept - 1) / (greatest / _HASHES))

    @property
    def is_unique(self) -> bool:
        """Whether it is certain that no value occurs twice."""
        return self.counts is not None and max(self.counts.values(), default=0) == 1

    def _sketch(self, values: pa.Array) -> None:
        hashes, known = self._hashing.hash(_hashable(values)), self._smallest
        if known is not None:
            if len(known) == _KEPT_HASHES:
                hashes = hashes.filter(compute.less(hashes, known[len(known) - 1]))
                if not len(hashes):
                    return
            hashes = pa.concat_arrays([known, hashes])
        each = compute.unique(hashes)
        self._smallest = each.take(compute.array_sort_indices(each).slice(0, _KEPT_HASHES))


def _hashable(values: pa.Array) -> pa.Array:
    """Returns different values of a type that DuckDB takes for different ones."""
    if pa.types.is_time32(values.type):
        return values.view(pa.int32())
    if pa.types.is_time64(values.type) or pa.types.is_duration(values.type):
        return values.view(pa.int64())
    # DuckDB's decimals have at most 38 digits.
    return compute.cast(values, pa.string()) if pa.types.is_decimal256(values.type) else values
