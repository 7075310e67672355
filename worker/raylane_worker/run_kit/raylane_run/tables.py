"""Reads a table of the catalog as a dataset: its registered partitions, with the columns and values that Hive sees.

See docs/decisions/0033.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import ray.data
from ray.data.block import BlockMetadata
from ray.data.datasource import Datasource, ReadTask

from .columnar import read_orc, read_parquet
from .description import Table, TableError
from .files import list_files, open_file, split
from .hive_types import HiveType, make_rows, parse_type
from .json_rows import read_objects
from .lazy_simple import read_cells
from .lines import decompressed, read_lines
from .open_csv import read_quoted
from .text_values import from_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from .files import File

_NULL_PARTITION: Final = "__HIVE_DEFAULT_PARTITION__"
# Many small files become one block; Ray splits and joins blocks of about this size anyway.
_BLOCK_BYTES: Final = 64 * 1024 * 1024
# How many times larger the rows are in memory than in the file. Ray chooses the number of tasks by it.
_GROWTH: Final = {"parquet": 5, "orc": 5}


def read_table(table: Table, columns: Sequence[str] | None = None, **options: Any) -> ray.data.Dataset:
    """Returns the rows of the table, with these columns or all, in their order.

    `options` are those of `ray.data.read_datasource`. Raises `TableError` for a column that the table does not have,
    and for a table that cannot be read as plain files. What is wrong in a file is raised when the dataset is read.
    """
    names = tuple(table.types) if columns is None else tuple(columns)
    if unknown := [name for name in names if name not in table.types]:
        raise TableError(f"table {table.name} has no column {unknown[0]}; it has {', '.join(table.types)}")
    dataset: ray.data.Dataset = ray.data.read_datasource(TableDatasource(table, names), **options)
    return dataset


class TableDatasource(Datasource):
    """Reads the files of a table in parallel. Ray chooses the columns that it needs."""

    def __init__(self, table: Table, columns: Sequence[str]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Ray's own
        self._table = table
        self._columns = tuple(columns)
        self._files = list_files(table)
        self._projection_map: dict[str, str] | None = None

    def get_name(self) -> str:
        """Returns the name for Ray's progress messages."""
        return f"Table({self._table.name})"

    def supports_projection_pushdown(self) -> bool:
        """Returns whether Ray may say which columns it needs."""
        return True

    def estimate_inmemory_data_size(self) -> int | None:
        """Returns about how many bytes the rows take in memory."""
        return sum(file.size for file in self._files) * _GROWTH.get(self._table.serde, 2)

    def get_read_tasks(
        self, parallelism: int, per_task_row_limit: int | None = None, data_context: object = None
    ) -> list[ReadTask]:
        """Returns at most `parallelism` tasks. The other arguments are Ray's own."""
        columns = self._columns
        if self._projection_map is not None:
            # A count needs no column, but a block without one has no rows.
            columns = tuple(name for name in columns if name in self._projection_map) or columns[-1:]
        types = {name: parse_type(self._table.types[name]) for name in columns}
        schema = pa.schema([(name, hive.arrow) for name, hive in types.items()])
        unknown = BlockMetadata(num_rows=None, size_bytes=None, input_files=None, exec_stats=None)
        return [
            ReadTask(
                partial(_read_files, self._table, group, types),
                unknown,
                schema=schema,
                per_task_row_limit=per_task_row_limit,
            )
            for group in split(self._files, max(1, parallelism))
        ]


def _read_files(table: Table, files: Sequence[File], types: Mapping[str, HiveType]) -> Iterator[pa.Table]:
    """Yields the rows of the files in their order, in blocks of about 64 MiB; at least one, which may be empty."""
    schema = pa.schema([(name, hive.arrow) for name, hive in types.items()])
    waiting: list[pa.Table] = [schema.empty_table()]
    for file in files:
        try:
            for rows in _read_file(table, file, types):
                waiting.append(rows.select(schema.names).cast(schema))
                if sum(one.nbytes for one in waiting) >= _BLOCK_BYTES:
                    yield pa.concat_tables(waiting)
                    waiting = []
        except (ValueError, pa.ArrowException) as error:
            raise TableError(f"table {table.name} cannot be read: in {file.uri}, {error}") from error
    if waiting:
        yield pa.concat_tables(waiting)


def _read_file(table: Table, file: File, types: Mapping[str, HiveType]) -> Iterator[pa.Table]:
    own = {name: types[name] for name, _ in table.columns if name in types}
    keys = {
        name: _partition_value(name, value, types[name])
        for (name, _), value in zip(table.partition_keys, file.partition.values, strict=True)
        if name in types
    }
    for rows in _rows(table, file, own):
        count = rows.num_rows
        for name, value in keys.items():
            rows = rows.append_column(name, pa.repeat(value, count))
        yield rows


def _rows(table: Table, file: File, types: Mapping[str, HiveType]) -> Iterator[pa.Table]:
    with open_file(file.uri) as opened:
        if table.serde == "parquet":
            yield from read_parquet(opened, table, types)
            return
        if table.serde == "orc":
            yield from read_orc(opened, table, types)
            return
        width = len(table.columns) if file.partition.width is None else file.partition.width
        with decompressed(opened, file.uri) as text:
            for number, lines in read_lines(text, table.encoding, table.skip_lines):
                yield make_rows(_columns(table, number, lines, width, types), len(lines))


def _columns(
    table: Table, number: int, lines: pa.Array, width: int, types: Mapping[str, HiveType]
) -> dict[str, pa.Array]:
    match table.serde:
        case "lazy_simple":
            return read_cells(lines, table, width, types)
        case "open_csv":
            return read_quoted(lines, number, table, width, types)
        case _:
            return read_objects(lines, number, table, types)


def _partition_value(name: str, text: str, hive: HiveType) -> pa.Scalar:
    if text == _NULL_PARTITION:
        return pa.scalar(None, hive.arrow)
    value = from_text(pa.array([text], pa.string()), hive).cast(hive.arrow)[0]
    if not value.is_valid:
        raise ValueError(f"the partition has {text!r} in {name}, which is not of type {hive.name}")
    return value
