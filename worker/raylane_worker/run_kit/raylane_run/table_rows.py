"""Reads the rows of a table of the catalog: its registered partitions, with the columns and values that Hive sees.

See docs/decisions/0033.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

import pyarrow as pa

from .columnar import read_orc, read_parquet
from .description import Table, TableError
from .files import list_files, split
from .filesystem import open_file
from .hive_types import HiveType, make_rows, parse_type
from .json_rows import read_objects
from .lazy_simple import read_cells
from .lines import decompressed, read_lines
from .open_csv import read_quoted
from .plain import plain_table
from .text_values import from_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from .files import File

_NULL_PARTITION: Final = "__HIVE_DEFAULT_PARTITION__"
# Many small files become one block; Ray splits and joins blocks of about this size anyway.
_BLOCK_BYTES: Final = 64 * 1024 * 1024
# Reading is mostly waiting for S3, and decompressing, both outside Python.
_READERS: Final = 8


def read_table(table: Table) -> pa.Table:
    """Returns all rows of the table. Raises `TableError` if it cannot be read as its catalog entry says."""
    types = types_of(table, tuple(table.types))
    groups = split(list_files(table), _READERS)
    with ThreadPoolExecutor(_READERS) as threads:
        blocks = threads.map(lambda group: [*read_blocks(table, group, types)], groups)
        return pa.concat_tables(rows for group in blocks for rows in group)


def types_of(table: Table, names: Sequence[str]) -> dict[str, HiveType]:
    """Returns the types of these columns."""
    return {name: parse_type(table.types[name]) for name in names}


def schema_of(types: Mapping[str, HiveType]) -> pa.Schema:
    """Returns the schema of rows with these types."""
    return pa.schema([(name, hive.arrow) for name, hive in types.items()])


def read_blocks(table: Table, files: Sequence[File], types: Mapping[str, HiveType]) -> Iterator[pa.Table]:
    """Yields the rows of the files in their order, in blocks of about 64 MiB; at least one, which may be empty."""
    schema = schema_of(types)
    waiting: list[pa.Table] = [schema.empty_table()]
    for file in files:
        try:
            for rows in _read_file(table, file, types):
                waiting.append(plain_table(rows.select(schema.names).cast(schema)))
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
