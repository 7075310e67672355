"""Chooses the chart of an answer, and writes the statement that draws it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from raylane_common.wire.names import ChartKind
from raylane_common.wire.sources import ColumnType
from raylane_worker.generation.template.question import Plot, Statistic
from raylane_worker.generation.template.values import quoted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from raylane_common.wire.sources import Column
    from raylane_worker.generation.template.builder import ScriptBuilder
    from raylane_worker.generation.template.question import Aggregate, Measure, Question

# As many rows as a chart may have.
MAX_CHART_ROWS: Final = 5000
# More bars cannot be told apart. Nobody asked for them, so they are left out.
_MAX_BARS: Final = 50


def chart_of(operation: Aggregate, asked: ChartKind | None) -> ChartKind | None:
    """Returns the chart of groups: the one that is asked for, or what fits; None if none does."""
    if asked or len(operation.keys) != 1 or shown_measure(operation.measures) is None:
        return asked
    return ChartKind.LINE if operation.keys[0].type in (ColumnType.DATE, ColumnType.TIMESTAMP) else ChartKind.BAR


def shown_measure(measures: Sequence[Measure]) -> int | None:
    """Returns the index of the first measure that is a number; None if there is none."""
    return next((index for index, one in enumerate(measures) if _is_number(one)), None)


def _is_number(measure: Measure) -> bool:
    of_any_column = measure.column is None or measure.statistic is Statistic.DISTINCT
    return of_any_column or (measure.column is not None and measure.column.type.is_numeric)


def cuts_rows(question: Question) -> bool:
    """Returns whether the chart shows rows, and there may be more than it can show."""
    operation = question.operation
    shows_rows = isinstance(operation, Plot) and operation.kind in (ChartKind.SCATTER, ChartKind.LINE)
    return shows_rows


def add_chart(
    script: ScriptBuilder,
    question: Question,
    operation: Aggregate | None,
    labels: Sequence[str],
    *,
    count: str,
    data: str = "result",
) -> None:
    """Adds the chart of the answer, if there is one. `count` is the code for its number of rows."""
    if operation is None:
        assert isinstance(question.operation, Plot)
        places = _places(question.operation)
        script.add(_call(script, question.operation.kind, data, places))
        return
    kind = chart_of(operation, question.chart)
    shown = shown_measure(operation.measures)
    if kind is None or shown is None:
        return
    most, size = _most(kind), _size(operation)
    if question.chart is None and size is not None and size > most and not question.conditions:
        return
    places = [("x", operation.keys[0].name), ("y", labels[shown])]
    if len(operation.keys) > 1:
        places.append(("color", operation.keys[1].name))
    line = _call(script, kind, data, places)
    if may_be_too_long(question, operation):
        script.add(f"if {count} <= {most}:", f"    {line}")
    else:
        script.add(line)


def may_be_too_long(question: Question, operation: Aggregate) -> bool:
    """Returns whether the script must look how many groups there are before it draws a chart nobody asked for."""
    kind, size = chart_of(operation, question.chart), _size(operation)
    if kind is None or question.chart is not None or shown_measure(operation.measures) is None:
        return False
    return size is None or (size > _most(kind) and bool(question.conditions))


def _most(kind: ChartKind) -> int:
    return MAX_CHART_ROWS if kind is ChartKind.LINE else _MAX_BARS


def _size(operation: Aggregate) -> int | None:
    """Returns about how many groups there are at most; None if it is not known."""
    if operation.top:
        return operation.top
    (key,) = operation.keys[:1]
    return key.profile.distinct + 1 if key.profile and len(operation.keys) == 1 else None


def _places(plot: Plot) -> list[tuple[str, str]]:
    match plot.kind:
        case ChartKind.HISTOGRAM:
            return [("x", plot.column.name)]
        case _:
            return [*([("x", plot.by.name)] if plot.by else []), ("y", plot.column.name)]


def _call(script: ScriptBuilder, kind: ChartKind, data: str, places: Sequence[tuple[str, str]]) -> str:
    arguments = [f"{place}={quoted(name)}" for place, name in places]
    return f"answer.chart({quoted(str(kind))}, data={data}, {', '.join(arguments)})"


def is_ordered(column: Column) -> bool:
    """Returns whether a line along the column makes sense."""
    return column.type.is_numeric or column.type in (ColumnType.DATE, ColumnType.TIME, ColumnType.TIMESTAMP)
