"""Parquet and ORC files: columns by name in any case, or by position, as the types that the catalog says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.orc as orc
import pyarrow.parquet as pq

from .hive_types import HiveType, Kind, make_rows
from .json_rows import to_json
from .text_values import in_range, sized, to_decimal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .description import Table

_BATCH_ROWS: Final = 64 * 1024


def read_parquet(file: pa.NativeFile, table: Table, wanted: Mapping[str, HiveType]) -> Iterator[pa.Table]:
    """Yields the wanted columns of a Parquet file. Raises `ValueError` for values that are not of their types."""
    # Nanoseconds, the default for int96, end in the year 2262.
    parquet = pq.ParquetFile(file, coerce_int96_timestamp_unit="us")
    chosen = _chosen(parquet.schema_arrow, table, wanted)
    if not any(chosen.values()):
        yield _table({}, wanted, parquet.metadata.num_rows)
        return
    # A name that ends where another one has a dot would also find that one; `_table` takes what is wanted.
    for batch in parquet.iter_batches(_BATCH_ROWS, columns=[name for name in chosen.values() if name is not None]):
        columns = {name: batch.column(batch.schema.get_field_index(found)) for name, found in chosen.items() if found}
        yield _table(columns, wanted, batch.num_rows)


def read_orc(file: pa.NativeFile, table: Table, wanted: Mapping[str, HiveType]) -> Iterator[pa.Table]:
    """Yields the wanted columns of an ORC file. Raises `ValueError` for values that are not of their types."""
    stripes = orc.ORCFile(file)
    schema = stripes.schema
    # Old versions of Hive write no names.
    nameless = all(name == f"_col{index}" for index, name in enumerate(schema.names))
    chosen = _chosen(schema, table, wanted, by_position=nameless)
    for index in range(stripes.nstripes):
        names = [name for name in chosen.values() if name is not None]
        stripe = stripes.read_stripe(index, columns=names or schema.names[:1])
        columns = {name: stripe.column(stripe.schema.get_field_index(found)) for name, found in chosen.items() if found}
        yield _table(columns, wanted, stripe.num_rows)


def _chosen(
    schema: pa.Schema, table: Table, wanted: Mapping[str, HiveType], *, by_position: bool = False
) -> dict[str, str | None]:
    """Returns the name in the file of each wanted column; None if the file does not have it."""
    if by_position or table.by_position:
        names = dict(zip((name for name, _ in table.columns), schema.names, strict=False))
        return {name: names.get(name) for name in wanted}
    found: dict[str, str] = {}
    for name in schema.names:
        if name.lower() in found and name.lower() in wanted:
            raise ValueError(f"the columns {found[name.lower()]} and {name} are one column in the catalog")
        found[name.lower()] = name
    return {name: found.get(name.lower()) for name in wanted}


def _table(columns: Mapping[str, pa.Array], wanted: Mapping[str, HiveType], rows: int) -> pa.Table:
    typed = {}
    for name, hive in wanted.items():
        if name not in columns:
            typed[name] = pa.nulls(rows, hive.arrow)
            continue
        try:
            typed[name] = _typed(columns[name], hive)
        except (ValueError, pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            problem = f"column {name} is {columns[name].type}, but the catalog says {hive.name}"
            raise ValueError(f"{problem}: {error}" if str(error) else problem) from error
    return make_rows(typed, rows)


def _typed(values: pa.Array, hive: HiveType) -> pa.Array:
    """Returns the values with the type of the catalog. Raises `ValueError` if they are of another kind."""
    if pa.types.is_null(values.type):
        return pa.nulls(len(values), hive.arrow)
    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    kind = values.type
    match hive.kind:
        case Kind.INTEGER if pa.types.is_integer(kind):
            return _same_count(values.cast(hive.arrow), lambda whole: in_range(whole, hive.size))
        case Kind.FLOAT if pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_decimal(kind):
            return values.cast(hive.arrow, safe=pa.types.is_integer(kind))
        case Kind.DECIMAL if pa.types.is_decimal(kind) or pa.types.is_integer(kind):
            return _decimals(values, hive)
        case Kind.TEXT if _is_text(kind) or _is_binary(kind):
            return sized(values.cast(pa.string()), hive)
        case Kind.BINARY if _is_text(kind) or _is_binary(kind):
            return values.cast(pa.binary())
        case Kind.BOOLEAN if pa.types.is_boolean(kind):
            return values
        case Kind.DATE if pa.types.is_date(kind):
            return values.cast(pa.date32())
        case Kind.TIMESTAMP if pa.types.is_timestamp(kind):
            # Fractions of a microsecond are cut off. A time zone means that the values are UTC.
            return values.cast(pa.timestamp("us", kind.tz), safe=False).cast(hive.arrow)
        case Kind.TIMESTAMP if pa.types.is_date(kind):
            return values.cast(hive.arrow)
        case Kind.NESTED if pa.types.is_nested(kind):
            return pa.array(map(_nested, values), pa.string())
        case _:
            raise ValueError


def _same_count(values: pa.Array, change: Any) -> pa.Array:
    changed = change(values)
    if changed.null_count != values.null_count:
        raise ValueError("it has values that are too large")
    return changed


def _decimals(values: pa.Array, hive: HiveType) -> pa.Array:
    try:
        return values.cast(hive.arrow)
    except pa.ArrowInvalid:  # a value has more digits than the catalog says
        numbers = values.cast(pa.decimal128(38, 0)) if pa.types.is_integer(values.type) else values
        rounded = (None if one is None else to_decimal(one, hive.arrow) for one in numbers.to_pylist())
        return pa.array(rounded, hive.arrow)


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _is_binary(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind))


def _nested(value: pa.Scalar) -> str | None:
    return to_json(_plain(value)) if value.is_valid else None


def _plain(value: pa.Scalar) -> Any:
    """Returns a nested value as JSON has it: a map is an object."""
    if not value.is_valid:
        return None
    kind = value.type
    if pa.types.is_map(kind):
        return {_key(item["key"]): _plain(item["value"]) for item in value.values}
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return [_plain(item) for item in value.values]
    if pa.types.is_struct(kind):
        return {kind.field(index).name: _plain(value[index]) for index in range(kind.num_fields)}
    if pa.types.is_timestamp(kind):
        return value.cast(pa.timestamp("us", kind.tz), safe=False).as_py()
    return value.as_py()


def _key(key: pa.Scalar) -> str:
    found = _plain(key)
    return found if isinstance(found, str) else to_json(found)
