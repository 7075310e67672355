"""Writes the statements of the engine `local`: pandas in one process."""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING, Final

from raylane_common.wire.sources import ColumnType
from raylane_worker.generation.columns import columns_of
from raylane_worker.generation.template.charts import MAX_CHART_ROWS, add_chart, cuts_rows
from raylane_worker.generation.template.held import (
    is_decimal,
    is_short_float,
    is_wide,
    may_be_missing,
    sum_may_overflow,
)
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

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

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
_AVERAGES: Final = (Statistic.MEAN, Statistic.MEDIAN, Statistic.STD)
_EXTREMES: Final = (Statistic.MIN, Statistic.MAX)


class _Form(Enum):
    """How a column must be held so that a statistic of it is exact and has the right type. The value is code."""

    AS_READ = ""
    WHOLE = ".astype('Int64')"
    EXACT = ".astype('Int64').astype(object)"
    FLOAT = ".astype('float64')"
    DECIMAL = ".map(Decimal, na_action='ignore')"
    TRUTH = ".astype('boolean')"
    PRESENT = ".dropna()"


def add_local(script: ScriptBuilder, name: str, question: Question, *, chart: bool) -> None:
    """Adds what answers the question from the DataFrame called `name`."""
    filter_frame(script, name, question.conditions)
    columns = columns_of(question.source)
    match question.operation:
        case Preview(limit=limit):
            shown = _with_whole_numbers(name if limit is None else f"{name}.head({limit})", columns)
            script.add(f"answer.table({shown})")
        case TopRows():
            _top_rows(script, name, question.operation, columns)
        case Describe(columns=described):
            _describe(script, name, question.source, described)
        case CountMissing(columns=counted):
            chosen = name if counted == columns else f"{name}[{[one.name for one in counted]!r}]"
            script.add(
                f"result = {chosen}.isna().sum().rename_axis('column').reset_index(name='missing')",
                f"result['percent'] = 100 * result['missing'] / len({name})",
                "answer.table(result)",
            )
        case Plot():
            _plot(script, name, question)
        case Distinct(columns=keys):
            _groups(script, name, question, Aggregate((Measure(Statistic.ROWS),), keys), chart=chart)
        case Aggregate(keys=()) as aggregate:
            _values(script, name, aggregate)
        case Aggregate() as aggregate:
            _groups(script, name, question, aggregate, chart=chart)
        case _:
            raise NotImplementedError(question.operation)


def _values(script: ScriptBuilder, name: str, operation: Aggregate) -> None:
    for measure, label in zip(operation.measures, measure_labels(operation.measures, ()), strict=True):
        value = f"len({name})"
        if measure.column:
            form = _form(measure.statistic, measure.column)
            _import_for(script, form)
            value = f"{name}[{measure.column.name!r}]{form.value}.{_METHODS[measure.statistic]}"
        script.add(f"answer.value({label!r}, {value})")


def _groups(script: ScriptBuilder, name: str, question: Question, operation: Aggregate, *, chart: bool) -> None:
    keys = [key.name for key in operation.keys]
    labels = measure_labels(operation.measures, keys)
    places = _prepare(script, name, question.source, operation)
    grouped = f"{name}.groupby({keys!r}, dropna=False)"
    # Missing decimals are not sorted like other missing keys.
    order = f".sort_values({keys!r})" if any(_key_form(key) is _Form.DECIMAL for key in operation.keys) else ""
    if operation.top:
        order += f".sort_values({labels[0]!r}, ascending={not operation.descending}, kind='stable')"
        order += f".head({operation.top})"
    if len(labels) == 1:
        measured = _measured(grouped, operation.measures[0], places[0])
        script.add(f"result = {measured}.reset_index(name={labels[0]!r}){order}")
    else:
        script.import_module("pandas as pd")
        script.add(f"groups = {grouped}")
        items = [
            (label, _measured("groups", measure, place))
            for label, measure, place in zip(labels, operation.measures, places, strict=True)
        ]
        script.add(script.mapping(items, "result = pd.DataFrame(", f").reset_index(){order}"))
    script.add("answer.table(result)")
    if chart:
        add_chart(script, question, operation, labels, count="len(result)")


def _measured(groups: str, measure: Measure, place: str) -> str:
    if measure.column is None:
        return f"{groups}.size()"
    method = _METHODS[measure.statistic]
    if _form(measure.statistic, measure.column) is _Form.PRESENT:
        method = f"agg(lambda times: times.dropna().{method})"
    return f"{groups}[{place!r}].{method}"


def _prepare(script: ScriptBuilder, name: str, source: Source, operation: Aggregate) -> list[str]:
    """Brings columns into the forms that keys and measures need. Returns the column of each measure."""
    forms = {key: _key_form(key) for key in operation.keys}
    added: dict[tuple[Column, _Form], str] = {}
    places: list[str] = []
    names = measure_labels(operation.measures, [column.name for column in columns_of(source)])
    for measure, new in zip(operation.measures, names, strict=True):
        column = measure.column
        form = _form(measure.statistic, column) if column else _Form.AS_READ
        if column is None or form is _Form.PRESENT:
            places.append(column.name if column else "")
        elif forms.setdefault(column, form) is form:
            places.append(column.name)
        else:
            places.append(added.setdefault((column, form), new))
    if added:
        for (_, form) in added:
            _import_for(script, form)
        copies = [(new, f"{name}[{column.name!r}]{form.value}") for (column, form), new in added.items()]
        script.add(script.mapping(copies, f"{name} = {name}.assign(**", ")"))
    types = [
        (column.name, repr(form.value.split("'")[1]))
        for column, form in forms.items()
        if form in (_Form.WHOLE, _Form.FLOAT, _Form.TRUTH)
    ]
    if types:
        script.add(script.mapping(types, f"{name} = {name}.astype(", ")"))
    others = [
        (column.name, f"{name}[{column.name!r}]{form.value}")
        for column, form in forms.items()
        if form in (_Form.DECIMAL, _Form.EXACT)
    ]
    if others:
        for form in forms.values():
            _import_for(script, form)
        script.add(script.mapping(others, f"{name} = {name}.assign(**", ")"))
    return places


def _form(statistic: Statistic, column: Column) -> _Form:
    """Returns how pandas must hold the column for the statistic."""
    if column.type is ColumnType.TIME and statistic in _EXTREMES:
        return _Form.PRESENT
    if column.type is ColumnType.NUMBER:
        averaged = is_decimal(column) and statistic in _AVERAGES
        return _Form.FLOAT if averaged or is_short_float(column) else _Form.AS_READ
    if column.type is not ColumnType.INTEGER:
        return _Form.AS_READ
    if statistic in _AVERAGES:
        return _Form.FLOAT if sum_may_overflow(column) else _Form.AS_READ
    if is_wide(column):
        return _Form.DECIMAL if statistic in _EXTREMES else _Form.AS_READ
    if sum_may_overflow(column):
        return _Form.EXACT if statistic is Statistic.SUM else _Form.WHOLE
    return _Form.WHOLE if may_be_missing(column) and statistic is not Statistic.DISTINCT else _Form.AS_READ


def _key_form(column: Column) -> _Form:
    """Returns how pandas must hold a key, so that groups are sorted and keep their type."""
    if is_decimal(column) or is_wide(column):
        return _Form.DECIMAL
    if is_short_float(column):
        return _Form.FLOAT
    if column.type is ColumnType.INTEGER and (may_be_missing(column) or sum_may_overflow(column)):
        return _Form.WHOLE
    if column.type is ColumnType.BOOLEAN and may_be_missing(column):
        return _Form.TRUTH
    return _Form.AS_READ


def _import_for(script: ScriptBuilder, form: _Form) -> None:
    if form is _Form.DECIMAL:
        script.import_names("decimal", "Decimal")


def _with_whole_numbers(frame: str, columns: Iterable[Column]) -> str:
    """Returns the code of the frame with whole numbers as such also where some are missing."""
    names = [
        column.name
        for column in columns
        if column.type is ColumnType.INTEGER and may_be_missing(column) and not is_wide(column)
    ]
    if not names:
        return frame
    types = repr(dict.fromkeys(names, "Int64")) if len(names) < 3 else f"dict.fromkeys({names!r}, 'Int64')"
    return f"{frame}.astype({types})"


def _top_rows(script: ScriptBuilder, name: str, operation: TopRows, columns: Sequence[Column]) -> None:
    ranked = operation.column
    others = [column.name for column in columns if column.type is not ColumnType.OTHER and column != ranked]
    present = f".dropna(subset=[{ranked.name!r}])" if may_be_missing(ranked) else ""
    ascending = not operation.descending
    if others:
        flags = "" if ascending else f", ascending={[False, *([True] * len(others))]!r}"
        order = f"sort_values({[ranked.name, *others]!r}{flags})"
    else:
        order = f"sort_values({ranked.name!r}, ascending={ascending})"
    script.add(f"result = {name}{present}.{order}.head({operation.limit})")
    script.add(f"answer.table({_with_whole_numbers('result', columns)})")


def _describe(script: ScriptBuilder, name: str, source: Source, columns: Sequence[Column]) -> None:
    without = "" if has_quartiles(source) else ".drop(columns=['25%', '50%', '75%'])"
    script.add(
        f"numbers = {name}[{[column.name for column in columns]!r}].astype('float64')",
        f"result = numbers.describe().T{without}.rename_axis('column').reset_index()",
        "answer.table(result.astype({'count': 'int64'}))",
    )


def _plot(script: ScriptBuilder, name: str, question: Question) -> None:
    assert isinstance(question.operation, Plot)
    if cuts_rows(question):
        used = [one.name for one in (question.operation.by, question.operation.column) if one]
        script.add(f"{name} = {name}.dropna(subset={used!r}).head({MAX_CHART_ROWS})")
    add_chart(script, question, None, (), count="", data=name)
