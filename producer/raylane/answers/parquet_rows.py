"""The rows of a table of an answer that are in its Parquet file."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Final

import pyarrow as pa
import pyarrow.parquet as pq

from raylane.answers.arrow_cells import cells
from raylane_common.errors import InvalidAnswer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pydantic import JsonValue

    from raylane_common.wire.answer import AnswerFile

# About this many bytes of Arrow are converted at once. As objects of Python they take several times as many.
_BATCH_BYTES: Final = 4 * 1024 * 1024
_MAX_ROWS: Final = 16 * 1024
# Read at once of each column; otherwise a whole row group is in memory.
_BUFFER_BYTES: Final = 1024 * 1024


class ParquetRows:
    """The rows of an open Parquet file, a few MiB at a time. The run has written it, so nothing of it is believed."""

    def __init__(self, opened: IO[bytes], described: AnswerFile) -> None:
        """`described` is what the answer says about the file. Raises `InvalidAnswer` if the file is another one."""
        self._described = described
        try:
            self._file = pq.ParquetFile(opened, buffer_size=_BUFFER_BYTES)
            names = self._file.schema_arrow.names
        except (pa.ArrowException, OSError, ValueError) as error:
            raise self._invalid(str(error)) from error
        if names != [column.name for column in described.columns]:
            raise self._invalid(f"it has the columns {', '.join(names[:20])}")
        if self._file.metadata.num_rows != described.rows:
            raise self._invalid(f"it has {self._file.metadata.num_rows:,} rows")

    def batches(self) -> Iterator[Sequence[Sequence[JsonValue]]]:
        """Yields the next rows, each with its cells. Raises `InvalidAnswer` if the file cannot be read further."""
        try:
            for index in range(self._file.num_row_groups):
                # One reader for all groups keeps the buffers of each to the end, and threads have their own memory.
                for batch in self._file.iter_batches(self._batch_rows(index), row_groups=[index], use_threads=False):
                    columns = [
                        cells(values, column.type)
                        for values, column in zip(batch.columns, self._described.columns, strict=True)
                    ]
                    yield list(zip(*columns, strict=True))
        except (pa.ArrowException, OSError, ValueError, RecursionError) as error:
            raise self._invalid(str(error)) from error

    def table(self) -> pa.Table:
        """Returns all rows at once, as Arrow has them. Raises `InvalidAnswer` if the file cannot be read."""
        try:
            return self._file.read(use_threads=False)
        except (pa.ArrowException, OSError, ValueError) as error:
            raise self._invalid(str(error)) from error

    def _batch_rows(self, index: int) -> int:
        """Returns how many rows of a row group are read at once."""
        group = self._file.metadata.row_group(index)
        row_bytes: int = max(1, group.total_byte_size // max(1, group.num_rows))
        return max(1, min(_MAX_ROWS, _BATCH_BYTES // row_bytes))

    def _invalid(self, problem: str) -> InvalidAnswer:
        name = self._described.name
        return InvalidAnswer(f"{name} is not the Parquet file that the answer describes: {problem}")
