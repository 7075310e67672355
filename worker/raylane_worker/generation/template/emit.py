"""Writes the script of a request. Every path, name and value enters it through `repr`, so that data stays data."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, datetime
from typing import TYPE_CHECKING, Final

from raylane_common.errors import UnsupportedFormat
from raylane_common.sources import Column, ColumnType, CsvSource, TableFormat, TableSource
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
    Value,
    columns_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_LINE_CHARACTERS: Final = 100

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
_ARROW_TYPES: Final = {
    ColumnType.INTEGER: "pa.int64()",
    ColumnType.NUMBER: "pa.float64()",
    ColumnType.STRING: "pa.string()",
    ColumnType.BOOLEAN: "pa.bool_()",
    ColumnType.DATE: "pa.date32()",
    ColumnType.TIMESTAMP: 'pa.timestamp("us")',
    ColumnType.OTHER: "pa.string()",
}
_SHOW: Final = f'''\
def cell(value):
    """A value as text: floats to 6 decimals, below 0.001 to 6 digits; "null" where it is missing."""
    if value is None or value != value:
        return "null"
    if isinstance(value, float):
        return f"{{value:.6g}}" if 0 < abs(value) < 0.001 else f"{{value + 0.0:.6f}}".rstrip("0").rstrip(".")
    text = "".join(one if one.isprintable() else ascii(one)[1:-1] for one in str(value)).replace("|", "\\\\|")
    return text if len(text) <= 80 else text[:79] + "…"


def show(columns, rows):
    """Prints rows, which are dictionaries, as a table: a header, a rule, at most {MAX_ROWS:,} rows, their number."""
    shown = rows[:{MAX_ROWS}]
    header = [cell(column) for column in columns]
    body = [[cell(row[column]) for column in columns] for row in shown]
    widths = [max(1, *map(len, texts)) for texts in zip(header, *body)]
    is_number = [all(row[one] is None or isinstance(row[one], (int, float)) for row in shown) for one in columns]
    for cells in [header, *body]:
        aligned = zip(cells, widths, is_number)
        print(" | ".join(text.rjust(width) if right else text.ljust(width) for text, width, right in aligned))
        if cells is header:
            print("-+-".join("-" * width for width in widths))
    number = "1 row" if len(rows) == 1 else f"{{len(rows)}} rows"
    print(f"({{number}})" if len(rows) <= {MAX_ROWS} else "(the first {MAX_ROWS:,} rows; there are more)")'''
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
    script = _Script(request.source)
    if request.source.format is TableFormat.PARQUET:
        script.set_context("use_datasource_v2 = False", "The newer reader skips files not named *.parquet.")
    if isinstance(request.operation, Preview):
        script.set_context("execution_options.preserve_order = True", "The first rows are those of the file.")
    script.add(f"ds = {_call(*_reader(script, request.source, small=small))}")
    for column in _used(request):
        if arrow_type := _cast(column, request.source):
            script.cast(column, arrow_type)
    if request.conditions:
        script.use("ray.data.expressions", "col")
        parts = [_condition(script, one) for one in request.conditions]
        expression = parts[0] if len(parts) == 1 else " & ".join(f"({part})" for part in parts)
        script.add(f"ds = ds.filter(expr={expression})")
    _operation(script, request, small=small)
    return script.text()


class _Script:
    """The parts of a script while it is written."""

    def __init__(self, source: CsvSource | TableSource) -> None:
        self.source = source
        self._modules = {"ray"}
        self._names: defaultdict[str, set[str]] = defaultdict(set)
        self._functions = [_SHOW]
        self._context: list[str] = []
        self._lines: list[str] = []

    def use_module(self, module: str) -> None:
        self._modules.add(module)

    def use(self, module: str, *names: str) -> None:
        self._names[module].update(names)

    def define(self, function: str) -> None:
        self._functions.append(function)

    def set_context(self, setting: str, reason: str) -> None:
        self._context.append(f"context.{setting}  # {reason}")

    def add(self, *lines: str) -> None:
        self._lines += lines

    def cast(self, column: Column, arrow_type: str) -> None:
        self.use("ray.data.expressions", "col")
        self.use("ray.data.datatype", "DataType")
        self.use_module("pyarrow as pa")
        name = repr(column.name)
        self.add(f"ds = ds.with_column({name}, col({name}).cast(DataType.from_arrow({arrow_type}), safe=False))")

    def text(self) -> str:
        standard = [f"import {name}" for name in sorted(self._modules & {"datetime", "heapq"})]
        others = [f"import {name}" for name in sorted(self._modules - {"datetime", "heapq"})]
        others += [f"from {name} import {', '.join(sorted(found))}" for name, found in sorted(self._names.items())]
        context = ["context = ray.data.DataContext.get_current()", *self._context] if self._context else []
        parts = [
            "\n".join(standard),
            "\n".join(others),
            *(f"\n{function}" for function in self._functions),
            "\n" + "\n".join(["ray.init()", *context, *self._lines]),
        ]
        return "\n\n".join(part for part in parts if part) + "\n"


def _reader(script: _Script, source: CsvSource | TableSource, *, small: bool) -> tuple[str, list[str]]:
    arguments = [repr(source.location)]
    if isinstance(source, TableSource):
        arguments += _table_arguments(script, source)
    if small:
        arguments.append("override_num_blocks=1")
    return f"ray.data.read_{source.format}", arguments


def _table_arguments(script: _Script, source: TableSource) -> list[str]:
    found: list[str] = []
    match source.format:
        case TableFormat.CSV:
            if len(source.delimiter) != 1 or source.delimiter in '"\r\n\0' or not source.delimiter.isascii():
                raise UnsupportedFormat(
                    f"table {source.name} is separated by {source.delimiter!r}; Ray reads one ASCII character",
                    details={"table": source.name},
                )
            script.use("pyarrow", "csv")
            script.use_module("pyarrow as pa")
            names = [column.name for column in source.columns]
            types = ", ".join(f"{column.name!r}: {_ARROW_TYPES[column.type]}" for column in source.columns)
            # A table's columns are told by their place in the file, whatever a header calls them.
            skip = ", skip_rows=1" if source.has_header else ""
            found += [
                f"read_options=csv.ReadOptions(column_names={names!r}{skip}, use_threads=False)",
                f"parse_options=csv.ParseOptions(delimiter={source.delimiter!r})",
                f"convert_options=csv.ConvertOptions(column_types={{{types}}})",
            ]
        case TableFormat.JSON:
            found += ["lines=True", "file_extensions=None"]
        case TableFormat.PARQUET:
            found += ["file_extensions=None"]
    typed = {ColumnType.INTEGER: "int", ColumnType.NUMBER: "float"}
    if field_types := [f"{key.name!r}: {typed[key.type]}" for key in source.partition_keys if key.type in typed]:
        script.use("ray.data.datasource", "Partitioning")
        found.append(f'partitioning=Partitioning("hive", field_types={{{", ".join(field_types)}}})')
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


def _cast(column: Column, source: CsvSource | TableSource) -> str | None:
    """The type to convert to where what Ray reads is not what the source's record says."""
    kind = column.type
    if isinstance(source, CsvSource):
        return _ARROW_TYPES[kind] if kind is ColumnType.TIMESTAMP and "tz=" in column.native_type else None
    if column in source.partition_keys:
        # Read from a directory's name: numbers by the reader's types; a date is compared as the text it is.
        return _ARROW_TYPES[kind] if kind in (ColumnType.TIMESTAMP, ColumnType.BOOLEAN) else None
    is_decimal = kind is ColumnType.NUMBER and column.native_type.lower().startswith(("decimal", "numeric"))
    match source.format:
        case TableFormat.PARQUET if is_decimal or kind is ColumnType.TIMESTAMP:
            return _ARROW_TYPES[kind]
        case TableFormat.JSON if kind in (ColumnType.DATE, ColumnType.TIMESTAMP):
            return _ARROW_TYPES[kind]
        case _:
            return None


def _condition(script: _Script, condition: Condition) -> str:
    column = f"col({condition.column.name!r})"
    is_text_date = condition.column.type is ColumnType.DATE and _is_partition_key(condition.column, script.source)
    values = [_value(script, value, as_text=is_text_date) for value in condition.values]
    match condition.comparison:
        case Comparison.MISSING if _empty_is_missing(script.source) and condition.column.type is ColumnType.STRING:
            script.use("ray.data.expressions", "lit")
            return f"{column}.is_null() | ({column} == lit(''))"
        case Comparison.MISSING:
            return f"{column}.is_null()"
        case Comparison.CONTAINS:
            return f"{column}.str.contains({values[0]})"
        case Comparison.IN:
            return f"{column}.is_in([{', '.join(values)}])"
        case Comparison.BETWEEN:
            script.use("ray.data.expressions", "lit")
            return f"({column} >= lit({values[0]})) & ({column} <= lit({values[1]}))"
        case comparison:
            script.use("ray.data.expressions", "lit")
            sign = "==" if comparison is Comparison.EQUAL else str(comparison)
            return f"{column} {sign} lit({values[0]})"


def _value(script: _Script, value: Value, *, as_text: bool) -> str:
    if isinstance(value, date | datetime):
        if as_text:
            return repr(value.isoformat())
        script.use_module("datetime")
    return repr(value)


def _is_partition_key(column: Column, source: CsvSource | TableSource) -> bool:
    return isinstance(source, TableSource) and column in source.partition_keys


def _empty_is_missing(source: CsvSource | TableSource) -> bool:
    """Whether an empty text is a missing value: a CSV has no other way to leave it out."""
    return source.format is TableFormat.CSV


def _operation(script: _Script, request: Request, *, small: bool) -> None:
    names = [column.name for column in columns_of(request.source)]
    match request.operation:
        case Preview(limit=limit):
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
            _count_missing(script, columns)
        case Distinct(columns=columns):
            _groups(script, Aggregate((Measure(Statistic.ROWS),), columns))
        case TopRows():
            _top_rows(script, request.operation, names)
        case Aggregate(keys=()):
            _aggregate(script, request)
        case Aggregate():
            _groups(script, request.operation)


def _aggregate(script: _Script, request: Request) -> None:
    assert isinstance(request.operation, Aggregate)
    if request.template_id == "count":
        script.add('show(["rows"], [{"rows": ds.count()}])')
        return
    labels = _labels(request.operation.measures, ())
    result = _call("ds.aggregate", _aggregates(script, request.operation.measures, labels))
    # Ray cannot aggregate no rows at all.
    is_never_empty = isinstance(request.source, CsvSource) and request.source.rows > 0 and not request.conditions
    script.add(f"result = [{result}]" if is_never_empty else f"result = [{result}] if ds.take(1) else []")
    script.add(f"show({labels!r}, result)")


def _groups(script: _Script, operation: Aggregate) -> None:
    for key in operation.keys:
        if key.type is ColumnType.TIMESTAMP:
            # Ray cannot sort groups by times of which some are missing.
            script.cast(key, "pa.string()")
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
    groups = _call("aggregate", _aggregates(script, operation.measures, labels))
    script.add(
        f"groups = ds.groupby({keys!r}).{groups}",
        f"show({[*keys, *labels]!r}, heapq.nsmallest({limit}, groups.iter_rows(), key=order))",
    )


def _top_rows(script: _Script, operation: TopRows, names: Sequence[str]) -> None:
    others = [
        column.name
        for column in columns_of(script.source)
        if column.type is not ColumnType.OTHER and column != operation.column
    ]
    descending = [operation.descending, *([False] * len(others))]
    script.use("ray.data.expressions", "col")
    script.add(
        f"ranked = ds.filter(expr=col({operation.column.name!r}).is_not_null())",
        f"ranked = {_call('ranked.sort', [repr([operation.column.name, *others]), f'descending={descending!r}'])}",
        f"show({list(names)!r}, ranked.take({operation.limit}))",
    )


def _describe(script: _Script, columns: Sequence[Column], *, small: bool) -> None:
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


def _count_missing(script: _Script, columns: Sequence[Column]) -> None:
    script.use_module("pyarrow as pa")
    script.use_module("pyarrow.compute as pc")
    script.define(
        f"NAMES = {[column.name for column in columns]!r}\n"
        f"EMPTY_IS_MISSING = {_empty_is_missing(script.source)}\n\n\n{_MISSING}"
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


def _aggregates(script: _Script, measures: Iterable[Measure], labels: Iterable[str]) -> list[str]:
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


def _call(function: str, arguments: Sequence[str]) -> str:
    """The call on one line, or with one argument a line if it is long."""
    line = f"{function}({', '.join(arguments)})"
    if len(line) <= _LINE_CHARACTERS:
        return line
    return f"{function}(\n" + "".join(f"    {argument},\n" for argument in arguments) + ")"
