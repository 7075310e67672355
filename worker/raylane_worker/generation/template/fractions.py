"""Conditions that compare whole numbers with fractions. Arrow refuses to compare large ones as floats."""

from __future__ import annotations

from decimal import Decimal
from math import ceil, floor
from typing import TYPE_CHECKING, TypeAlias

from raylane_worker.generation.template.question import Comparison

if TYPE_CHECKING:
    from raylane_worker.generation.template.question import Condition

Bound: TypeAlias = tuple[Comparison, int]


def compares_fractions(condition: Condition) -> bool:
    """Returns whether the condition compares whole numbers with a fraction."""
    return any(isinstance(value, Decimal) for value in condition.values)


def whole_bounds(condition: Condition) -> list[list[Bound]]:
    """Returns alternatives of bounds, of which a whole number must meet all of one: more than 2.5 is at least 3."""
    values = [value for value in condition.values if isinstance(value, int | Decimal)]
    match condition.comparison:
        case Comparison.BETWEEN:
            low, high = values
            return [[_at_least(low), _at_most(high)]]
        case Comparison.IN | Comparison.EQUAL:
            return [[_at_least(value), _at_most(value)] for value in values]
        case Comparison.UNEQUAL:
            return [[(Comparison.LESS, ceil(values[0]))], [(Comparison.GREATER, floor(values[0]))]]
        case Comparison.GREATER | Comparison.GREATER_EQUAL:
            return [[_at_least(values[0])]]
        case _:
            return [[_at_most(values[0])]]


def _at_least(value: int | Decimal) -> Bound:
    return Comparison.GREATER_EQUAL, ceil(value)


def _at_most(value: int | Decimal) -> Bound:
    return Comparison.LESS_EQUAL, floor(value)
