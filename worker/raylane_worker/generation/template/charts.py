"""Chooses the chart of an answer, and writes the statement that draws it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from raylane_common.errors import NotUnderstood
from raylane_common.wire.names import ChartKind
from raylane_common.wire.sources import ColumnType, FileSource
from raylane_worker.generation.template.question import Aggregate, Distinct, Measure, Plot, Statistic
from raylane_worker.generation.template.values import quoted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from raylane_common.wire.sources import Column
    from raylane_worker.generation.template.builder import ScriptBuilder
    from raylane_worker.generation.template.question import Question

# As many rows as a chart may have.
MAX_CHART_ROWS: Final = 5000
# More bars cannot be told apart. Nobody asked for them, so they are left out.
_MAX_BARS: Final = 50
# Only these add up to a whole.
_PARTS: Final = (Statistic.ROWS, Statistic.SUM)


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


def with_chart(question: Question) -> Question:
    """Returns the question with the kind of the chart that the prompt asks for: what it says, or what fits the answer.

    Raises `NotUnderstood` if the answer has no chart, or not one of this kind.
    """
    operation = question.operation
    if isinstance(operation, Plot):
        if question.chart not in (None, operation.kind):
            raise _no_chart(f"cannot be a {operation.kind} chart and a {question.chart} chart at once")
        return replace(question, chart=None)
    if isinstance(operation, Distinct):
        operation = Aggregate((Measure(Statistic.ROWS),), operation.columns)
    if not isinstance(operation, Aggregate) or not operation.keys:
        raise _no_chart("has no groups; ask for one of them, as in 'average a by b as a bar chart'")
    shown = shown_measure(operation.measures)
    if shown is None:
        raise _no_chart("has no numbers to draw")
    if len(operation.keys) > (1 if question.chart is ChartKind.PIE else 2):
        raise _no_chart("has too many columns to group by for a chart")
    if question.chart is ChartKind.PIE and operation.measures[shown].statistic not in _PARTS:
        raise _no_chart("has no parts of a whole, so a pie chart would mislead; ask for a bar chart")
    if question.chart is ChartKind.PIE and _may_be_negative(operation.measures[shown]):
        raise _no_chart("has negative numbers, which have no share of a whole; ask for a bar chart")
    kind = chart_of(operation, question.chart)
    if kind is None:
        raise _no_chart("does not say which chart fits; ask for a bar or line chart")
    size = _size(operation)
    if size is not None and size > MAX_CHART_ROWS and not question.conditions:
        raise _no_chart(f"has about {size:,} groups, and a chart shows at most {MAX_CHART_ROWS:,}; group by less")
    return replace(question, chart=kind)


def _may_be_negative(measure: Measure) -> bool:
    low = measure.column.profile.min if measure.column and measure.column.profile else None
    return isinstance(low, int | float) and low < 0


def _no_chart(problem: str) -> NotUnderstood:
    return NotUnderstood(f"the answer {problem}", details={"unconsumed": []})


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
    size = _size(operation)
    is_asked = question.chart is not None
    most = MAX_CHART_ROWS if is_asked else _most(kind)
    if not is_asked and size is not None and size > most and not question.conditions:
        return
    places = [("x", operation.keys[0].name), ("y", labels[shown])]
    if len(operation.keys) > 1:
        places.append(("color", operation.keys[1].name))
    line = _call(script, kind, data, places)
    if not may_be_too_long(question, operation):
        script.add(line)
        return
    script.add(f"if {count} <= {most}:", f"    {line}")
    if is_asked:
        script.add("else:", f'    answer.note("There are more than {most:,} groups, too many for a chart.")')


def may_be_too_long(question: Question, operation: Aggregate) -> bool:
    """Returns whether the script must look how many groups there are before it draws a chart."""
    kind, size = chart_of(operation, question.chart), _size(operation)
    if kind is None or shown_measure(operation.measures) is None:
        return False
    if size is None:
        return True
    return size > (MAX_CHART_ROWS if question.chart else _most(kind)) and bool(question.conditions)


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
