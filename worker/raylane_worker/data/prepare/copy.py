"""Writes the prepared copy: typed Parquet, in row groups that readers can share."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import pyarrow as pa
from pyarrow import parquet

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future
    from pathlib import Path

# Ray reads a row group in one task. The row group that is held in memory has at most this size.
_GROUP_BYTES: Final = 16 * 1024 * 1024
_GROUP_ROWS: Final = 1024 * 1024


class CopyWriter:
    """Takes the rows of a table and writes them in row groups. One is written while the next is read."""

    def __init__(self, writer: parquet.ParquetWriter, thread: ThreadPoolExecutor) -> None:
        self._writer = writer
        self._thread = thread
        self._written: Future[None] | None = None
        self._held: list[pa.RecordBatch] = []
        self._rows = self._bytes = 0

    def write(self, batch: pa.RecordBatch) -> None:
        """Adds rows."""
        if not batch.num_rows:
            return
        self._held.append(batch)
        self._rows, self._bytes = self._rows + batch.num_rows, self._bytes + batch.nbytes
        if self._rows >= _GROUP_ROWS or self._bytes >= _GROUP_BYTES:
            self._write_group()

    def close(self) -> None:
        """Writes the rows that are left."""
        self._wait()
        if self._held:
            self._writer.write_table(pa.Table.from_batches(self._held), row_group_size=self._rows)

    def _write_group(self) -> None:
        self._wait()
        table = pa.Table.from_batches(self._held)
        self._written = self._thread.submit(self._writer.write_table, table, row_group_size=self._rows)
        self._held, self._rows, self._bytes = [], 0, 0

    def _wait(self) -> None:
        """Waits for the last row group. Raises what writing it raised."""
        if self._written is not None:
            self._written.result()


@contextmanager
def copy_writer(path: Path, schema: pa.Schema) -> Iterator[CopyWriter]:
    """Opens a new file at `path`, in place of any that is there."""
    with (
        parquet.ParquetWriter(path, schema, compression="zstd", compression_level=1) as file,
        ThreadPoolExecutor(max_workers=1) as thread,
    ):
        writer = CopyWriter(file, thread)
        yield writer
        writer.close()
