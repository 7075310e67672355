"""Runs `main.py` on a Ray that reads tables as Hive does, and treats missing values alike in all columns.

Any reader reads a table of `tables.json` as the catalog says. By default Ray reads an empty cell of a CSV as a missing
value in a column of numbers, and as a text of length 0 in a column of text. One NaN makes it leave out a whole block
from a mean, a sum or a deviation. See docs/decisions/0025 and 0033.
"""

from __future__ import annotations

import json
import runpy
import sys
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import ray
import ray.data
from pyarrow import csv

from .description import Table, TableError, parse_table
from .tables import read_table

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ray.data.grouped_data import GroupedData

# This version gives pandas code columns of Arrow, and unlike later ones it cannot be told not to.
_WITHOUT_PLAIN_PANDAS: Final = "2.56.0"
# The worker ships it with `main.py` if the script may read tables.
_TABLES: Final = Path("tables.json")
_READERS: Final = ("read_csv", "read_json", "read_parquet")
# The catalog knows how the files of a table are written, so the other arguments of readers that verification allows
# change nothing.
_TABLE_OPTIONS: Final = frozenset({"columns", "concurrency", "override_num_blocks"})


def with_tables(
    reader: Callable[..., ray.data.Dataset], tables: Mapping[str, Table]
) -> Callable[..., ray.data.Dataset]:
    """Returns `reader` for files and for the tables at these locations."""

    @wraps(reader)
    def read(paths: str | list[str], *args: Any, **options: Any) -> ray.data.Dataset:  # the arguments of any reader
        listed = [paths] if isinstance(paths, str) else paths
        found = [tables[location] for path in listed if (location := f"{path.rstrip('/')}/") in tables]
        if not found:
            return reader(paths, *args, **options)
        if len(listed) > 1:
            raise TableError("read one table at a time, and join the datasets with union()")
        if options.get("include_paths"):
            raise TableError("include_paths does not apply to a table; leave it out")
        return read_table(found[0], **{name: options[name] for name in _TABLE_OPTIONS & options.keys()})

    return read


def with_missing_text(read_csv: Callable[..., ray.data.Dataset]) -> Callable[..., ray.data.Dataset]:
    """Returns `read_csv` with null for a cell of text that would be missing in a column of numbers."""

    @wraps(read_csv)
    def read(*args: Any, **options: Any) -> ray.data.Dataset:  # whatever the reader of this version of Ray takes
        convert = options.get("convert_options") or csv.ConvertOptions()
        convert.strings_can_be_null = True
        return read_csv(*args, **options | {"convert_options": convert})

    return read


def with_null_for_nan(groupby: Callable[..., GroupedData]) -> Callable[..., GroupedData]:
    """Returns `Dataset.groupby` with null for NaN. All aggregates call it, also those without groups."""

    @wraps(groupby)
    def group(dataset: ray.data.Dataset, *args: Any, **options: Any) -> GroupedData:  # as above
        return groupby(dataset.map_batches(_null_for_nan, batch_format="pyarrow", batch_size=None), *args, **options)

    return group


def _null_for_nan(table: pa.Table) -> pa.Table:
    for index, field in enumerate(table.schema):
        if pa.types.is_float32(field.type) or pa.types.is_float64(field.type):
            values = table.column(index)
            table = table.set_column(index, field, pc.if_else(pc.is_nan(values), None, values))
    return table


if __name__ == "__main__":
    if ray.__version__ == _WITHOUT_PLAIN_PANDAS:
        sys.exit(f"Ray {ray.__version__} counts missing values in pandas code; upgrade the cluster to 2.56.1 or newer")
    ray.data.read_csv = with_missing_text(ray.data.read_csv)
    ray.data.Dataset.groupby = with_null_for_nan(ray.data.Dataset.groupby)  # type: ignore[method-assign]  # on purpose
    if _TABLES.exists():
        described = [parse_table(one) for one in json.loads(_TABLES.read_text("utf-8"))]
        by_location = {table.location: table for table in described}
        for name in _READERS:
            setattr(ray.data, name, with_tables(getattr(ray.data, name), by_location))
    runpy.run_path("main.py", run_name="__main__")
