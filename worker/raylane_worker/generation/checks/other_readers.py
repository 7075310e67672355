"""Knows the functions of libraries that read files: a script uses `read` of the kit instead of each of them."""

from __future__ import annotations

import re
from typing import Final

from raylane_worker.generation.checks.allowed.listing import listed

_LIBRARIES: Final = listed(
    "cudf daft dask duckdb fastparquet ibis modin numpy pandas polars pyarrow pyspark ray vaex xlrd openpyxl"
)
_READER: Final = re.compile(r"(read|scan)_[a-z0-9_]+|from_csv")
_OTHERS: Final = listed(
    """
    numpy.fromfile numpy.genfromtxt numpy.load numpy.loadtxt numpy.memmap openpyxl.load_workbook pandas.ExcelFile
    pandas.HDFStore pyarrow.csv.open_csv pyarrow.dataset.dataset pyarrow.dataset.parquet_dataset pyarrow.memory_map
    pyarrow.parquet.ParquetDataset pyarrow.parquet.ParquetFile
    """
)
# Modules that scripts import to find or open files.
_MODULES: Final = listed(
    "boto3 csv fsspec glob gzip io os pathlib s3fs smart_open urllib zipfile pyarrow.dataset pyarrow.fs pyarrow.parquet"
)
_DRAWING: Final = listed("altair bokeh matplotlib plotly seaborn")


def is_other_reader(name: str) -> bool:
    """Returns whether the full name is that of a library's function that reads a file."""
    library, _, _ = name.partition(".")
    return name in _OTHERS or (library in _LIBRARIES and _READER.fullmatch(name.rpartition(".")[2]) is not None)


def instead_of_module(module: str) -> str:
    """Returns what to use instead of a module that cannot be imported, as the end of a sentence; empty if unknown."""
    library, _, _ = module.partition(".")
    if library in _DRAWING:
        return '; draw with answer.chart("bar", data=frame, x="city", y="total")'
    if module in _MODULES or library in _MODULES or library in _LIBRARIES:
        return '; read a source with read("its location") from raylane_run'
    return ""
