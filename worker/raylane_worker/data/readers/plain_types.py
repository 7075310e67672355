"""Replaces Arrow types that Ray Data and pandas do not handle by plain ones that hold the same values."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

import pyarrow as pa
from pyarrow import compute

from raylane_worker.data.quoted import quoted

if TYPE_CHECKING:
    from collections.abc import Iterator

# What pyarrow raises for damaged files. The names of columns may not be UTF-8.
DAMAGED: Final = (pa.ArrowException, OSError, UnicodeDecodeError)
# Ray keeps Python objects in columns of an extension type, as pickles, and runs them when it reads the column.
_EXTENSION: Final = b"ARROW:extension:name"


def plain_batch(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Returns the batch with plain types and without extensions. Its columns are named by their position.

    Raises `pa.ArrowInvalid` if it is damaged: its offsets may point anywhere in memory, and its texts may not be UTF-8.
    """
    batch.validate(full=True)
    columns = [_plain_column(column) for column in batch.columns]
    return pa.RecordBatch.from_arrays(columns, names=[f"c{index}" for index in range(len(columns))])


def empty_batch(schema: pa.Schema) -> pa.RecordBatch:
    """Returns a batch of these columns without rows."""
    return pa.RecordBatch.from_arrays([pa.nulls(0, field.type) for field in schema], schema=schema)


def is_plain(field: pa.Field) -> bool:
    """Returns whether the field, and all fields in it, have plain types and no extension."""
    if _EXTENSION in (field.metadata or {}) or field.type != plain_type(field.type):
        return False
    return all(is_plain(field.type.field(index)) for index in range(field.type.num_fields))


def plain_type(arrow_type: pa.DataType) -> pa.DataType:
    """Returns the plain type that holds the same values; most are plain."""
    types = pa.types
    if isinstance(arrow_type, pa.BaseExtensionType):
        return plain_type(arrow_type.storage_type)
    if types.is_dictionary(arrow_type) or types.is_run_end_encoded(arrow_type):
        return plain_type(arrow_type.value_type)
    if types.is_struct(arrow_type):
        return pa.struct([(one.name, plain_type(one.type)) for one in arrow_type])
    if types.is_map(arrow_type):
        return pa.map_(plain_type(arrow_type.key_type), plain_type(arrow_type.item_type))
    if types.is_list(arrow_type) or types.is_large_list(arrow_type) or types.is_fixed_size_list(arrow_type):
        return pa.list_(pa.field(arrow_type.value_field.name, plain_type(arrow_type.value_type)))
    if types.is_timestamp(arrow_type) and not _is_known(arrow_type.tz):
        # Such moments count from 1970 in UTC, whatever their zone. Neither pandas nor Arrow shows them in another one.
        return pa.timestamp(arrow_type.unit, "UTC")
    if types.is_decimal(arrow_type) and arrow_type.bit_width < 128:
        return pa.decimal128(arrow_type.precision, arrow_type.scale)
    for fits, plain in _PLAIN:
        if fits(arrow_type):
            return plain
    return arrow_type


def zone_warnings(schema: pa.Schema) -> Iterator[str]:
    """Yields a warning for each column with moments of a time zone that is not known."""
    for field in schema:
        zones = [zone for zone in _zones(field.type) if not _is_known(zone)]
        if zones:
            name, zone = quoted(field.name), quoted(zones[0])
            yield f"column {name} has the unknown time zone {zone}, so its moments are those of UTC"


def _zones(arrow_type: pa.DataType) -> Iterator[str]:
    if pa.types.is_timestamp(arrow_type) and arrow_type.tz is not None:
        yield arrow_type.tz
    for index in range(arrow_type.num_fields):
        yield from _zones(arrow_type.field(index).type)


@cache
def _is_known(zone: str | None) -> bool:
    try:
        return zone is None or pa.lib.string_to_tzinfo(zone) is not None
    except pa.ArrowInvalid:
        return False


_PLAIN: Final = (
    (pa.types.is_large_string, pa.string()),
    (pa.types.is_string_view, pa.string()),
    (pa.types.is_null, pa.string()),
    (pa.types.is_large_binary, pa.binary()),
    (pa.types.is_binary_view, pa.binary()),
    (pa.types.is_float16, pa.float32()),
    (pa.types.is_date64, pa.date32()),
    # Sums of it overflow silently, and values beyond 2^63 cannot be compared with numbers.
    (pa.types.is_uint64, pa.decimal128(20, 0)),
)


def _plain_column(column: pa.Array) -> pa.Array:
    if isinstance(column, pa.ExtensionArray):
        return _plain_column(column.storage)
    if pa.types.is_run_end_encoded(column.type):
        return _plain_column(compute.run_end_decode(column))
    plain = plain_type(column.type)
    return column if is_plain(pa.field("", column.type)) else column.cast(plain)
