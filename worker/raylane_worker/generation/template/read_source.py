"""Adds the statements that read a source, cast its columns and filter its rows."""

from __future__ import annotations

from ctypes import c_float
from datetime import date
from math import isfinite
from typing import TYPE_CHECKING, Final

from raylane_common.wire.sources import ColumnType, FileSource, TableFormat
from raylane_worker.generation.reader import reader_of
from raylane_worker.generation.template.builder import ScriptBuilder, format_call
from raylane_worker.generation.template.days import compares_days, day_bounds
from raylane_worker.generation.template.fractions import compares_fractions, whole_bounds
from raylane_worker.generation.template.question import Comparison, Condition, Value
from raylane_worker.generation.template.spellings import explain_unknown_texts

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from raylane_common.wire.sources import Column, Source

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
        if column.type is ColumnType.TIME:
            # As text, times have the same order, and Ray can group by them and print them.
            cast_to_text(script, column)
        elif column.type is ColumnType.TIMESTAMP and _is_read_differently(column, source):
            cast_column(script, column.name, 'pa.timestamp("us")')


def cast_to_text(script: ScriptBuilder, column: Column) -> None:
    """Casts times to the text that Python makes of them: without a fraction of a second, if that is 0."""
    cast_column(script, column.name, 'pa.time64("us")' if column.type is ColumnType.TIME else 'pa.timestamp("us")')
    cast_column(script, column.name, "pa.string()")
    whole = f'col({column.name!r}).str.replace(".000000", "")'
    script.add_statements(f"ds = ds.with_column({column.name!r}, {whole})")


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
    return isinstance(source, FileSource) and column.native_type not in ("timestamp[s]", "timestamp[us]")


def _condition(script: ScriptBuilder, condition: Condition) -> str:
    if compares_days(condition):
        return _bounded(script, condition.column, day_bounds(condition))
    if compares_fractions(condition):
        return _bounded(script, condition.column, whole_bounds(condition))
    column = f"col({condition.column.name!r})"
    values = [_value(script, value, condition.column) for value in condition.values]
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


def _bounded(script: ScriptBuilder, column: Column, bounds: Iterable[Iterable[tuple[Comparison, Value]]]) -> str:
    script.import_names("ray.data.expressions", "lit")
    alternatives = [
        " & ".join(f"(col({column.name!r}) {sign} lit({_value(script, value, column)}))" for sign, value in one)
        for one in bounds
    ]
    return " | ".join(f"({one})" for one in alternatives)


def _arrow_condition(script: ScriptBuilder, condition: Condition) -> str:
    if condition.comparison is Comparison.CONTAINS:
        script.import_module("pyarrow.compute as pc")
        return f"pc.match_substring(pc.field({condition.column.name!r}), {condition.values[0]!r})"
    return f"({_condition(script, condition)}).to_pyarrow()"


def _is_ascii(condition: Condition) -> bool:
    return all(text.isascii() for text in (condition.column.name, *map(str, condition.values)))


def _value(script: ScriptBuilder, value: Value, column: Column) -> str:
    """Returns the value as code, with the type with which Arrow compares every value of the column."""
    if column.type is ColumnType.INTEGER and column.native_type.startswith("decimal"):
        # A decimal of 64 bits has no room for a sum of 128 bits.
        return f"decimal.Decimal({str(value)!r})"
    if column.type is ColumnType.NUMBER and isinstance(value, int | float):
        return repr(_nearest(float(value), column))
    if isinstance(value, date):
        script.import_module("datetime")
    return repr(value)


def _nearest(number: float, column: Column) -> float:
    """Returns the number as the column holds it: 0.1 is another one in 32 bits."""
    nearest = c_float(number).value if column.native_type == "float" else number
    return nearest if isfinite(nearest) else number
