"""Datasets of Ray as rows of an answer. They are computed once, and memory holds one block at a time."""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.ipc

from .answer_columns import Rows, arrow_rows, joined
from .cells import has_plain

if TYPE_CHECKING:
    from collections.abc import Sequence

# Blocks wait in this many bytes of memory before they go to a file.
_MEMORY_BYTES: Final = 32 * 1024 * 1024


def dataset_rows(data: Any, stop: int | None, columns: Sequence[str] | None) -> Rows:  # Ray is not imported here
    """Returns the rows of a dataset in their order, or its first rows and one more if it has more than `stop`."""
    known = (data.columns() or ()) if columns is not None else ()
    if columns is not None and all(name in known for name in columns):
        data = data.select_columns(list(dict.fromkeys(columns)))
    elif columns is not None and known:
        # The caller refuses these rows, so a few of them do.
        stop = 0
    blocks = _Blocks()
    for block in data.iter_batches(batch_size=None, batch_format="pyarrow"):
        blocks.add(block)
        if stop is not None and blocks.rows > stop:
            break
    table = blocks.table()
    if table is None:
        names = data.columns()
        if not names:
            raise ValueError("the dataset has no rows and no columns; an answer needs at least one column")
        table = _empty(data, names)
    return arrow_rows(table if stop is None else table.slice(0, stop + 1))


def _empty(data: Any, names: Sequence[str]) -> pa.Table:
    kinds = dict(zip(names, data.schema().types, strict=True))
    known = {name: kind if isinstance(kind, pa.DataType) else pa.null() for name, kind in kinds.items()}
    return pa.schema(list(known.items())).empty_table()


def _plain_block(block: pa.Table) -> pa.Table:
    """Returns the block without what only concerns its storage, which may differ from block to block."""
    columns = [
        # A column without a value takes the type that it has in other blocks.
        joined(column) if has_plain(column.type) and not pa.types.is_null(column.type) else column
        for column in block.columns
    ]
    return pa.table(columns, names=block.column_names)


class _Blocks:
    """Blocks of a dataset, in memory or, if they are many, in files, which Arrow maps into memory."""

    def __init__(self) -> None:
        self.rows = 0
        self._bytes = 0
        self._waiting: list[pa.Table] = []
        self._files: list[pa.Table] = []

    def add(self, block: pa.Table) -> None:
        if not block.num_rows:
            return
        block = _plain_block(block)
        self.rows += block.num_rows
        self._bytes += block.nbytes
        self._waiting.append(block)
        if self._bytes >= _MEMORY_BYTES:
            self._spill()

    def table(self) -> pa.Table | None:
        """Returns all rows, with the types that the values of all blocks have; None if there are none."""
        tables = [*self._files, *self._waiting]
        if not tables:
            return None
        try:
            return pa.concat_tables(tables, promote_options="permissive")
        except pa.ArrowException as error:
            raise ValueError(f"the blocks of the dataset have different types: {error}") from error

    def _spill(self) -> None:
        groups: list[list[pa.Table]] = []
        for block in self._waiting:
            if groups and groups[-1][0].schema.equals(block.schema):
                groups[-1].append(block)
            else:
                groups.append([block])
        for group in groups:
            # The system keeps the content of a removed file as long as it is mapped.
            with tempfile.NamedTemporaryFile(prefix="raylane-answer-") as file:
                with pa.ipc.new_file(file.name, group[0].schema) as writer:
                    for block in group:
                        writer.write_table(block)
                self._files.append(pa.ipc.open_file(pa.memory_map(file.name)).read_all())
        self._waiting, self._bytes = [], 0
