"""Conditions that compare exact numbers with numbers of more digits after the point: whole numbers with fractions.

Arrow refuses to compare large ones as floats, and has no decimals with room for both.
"""

from __future__ import annotations

from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from typing import TYPE_CHECKING, Final, TypeAlias

from raylane_worker.generation.template.held import scale_of
from raylane_worker.generation.template.question import Comparison

if TYPE_CHECKING:
    from raylane_common.wire.sources import Column
    from raylane_worker.generation.template.question import Condition, Value

Bound: TypeAlias = tuple[Comparison, int | Decimal]

_EXACT: Final = Context(prec=MAX_PREC, Emax=MAX_EMAX, Emin=MIN_EMIN)


def is_fraction(value: Value, column: Column) -> bool:
    """Returns whether the number has more digits after the point than the numbers of the column."""
    return isinstance(value, Decimal) and value != _rounded(value, column, ROUND_FLOOR)


def compares_fractions(condition: Condition) -> bool:
    """Returns whether the condition compares exact numbers with a number of more digits after the point."""
    return any(is_fraction(value, condition.column) for value in condition.values)


def whole_bounds(condition: Condition) -> list[list[Bound]]:
    """Returns alternatives of bounds, of which a number must meet all of one: a whole one over 2.5 is at least 3."""
    column = condition.column
    numbers = [value for value in condition.values if isinstance(value, int | Decimal)]
    lows = [_rounded(value, column, ROUND_CEILING) for value in numbers]
    highs = [_rounded(value, column, ROUND_FLOOR) for value in numbers]
    match condition.comparison:
        case Comparison.BETWEEN:
            return [[(Comparison.GREATER_EQUAL, lows[0]), (Comparison.LESS_EQUAL, highs[1])]]
        case Comparison.IN | Comparison.EQUAL:
            return [
                [(Comparison.GREATER_EQUAL, low), (Comparison.LESS_EQUAL, high)]
                for low, high in zip(lows, highs, strict=True)
            ]
        case Comparison.UNEQUAL:
            return [[(Comparison.LESS, lows[0])], [(Comparison.GREATER, highs[0])]]
        case Comparison.GREATER | Comparison.GREATER_EQUAL:
            return [[(Comparison.GREATER_EQUAL, lows[0])]]
        case _:
            return [[(Comparison.LESS_EQUAL, highs[0])]]


def _rounded(value: int | Decimal, column: Column, rounding: str) -> int | Decimal:
    """Returns the next number that the column may have."""
    scale = scale_of(column)
    if isinstance(value, int) or scale is None:
        return value
    found = value.quantize(Decimal((0, (1,), -scale)), rounding, _EXACT)
    return int(found) if not scale else found
