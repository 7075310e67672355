"""Writes the statements that keep the rows of a Ray dataset that meet the conditions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from typing import TYPE_CHECKING, Final

from raylane_common.wire.sources import ColumnType
from raylane_worker.generation.template.days import compares_days, day_bounds
from raylane_worker.generation.template.fractions import compares_fractions, whole_bounds
from raylane_worker.generation.template.held import has_decimals, zone_of
from raylane_worker.generation.template.operands import decimal_value, time_value, within
from raylane_worker.generation.template.question import Comparison
from raylane_worker.generation.template.values import nearest_float, quoted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from raylane_common.wire.sources import Column
    from raylane_worker.generation.template.builder import ScriptBuilder
    from raylane_worker.generation.template.question import Condition, Value

# More conditions are written as one statement.
_MAX_STATEMENTS: Final = 3


def filter_dataset(script: ScriptBuilder, dataset: str, conditions: Sequence[Condition]) -> None:
    """Keeps the rows of the dataset called `dataset` that meet all conditions."""
    if not conditions:
        return
    # Ray 2.60 puts the expression into the name of a metric, which must be ASCII.
    if all(is_ascii(one) for one in conditions):
        script.import_names("ray.data.expressions", "col")
        tests = _tests(script, _OF_RAY, conditions)
        script.add(*(f"{dataset} = {dataset}.filter(expr={test})" for test in tests))
        return
    script.import_module("pyarrow.compute as pc")
    for test in _tests(script, _OF_ARROW, conditions):
        rows = f"lambda table: table.filter({test})"
        script.add(f'{dataset} = {dataset}.map_batches({rows}, batch_format="pyarrow", batch_size=None)')


def _tests(script: ScriptBuilder, words: _Words, conditions: Sequence[Condition]) -> list[str]:
    tests = [_test(script, words, one) for one in conditions]
    most = 1 if script.compact else _MAX_STATEMENTS
    return tests if len(tests) <= most else [" & ".join(f"({one})" for one in tests)]


def is_ascii(condition: Condition) -> bool:
    """Returns whether Ray can filter by the condition."""
    return all(text.isascii() for text in (condition.column.name, *map(str, condition.values)))


@dataclass(frozen=True)
class _Words:
    """How a library names a column, and the tests that no operator makes."""

    column: str
    is_present: str
    is_in: str
    contains: str
    """With places for the column and the text."""


_OF_RAY: Final = _Words("col", "is_not_null", "is_in", "{}.str.contains({})")
_OF_ARROW: Final = _Words("pc.field", "is_valid", "isin", "pc.match_substring({}, {})")


def _test(script: ScriptBuilder, words: _Words, condition: Condition) -> str:
    column = f"{words.column}({quoted(condition.column.name)})"
    match condition.comparison:
        case Comparison.MISSING:
            return f"{column}.is_null()"
        case Comparison.PRESENT:
            return f"{column}.{words.is_present}()"
        case Comparison.CONTAINS:
            return words.contains.format(column, quoted(str(condition.values[0])))
        case _:
            return _comparison(script, column, condition, listing=words.is_in)


def _comparison(script: ScriptBuilder, column: str, condition: Condition, *, listing: str) -> str:
    write = partial(_value, script, condition.column)
    if compares_days(condition):
        return within(column, day_bounds(condition), write)
    if compares_fractions(condition):
        return within(column, whole_bounds(condition), write)
    values = [*map(write, condition.values)]
    match condition.comparison:
        case Comparison.IN:
            return f"{column}.{listing}([{', '.join(values)}])"
        case Comparison.BETWEEN:
            return f"({column} >= {values[0]}) & ({column} <= {values[1]})"
        case Comparison.EQUAL:
            return f"{column} == {values[0]}"
        case sign:
            return f"{column} {sign} {values[0]}"


def _value(script: ScriptBuilder, column: Column, value: Value) -> str:
    """Returns the value as code, with the type with which Arrow compares every value of the column."""
    if has_decimals(column):
        # A decimal of 64 bits has no room for a sum of 128 bits.
        return decimal_value(script, value)
    if column.type is ColumnType.NUMBER and isinstance(value, int | float):
        return repr(float(nearest_float(value, column)))
    if column.type is ColumnType.TIME:
        return time_value(script, value)
    if isinstance(value, datetime):
        script.import_names("datetime", "datetime")
        written = repr(value).removeprefix("datetime.")
        if not zone_of(column):
            return written
        script.import_names("datetime", "UTC")
        return f"{written[:-1]}, tzinfo=UTC)"
    if isinstance(value, date):
        script.import_names("datetime", "date")
        return repr(value).removeprefix("datetime.")
    return quoted(value) if isinstance(value, str) else repr(value)
