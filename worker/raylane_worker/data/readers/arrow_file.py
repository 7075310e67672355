"""Reads Arrow files (Feather) and Arrow streams, with the types that they have."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import pyarrow as pa
from pyarrow import ipc

from raylane_common.errors import InvalidFile
from raylane_worker.data.readers import NO_COLUMNS, Decide
from raylane_worker.data.readers.plain_types import DAMAGED, empty_batch, plain_batch, zone_warnings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from raylane_common.wire.reading import Reading

_BATCH_ROWS: Final = 64 * 1024
_FILE_MAGIC: Final = b"ARROW1"


class ArrowBatches:
    """The rows of an Arrow file or stream."""

    decide = Decide.NOTHING
    numbers = NO_COLUMNS

    def __init__(self, schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> None:
        self._schema = schema
        self._batches = batches
        self.names: list[str] = schema.names
        self.warnings = list(zone_warnings(schema))

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        """Yields the batches, first one without rows, which has the types. Raises `InvalidFile`."""
        try:
            yield plain_batch(empty_batch(self._schema))
            for batch in self._batches:
                for start in range(0, batch.num_rows, _BATCH_ROWS):
                    yield plain_batch(batch.slice(start, _BATCH_ROWS))
        except DAMAGED as error:
            raise InvalidFile(f"the Arrow file is damaged: {error}; write it again") from error


@contextmanager
def open_file(path: Path, reading: Reading) -> Iterator[ArrowBatches]:
    """Opens an Arrow file or stream; `reading` says nothing more about it. Raises `InvalidFile`."""
    del reading
    with pa.memory_map(str(path)) as source:
        is_file = source.read(len(_FILE_MAGIC)) == _FILE_MAGIC
        source.seek(0)
        try:
            if is_file:
                file = ipc.open_file(source)
                each = (file.get_batch(index) for index in range(file.num_record_batches))
                batches = ArrowBatches(file.schema, each)
            else:
                stream = ipc.open_stream(source)
                batches = ArrowBatches(stream.schema, iter(stream))
        except DAMAGED as error:
            raise InvalidFile(f"the Arrow file cannot be read: {error}; write it again") from error
        yield batches
