"""Reads Parquet, with the types that it has."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import pyarrow as pa
from pyarrow import parquet

from raylane_common.errors import InvalidFile
from raylane_worker.data.readers import Decide
from raylane_worker.data.readers.plain_types import empty_batch, plain_batch

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from raylane_common.wire.reading import Reading

_BATCH_ROWS: Final = 64 * 1024


class ParquetBatches:
    """The rows of a Parquet file."""

    decide = Decide.NOTHING

    def __init__(self, file: parquet.ParquetFile) -> None:
        self._file = file
        self.names: list[str] = file.schema_arrow.names
        self.warnings: list[str] = []

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        """Yields the batches, first one without rows, which has the types. Raises `InvalidFile`."""
        try:
            yield plain_batch(empty_batch(self._file.schema_arrow))
            for batch in self._file.iter_batches(batch_size=_BATCH_ROWS):
                yield plain_batch(batch)
        except (pa.ArrowException, OSError) as error:
            raise InvalidFile(f"the Parquet file is damaged: {error}; write it again") from error


@contextmanager
def open_file(path: Path, reading: Reading) -> Iterator[ParquetBatches]:
    """Opens a Parquet file; `reading` says nothing more about it. Raises `InvalidFile`."""
    del reading
    try:
        file = parquet.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        raise InvalidFile(f"the Parquet file cannot be read: {error}; write it again") from error
    with file:
        yield ParquetBatches(file)
