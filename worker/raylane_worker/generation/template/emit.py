"""Writes the script that answers a question. Every path, name and value is written with `repr`, so it stays data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from raylane_common.wire.sources import ColumnType, FileSource
from raylane_worker.generation.columns import columns_of
from raylane_worker.generation.template.builder import ScriptBuilder, format_call
from raylane_worker.generation.template.question import (
    MAX_ROWS,
    Aggregate,
    Comparison,
    Condition,
    CountMissing,
    Describe,
    Distinct,
    ListColumns,
    Measure,
    Preview,
    Statistic,
    TopRows,
)
from raylane_worker.generation.template.read_source import (
    add_reader,
    cast_column,
    cast_columns,
    cast_to_text,
    filter_rows,
)
from raylane_worker.generation.template.spellings import note_texts_that_say_missing

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from raylane_common.wire.sources import Column, Source
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
# A sum of 64 bits overflows silently, so integers are added as decimals. Their mean and deviation are floats anyway.
_INTEGER_TYPES: Final = {
    Statistic.SUM: "pa.decimal128(38, 0)",
    Statistic.MEAN: "pa.float64()",
    Statistic.STD: "pa.float64()",
}
_MISSING: Final = '''\
def missing(table):
    """Counts the rows and the missing values of each column in one block."""
    counts = [pc.sum(pc.is_null(table[name], nan_is_null=True), min_count=0).as_py() for name in NAMES]
    return pa.table({"column": NAMES, "missing": counts, "rows": [table.num_rows] * len(NAMES)})'''


def emit_script(question: Question, *, small: bool) -> str:
    """Returns the script without its header. `small` says whether the sources are small."""
    script = ScriptBuilder()
    add_reader(script, question.source, small=small)
    cast_columns(script, question.source, _used_columns(question))
    note_texts_that_say_missing(script, _asked_whether_missing(question))
    ranked = question.operation.column if isinstance(question.operation, TopRows) else None
    present = [Condition(ranked, Comparison.PRESENT)] if ranked else []
    filter_rows(script, [*question.conditions, *present])
    _add_operation(script, question, small=small)
    return script.text()


def _add_operation(script: ScriptBuilder, question: Question, *, small: bool) -> None:
    names = [column.name for column in columns_of(question.source)]
    match question.operation:
        case Preview(limit=limit):
            script.set_context("execution_options.preserve_order = True", "The first rows are those of the file.")
            script.add_statements(f"show({names!r}, ds.take({limit or MAX_ROWS + 1}))")
        case ListColumns():
            script.add_statements(
                "schema = ds.schema()",
                "found = zip(schema.names, map(str, schema.types)) if schema else []",
                'show(["column", "type"], [{"column": name, "type": kind} for name, kind in found])',
            )
        case Describe(columns=columns):
            _describe(script, columns, small=small)
        case CountMissing(columns=columns):
            _count_missing(script, columns)
        case Distinct(columns=columns):
            _groups(script, question.source, Aggregate((Measure(Statistic.ROWS),), columns))
        case TopRows():
            _top_rows(script, question.operation, columns_of(question.source))
        case Aggregate(keys=()):
            _aggregate(script, question)
        case Aggregate():
            _groups(script, question.source, question.operation)


def _aggregate(script: ScriptBuilder, question: Question) -> None:
    assert isinstance(question.operation, Aggregate)
    if question.template_id == "count":
        script.add_statements('show(["rows"], [{"rows": ds.count()}])')
        return
    labels = _labels(question.operation.measures, ())
    result = format_call("ds.aggregate", _aggregates(script, question.source, question.operation.measures, labels))
    # Ray cannot aggregate a dataset without rows.
    is_never_empty = isinstance(question.source, FileSource) and question.source.rows > 0 and not question.conditions
    script.add_statements(f"result = [{result}]" if is_never_empty else f"result = [{result}] if ds.take(1) else []")
    script.add_statements(f"show({labels!r}, result)")


def _groups(script: ScriptBuilder, source: Source, operation: Aggregate) -> None:
    for key in operation.keys:
        if key.type is ColumnType.TIMESTAMP:
            # Ray cannot sort groups by times if some are missing.
            cast_to_text(script, key)
    keys = [key.name for key in operation.keys]
    labels = _labels(operation.measures, keys)
    order = f"    return [(row[key] is None, row[key]) for key in {keys!r}]"
    limit = MAX_ROWS + 1
    if operation.top:
        limit = operation.top
        order = "\n".join(
            (
                f"    value = row[{labels[0]!r}]",
                f"    rank = 0 if is_missing(value) else {'-' if operation.descending else ''}value",
                f"    return [(is_missing(value), rank), *((row[key] is None, row[key]) for key in {keys!r})]",
            )
        )
    script.import_module("heapq")
    script.add_function(f"def order(row):\n{order}")
    groups = format_call("aggregate", _aggregates(script, source, operation.measures, labels))
    script.add_statements(
        f"groups = ds.groupby({keys!r}).{groups}",
        f"show({[*keys, *labels]!r}, heapq.nsmallest({limit}, groups.iter_rows(), key=order))",
    )


def _top_rows(script: ScriptBuilder, operation: TopRows, columns: Sequence[Column]) -> None:
    others = [column.name for column in columns if column.type is not ColumnType.OTHER and column != operation.column]
    descending = [operation.descending, *([False] * len(others))]
    script.add_statements(
        f"ranked = {format_call('ds.sort', [repr([operation.column.name, *others]), f'descending={descending!r}'])}",
        f"show({[column.name for column in columns]!r}, ranked.take({operation.limit}))",
    )


def _describe(script: ScriptBuilder, columns: Sequence[Column], *, small: bool) -> None:
    statistics = {
        "count": ("Count", "ignore_nulls=True, "),
        "mean": ("Mean", ""),
        "std": ("Std", "ddof=1, "),
        "min": ("Min", ""),
        # Quartiles require all values of a column in one process.
        **({f"{q}%": ("Quantile", f"q={q / 100}, ") for q in (25, 50, 75)} if small else {}),
        "max": ("Max", ""),
    }
    script.import_names("ray.data.aggregate", *(name for name, _ in statistics.values()))
    for column in columns:
        if column.type is ColumnType.INTEGER:
            cast_column(script, column.name, "pa.float64()")
    script.add_statements(
        f"names = {[column.name for column in columns]!r}",
        f"statistics = {list(statistics)!r}",
        "aggregates = []",
        "for name in names:",
        *(
            f'    aggregates.append({aggregate}(on=name, {extra}alias_name=f"{said} {{name}}"))'
            for said, (aggregate, extra) in statistics.items()
        ),
        'result = ds.aggregate(*aggregates) if ds.take(1) else {f"count {name}": 0 for name in names}',
        'rows = [{"column": name} | {one: result.get(f"{one} {name}") for one in statistics} for name in names]',
        'show(["column", *statistics], rows)',
    )


def _count_missing(script: ScriptBuilder, columns: Sequence[Column]) -> None:
    script.import_module("pyarrow as pa")
    script.import_module("pyarrow.compute as pc")
    script.add_function(f"NAMES = {[column.name for column in columns]!r}\n\n\n{_MISSING}")
    script.add_statements(
        "totals = {name: [0, 0] for name in NAMES}",
        'for row in ds.map_batches(missing, batch_format="pyarrow", batch_size=None).iter_rows():',
        '    totals[row["column"]][0] += row["missing"]',
        '    totals[row["column"]][1] += row["rows"]',
        "rows = [",
        '    {"column": name, "missing": count, "percent": 100 * count / total if total else None}',
        "    for name, (count, total) in totals.items()",
        "]",
        'show(["column", "missing", "percent"], rows)',
    )


def _aggregates(script: ScriptBuilder, source: Source, measures: Sequence[Measure], labels: Sequence[str]) -> list[str]:
    found = []
    # Names for columns that are added, different from the source's.
    added = _labels(measures, [column.name for column in columns_of(source)])
    for measure, label, new in zip(measures, labels, added, strict=True):
        name, extra = _AGGREGATES[measure.statistic]
        script.import_names("ray.data.aggregate", name)
        on = measure.column.name if measure.column else None
        if measure.column and (arrow_type := _arrow_type(measure.statistic, measure.column)):
            cast_column(script, measure.column.name, arrow_type, into=new)
            on = new
        arguments = (*([] if on is None else [f"on={on!r}"]), *extra, f"alias_name={label!r}")
        found.append(f"{name}({', '.join(arguments)})")
    return found


def _arrow_type(statistic: Statistic, column: Column) -> str | None:
    """Returns the type in which the statistic of the column is exact, if it is another one than the column's."""
    if column.type is not ColumnType.INTEGER:
        return None
    return _INTEGER_TYPES.get(statistic)


def _labels(measures: Iterable[Measure], taken: Iterable[str]) -> list[str]:
    """Returns a distinct name for each measure in the result, different from the keys."""
    used, found = set(taken), []
    for measure in measures:
        label, number = measure.label, 2
        while label in used:
            label, number = f"{measure.label}_{number}", number + 1
        used.add(label)
        found.append(label)
    return found


def _asked_whether_missing(question: Question) -> tuple[Column, ...]:
    """Returns the columns whose missing values the prompt asks for."""
    comparisons = (Comparison.MISSING, Comparison.PRESENT)
    found = [one.column for one in question.conditions if one.comparison in comparisons]
    if isinstance(question.operation, CountMissing):
        found += question.operation.columns
    return tuple(dict.fromkeys(found))


def _used_columns(question: Question) -> tuple[Column, ...]:
    """Returns the columns that the script compares or computes with."""
    found = [one.column for one in question.conditions]
    match question.operation:
        case Aggregate(measures=measures, keys=keys):
            found += [one.column for one in measures if one.column is not None]
            found += keys
        case Distinct(columns=columns) | Describe(columns=columns):
            found += columns
        case TopRows(column=column):
            found.append(column)
        case _:
            pass
    return tuple(dict.fromkeys(found))
