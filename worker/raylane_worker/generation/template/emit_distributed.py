"""Writes the statements of the engine `distributed`: Ray Data on all nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from raylane_common.wire.answer import MAX_CHART_ROWS
from raylane_common.wire.sources import ColumnType, FileSource
from raylane_worker.generation.columns import columns_of
from raylane_worker.generation.template import dataset_columns
from raylane_worker.generation.template.charts import add_chart, cuts_rows, may_be_too_long
from raylane_worker.generation.template.emit_local import add_values
from raylane_worker.generation.template.held import may_be_missing
from raylane_worker.generation.template.labels import measure_labels
from raylane_worker.generation.template.question import (
    Aggregate,
    Comparison,
    Condition,
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
from raylane_worker.generation.template.rows_distributed import filter_dataset, is_ascii
from raylane_worker.generation.template.values import listed, one_or_list, quoted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from raylane_common.wire.sources import Column
    from raylane_worker.generation.template.builder import ScriptBuilder
    from raylane_worker.generation.template.question import Question

_AGGREGATES: Final = {
    Statistic.ROWS: ("Count", ()),
    Statistic.SUM: ("Sum", ()),
    Statistic.MEAN: ("Mean", ()),
    Statistic.MEDIAN: ("Quantile", ("q=0.5",)),
    Statistic.MIN: ("Min", ()),
    Statistic.MAX: ("Max", ()),
    Statistic.STD: ("Std", ("ddof=1",)),
    Statistic.DISTINCT: ("CountDistinct", ()),
}
_COUNTS: Final = (Statistic.ROWS, Statistic.DISTINCT)
_EXTREMES: Final = (Statistic.MIN, Statistic.MAX)


def add_distributed(script: ScriptBuilder, name: str, question: Question, *, chart: bool) -> None:
    """Adds what answers the question from the dataset called `name`."""
    filter_dataset(script, name, [*question.conditions, *_present(question)])
    match question.operation:
        case Preview(limit=limit):
            _rows(script, name, question, [] if limit is None else [f".limit({limit})"])
        case TopRows() as top:
            _rows(script, name, question, _ranked(top, columns_of(question.source)))
        case Describe(columns=columns):
            _describe(script, name, question, columns)
        case CountMissing(columns=columns):
            _count_missing(script, name, columns)
        case Plot():
            if cuts_rows(question):
                script.add(f"{name} = {name}.limit({MAX_CHART_ROWS})")
            add_chart(script, question, None, (), count="", data=name)
        case Distinct(columns=keys):
            _groups(script, name, question, Aggregate((Measure(Statistic.ROWS),), keys), chart=chart)
        case Aggregate(keys=()) as aggregate:
            _values(script, name, question, aggregate)
        case Aggregate() as aggregate:
            _groups(script, name, question, aggregate, chart=chart)
        case _:
            raise NotImplementedError(question.operation)


def _present(question: Question) -> list[Condition]:
    """Returns the conditions that columns must meet whose values rank or place the rows."""
    used: tuple[Column | None, ...] = ()
    if isinstance(question.operation, TopRows):
        used = (question.operation.column,)
    elif isinstance(question.operation, Plot) and cuts_rows(question):
        used = (question.operation.by, question.operation.column)
    return [Condition(one, Comparison.PRESENT) for one in dict.fromkeys(used) if one and may_be_missing(one)]


def _values(script: ScriptBuilder, name: str, question: Question, operation: Aggregate) -> None:
    if question.template_id == "count":
        script.add(f'answer.value("rows", {name}.count())')
        return
    labels = measure_labels(operation.measures, ())
    aggregates = _aggregates(script, name, question, operation, labels)
    # Ray cannot aggregate a dataset without rows.
    may_be_empty = _may_be_empty(question)
    otherwise = f" if {name}.count() else {{}}" if may_be_empty else ""
    script.add(script.call(f"found = {name}.aggregate", aggregates, otherwise))
    values = []
    for measure, label in zip(operation.measures, labels, strict=True):
        value = f"found[{quoted(label)}]"
        if may_be_empty:
            value = f"found.get({quoted(label)}{', 0' if measure.statistic in _COUNTS else ''})"
        if measure.column and _is_number_of_time(measure):
            value = dataset_columns.as_time(script, value, measure.column)
        values.append(value)
    add_values(script, labels, values)


def _may_be_empty(question: Question) -> bool:
    source = question.source
    return bool(question.conditions) or not (isinstance(source, FileSource) and source.rows > 0)


def _groups(script: ScriptBuilder, name: str, question: Question, operation: Aggregate, *, chart: bool) -> None:
    keys = [key.name for key in operation.keys]
    labels = measure_labels(operation.measures, keys)
    aggregates = _aggregates(script, name, question, operation, labels)
    script.add(script.call(f"groups = {name}.groupby({one_or_list(keys)}).aggregate", aggregates))
    calls = [f".sort({one_or_list(keys)})"]
    if operation.top:
        descending = f", descending={[True, *([False] * len(keys))]}" if operation.descending else ""
        calls = [f".sort({listed([labels[0], *keys])}{descending})", f".limit({operation.top})"]
    times = [(key.name, key) for key in operation.keys if dataset_columns.becomes_number(key)]
    for measure, label in zip(operation.measures, labels, strict=True):
        if measure.column and _is_number_of_time(measure):
            times.append((label, measure.column))
    for label, column in times:
        calls.append(f".with_column({quoted(label)}, {dataset_columns.as_times(script, label, column)})")
    script.add(script.chain("result = ", "groups", [*calls, ".materialize()"]))
    may_be_empty = _may_be_empty(question)
    if may_be_empty or (chart and may_be_too_long(question, operation)):
        script.add("rows = result.count()")
    if may_be_empty:
        _name_columns(script, [*keys, *labels])
    script.add("answer.table(result)")
    if chart:
        add_chart(script, question, operation, labels, count="rows")


def _name_columns(script: ScriptBuilder, names: Sequence[str]) -> None:
    """Gives the result its columns if it has no rows: Ray then knows none."""
    script.import_module("pandas as pd")
    script.add("if not rows:", f"    result = pd.DataFrame(columns={listed(names)})")


def _is_number_of_time(measure: Measure) -> bool:
    """Returns whether the measure is a number that must become a time again."""
    column = measure.column
    return column is not None and measure.statistic in _EXTREMES and dataset_columns.becomes_number(column)


def _aggregates(
    script: ScriptBuilder, name: str, question: Question, operation: Aggregate, labels: Sequence[str]
) -> list[str]:
    """Adds the columns that keys and measures need. Returns the aggregates."""
    added: dict[str, str] = {}
    aggregates = []
    names = measure_labels(operation.measures, [column.name for column in columns_of(question.source)])
    for measure, label, new in zip(operation.measures, labels, names, strict=True):
        kind, extra = _AGGREGATES[measure.statistic]
        script.import_names("ray.data.aggregate", kind)
        on = []
        if measure.column:
            code = dataset_columns.for_statistic(script, measure.statistic, measure.column)
            on.append(quoted(added.setdefault(code, new) if code else measure.column.name))
        aggregates.append(f"{kind}({', '.join((*on, *extra, f'alias_name={quoted(label)}'))})")
    # What measures need comes first: it is made from the columns as they are read.
    columns = [(new, code) for code, new in added.items()]
    columns += [(key.name, code) for key in operation.keys if (code := dataset_columns.for_key(script, key))]
    if columns:
        calls = [f".with_column({quoted(new)}, {code})" for new, code in columns]
        script.add(script.chain(f"{name} = ", name, calls))
    return aggregates


def _rows(script: ScriptBuilder, name: str, question: Question, calls: Sequence[str]) -> None:
    """Adds the rows of the dataset called `name`, after these calls."""
    if not all(map(is_ascii, question.conditions)):
        script.add(script.chain("result = ", name, [*calls, ".materialize()"]))
        script.add("rows = result.count()")
        _name_columns(script, [column.name for column in columns_of(question.source)])
    elif len(calls) > 1:
        script.add(script.chain("result = ", name, calls))
    else:
        script.add(f"answer.table({name}{''.join(calls)})")
        return
    script.add("answer.table(result)")


def _ranked(operation: TopRows, columns: Sequence[Column]) -> list[str]:
    others = [one.name for one in columns if one.type is not ColumnType.OTHER and one != operation.column]
    descending = f", descending={[True, *([False] * len(others))]}" if operation.descending else ""
    return [f".sort({one_or_list([operation.column.name, *others])}{descending})", f".limit({operation.limit})"]


def _describe(script: ScriptBuilder, name: str, question: Question, columns: Sequence[Column]) -> None:
    script.import_module("pandas as pd")
    calls = {
        "count": "Count(name, ignore_nulls=True",
        "mean": "Mean(name",
        "std": "Std(name, ddof=1",
        "min": "Min(name",
        **{f"{q}%": f"Quantile(name, q={q / 100}" for q in (25, 50, 75) if has_quartiles(question.source)},
        "max": "Max(name",
    }
    script.import_names("ray.data.aggregate", *(call.partition("(")[0] for call in calls.values()))
    script.add(f"names = {listed(column.name for column in columns)}")
    if floats := [column.name for column in columns if dataset_columns.is_averaged_as_float(column)]:
        script.add(f"for name in {'names' if len(floats) == len(columns) else listed(floats)}:")
        script.add(f"    {name} = {name}.with_column(name, {dataset_columns.to_float(script, 'name')})")
    aggregates = [f'{call}, alias_name=f"{said} {{name}}")' for said, call in calls.items()]
    if script.compact:
        script.add(f"aggregates = [made for name in names for made in ({', '.join(aggregates)})]")
    else:
        script.add("aggregates = []", "for name in names:", "    aggregates += [")
        script.add(*(f"        {one}," for one in aggregates), "    ]")
    # Ray cannot aggregate a dataset without rows.
    otherwise = ' else {f"count {name}": 0 for name in names}'
    script.add(
        f"found = {name}.aggregate(*aggregates)"
        + (f" if {name}.count(){otherwise}" if _may_be_empty(question) else ""),
        f"statistics = {listed(calls)}",
        'rows = [[found.get(f"{one} {name}") for one in statistics] for name in names]',
        'result = pd.DataFrame(rows, index=names, columns=statistics, dtype="float64")',
        'answer.table(result.rename_axis("column").reset_index().astype({"count": "int64"}))',
    )


def _count_missing(script: ScriptBuilder, name: str, columns: Sequence[Column]) -> None:
    script.import_module("pandas as pd")
    script.import_names("ray.data.aggregate", "Count")
    script.add(
        f"names = {listed(column.name for column in columns)}",
        f"rows = {name}.count()",
        "counts = [Count(name, ignore_nulls=True, alias_name=name) for name in names]",
        # Ray cannot aggregate a dataset without rows.
        f"found = {name}.aggregate(*counts) if rows else dict.fromkeys(names, 0)",
        'result = pd.DataFrame({"column": names, "missing": [rows - found[name] for name in names]})',
        'result["percent"] = 100 * result["missing"] / rows',
        "answer.table(result)",
    )
