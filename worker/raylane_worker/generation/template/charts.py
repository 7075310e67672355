"""Chooses the chart of an answer, and writes the statement that draws it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from raylane_common.wire.answer import MAX_CHART_ROWS
from raylane_common.wire.names import ChartKind
from raylane_common.wire.sources import FileSource
from raylane_worker.generation.template.question import (
    Aggregate,
    Drawing,
    Measure,
    Plot,
    Statistic,
    is_temporal,
)
from raylane_worker.generation.template.values import quoted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from raylane_common.wire.sources import Column
    from raylane_worker.generation.template.builder import ScriptBuilder
    from raylane_worker.generation.template.question import Question

# More bars or colors cannot be told apart. Nobody asked for them, so they are left out.
MAX_BARS: Final = 50


def is_drawn(question: Question, *, automatic: bool) -> bool:
    """Returns whether the answer may have a chart: the one that the prompt asks for, or an `automatic` one."""
    return question.chart is not Drawing.NOTHING and (automatic or question.chart is not None)


def chart_of(operation: Aggregate, asked: ChartKind | Drawing | None) -> ChartKind | None:
    """Returns the chart of groups: the one that is asked for, or what fits; None if none does."""
    if isinstance(asked, ChartKind):
        return asked
    # Nobody is surprised by a chart with one color.
    most_keys = 1 if asked is None else 2
    if not 1 <= len(operation.keys) <= most_keys or shown_measure(operation.measures) is None:
        return None
    return ChartKind.LINE if is_temporal(chart_keys(operation)[0]) else ChartKind.BAR


def chart_keys(operation: Aggregate) -> tuple[Column, ...]:
    """Returns the columns along the chart and of its colors: dates come first."""
    return tuple(sorted(operation.keys, key=lambda one: not is_temporal(one)))


def shown_measure(measures: Sequence[Measure]) -> int | None:
    """Returns the index of the first measure that is a number; None if there is none."""
    return next((index for index, one in enumerate(measures) if _is_number(one)), None)


def _is_number(measure: Measure) -> bool:
    of_any_column = measure.column is None or measure.statistic is Statistic.DISTINCT
    return of_any_column or (measure.column is not None and measure.column.type.is_numeric)


def cuts_rows(question: Question) -> bool:
    """Returns whether the chart shows rows, and there may be more than it can show."""
    operation, source = question.operation, question.source
    if not isinstance(operation, Plot) or operation.kind not in (ChartKind.SCATTER, ChartKind.LINE):
        return False
    return not (isinstance(source, FileSource) and source.rows <= MAX_CHART_ROWS)


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
    size = group_count(operation)
    is_asked = question.chart is not None
    most = MAX_CHART_ROWS if is_asked else _most(kind)
    if not is_asked and size is not None and size > most and not question.conditions:
        return
    along, *colors = chart_keys(operation)
    places = [("x", along.name), ("y", labels[shown]), *(("color", one.name) for one in colors)]
    line = _call(script, kind, data, places)
    if not may_be_too_long(question, operation):
        script.add(line)
        return
    script.add(f"if {count} <= {most}:", f"    {line}")
    if is_asked:
        script.add("else:", f'    answer.note("There are more than {most:,} groups, too many for a chart.")')


def may_be_too_long(question: Question, operation: Aggregate) -> bool:
    """Returns whether the script must look how many groups there are before it draws a chart."""
    kind, size = chart_of(operation, question.chart), group_count(operation)
    if kind is None or shown_measure(operation.measures) is None:
        return False
    if size is None:
        return True
    return size > (MAX_CHART_ROWS if question.chart else _most(kind)) and bool(question.conditions)


def _most(kind: ChartKind) -> int:
    return MAX_CHART_ROWS if kind is ChartKind.LINE else MAX_BARS


def group_count(operation: Aggregate) -> int | None:
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
