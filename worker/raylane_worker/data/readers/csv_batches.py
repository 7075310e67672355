"""Makes batches from records, and removes rows that are not records."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pyarrow as pa
from pyarrow import compute

from raylane_worker.data.arrow_texts import texts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from raylane_worker.data.readers.rows import Row

_BATCH_ROWS: Final = 8192
# A batch with more ends before it has all its rows.
_BATCH_CHARACTERS: Final = 4 * 1024 * 1024


class BlankLines:
    """Counts the blank lines between the rows of the only column; those below the last row do not count."""

    def __init__(self) -> None:
        self.count = 0
        self._pending = 0

    def without(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Returns the batch without them."""
        if not batch.column(0).null_count:
            self.count, self._pending = self.count + self._pending, 0
            return batch
        rows = batch.drop_null()
        if rows.num_rows:
            behind = next(back for back in range(batch.num_rows) if batch.column(0)[-1 - back].is_valid)
            self.count += self._pending + batch.num_rows - rows.num_rows - behind
            self._pending = behind
        else:
            self._pending += batch.num_rows
        return rows


class RepeatedNames:
    """Counts the rows that repeat the names of the columns, as in exports that were joined to one file."""

    def __init__(self, names: Sequence[str]) -> None:
        self.count = 0
        self._names = [texts([name])[0] for name in names]

    def without(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Returns the batch without them."""
        found = compute.equal(batch.column(0), self._names[0])
        for column, name in zip(batch.columns, self._names, strict=True):
            if not found.true_count:
                return batch
            found = compute.and_(found, compute.equal(column, name))
        self.count += found.true_count
        return batch.filter(compute.invert(found))


def batches_of(records: Iterator[Row]) -> Iterator[pa.RecordBatch]:
    """Yields the records in batches of bounded size."""
    rows: list[list[str]] = []
    characters = 0
    for record in records:
        rows.append(record.cells)
        characters += sum(map(len, record.cells))
        if len(rows) == _BATCH_ROWS or characters > _BATCH_CHARACTERS:
            yield _batch(rows)
            rows, characters = [], 0
    if rows:
        yield _batch(rows)


def _batch(rows: list[list[str]]) -> pa.RecordBatch:
    columns = [texts(cells) for cells in zip(*rows, strict=True)]
    return pa.RecordBatch.from_arrays(columns, names=[f"c{index}" for index in range(len(columns))])


def without_first(batches: Iterator[pa.RecordBatch], rows: int) -> Iterator[pa.RecordBatch]:
    """Yields the batches without their first `rows` rows."""
    for batch in batches:
        left = batch.slice(rows)
        rows = max(0, rows - batch.num_rows)
        if left.num_rows:
            yield left
