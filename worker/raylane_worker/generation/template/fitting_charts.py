"""Checks that the chart that a prompt asks for fits the answer; a refusal says which one would."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from raylane_common.errors import GenerationError, NotUnderstood
from raylane_common.wire.answer import MAX_CHART_ROWS
from raylane_common.wire.names import ChartKind
from raylane_common.wire.sources import ColumnType
from raylane_worker.generation.columns import columns_of
from raylane_worker.generation.template.charts import (
    MAX_BARS,
    chart_keys,
    chart_of,
    group_count,
    shown_measure,
)
from raylane_worker.generation.template.question import (
    Aggregate,
    CountMissing,
    Describe,
    Distinct,
    Drawing,
    Measure,
    Plot,
    Question,
    Statistic,
    TopRows,
    is_ordered,
    numeric_columns,
)
from raylane_worker.generation.template.type_check import check_types
from raylane_worker.generation.template.write_prompt import write_example

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic import JsonValue

    from raylane_common.wire.sources import Column
    from raylane_worker.generation.template.question import Operation

# Only these add up to a whole.
_PARTS: Final = (Statistic.ROWS, Statistic.SUM)
_KEY_TYPES: Final = (ColumnType.STRING, ColumnType.BOOLEAN, ColumnType.DATE)
_MAX_FITTING: Final = 3
PLOT_NAMES: Final = {
    ChartKind.BAR: "bar chart",
    ChartKind.LINE: "line chart",
    ChartKind.PIE: "pie chart",
    ChartKind.SCATTER: "scatter plot",
    ChartKind.HISTOGRAM: "histogram",
    ChartKind.BOX: "box plot",
}


def check_chart(question: Question) -> None:
    """Checks the chart that the question asks for, if it asks for one.

    Raises `NotUnderstood` (details: `fits`, prompts for charts that would fit) if the answer has no chart, or none of
    this kind.
    """
    if question.chart is None:
        return
    if problem := _problem(question):
        fits: list[JsonValue] = [*_fitting(question)]
        advice = f"; what fits is {' or '.join(map(str, fits))}" if fits else ""
        raise NotUnderstood(f"{problem}{advice}", details={"unconsumed": [], "fits": fits})


def grouped(operation: Operation) -> Aggregate | None:
    """Returns the groups that the answer has; None if it has none."""
    if isinstance(operation, Distinct):
        return Aggregate((Measure(Statistic.ROWS),), operation.columns)
    return operation if isinstance(operation, Aggregate) and operation.keys else None


def _problem(question: Question) -> str:
    """Returns why the chart does not fit; nothing if it does."""
    kind, groups = question.chart, grouped(question.operation)
    if isinstance(question.operation, Plot):
        drawn = PLOT_NAMES[question.operation.kind]
        what = f"a {PLOT_NAMES[kind]}" if isinstance(kind, ChartKind) else "without a chart"
        return f"a {drawn} cannot be {what}"
    if kind is Drawing.NOTHING:
        return ""
    if kind in (ChartKind.HISTOGRAM, ChartKind.BOX):
        return f"a {PLOT_NAMES[kind]} is made of the values of one column"
    if groups is None:
        return "the answer has no groups that a chart could show"
    shown = shown_measure(groups.measures)
    if shown is None:
        return "the answer has no numbers that a chart could show"
    return _problem_of_groups(question, groups, groups.measures[shown])


def _problem_of_groups(question: Question, groups: Aggregate, shown: Measure) -> str:
    kind = chart_of(groups, question.chart)
    if len(groups.keys) > 2 or (len(groups.keys) > 1 and kind in (ChartKind.PIE, ChartKind.SCATTER)):
        return f"the answer has too many columns to group by for a {PLOT_NAMES[kind] if kind else 'chart'}"
    if kind is ChartKind.PIE and (shown.statistic not in _PARTS or _may_be_negative(shown)):
        return "the numbers are not the parts of a whole, so a pie chart would mislead"
    if kind is ChartKind.SCATTER and not is_ordered(groups.keys[0]):
        return f"column {groups.keys[0].name!r} has no order, so it cannot place points"
    color = chart_keys(groups)[1:]
    if color and color[0].profile and color[0].profile.distinct > MAX_BARS:
        return f"column {color[0].name!r} has {color[0].profile.distinct:,} values, more than there are colors"
    size = group_count(groups)
    if size is not None and size > MAX_CHART_ROWS and not question.conditions:
        return f"the answer has about {size:,} groups, and a chart shows at most {MAX_CHART_ROWS:,}"
    return ""


def _may_be_negative(measure: Measure) -> bool:
    low = measure.column.profile.min if measure.column and measure.column.profile else None
    return isinstance(low, int | float) and low < 0


def _fitting(question: Question) -> Iterator[str]:
    """Yields prompts for charts that fit the answer, or the values of which it is made."""
    found = 0
    for operation, chart in dict.fromkeys(_candidates(question)):
        other = replace(question, operation=operation, chart=chart)
        if found < _MAX_FITTING and other != question and _fits(other):
            found += 1
            yield write_example(other, quotes=True)


def _fits(question: Question) -> bool:
    try:
        check_types(question)
    except GenerationError:
        return False
    return question.chart is None or not _problem(question)


def _candidates(question: Question) -> Iterator[tuple[Operation, ChartKind | None]]:
    operation = question.operation
    if isinstance(operation, Plot):
        yield operation, None
        return
    columns = [*_values_of(question)]
    if question.chart in (ChartKind.HISTOGRAM, ChartKind.BOX):
        yield from ((Plot(question.chart, one), None) for one in columns)
    groups = grouped(operation)
    if groups is not None and shown_measure(groups.measures) is not None:
        yield operation, chart_of(groups, Drawing.FITTING)
    yield from ((Plot(ChartKind.HISTOGRAM, one), None) for one in columns)
    keys = [one for kind in _KEY_TYPES for one in columns_of(question.source) if one.type is kind]
    for key in keys[:1]:
        measures = operation.measures if isinstance(operation, Aggregate) else (Measure(Statistic.ROWS),)
        yield Aggregate(measures, (key,)), ChartKind.BAR


def _values_of(question: Question) -> Iterator[Column]:
    """Yields the columns of numbers that the answer is made of; the first one of the source if there are none."""
    found: tuple[Column | None, ...] = ()
    match question.operation:
        case Aggregate(measures=measures):
            found = tuple(one.column for one in measures)
        case Describe(columns=found) | CountMissing(columns=found):
            pass
        case TopRows(column=column):
            found = (column,)
        case _:
            pass
    numbers = [one for one in found if one is not None and one.type.is_numeric]
    yield from (numbers or numeric_columns(question.source))[:1]
