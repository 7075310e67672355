"""Adds the statements that read a source, cast its columns and filter its rows."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING, Final

from raylane_common.wire.sources import ColumnType, FileSource, TableFormat
from raylane_worker.generation.reader import reader_of
from raylane_worker.generation.template.builder import ScriptBuilder, format_call
from raylane_worker.generation.template.days import compares_days, day_bounds
from raylane_worker.generation.template.question import Comparison, Condition, Value
from raylane_worker.generation.template.spellings import explain_unknown_texts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from raylane_common.wire.sources import Column, Source

_ARROW_TYPES: Final = {
    ColumnType.INTEGER: "pa.int64()",
    ColumnType.NUMBER: "pa.float64()",
    ColumnType.STRING: "pa.string()",
    ColumnType.BOOLEAN: "pa.bool_()",
    ColumnType.DATE: "pa.date32()",
    # As text, times have the same order, and Ray can group by them and print them.
    ColumnType.TIME: "pa.string()",
    ColumnType.TIMESTAMP: 'pa.timestamp("us")',
    ColumnType.OTHER: "pa.string()",
}
_WHOLE_SECONDS: Final = {"time32[s]": 'pa.time32("s")', "timestamp[s]": 'pa.timestamp("s")'}
# As in numbers: an empty cell, or a marker such as `NA`. See docs/decisions/0025.
_TEXT_CAN_BE_MISSING: Final = "strings_can_be_null=True"
_WITHOUT_NAN: Final = '''\
def without_nan(table):
    """Makes NaN null, so that it is left out like any missing value, and -0 the same group as 0."""
    for name in FLOATS:
        values = table[name].cast("float64", safe=False)
        values = pc.if_else(pc.is_nan(values), None, pc.add(values, 0.0))
        table = table.set_column(table.column_names.index(name), name, values)
    return table'''


def add_reader(script: ScriptBuilder, source: Source, *, small: bool) -> None:
    """Reads the source as the dataset `ds`; as one block if `small`."""
    arguments = [repr(source.location)]
    # The run reads a table as the catalog says.
    if isinstance(source, FileSource) and source.format is TableFormat.CSV:
        script.import_names("pyarrow", "csv")
        arguments.append(f"convert_options=csv.ConvertOptions({_TEXT_CAN_BE_MISSING})")
    if small:
        arguments.append("override_num_blocks=1")
    script.add_statements(f"ds = {format_call(reader_of(source), arguments)}")


def cast_columns(script: ScriptBuilder, source: Source, columns: Sequence[Column]) -> None:
    """Casts those of the columns that Ray reads with a different type than the source has, and NaN to null."""
    if floats := [one.name for one in columns if one.type is ColumnType.NUMBER]:
        script.import_module("pyarrow.compute as pc")
        script.add_function(f"FLOATS = {floats!r}\n\n\n{_WITHOUT_NAN}")
        script.add_statements('ds = ds.map_batches(without_nan, batch_format="pyarrow", batch_size=None)')
    for column in columns:
        if _is_read_differently(column, source):
            if column.type is ColumnType.TIME:
                cast_to_seconds(script, column)
            cast_column(script, column.name, _ARROW_TYPES[column.type])


def cast_to_seconds(script: ScriptBuilder, column: Column) -> None:
    """Casts times without fractions to whole seconds. Parquet has none, and as text they would end with zeros."""
    if column.native_type in _WHOLE_SECONDS:
        cast_column(script, column.name, _WHOLE_SECONDS[column.native_type])


def cast_column(script: ScriptBuilder, name: str, arrow_type: str, *, into: str | None = None) -> None:
    """Casts one column to an Arrow type, such as `pa.string()`. `into` names a new column for the result."""
    script.import_names("ray.data.expressions", "col")
    script.import_names("ray.data.datatype", "DataType")
    script.import_module("pyarrow as pa")
    cast = f"col({name!r}).cast(DataType.from_arrow({arrow_type}), safe=False)"
    script.add_statements(f"ds = ds.with_column({(name if into is None else into)!r}, {cast})")


def filter_rows(script: ScriptBuilder, conditions: Sequence[Condition]) -> None:
    """Keeps the rows that meet all conditions. Ends the script if one of them names a text that no row has."""
    if not conditions:
        return
    explain_unknown_texts(script, conditions)
    script.import_names("ray.data.expressions", "col")
    # Ray 2.60 puts the expression into the name of a metric, which must be ASCII.
    if all(_is_ascii(one) for one in conditions):
        parts = [_condition(script, one) for one in conditions]
        expression = parts[0] if len(parts) == 1 else " & ".join(f"({part})" for part in parts)
        script.add_statements(f"ds = ds.filter(expr={expression})")
        return
    parts = [_arrow_condition(script, one) for one in conditions]
    expression = "\n        & ".join(parts)
    script.add_function(f"def keep(table):\n    return table.filter(\n        {expression}\n    )")
    script.add_statements('ds = ds.map_batches(keep, batch_format="pyarrow", batch_size=None)')


def _is_read_differently(column: Column, source: Source) -> bool:
    if not isinstance(source, FileSource):
        return False
    is_plain = column.native_type in ("timestamp[s]", "timestamp[us]")
    return column.type is ColumnType.TIME or (column.type is ColumnType.TIMESTAMP and not is_plain)


def _condition(script: ScriptBuilder, condition: Condition) -> str:
    if compares_days(condition):
        return _day_condition(script, condition)
    column = f"col({condition.column.name!r})"
    values = [_value(script, value) for value in condition.values]
    match condition.comparison:
        case Comparison.MISSING:
            return f"{column}.is_null()"
        case Comparison.PRESENT:
            return f"{column}.is_not_null()"
        case Comparison.CONTAINS:
            return f"{column}.str.contains({values[0]})"
        case Comparison.IN:
            return f"{column}.is_in([{', '.join(values)}])"
        case Comparison.BETWEEN:
            script.import_names("ray.data.expressions", "lit")
            return f"({column} >= lit({values[0]})) & ({column} <= lit({values[1]}))"
        case comparison:
            script.import_names("ray.data.expressions", "lit")
            sign = "==" if comparison is Comparison.EQUAL else str(comparison)
            return f"{column} {sign} lit({values[0]})"


def _day_condition(script: ScriptBuilder, condition: Condition) -> str:
    script.import_names("ray.data.expressions", "lit")
    script.import_module("datetime")
    column = f"col({condition.column.name!r})"
    alternatives = [
        " & ".join(f"({column} {comparison} lit({moment!r}))" for comparison, moment in bounds)
        for bounds in day_bounds(condition)
    ]
    return " | ".join(f"({one})" for one in alternatives)


def _arrow_condition(script: ScriptBuilder, condition: Condition) -> str:
    if condition.comparison is Comparison.CONTAINS:
        script.import_module("pyarrow.compute as pc")
        return f"pc.match_substring(pc.field({condition.column.name!r}), {condition.values[0]!r})"
    return f"({_condition(script, condition)}).to_pyarrow()"


def _is_ascii(condition: Condition) -> bool:
    return all(text.isascii() for text in (condition.column.name, *map(str, condition.values)))


def _value(script: ScriptBuilder, value: Value) -> str:
    if isinstance(value, date | datetime):
        script.import_module("datetime")
    return repr(value)
