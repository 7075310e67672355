"""Reads Parquet, with the types that it has."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import pyarrow as pa
from pyarrow import parquet

from raylane_common.errors import InvalidFile
from raylane_worker.data.readers import NO_COLUMNS, Decide
from raylane_worker.data.readers.plain_types import DAMAGED, empty_batch, plain_batch, zone_warnings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from raylane_common.wire.reading import Reading

_BATCH_ROWS: Final = 64 * 1024
_BATCH_BYTES: Final = 16 * 1024 * 1024
_BUFFER_BYTES: Final = 1024 * 1024


class ParquetBatches:
    """The rows of a Parquet file."""

    decide = Decide.NOTHING
    numbers = NO_COLUMNS

    def __init__(self, file: parquet.ParquetFile) -> None:
        self._file = file
        self.names: list[str] = file.schema_arrow.names
        self.warnings = list(zone_warnings(file.schema_arrow))

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        """Yields the batches, first one without rows, which has the types. Raises `InvalidFile`."""
        try:
            yield plain_batch(empty_batch(self._file.schema_arrow))
            for batch in self._file.iter_batches(batch_size=_batch_rows(self._file.metadata), use_threads=False):
                yield plain_batch(batch)
        except DAMAGED as error:
            raise InvalidFile(f"the Parquet file is damaged: {error}; write it again") from error


@contextmanager
def open_file(path: Path, reading: Reading) -> Iterator[ParquetBatches]:
    """Opens a Parquet file; `reading` says nothing more about it. Raises `InvalidFile`."""
    del reading
    try:
        # Otherwise a row group is in memory as a whole.
        file = parquet.ParquetFile(path, pre_buffer=False, buffer_size=_BUFFER_BYTES)
        batches = ParquetBatches(file)
    except DAMAGED as error:
        raise InvalidFile(f"the Parquet file cannot be read: {error}; write it again") from error
    with file:
        yield batches


def _batch_rows(metadata: parquet.FileMetaData) -> int:
    """Returns how many rows a batch of bounded size has, as far as the footer tells."""
    size: int = sum(metadata.row_group(index).total_byte_size for index in range(metadata.num_row_groups))
    row_bytes: int = max(1, size // max(1, metadata.num_rows))
    return max(1, min(_BATCH_ROWS, _BATCH_BYTES // row_bytes))
