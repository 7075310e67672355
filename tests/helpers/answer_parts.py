"""Reads the parts of an answer that a test expects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raylane_common.wire.answer import AnswerChart, AnswerTable, AnswerValue

if TYPE_CHECKING:
    from pydantic import JsonValue

    from raylane_common.wire.generate import GenerateResult
    from raylane_common.wire.ray import RaySubmitResult


def rows(result: GenerateResult | RaySubmitResult) -> list[tuple[JsonValue, ...]]:
    """Returns the rows of the only table of the answer."""
    assert result.answer is not None
    (table,) = [item for item in result.answer.items if isinstance(item, AnswerTable)]
    assert len(table.rows) == table.total_rows
    return list(table.rows)


def numbers(result: GenerateResult | RaySubmitResult) -> dict[str, float]:
    """Returns the second column by the first one of the only table of the answer."""
    found = {}
    for name, number in rows(result):
        assert isinstance(name, str)
        assert isinstance(number, int | float)
        found[name] = float(number)
    return found


def value(result: GenerateResult | RaySubmitResult) -> JsonValue:
    """Returns the only value of the answer."""
    assert result.answer is not None
    (found,) = [item for item in result.answer.items if isinstance(item, AnswerValue)]
    return found.value


def chart(result: GenerateResult | RaySubmitResult) -> AnswerChart:
    """Returns the only chart of the answer."""
    assert result.answer is not None
    (found,) = [item for item in result.answer.items if isinstance(item, AnswerChart)]
    return found
