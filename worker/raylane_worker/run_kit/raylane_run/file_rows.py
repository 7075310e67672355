"""Reads the rows of a file as its record says: a CSV as it was uploaded, or Parquet."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import pyarrow as pa
from pyarrow import csv, parquet

from .filesystem import open_file
from .plain import plain_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .sources import FileSource

CSV: Final = "csv"
_WITH_ZONE: Final = re.compile(r"timestamp\[(s|ms|us|ns), tz=(.+)\]")


def read_file(source: FileSource) -> pa.Table:
    """Returns all rows of the file with plain types, in their order."""
    if source.format == CSV:
        return plain_table(_read_csv(source))
    with open_parquet(source) as file:
        return plain_table(_named(file.read(), source))


def open_parquet(source: FileSource) -> parquet.ParquetFile:
    """Returns the open Parquet file."""
    # Nanoseconds, the default for int96, end in the year 2262.
    return parquet.ParquetFile(open_file(source.location), pre_buffer=True, coerce_int96_timestamp_unit="us")


def read_groups(file: parquet.ParquetFile, groups: Sequence[int], names: Sequence[str]) -> pa.Table:
    """Returns these columns of these row groups, with plain types."""
    # A name that ends where another one has a dot would also find that one.
    return plain_table(file.read_row_groups(list(groups), columns=list(names)).select(list(names)))


def _named(rows: pa.Table, source: FileSource) -> pa.Table:
    return rows.select([name for name, _ in source.columns])


def schema_of_record(source: FileSource) -> pa.Schema:
    """Returns the types that the record has."""
    return pa.schema([(name, arrow_type(native)) for name, native in source.columns])


def _read_csv(source: FileSource) -> pa.Table:
    """Reads a CSV with pyarrow's defaults, with which the worker has compared every value, and the record's types."""
    convert = csv.ConvertOptions(column_types=schema_of_record(source), strings_can_be_null=True)
    with open_file(source.location) as file:
        return _named(csv.read_csv(file, convert_options=convert), source)


def arrow_type(native: str) -> pa.DataType:
    """Returns the type with this name in Arrow, which is one that Arrow gives to a column of a CSV."""
    if match := _WITH_ZONE.fullmatch(native):
        return pa.timestamp(match[1], match[2])
    return pa.type_for_alias(native)
