"""Writes the rows of an answer as Parquet, CSV or JSON, a few MiB at a time."""

from __future__ import annotations

import io
import json
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from .cells import to_cells

if TYPE_CHECKING:
    from collections.abc import Callable

    from .answer_columns import Column, Rows

FORMATS: Final = ("parquet", "csv", "json")


def write_rows(rows: Rows, format_name: str, stream: Any) -> None:  # a file of pyarrow, which has no types
    """Writes all rows to a binary stream, as one of the `FORMATS`."""
    _WRITERS[format_name](rows, stream)


def _write_parquet(rows: Rows, stream: Any) -> None:
    columns = [(column, _parquet_type(column.arrow)) for column in rows.columns]
    schema = pa.schema([(column.name, kind or pa.large_string()) for column, kind in columns])
    with pq.ParquetWriter(stream, schema, compression="zstd") as writer:
        for arrays in rows.batches():
            written = [_written(array, *column) for array, column in zip(arrays, columns, strict=True)]
            writer.write_table(pa.Table.from_arrays(written, schema=schema))


def _written(array: pa.Array, column: Column, kind: pa.DataType | None) -> pa.Array:
    if kind is None:
        return _as_text(array, column)
    # Arrow gives parts of lists of a fixed size a wrong length when it casts them, even to their own type.
    return array if array.type == kind else array.cast(kind)


def _parquet_type(kind: pa.DataType) -> pa.DataType | None:
    """Returns the type that such values have in a file; None for their text."""
    # A writer slices what it gets, and Arrow cannot slice views.
    if str(kind) == "string_view":
        return pa.large_string()
    if str(kind) == "binary_view":
        return pa.large_binary()
    has_views = "string_view" in str(kind) or "binary_view" in str(kind)
    return kind if not has_views and _fits_parquet(kind) else None


@cache
def _fits_parquet(kind: pa.DataType) -> bool:
    try:
        pq.ParquetWriter(io.BytesIO(), pa.schema([("column", kind)])).close()
    except (pa.ArrowException, OSError):  # such as decimals of a negative scale
        return False
    return True


def _write_csv(rows: Rows, stream: Any) -> None:
    kinds = [_CSV_KINDS.get(column.cells, lambda kind: pa.large_string())(column.arrow) for column in rows.columns]
    schema = pa.schema([(column.name, kind) for column, kind in zip(rows.columns, kinds, strict=True)])
    with pyarrow.csv.CSVWriter(stream, schema) as writer:
        for arrays in rows.batches():
            written = [
                _for_csv(array, column, kind) for array, column, kind in zip(arrays, rows.columns, kinds, strict=True)
            ]
            writer.write_table(pa.Table.from_arrays(written, schema=schema))


# Arrow writes these as an answer writes their cells. All others are written as text, in quotes.
_CSV_KINDS: Final[dict[str, Callable[[pa.DataType], pa.DataType]]] = {
    "integer": lambda kind: kind,
    "number": lambda kind: kind,
    "boolean": lambda kind: kind,
    "decimal": lambda kind: kind,
    "string": lambda kind: kind,
    "duration": lambda kind: pa.float64(),
}


def _for_csv(array: pa.Array, column: Column, kind: pa.DataType) -> pa.Array:
    if array.type.equals(kind):
        return array
    return _as_text(array, column) if pa.types.is_large_string(kind) else pa.array(to_cells(array, column.cells), kind)


def _as_text(array: pa.Array, column: Column) -> pa.Array:
    cells = to_cells(array, column.cells)
    texts = [
        None if one is None else one if isinstance(one, str) else json.dumps(one, ensure_ascii=False) for one in cells
    ]
    return pa.array(texts, pa.large_string())


def _write_json(rows: Rows, stream: Any) -> None:
    names = [json.dumps(column.name, ensure_ascii=False) for column in rows.columns]
    kinds = [column.cells for column in rows.columns]
    separator = "[\n"
    for arrays in rows.batches():
        columns = [to_cells(array, kind) for array, kind in zip(arrays, kinds, strict=True)]
        written = []
        for cells in zip(*columns, strict=True):
            pairs = (f"{name}: {json.dumps(cell, ensure_ascii=False)}" for name, cell in zip(names, cells, strict=True))
            written.append("{" + ", ".join(pairs) + "}")
        stream.write((separator + ",\n".join(written)).encode())
        separator = ",\n"
    stream.write(b"[]\n" if not rows.total else b"\n]\n")


_WRITERS: Final[dict[str, Callable[[Rows, Any], None]]] = {
    "parquet": _write_parquet,
    "csv": _write_csv,
    "json": _write_json,
}
