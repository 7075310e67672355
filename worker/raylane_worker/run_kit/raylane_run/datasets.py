"""Reads a source as a dataset of Ray: in parallel, in the order of its rows, with the values of the local engine.

See docs/decisions/0025, 0033 and 0035.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import partial, wraps
from importlib import metadata
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import ray
import ray.data
from ray.data.block import BlockMetadata
from ray.data.datasource import Datasource, ReadTask

from .file_rows import CSV, open_parquet, read_file, read_groups, schema_of_record
from .files import list_files, split
from .filesystem import size_of
from .plain import plain_schema
from .sources import FileSource
from .table_rows import read_blocks, schema_of, types_of
from .versions import require_pandas

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from ray.data.grouped_data import GroupedData

    from .description import Table

# This version gives pandas code columns of Arrow, and unlike later ones it cannot be told not to.
_WITHOUT_PLAIN_PANDAS: Final = "2.56.0"
# How many times larger the rows are in memory than in the file. Ray chooses the number of tasks by it.
_GROWTH: Final = {"parquet": 5, "orc": 5}


def read_dataset(source: FileSource | Table, *, small: bool) -> ray.data.Dataset:
    """Returns the rows of the source; as one block if it is `small`. Connects to Ray first, unless the script has.

    Raises `TableError` for a table that cannot be read as plain files. What is wrong in a file is raised when the
    dataset is read.
    """
    _connect()
    rows = FileDatasource(source) if isinstance(source, FileSource) else TableDatasource(source)
    dataset: ray.data.Dataset = ray.data.read_datasource(rows, **({"override_num_blocks": 1} if small else {}))
    return dataset


def _connect() -> None:
    """Connects to Ray, and sets what holds for all datasets of the script: their order, and null for NaN."""
    if ray.__version__ == _WITHOUT_PLAIN_PANDAS:
        sys.exit(f"Ray {ray.__version__} counts missing values in pandas code; upgrade the cluster to 2.56.1 or newer")
    require_pandas(metadata.version("pandas"))
    if not ray.is_initialized():
        ray.init()
    ray.data.DataContext.get_current().execution_options.preserve_order = True
    groupby = ray.data.Dataset.groupby
    if not hasattr(groupby, "__wrapped__"):
        ray.data.Dataset.groupby = with_null_for_nan(groupby)  # type: ignore[method-assign]  # on purpose


def with_null_for_nan(groupby: Callable[..., GroupedData]) -> Callable[..., GroupedData]:
    """Returns `Dataset.groupby` with null for NaN. All aggregates call it, also those without groups."""

    @wraps(groupby)
    def group(dataset: ray.data.Dataset, *args: Any, **options: Any) -> GroupedData:  # those of this version of Ray
        return groupby(dataset.map_batches(_null_for_nan, batch_format="pyarrow", batch_size=None), *args, **options)

    return group


def _null_for_nan(table: pa.Table) -> pa.Table:
    for index, field in enumerate(table.schema):
        if pa.types.is_float32(field.type) or pa.types.is_float64(field.type):
            values = table.column(index)
            table = table.set_column(index, field, pc.if_else(pc.is_nan(values), None, values))
    return table


class _Datasource(Datasource):
    """Reads a source in parallel. Ray chooses the columns that it needs."""

    def __init__(self, name: str, columns: Sequence[str]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Ray's own
        # Ray makes a label of a metric of it, which must be ASCII.
        self._name = name.encode("ascii", "backslashreplace").decode()
        self._columns = tuple(columns)
        self._projection_map: dict[str, str] | None = None

    def get_name(self) -> str:
        """Returns the name for Ray's progress messages."""
        return self._name

    def supports_projection_pushdown(self) -> bool:
        """Returns whether Ray may say which columns it needs."""
        return True

    def _wanted(self) -> dict[str, str]:
        """Returns the columns that Ray needs, in its order, and their new names, which only old versions give."""
        if self._projection_map is None:
            return {name: name for name in self._columns}
        found = {name: new for name, new in self._projection_map.items() if name in self._columns}
        # A count needs no column, but a block without one has no rows.
        return found or {name: name for name in self._columns[-1:]}


@dataclass(frozen=True)
class _RowGroup:
    """A row group of a Parquet file, by its place. `size` is in bytes."""

    place: int
    rows: int
    size: int


class FileDatasource(_Datasource):
    """Reads the row groups of a Parquet file in parallel. A CSV is read in one task: a large one has a copy."""

    def __init__(self, source: FileSource) -> None:
        super().__init__(f"File({source.name})", [name for name, _ in source.columns])
        self._source = source
        self._groups: list[_RowGroup] = []
        if source.format == CSV:
            self._schema = plain_schema(schema_of_record(source))
            self._bytes = size_of(source.location)
        else:
            with open_parquet(source) as file:
                self._schema = plain_schema(file.schema_arrow)
                found = [file.metadata.row_group(place) for place in range(file.num_row_groups)]
            self._groups = [_RowGroup(place, one.num_rows, one.total_byte_size) for place, one in enumerate(found)]
            self._bytes = sum(group.size for group in self._groups)

    def estimate_inmemory_data_size(self) -> int | None:
        """Returns about how many bytes the rows take in memory. Ray would make 200 blocks of one without a size."""
        return 2 * self._bytes

    def get_read_tasks(
        self, parallelism: int, per_task_row_limit: int | None = None, data_context: object = None
    ) -> list[ReadTask]:
        """Returns at most `parallelism` tasks. The other arguments are Ray's own."""
        wanted = self._wanted()
        names = tuple(wanted)
        schema = pa.schema([self._schema.field(name) for name in names])
        if self._source.format == CSV:
            read = partial(_read_whole, self._source, names)
            return [_task(read, wanted, per_task_row_limit, schema, self._source.rows)]
        return [
            _task(
                partial(_read_some, self._source, [group.place for group in groups], names),
                wanted,
                per_task_row_limit,
                schema,
                sum(group.rows for group in groups),
            )
            for groups in split(self._groups, max(1, parallelism))
        ]


class TableDatasource(_Datasource):
    """Reads the files of a table in parallel."""

    def __init__(self, table: Table) -> None:
        super().__init__(f"Table({table.name})", tuple(table.types))
        self._table = table
        self._files = list_files(table)

    def estimate_inmemory_data_size(self) -> int | None:
        """Returns about how many bytes the rows take in memory."""
        return sum(file.size for file in self._files) * _GROWTH.get(self._table.serde, 2)

    def get_read_tasks(
        self, parallelism: int, per_task_row_limit: int | None = None, data_context: object = None
    ) -> list[ReadTask]:
        """Returns at most `parallelism` tasks. The other arguments are Ray's own."""
        wanted = self._wanted()
        types = types_of(self._table, tuple(wanted))
        return [
            _task(partial(read_blocks, self._table, group, types), wanted, per_task_row_limit, schema_of(types))
            for group in split(self._files, max(1, parallelism))
        ]


def _task(
    read: Callable[[], Iterable[pa.Table]],
    names: Mapping[str, str],
    limit: int | None,
    schema: pa.Schema,
    rows: int | None = None,
) -> ReadTask:
    """Returns a task that reads tables with the columns `names` and gives them their new names."""
    known = BlockMetadata(num_rows=rows, size_bytes=None, input_files=None, exec_stats=None)
    new = [*names.values()]
    renamed = schema.empty_table().rename_columns(new).schema
    return ReadTask(partial(_renamed, read, new), known, schema=renamed, per_task_row_limit=limit)


def _renamed(read: Callable[[], Iterable[pa.Table]], names: list[str]) -> Iterator[pa.Table]:
    for table in read():
        yield table.rename_columns(names)


def _read_whole(source: FileSource, names: Sequence[str]) -> Iterator[pa.Table]:
    yield read_file(source).select(list(names))


def _read_some(source: FileSource, places: Sequence[int], names: Sequence[str]) -> Iterator[pa.Table]:
    """Yields these row groups, which Ray joins to larger blocks; without any, no rows of the right types."""
    with open_parquet(source) as file:
        for groups in [[place] for place in places] or [[]]:
            yield read_groups(file, groups, names)
