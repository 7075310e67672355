"""Replaces Arrow types that Ray Data and pandas do not handle by plain ones that hold the same values."""

from __future__ import annotations

import pyarrow as pa


def plain_batch(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Returns the batch with plain types. Its columns are named by their position."""
    columns = [column.cast(plain_type(column.type)) for column in batch.columns]
    return pa.RecordBatch.from_arrays(columns, names=[f"c{index}" for index in range(len(columns))])


def empty_batch(schema: pa.Schema) -> pa.RecordBatch:
    """Returns a batch of these columns without rows."""
    return pa.RecordBatch.from_arrays([pa.nulls(0, field.type) for field in schema], schema=schema)


def plain_type(arrow_type: pa.DataType) -> pa.DataType:
    """Returns the plain type that holds the same values; most are plain."""
    if pa.types.is_dictionary(arrow_type):
        return plain_type(arrow_type.value_type)
    if pa.types.is_large_string(arrow_type) or pa.types.is_string_view(arrow_type) or pa.types.is_null(arrow_type):
        return pa.string()
    if pa.types.is_large_binary(arrow_type) or pa.types.is_binary_view(arrow_type):
        return pa.binary()
    if pa.types.is_float16(arrow_type):
        return pa.float32()
    if pa.types.is_date64(arrow_type):
        return pa.date32()
    if pa.types.is_run_end_encoded(arrow_type):
        return plain_type(arrow_type.value_type)
    return arrow_type
