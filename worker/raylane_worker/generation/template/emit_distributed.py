"""Writes the statements of the engine `distributed`: Ray Data on all nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from raylane_common.wire.sources import ColumnType, FileSource
from raylane_worker.generation.columns import columns_of
from raylane_worker.generation.template.charts import MAX_CHART_ROWS, add_chart, cuts_rows
from raylane_worker.generation.template.held import (
    is_decimal,
    is_short_float,
    is_wide,
    may_be_missing,
    sum_may_overflow,
    unit_of,
    zone_of,
)
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
from raylane_worker.generation.template.rows_distributed import filter_dataset

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
_AVERAGES: Final = (Statistic.MEAN, Statistic.MEDIAN, Statistic.STD)
_EXTREMES: Final = (Statistic.MIN, Statistic.MAX)
_FLOAT: Final = "pa.float64()"
# A sum of 64 bits overflows silently.
_EXACT: Final = "pa.decimal128(38, 0)"
_INT64: Final = "pa.int64()"
# Zeros of both signs are one value.
_ONE_ZERO: Final = "+ 0.0"


def add_distributed(script: ScriptBuilder, name: str, question: Question, *, chart: bool) -> None:
    """Adds what answers the question from the dataset called `name`."""
    operation = question.operation
    ranked = operation.column if isinstance(operation, TopRows) else None
    present = [Condition(ranked, Comparison.PRESENT)] if ranked and may_be_missing(ranked) else []
    filter_dataset(script, name, [*question.conditions, *present])
    columns = columns_of(question.source)
    match operation:
        case Preview(limit=limit):
            script.add(f"answer.table({name if limit is None else f'{name}.limit({limit})'})")
        case TopRows(limit=limit, column=column, descending=descending):
            others = [one.name for one in columns if one.type is not ColumnType.OTHER and one != column]
            order = f", descending={[descending, *([False] * len(others))]!r}" if descending else ""
            script.add(f"result = {name}.sort({[column.name, *others]!r}{order}).limit({limit})")
            script.add("answer.table(result)")
        case Describe(columns=described):
            _describe(script, name, question, described)
        case CountMissing(columns=counted):
            _count_missing(script, name, counted)
        case Plot():
            _plot(script, name, question)
        case Distinct(columns=keys):
            _groups(script, name, question, Aggregate((Measure(Statistic.ROWS),), keys), chart=chart)
        case Aggregate(keys=()) as aggregate:
            _values(script, name, question, aggregate)
        case Aggregate() as aggregate:
            _groups(script, name, question, aggregate, chart=chart)
        case _:
            raise NotImplementedError(operation)


def _values(script: ScriptBuilder, name: str, question: Question, operation: Aggregate) -> None:
    if question.template_id == "count":
        script.add(f"answer.value('rows', {name}.count())")
        return
    labels = measure_labels(operation.measures, ())
    casts, aggregates = _aggregates(script, question, operation, labels)
    _add_columns(script, name, casts)
    found = script.call(f"found = {name}.aggregate", aggregates)
    if _may_be_empty(question):
        # Ray cannot aggregate a dataset without rows.
        found += f" if {name}.count() else {{}}"
    script.add(found)
    for measure, label in zip(operation.measures, labels, strict=True):
        get = f".get({label!r}{', 0' if measure.statistic in _COUNTS else ''})" if _may_be_empty(question) else ""
        value = f"found{get or f'[{label!r}]'}"
        if measure.statistic in _EXTREMES and measure.column and (back := _back(measure.column)):
            script.import_module("pandas as pd")
            unit, zone = back
            value = f"pd.to_datetime({value}, unit={unit!r}, utc={zone is not None})"
            if zone not in (None, "UTC"):
                value += f".tz_convert({zone!r})"
        script.add(f"answer.value({label!r}, {value})")


_COUNTS: Final = (Statistic.ROWS, Statistic.DISTINCT)


def _groups(script: ScriptBuilder, name: str, question: Question, operation: Aggregate, *, chart: bool) -> None:
    keys = [key.name for key in operation.keys]
    labels = measure_labels(operation.measures, keys)
    casts, aggregates = _aggregates(script, question, operation, labels)
    _add_columns(script, name, casts)
    script.add(script.call(f"groups = {name}.groupby({keys!r}).aggregate", aggregates))
    if operation.top:
        descending = [operation.descending, *([False] * len(keys))]
        order = f", descending={descending!r}" if operation.descending else ""
        result = f"groups.sort({[labels[0], *keys]!r}{order}).limit({operation.top})"
    else:
        result = f"groups.sort({keys!r})"
    back = [(key.name, unit_and_zone) for key in operation.keys if (unit_and_zone := _key_back(key))]
    back += [
        (label, unit_and_zone)
        for measure, label in zip(operation.measures, labels, strict=True)
        if measure.statistic in _EXTREMES and measure.column and (unit_and_zone := _back(measure.column))
    ]
    for label, (unit, zone) in back:
        result += f".with_column({label!r}, {_cast(script, label, _timestamp(unit, zone))})"
    script.add(f"result = {result}.materialize()", "answer.table(result)")
    if chart:
        add_chart(script, question, operation, labels, count="result.count()")


def _aggregates(
    script: ScriptBuilder, question: Question, operation: Aggregate, labels: Sequence[str]
) -> tuple[list[tuple[str, str]], list[str]]:
    """Returns the columns to add first, each with its code, and the aggregates."""
    replaced = {key: f"col({key.name!r}) {_ONE_ZERO}" for key in operation.keys if _is_float(key)}
    for key in operation.keys:
        if _key_back(key):
            replaced[key] = _cast(script, key.name, _timestamp(unit_of(key), zone_of(key)), _INT64)
    casts = [(key.name, code) for key, code in replaced.items()]
    aggregates = []
    names = measure_labels(operation.measures, [column.name for column in columns_of(question.source)])
    added: dict[str, str] = {}
    for measure, label, new in zip(operation.measures, labels, names, strict=True):
        kind, extra = _AGGREGATES[measure.statistic]
        script.import_names("ray.data.aggregate", kind)
        on: list[str] = []
        if measure.column:
            code = _measured(script, measure.statistic, measure.column)
            on = [repr(measure.column.name if not code else added.setdefault(code, new))]
        aggregates.append(f"{kind}({', '.join((*on, *extra, f'alias_name={label!r}'))})")
    if added or replaced:
        script.import_names("ray.data.expressions", "col")
    # What measures need comes first: it is made from the columns as they are read.
    return [(new, code) for code, new in added.items()] + casts, aggregates


def _measured(script: ScriptBuilder, statistic: Statistic, column: Column) -> str:
    """Returns the code of the column as the statistic needs it; "" if it needs it as it is."""
    if column.type is ColumnType.TIMESTAMP and statistic in _EXTREMES and (back := _back(column)):
        return _cast(script, column.name, _timestamp(*back), _INT64)
    if column.type is ColumnType.NUMBER:
        if is_short_float(column) or (is_decimal(column) and statistic in _AVERAGES):
            return _cast(script, column.name, _FLOAT)
        return f"col({column.name!r}) {_ONE_ZERO}" if _is_float(column) and statistic is Statistic.DISTINCT else ""
    if column.type is ColumnType.INTEGER and statistic in _AVERAGES and (is_wide(column) or sum_may_overflow(column)):
        return _cast(script, column.name, _FLOAT)
    if column.type is ColumnType.INTEGER and statistic is Statistic.SUM and sum_may_overflow(column):
        return _cast(script, column.name, _EXACT)
    return ""


def _is_float(column: Column) -> bool:
    return column.type is ColumnType.NUMBER and not is_decimal(column)


def _key_back(column: Column) -> tuple[str, str | None] | None:
    """Returns the unit and zone of times by which Ray cannot group if some are missing, so they become numbers."""
    if column.type is ColumnType.TIMESTAMP and may_be_missing(column):
        return unit_of(column), zone_of(column)
    return None


def _back(column: Column) -> tuple[str, str | None] | None:
    """Returns the unit and zone of times of which Ray's extremes lose the zone or nanoseconds."""
    if column.type is ColumnType.TIMESTAMP and (zone_of(column) or unit_of(column) == "ns"):
        return unit_of(column), zone_of(column)
    return None


def _timestamp(unit: str, zone: str | None) -> str:
    return f"pa.timestamp({unit!r}{f', {zone!r}' if zone else ''})"


def _cast(script: ScriptBuilder, column: str, *arrow_types: str) -> str:
    """Returns an expression that casts the column to one Arrow type after the other."""
    script.import_names("ray.data.expressions", "col")
    script.import_names("ray.data.datatype", "DataType")
    script.import_module("pyarrow as pa")
    casts = "".join(f".cast(DataType.from_arrow({one}), safe=False)" for one in arrow_types)
    return f"col({column!r}){casts}"


def _add_columns(script: ScriptBuilder, name: str, columns: Sequence[tuple[str, str]]) -> None:
    for new, code in columns:
        script.add(f"{name} = {name}.with_column({new!r}, {code})")


def _may_be_empty(question: Question) -> bool:
    source = question.source
    return bool(question.conditions) or not (isinstance(source, FileSource) and source.rows > 0)


def _describe(script: ScriptBuilder, name: str, question: Question, columns: Sequence[Column]) -> None:
    script.import_module("pandas as pd")
    script.import_names("ray.data.aggregate", "Count", "Mean", "Std", "Min", "Max")
    made = {
        "count": "Count(name, ignore_nulls=True, ",
        "mean": "Mean(name, ",
        "std": "Std(name, ddof=1, ",
        "min": "Min(name, ",
        **({f"{q}%": f"Quantile(name, q={q / 100}, " for q in (25, 50, 75)} if has_quartiles(question.source) else {}),
        "max": "Max(name, ",
    }
    if has_quartiles(question.source):
        script.import_names("ray.data.aggregate", "Quantile")
    names = [column.name for column in columns]
    script.add(f"names = {names!r}")
    if cast := [column.name for column in columns if column.native_type != "double"]:
        script.add(
            f"for name in {'names' if cast == names else repr(cast)}:",
            f"    {name} = {name}.with_column(name, {_cast(script, '', _FLOAT).replace(repr(''), 'name', 1)})",
        )
    aggregates = [f'{call}alias_name=f"{said} {{name}}")' for said, call in made.items()]
    half = len(aggregates) // 2
    script.add(
        "aggregates = []",
        "for name in names:",
        f"    aggregates += [{', '.join(aggregates[:half])}]",
        f"    aggregates += [{', '.join(aggregates[half:])}]",
    )
    empty = f' if {name}.count() else {{f"count {{name}}": 0 for name in names}}' if _may_be_empty(question) else ""
    script.add(
        f"found = {name}.aggregate(*aggregates){empty}",
        f"statistics = {[*made]!r}",
        'rows = [[found.get(f"{one} {name}") for one in statistics] for name in names]',
        "result = pd.DataFrame(rows, columns=statistics).astype({'count': 'int64'})",
        "result.insert(0, 'column', names)",
        "answer.table(result)",
    )


def _count_missing(script: ScriptBuilder, name: str, columns: Sequence[Column]) -> None:
    script.import_module("pandas as pd")
    script.import_names("ray.data.aggregate", "Count")
    script.add(
        f"names = {[column.name for column in columns]!r}",
        f"rows = {name}.count()",
        "counts = [Count(name, ignore_nulls=True, alias_name=name) for name in names]",
        f"found = {name}.aggregate(*counts) if rows else dict.fromkeys(names, 0)",
        "result = pd.DataFrame({'column': names, 'missing': [rows - found[name] for name in names]})",
        "result['percent'] = 100 * result['missing'] / rows",
        "answer.table(result)",
    )


def _plot(script: ScriptBuilder, name: str, question: Question) -> None:
    assert isinstance(question.operation, Plot)
    if cuts_rows(question):
        used = (question.operation.by, question.operation.column)
        filter_dataset(script, name, [Condition(one, Comparison.PRESENT) for one in used if one])
        script.add(f"{name} = {name}.limit({MAX_CHART_ROWS})")
    add_chart(script, question, None, (), count="", data=name)
