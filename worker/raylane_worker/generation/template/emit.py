"""Writes the script of a request. Every path, name and value enters it through `repr`, so that data stays data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from raylane_common.wire.sources import ColumnType, CsvSource
from raylane_worker.generation.template.builder import Script, call
from raylane_worker.generation.template.intent import (
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
    Request,
    Statistic,
    TopRows,
    columns_of,
)
from raylane_worker.generation.template.reading import convert, correct_types, empty_is_missing, keep, read

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from raylane_common.wire.sources import Column, TableSource

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
_MISSING: Final = '''\
def missing(table):
    """The rows and the missing values of each column, in one block."""
    counts = []
    for name in NAMES:
        absent = pc.is_null(table[name], nan_is_null=True)
        if EMPTY_IS_MISSING and pa.types.is_string(table[name].type):
            absent = pc.or_(absent, pc.equal(pc.fill_null(table[name], ""), ""))
        counts.append(pc.sum(absent, min_count=0).as_py())
    return pa.table({"column": NAMES, "missing": counts, "rows": [table.num_rows] * len(NAMES)})'''


def emit(request: Request, *, small: bool) -> str:
    """The script, without its header. Raises `UnsupportedFormat` for a field separator that Ray cannot read."""
    script = Script()
    read(script, request.source, small=small)
    correct_types(script, request.source, _used(request))
    ranked = request.operation.column if isinstance(request.operation, TopRows) else None
    present = [Condition(ranked, Comparison.PRESENT)] if ranked else []
    keep(script, request.source, [*request.conditions, *present])
    _operate(script, request, small=small)
    return script.text()


def _operate(script: Script, request: Request, *, small: bool) -> None:
    names = [column.name for column in columns_of(request.source)]
    match request.operation:
        case Preview(limit=limit):
            script.set_context("execution_options.preserve_order = True", "The first rows are those of the file.")
            script.add(f"show({names!r}, ds.take({limit or MAX_ROWS + 1}))")
        case ListColumns():
            script.add(
                "schema = ds.schema()",
                "found = zip(schema.names, map(str, schema.types)) if schema else []",
                'show(["column", "type"], [{"column": name, "type": kind} for name, kind in found])',
            )
        case Describe(columns=columns):
            _describe(script, columns, small=small)
        case CountMissing(columns=columns):
            _count_missing(script, request.source, columns)
        case Distinct(columns=columns):
            _groups(script, Aggregate((Measure(Statistic.ROWS),), columns))
        case TopRows():
            _top_rows(script, request.operation, columns_of(request.source))
        case Aggregate(keys=()):
            _aggregate(script, request)
        case Aggregate():
            _groups(script, request.operation)


def _aggregate(script: Script, request: Request) -> None:
    assert isinstance(request.operation, Aggregate)
    if request.template_id == "count":
        script.add('show(["rows"], [{"rows": ds.count()}])')
        return
    labels = _labels(request.operation.measures, ())
    result = call("ds.aggregate", _aggregates(script, request.operation.measures, labels))
    # Ray cannot aggregate no rows at all.
    is_never_empty = isinstance(request.source, CsvSource) and request.source.rows > 0 and not request.conditions
    script.add(f"result = [{result}]" if is_never_empty else f"result = [{result}] if ds.take(1) else []")
    script.add(f"show({labels!r}, result)")


def _groups(script: Script, operation: Aggregate) -> None:
    for key in operation.keys:
        if key.type is ColumnType.TIMESTAMP:
            # Ray cannot sort groups by times of which some are missing.
            convert(script, key, "pa.string()")
    keys = [key.name for key in operation.keys]
    labels = _labels(operation.measures, keys)
    order = f"    return [(row[key] is None, row[key]) for key in {keys!r}]"
    limit = MAX_ROWS + 1
    if operation.top:
        limit = operation.top
        order = "\n".join(
            (
                f"    value = row[{labels[0]!r}]",
                "    is_missing = value is None or value != value",
                f"    rank = 0 if is_missing else {'-' if operation.descending else ''}value",
                f"    return [(is_missing, rank), *((row[key] is None, row[key]) for key in {keys!r})]",
            )
        )
    script.use_module("heapq")
    script.define(f"def order(row):\n{order}")
    groups = call("aggregate", _aggregates(script, operation.measures, labels))
    script.add(
        f"groups = ds.groupby({keys!r}).{groups}",
        f"show({[*keys, *labels]!r}, heapq.nsmallest({limit}, groups.iter_rows(), key=order))",
    )


def _top_rows(script: Script, operation: TopRows, columns: Sequence[Column]) -> None:
    others = [column.name for column in columns if column.type is not ColumnType.OTHER and column != operation.column]
    descending = [operation.descending, *([False] * len(others))]
    script.add(
        f"ranked = {call('ds.sort', [repr([operation.column.name, *others]), f'descending={descending!r}'])}",
        f"show({[column.name for column in columns]!r}, ranked.take({operation.limit}))",
    )


def _describe(script: Script, columns: Sequence[Column], *, small: bool) -> None:
    statistics = {
        "count": ("Count", "ignore_nulls=True, "),
        "mean": ("Mean", ""),
        "std": ("Std", "ddof=1, "),
        "min": ("Min", ""),
        # Quartiles need all values of a column in one place.
        **({f"{q}%": ("Quantile", f"q={q / 100}, ") for q in (25, 50, 75)} if small else {}),
        "max": ("Max", ""),
    }
    script.use("ray.data.aggregate", *(name for name, _ in statistics.values()))
    script.add(
        f"names = {[column.name for column in columns]!r}",
        f"statistics = {list(statistics)!r}",
        "aggregates = []",
        "for name in names:",
        *(
            f'    aggregates.append({aggregate}(on=name, {extra}alias_name=f"{said} {{name}}"))'
            for said, (aggregate, extra) in statistics.items()
        ),
        "result = ds.aggregate(*aggregates) if ds.take(1) else {}",
        'rows = [{"column": name} | {one: result.get(f"{one} {name}") for one in statistics} for name in names]',
        'show(["column", *statistics], rows)',
    )


def _count_missing(script: Script, source: CsvSource | TableSource, columns: Sequence[Column]) -> None:
    script.use_module("pyarrow as pa")
    script.use_module("pyarrow.compute as pc")
    script.define(
        f"NAMES = {[column.name for column in columns]!r}\n"
        f"EMPTY_IS_MISSING = {empty_is_missing(source)}\n\n\n{_MISSING}"
    )
    script.add(
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


def _aggregates(script: Script, measures: Iterable[Measure], labels: Iterable[str]) -> list[str]:
    found = []
    for measure, label in zip(measures, labels, strict=True):
        name, extra = _AGGREGATES[measure.statistic]
        script.use("ray.data.aggregate", name)
        on = () if measure.column is None else (f"on={measure.column.name!r}",)
        found.append(f"{name}({', '.join((*on, *extra, f'alias_name={label!r}'))})")
    return found


def _labels(measures: Iterable[Measure], taken: Iterable[str]) -> list[str]:
    """The measures' names in the result, none of them used twice or by a key."""
    used, found = set(taken), []
    for measure in measures:
        label, number = measure.label, 2
        while label in used:
            label, number = f"{measure.label}_{number}", number + 1
        used.add(label)
        found.append(label)
    return found


def _used(request: Request) -> tuple[Column, ...]:
    """The columns that are computed with."""
    found = [one.column for one in request.conditions]
    match request.operation:
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
