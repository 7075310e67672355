"""Replaces Arrow types by plain ones, with the same values in both engines: wide numbers, and null for NaN."""

from __future__ import annotations

from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

_UNSIGNED_64: Final = pa.decimal128(20, 0)


def plain_table(table: pa.Table) -> pa.Table:
    """Returns the table with plain types: integers of 64 bits, floats of 64 bits without NaN, texts, microseconds.

    Nanoseconds, decimals, times, durations and nested values stay as they are.
    """
    columns = [plain_column(table.column(index)) for index in range(table.num_columns)]
    return pa.table(columns, names=table.column_names)


def plain_schema(schema: pa.Schema) -> pa.Schema:
    """Returns the schema that `plain_table` gives to a table of this schema."""
    return plain_table(schema.empty_table()).schema


def plain_column(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Returns one column with a plain type."""
    kind = values.type
    types = pa.types
    if isinstance(kind, pa.BaseExtensionType):
        return plain_column(pa.chunked_array([chunk.storage for chunk in values.chunks], kind.storage_type))
    if types.is_run_end_encoded(kind):
        return plain_column(pa.chunked_array(map(pc.run_end_decode, values.chunks), kind.value_type))
    if types.is_dictionary(kind):
        return plain_column(values.cast(kind.value_type))
    if types.is_floating(kind):
        # Zero has one sign, so that it is one group.
        values = pc.add(values.cast(pa.float64()), 0.0)
        return pc.if_else(pc.is_nan(values), None, values) if pc.any(pc.is_nan(values)).as_py() else values
    if types.is_uint64(kind):
        return values.cast(_UNSIGNED_64)
    if types.is_timestamp(kind) and kind.unit in ("s", "ms"):
        return _in_microseconds(values)
    wanted = _plain_type(kind)
    return values if wanted == kind else values.cast(wanted)


def _plain_type(kind: pa.DataType) -> pa.DataType:
    types = pa.types
    if types.is_integer(kind):
        return pa.int64()
    if types.is_null(kind) or types.is_large_string(kind) or types.is_string_view(kind):
        return pa.string()
    if types.is_large_binary(kind) or types.is_binary_view(kind) or types.is_fixed_size_binary(kind):
        return pa.binary()
    return pa.date32() if types.is_date64(kind) else kind


def _in_microseconds(values: pa.ChunkedArray) -> pa.ChunkedArray:
    try:
        return values.cast(pa.timestamp("us", values.type.tz))
    except pa.ArrowInvalid:  # years beyond 292,000 need the larger unit
        return values
