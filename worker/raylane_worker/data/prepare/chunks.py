"""Cuts the batches of a file into chunks that are large enough to convert fast, and small enough to hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_ROWS: Final = 64 * 1024
_BYTES: Final = 8 * 1024 * 1024


def chunks(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Yields the same rows in chunks."""
    held: list[pa.RecordBatch] = []
    rows = size = 0
    for batch in batches:
        for part in _parts(batch):
            if held and (rows + part.num_rows > _ROWS or size + part.nbytes > _BYTES):
                yield _joined(held)
                held, rows, size = [], 0, 0
            held.append(part)
            rows, size = rows + part.num_rows, size + part.nbytes
    if held:
        yield _joined(held)


def _parts(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    for start in range(0, max(batch.num_rows, 1), _ROWS):
        yield batch.slice(start, _ROWS)


def _joined(batches: list[pa.RecordBatch]) -> pa.RecordBatch:
    return batches[0] if len(batches) == 1 else pa.concat_batches(batches)
