"""Writes the statements of the engine `local`: pandas in one process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from raylane_common.wire.answer import MAX_CHART_ROWS
from raylane_common.wire.sources import ColumnType
from raylane_worker.generation.columns import columns_of
from raylane_worker.generation.template.charts import add_chart, cuts_rows
from raylane_worker.generation.template.frame_forms import (
    Form,
    add_forms,
    form_for,
    form_of_key,
    in_form,
    with_whole_numbers,
)
from raylane_worker.generation.template.held import is_decimal, is_wide, may_be_missing, sum_may_be_long
from raylane_worker.generation.template.labels import measure_labels
from raylane_worker.generation.template.question import (
    Aggregate,
    CountMissing,
    Describe,
    Distinct,
    Measure,
    Plot,
    Preview,
    Statistic,
    TopRows,
    has_quartiles,
)
from raylane_worker.generation.template.rows_local import filter_frame
from raylane_worker.generation.template.values import listed, one_or_list, quoted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from raylane_common.wire.sources import Column, Source
    from raylane_worker.generation.template.builder import ScriptBuilder
    from raylane_worker.generation.template.question import Question

_METHODS: Final = {
    # Without values there is no sum.
    Statistic.SUM: "sum(min_count=1)",
    Statistic.MEAN: "mean()",
    Statistic.MEDIAN: "median()",
    Statistic.STD: "std()",
    Statistic.MIN: "min()",
    Statistic.MAX: "max()",
    Statistic.DISTINCT: "nunique()",
}
# As many as Arrow's longest decimals have.
_LONG_SUM_DIGITS: Final = 76
# More values are given in a loop.
MAX_VALUES: Final = 8


def add_local(script: ScriptBuilder, name: str, question: Question, *, chart: bool) -> None:
    """Adds what answers the question from the DataFrame called `name`."""
    filter_frame(script, name, question.conditions)
    if isinstance(question.operation, Aggregate) and any(map(_is_long_sum, question.operation.measures)):
        script.import_names("decimal", "getcontext")
        script.add(f"getcontext().prec = {_LONG_SUM_DIGITS}")
    columns = columns_of(question.source)
    match question.operation:
        case Preview(limit=limit):
            shown = with_whole_numbers(script, name if limit is None else f"{name}.head({limit})", columns)
            script.add(f"answer.table({shown})")
        case TopRows() as top:
            _top_rows(script, name, top, columns)
        case Describe(columns=described):
            _describe(script, name, question.source, described)
        case CountMissing(columns=counted):
            chosen = name if counted == columns else f"{name}[{listed(one.name for one in counted)}]"
            script.add(
                f'result = {chosen}.isna().sum().rename_axis("column").reset_index(name="missing")',
                f'result["percent"] = 100 * result["missing"] / len({name})',
                "answer.table(result)",
            )
        case Plot() as plot:
            if cuts_rows(question):
                used = dict.fromkeys(one.name for one in (plot.by, plot.column) if one)
                script.add(f"{name} = {name}.dropna(subset={listed(used)}).head({MAX_CHART_ROWS})")
            add_chart(script, question, None, (), count="", data=name)
        case Distinct(columns=keys):
            _groups(script, name, question, Aggregate((Measure(Statistic.ROWS),), keys), chart=chart)
        case Aggregate(keys=()) as aggregate:
            labels = measure_labels(aggregate.measures, ())
            values = [_value(script, name, measure) for measure in aggregate.measures]
            add_values(script, labels, values)
        case Aggregate() as aggregate:
            _groups(script, name, question, aggregate, chart=chart)
        case _:
            raise NotImplementedError(question.operation)


def _is_long_sum(measure: Measure) -> bool:
    """Returns whether Python's decimals would round the sum: they have 28 digits."""
    column = measure.column
    if column is None or measure.statistic is not Statistic.SUM or not (is_wide(column) or is_decimal(column)):
        return False
    return sum_may_be_long(column)


def add_values(script: ScriptBuilder, labels: Sequence[str], values: Sequence[str]) -> None:
    """Adds single values to the answer; `values` are code."""
    pairs = [*zip(labels, values, strict=True)]
    if len(pairs) <= (1 if script.compact else MAX_VALUES):
        script.add(*(f"answer.value({quoted(label)}, {value})" for label, value in pairs))
        return
    each = ", ".join(f"({quoted(label)}, {value})" for label, value in pairs)
    script.add(f"for label, value in [{each}]:", "    answer.value(label, value)")


def _value(script: ScriptBuilder, name: str, measure: Measure) -> str:
    if measure.column is None:
        return f"len({name})"
    series = in_form(script, f"{name}[{quoted(measure.column.name)}]", form_for(measure.statistic, measure.column))
    present = ".dropna()" if _cannot_compare(measure) else ""
    return f"{series}{present}.{_METHODS[measure.statistic]}"


def _cannot_compare(measure: Measure) -> bool:
    """Returns whether pandas cannot compare the values with missing ones: times of day are Python's objects."""
    column = measure.column
    return bool(
        column
        and column.type is ColumnType.TIME
        and may_be_missing(column)
        and measure.statistic in (Statistic.MIN, Statistic.MAX)
    )


def _groups(script: ScriptBuilder, name: str, question: Question, operation: Aggregate, *, chart: bool) -> None:
    keys = [key.name for key in operation.keys]
    labels = measure_labels(operation.measures, keys)
    places = add_forms(script, name, question.source, operation)
    grouped = f"{name}.groupby({one_or_list(keys)}, dropna=False)"
    order = []
    if any(form_of_key(key) is Form.DECIMAL for key in operation.keys):
        # pandas does not sort them if some are missing.
        order.append(f".sort_values({one_or_list(keys)})")
    if operation.top:
        order.append(f'.sort_values({quoted(labels[0])}, ascending={not operation.descending}, kind="stable")')
        order.append(f".head({operation.top})")
    if len(labels) == 1:
        start, method = _measured(grouped, operation.measures[0], places[0])
        named = f".reset_index(name={quoted(labels[0])})"
        script.add(script.chain("result = ", start, [method, named, *order]))
    else:
        script.import_module("pandas as pd")
        script.add(f"groups = {grouped}")
        items = [
            (label, "".join(_measured("groups", measure, place)))
            for label, measure, place in zip(labels, operation.measures, places, strict=True)
        ]
        script.add(script.mapping(items, "result = pd.DataFrame(", f").reset_index(){''.join(order)}"))
    script.add("answer.table(result)")
    if chart:
        add_chart(script, question, operation, labels, count="len(result)")


def _measured(groups: str, measure: Measure, place: str) -> tuple[str, str]:
    if measure.column is None:
        return groups, ".size()"
    method = _METHODS[measure.statistic]
    if _cannot_compare(measure):
        method = f"agg(lambda times: times.dropna().{method})"
    return f"{groups}[{quoted(place)}]", f".{method}"


def _top_rows(script: ScriptBuilder, name: str, operation: TopRows, columns: Sequence[Column]) -> None:
    ranked = operation.column
    others = [column.name for column in columns if column.type is not ColumnType.OTHER and column != ranked]
    present = [f".dropna(subset=[{quoted(ranked.name)}])"] if may_be_missing(ranked) else []
    ascending = ""
    if operation.descending:
        ascending = f", ascending={[False, *([True] * len(others))]}" if others else ", ascending=False"
    order = f".sort_values({one_or_list([ranked.name, *others])}{ascending})"
    script.add(script.chain("result = ", name, [*present, order, f".head({operation.limit})"]))
    script.add(f"answer.table({with_whole_numbers(script, 'result', columns)})")


def _describe(script: ScriptBuilder, name: str, source: Source, columns: Sequence[Column]) -> None:
    without = "" if has_quartiles(source) else '.drop(columns=["25%", "50%", "75%"])'
    script.add(
        f'numbers = {name}[{listed(column.name for column in columns)}].astype("float64")',
        f'result = numbers.describe().T{without}.rename_axis("column").reset_index()',
        'answer.table(result.astype({"count": "int64"}))',
    )
