"""Writes the statements that keep the rows of a DataFrame that meet the conditions."""

from __future__ import annotations

from datetime import date, datetime
from functools import partial
from typing import TYPE_CHECKING, Final

from raylane_common.wire.sources import ColumnType
from raylane_worker.generation.template.days import compares_days, day_bounds
from raylane_worker.generation.template.fractions import compares_fractions, is_fraction, whole_bounds
from raylane_worker.generation.template.held import is_decimal, is_whole, may_be_missing, zone_of
from raylane_worker.generation.template.operands import decimal_value, time_value, within
from raylane_worker.generation.template.question import Comparison
from raylane_worker.generation.template.values import listed, nearest_float, quoted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from raylane_common.wire.sources import Column
    from raylane_worker.generation.template.builder import ScriptBuilder
    from raylane_worker.generation.template.question import Condition, Value

# More conditions are written as one statement.
_MAX_STATEMENTS: Final = 3


def filter_frame(script: ScriptBuilder, frame: str, conditions: Sequence[Condition]) -> None:
    """Keeps the rows of the DataFrame called `frame` that meet all conditions."""
    if present := dict.fromkeys(one.column.name for one in conditions if one.values and _has_objects(one.column)):
        script.add(f"{frame} = {frame}.dropna(subset={listed(present)})")
    tests = [_test(script, f"{frame}[{quoted(one.column.name)}]", one) for one in conditions]
    if len(tests) > (1 if script.compact else _MAX_STATEMENTS):
        tests = [" & ".join(f"({one})" for one in tests)]
    script.add(*(f"{frame} = {frame}[{test}]" for test in tests))


def _has_objects(column: Column) -> bool:
    """Returns whether missing values of the column cannot be compared with its other values."""
    return column.type is ColumnType.TIME and may_be_missing(column)


def _test(script: ScriptBuilder, series: str, condition: Condition) -> str:
    column, comparison = condition.column, condition.comparison
    write = partial(_value, script, column)
    if compares_days(condition):
        return within(series, day_bounds(condition), write)
    if compares_fractions(condition) and comparison not in (Comparison.EQUAL, Comparison.IN):
        if comparison is Comparison.UNEQUAL:
            return f"{series}.notna()"
        return within(series, whole_bounds(condition), write)
    # No whole number is equal to a fraction.
    values = [value for value in condition.values if not is_fraction(value, column)]
    written = [*map(write, values)]
    match comparison:
        case Comparison.MISSING:
            return f"{series}.isna()"
        case Comparison.PRESENT:
            return f"{series}.notna()"
        case Comparison.CONTAINS:
            return f"{series}.str.contains({written[0]}, regex=False, na=False)"
        case Comparison.BETWEEN:
            return f"{series}.between({written[0]}, {written[1]})"
        case Comparison.EQUAL | Comparison.UNEQUAL if column.type is ColumnType.BOOLEAN:
            # A missing value is neither true nor false.
            return f"{series}.eq({(comparison is Comparison.EQUAL) is values[0]})"
        case Comparison.IN | Comparison.EQUAL if comparison is Comparison.IN or not written:
            if isinstance(values[0] if values else None, date) and not zone_of(column):
                script.import_module("pandas as pd")
                written = [f"pd.Timestamp({one})" for one in written]
            return f"{series}.isin([{', '.join(written)}])"
        case Comparison.UNEQUAL if may_be_missing(column):
            return f"{series}.notna() & ({series} != {written[0]})"
        case Comparison.EQUAL:
            return f"{series} == {written[0]}"
        case sign:
            return f"{series} {sign} {written[0]}"


def _value(script: ScriptBuilder, column: Column, value: Value) -> str:
    """Returns the value as code that pandas compares with the column."""
    if is_decimal(column):
        return decimal_value(script, value)
    if column.type is ColumnType.NUMBER and not is_whole(column) and isinstance(value, int | float):
        return repr(nearest_float(value, column))
    if column.type is ColumnType.TIME:
        return time_value(script, value)
    if isinstance(value, date):
        text = quoted(value.isoformat(sep=" ") if isinstance(value, datetime) else value.isoformat())
        if not zone_of(column):
            return text
        script.import_module("pandas as pd")
        return f'pd.Timestamp({text}, tz="UTC")'
    return quoted(value) if isinstance(value, str) else repr(value)
