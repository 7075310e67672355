"""Conditions that compare times with whole days."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, TypeAlias

from raylane_common.wire.sources import ColumnType
from raylane_worker.generation.template.question import Comparison

if TYPE_CHECKING:
    from raylane_worker.generation.template.question import Condition, Value

Bound: TypeAlias = tuple[Comparison, datetime]


def is_day(value: Value) -> bool:
    """Returns whether the value is a date without a time."""
    return isinstance(value, date) and not isinstance(value, datetime)


def compares_days(condition: Condition) -> bool:
    """Returns whether the condition compares times with whole days."""
    return condition.column.type is ColumnType.TIMESTAMP and any(is_day(value) for value in condition.values)


def day_bounds(condition: Condition) -> list[list[Bound]]:
    """Returns alternatives of bounds, of which a time must meet all of one: a day ends before the next day begins."""
    values = [value for value in condition.values if isinstance(value, date)]
    match condition.comparison:
        case Comparison.BETWEEN:
            low, high = values
            return [[_bound(Comparison.GREATER_EQUAL, low), _bound(Comparison.LESS_EQUAL, high)]]
        case Comparison.IN | Comparison.EQUAL:
            both = (Comparison.GREATER_EQUAL, Comparison.LESS_EQUAL)
            return [[_bound(comparison, value) for comparison in both] for value in values]
        case Comparison.UNEQUAL:
            return [[_bound(comparison, values[0])] for comparison in (Comparison.LESS, Comparison.GREATER)]
        case comparison:
            return [[_bound(comparison, values[0])]]


def _bound(comparison: Comparison, value: date) -> Bound:
    if isinstance(value, datetime):
        return comparison, value
    if comparison in (Comparison.GREATER_EQUAL, Comparison.LESS):
        return comparison, datetime.combine(value, time())
    if value == date.max:
        return comparison, datetime.max
    next_day = datetime.combine(value + timedelta(days=1), time())
    return (Comparison.GREATER_EQUAL if comparison is Comparison.GREATER else Comparison.LESS), next_day
