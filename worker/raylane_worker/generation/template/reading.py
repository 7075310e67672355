"""How a source is read: the reader's arguments, the types it has to be helped with, the conditions on its rows."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING, Final

from raylane_common.errors import UnsupportedFormat
from raylane_common.wire.sources import Column, ColumnType, CsvSource, TableFormat, TableSource
from raylane_worker.generation.template.builder import Script, call
from raylane_worker.generation.template.intent import Comparison, Condition, Value

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_ARROW_TYPES: Final = {
    ColumnType.INTEGER: "pa.int64()",
    ColumnType.NUMBER: "pa.float64()",
    ColumnType.STRING: "pa.string()",
    ColumnType.BOOLEAN: "pa.bool_()",
    ColumnType.DATE: "pa.date32()",
    ColumnType.TIMESTAMP: 'pa.timestamp("us")',
    ColumnType.OTHER: "pa.string()",
}


def read(script: Script, source: CsvSource | TableSource, *, small: bool) -> None:
    """Makes the source the dataset `ds`. Raises `UnsupportedFormat` for a separator that Ray cannot read."""
    if source.format is TableFormat.PARQUET:
        script.set_context("use_datasource_v2 = False", "The newer reader skips files not named *.parquet.")
    arguments = [repr(source.location)]
    if isinstance(source, TableSource):
        arguments += _table_arguments(script, source)
    if small:
        arguments.append("override_num_blocks=1")
    script.add(f"ds = {call(f'ray.data.read_{source.format}', arguments)}")


def correct_types(script: Script, source: CsvSource | TableSource, columns: Iterable[Column]) -> None:
    """Converts those of the columns that Ray reads as something else than the source's record says."""
    for column in columns:
        if _is_read_otherwise(column, source):
            convert(script, column, _ARROW_TYPES[column.type])


def convert(script: Script, column: Column, arrow_type: str) -> None:
    """Replaces the column by itself as another type."""
    script.use("ray.data.expressions", "col")
    script.use("ray.data.datatype", "DataType")
    script.use_module("pyarrow as pa")
    name = repr(column.name)
    script.add(f"ds = ds.with_column({name}, col({name}).cast(DataType.from_arrow({arrow_type}), safe=False))")


def keep(script: Script, source: CsvSource | TableSource, conditions: Sequence[Condition]) -> None:
    """Keeps only the rows that meet all conditions."""
    if not conditions:
        return
    script.use("ray.data.expressions", "col")
    # Ray 2.60 puts the expression into the name of a metric, which must be ASCII.
    if all(_is_ascii(one) for one in conditions):
        parts = [_condition(script, source, one) for one in conditions]
        expression = parts[0] if len(parts) == 1 else " & ".join(f"({part})" for part in parts)
        script.add(f"ds = ds.filter(expr={expression})")
        return
    parts = [_arrow_condition(script, source, one) for one in conditions]
    expression = "\n        & ".join(parts)
    script.define(f"def keep(table):\n    return table.filter(\n        {expression}\n    )")
    script.add('ds = ds.map_batches(keep, batch_format="pyarrow", batch_size=None)')


def empty_is_missing(source: CsvSource | TableSource) -> bool:
    """Whether an empty text is a missing value: a CSV has no other way to leave one out."""
    return source.format is TableFormat.CSV


def _table_arguments(script: Script, source: TableSource) -> list[str]:
    found: list[str] = []
    match source.format:
        case TableFormat.CSV:
            if len(source.delimiter) != 1 or source.delimiter in '"\r\n\0' or not source.delimiter.isascii():
                raise UnsupportedFormat(
                    f"table {source.name} is separated by {source.delimiter!r}; Ray reads one ASCII character",
                    details={"table": source.name},
                )
            script.use("pyarrow", "csv")
            script.use_module("pyarrow as pa")
            names = [column.name for column in source.columns]
            types = ", ".join(f"{column.name!r}: {_ARROW_TYPES[column.type]}" for column in source.columns)
            # A table's columns are told by their place in the file, whatever a header calls them.
            skip = ", skip_rows=1" if source.has_header else ""
            found += [
                f"read_options=csv.ReadOptions(column_names={names!r}{skip}, use_threads=False)",
                f"parse_options=csv.ParseOptions(delimiter={source.delimiter!r})",
                f"convert_options=csv.ConvertOptions(column_types={{{types}}})",
            ]
        case TableFormat.JSON:
            found += ["lines=True", "file_extensions=None"]
        case TableFormat.PARQUET:
            found += ["file_extensions=None"]
    typed = {ColumnType.INTEGER: "int", ColumnType.NUMBER: "float"}
    if field_types := [f"{key.name!r}: {typed[key.type]}" for key in source.partition_keys if key.type in typed]:
        script.use("ray.data.datasource", "Partitioning")
        found.append(f'partitioning=Partitioning("hive", field_types={{{", ".join(field_types)}}})')
    return found


def _is_read_otherwise(column: Column, source: CsvSource | TableSource) -> bool:
    kind = column.type
    if isinstance(source, CsvSource):
        return kind is ColumnType.TIMESTAMP and "tz=" in column.native_type
    if column in source.partition_keys:
        # Read from a directory's name: numbers by the reader's types; a date is compared as the text it is.
        return kind in (ColumnType.TIMESTAMP, ColumnType.BOOLEAN)
    match source.format:
        case TableFormat.PARQUET:
            is_decimal = kind is ColumnType.NUMBER and column.native_type.lower().startswith(("decimal", "numeric"))
            return is_decimal or kind is ColumnType.TIMESTAMP
        case TableFormat.JSON:
            return kind in (ColumnType.DATE, ColumnType.TIMESTAMP)
        case _:
            return False


def _condition(script: Script, source: CsvSource | TableSource, condition: Condition) -> str:
    column = f"col({condition.column.name!r})"
    is_partition_key = isinstance(source, TableSource) and condition.column in source.partition_keys
    dates_as_text = is_partition_key and condition.column.type is ColumnType.DATE
    values = [_value(script, value, dates_as_text=dates_as_text) for value in condition.values]
    match condition.comparison:
        case Comparison.MISSING if empty_is_missing(source) and condition.column.type is ColumnType.STRING:
            script.use("ray.data.expressions", "lit")
            return f"{column}.is_null() | ({column} == lit(''))"
        case Comparison.MISSING:
            return f"{column}.is_null()"
        case Comparison.PRESENT:
            return f"{column}.is_not_null()"
        case Comparison.CONTAINS:
            return f"{column}.str.contains({values[0]})"
        case Comparison.IN:
            return f"{column}.is_in([{', '.join(values)}])"
        case Comparison.BETWEEN:
            script.use("ray.data.expressions", "lit")
            return f"({column} >= lit({values[0]})) & ({column} <= lit({values[1]}))"
        case comparison:
            script.use("ray.data.expressions", "lit")
            sign = "==" if comparison is Comparison.EQUAL else str(comparison)
            return f"{column} {sign} lit({values[0]})"


def _arrow_condition(script: Script, source: CsvSource | TableSource, condition: Condition) -> str:
    if condition.comparison is Comparison.CONTAINS:
        script.use_module("pyarrow.compute as pc")
        return f"pc.match_substring(pc.field({condition.column.name!r}), {condition.values[0]!r})"
    return f"({_condition(script, source, condition)}).to_pyarrow()"


def _is_ascii(condition: Condition) -> bool:
    return all(text.isascii() for text in (condition.column.name, *map(str, condition.values)))


def _value(script: Script, value: Value, *, dates_as_text: bool) -> str:
    if isinstance(value, date | datetime):
        if dates_as_text:
            return repr(value.isoformat())
        script.use_module("datetime")
    return repr(value)
