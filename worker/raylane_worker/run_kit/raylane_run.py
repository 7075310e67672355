"""Runs `main.py` on a Ray that treats missing values alike in all columns.

By default Ray reads an empty cell of a CSV as a missing value in a column of numbers, and as a text of length 0 in a
column of text. One NaN makes it leave out a whole block from a mean, a sum or a deviation. See docs/decisions/0025.
"""

from __future__ import annotations

import runpy
import sys
from functools import wraps
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import ray
import ray.data
from pyarrow import csv

if TYPE_CHECKING:
    from collections.abc import Callable

    from ray.data.grouped_data import GroupedData

# This version gives pandas code columns of Arrow, and unlike later ones it cannot be told not to.
_WITHOUT_PLAIN_PANDAS: Final = "2.56.0"


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
    runpy.run_path("main.py", run_name="__main__")
