"""Writes what both engines compare a column with: exact decimals, times of day, and bounds."""

from __future__ import annotations

from datetime import time
from decimal import Decimal
from typing import TYPE_CHECKING

from raylane_worker.generation.template.values import quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from raylane_worker.generation.template.builder import ScriptBuilder
    from raylane_worker.generation.template.question import Comparison, Value


def decimal_value(script: ScriptBuilder, value: Value) -> str:
    """Returns the number as an exact decimal."""
    script.import_names("decimal", "Decimal")
    exact = Decimal(repr(value) if isinstance(value, float) else str(value))
    return f"Decimal({quoted(format(exact, 'f'))})"


def time_value(script: ScriptBuilder, value: Value) -> str:
    """Returns the time of day, which conditions have as text."""
    script.import_names("datetime", "time")
    return repr(time.fromisoformat(str(value))).removeprefix("datetime.")


def within(column: str, bounds: Iterable[Iterable[tuple[Comparison, Value]]], write: Callable[[Value], str]) -> str:
    """Returns the test of a column, given as code: it meets all bounds of one of the groups. `write` writes a value."""
    alternatives = [[f"({column} {sign} {write(value)})" for sign, value in one] for one in bounds]
    if len(alternatives) == 1:
        return " & ".join(alternatives[0])
    return " | ".join(f"({' & '.join(one)})" if len(one) > 1 else one[0] for one in alternatives)
