"""The rows of an answer as Python's values."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from raylane_common.wire.answer import AnswerTable, AnswerValue
from raylane_common.wire.names import CellType

if TYPE_CHECKING:
    from collections.abc import Sequence

    from raylane_common.wire.answer import Answer

_TOLERANCE = 1e-9


def rows(answer: Answer) -> list[list[Any]]:
    """Returns the rows of the first table; if there is none, all values as one row, or no row without values.

    Integers and decimals are exact; dates, times and the other types are as in JSON.
    """
    for item in answer.items:
        if isinstance(item, AnswerTable):
            kinds = [column.type for column in item.columns]
            return [[_exact(cell, kind) for cell, kind in zip(row, kinds, strict=True)] for row in item.rows]
    values = [item for item in answer.items if isinstance(item, AnswerValue)]
    return [[_exact(one.value, one.value_type) for one in values]] if values else []


def same(row: Sequence[Any], expected: Sequence[Any]) -> bool:
    """Returns whether the cells are those that are expected. Floats may differ by a little, NaN is None."""
    return len(row) == len(expected) and all(map(_same, row, expected))


def _exact(cell: Any, kind: str) -> Any:
    if isinstance(cell, str) and kind == CellType.INTEGER:
        return int(cell)
    return Decimal(cell) if isinstance(cell, str) and kind == CellType.DECIMAL else cell


def _same(cell: Any, expected: Any) -> bool:
    if cell is None or expected is None or expected != expected:
        return cell is None and (expected is None or bool(expected != expected))
    if isinstance(cell, float):
        return math.isclose(cell, expected, rel_tol=_TOLERANCE, abs_tol=_TOLERANCE)
    if isinstance(cell, Decimal) != isinstance(expected, Decimal):
        return False
    return bool(cell == expected) and isinstance(cell, bool) == isinstance(expected, bool)
