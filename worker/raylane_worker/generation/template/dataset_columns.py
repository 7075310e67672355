"""How Ray must hold a column so that an aggregate of it, or grouping by it, is exact and keeps its type."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from raylane_common.wire.sources import ColumnType
from raylane_worker.generation.template.held import (
    has_decimals,
    is_whole,
    may_be_missing,
    sum_may_overflow,
    unit_of,
    zone_of,
)
from raylane_worker.generation.template.question import Statistic
from raylane_worker.generation.template.values import quoted

if TYPE_CHECKING:
    from raylane_common.wire.sources import Column
    from raylane_worker.generation.template.builder import ScriptBuilder

_AVERAGES: Final = (Statistic.MEAN, Statistic.MEDIAN, Statistic.STD)
_EXTREMES: Final = (Statistic.MIN, Statistic.MAX)
_FLOAT: Final = "DataType.float64()"
_INT64: Final = "DataType.int64()"


def cast(script: ScriptBuilder, column: str, data_type: str) -> str:
    """Returns an expression that casts the column, given as code, to a type of Ray."""
    script.import_names("ray.data.expressions", "col")
    script.import_names("ray.data.datatype", "DataType")
    return f"col({column}).cast({data_type}, safe=False)"


def for_statistic(script: ScriptBuilder, statistic: Statistic, column: Column) -> str:
    """Returns the expression that Ray must aggregate instead of the column; "" for the column itself."""
    name = quoted(column.name)
    if statistic in _EXTREMES and becomes_number(column):
        return cast(script, name, _INT64)
    if statistic is Statistic.DISTINCT and has_decimals(column):
        # Ray does not add up sets of decimals of different lengths.
        return cast(script, name, "DataType.string()")
    if statistic in _AVERAGES and is_averaged_as_float(column):
        return cast(script, name, _FLOAT)
    if statistic is Statistic.SUM and is_whole(column) and sum_may_overflow(column):
        # A sum of 64 bits overflows silently.
        script.import_module("pyarrow as pa")
        return cast(script, name, "DataType.from_arrow(pa.decimal128(38, 0))")
    return ""


def for_key(script: ScriptBuilder, column: Column) -> str:
    """Returns the expression by which Ray must group instead of the column; "" for the column itself."""
    return cast(script, quoted(column.name), _INT64) if becomes_number(column) else ""


def is_averaged_as_float(column: Column) -> bool:
    """Returns whether Ray cannot average the numbers as they are: decimals, and integers whose sum may overflow."""
    return has_decimals(column) or (is_whole(column) and sum_may_overflow(column))


def to_float(script: ScriptBuilder, column: str) -> str:
    """Returns the expression of the column, given as code, as floats."""
    return cast(script, column, _FLOAT)


def becomes_number(column: Column) -> bool:
    """Returns whether times must become numbers to be grouped by, or to be compared in groups.

    Ray cannot group by times if some are missing, and its groups lose the zone and the nanoseconds of times.
    """
    is_plain = zone_of(column) is None and unit_of(column) != "ns" and not may_be_missing(column)
    return column.type is ColumnType.TIMESTAMP and not is_plain


def as_times(script: ScriptBuilder, name: str, column: Column) -> str:
    """Returns the expression that makes the numbers in the column `name` times again, as in `column`."""
    script.import_module("pyarrow as pa")
    zone = zone_of(column)
    arguments = ", ".join(map(quoted, (unit_of(column), *([zone] if zone else []))))
    return cast(script, quoted(name), f"DataType.from_arrow(pa.timestamp({arguments}))")


def as_time(script: ScriptBuilder, value: str, column: Column) -> str:
    """Returns the code that makes a single number, given as code, a time again."""
    script.import_module("pandas as pd")
    zone = zone_of(column)
    made = f"pd.to_datetime({value}, unit={quoted(unit_of(column))}{', utc=True' if zone else ''})"
    return made if zone in (None, "UTC") else f"{made}.tz_convert({quoted(zone)})"
