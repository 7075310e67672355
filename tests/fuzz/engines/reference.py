"""The answer of DuckDB to a question, as the cells of an answer."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from raylane_common.wire.sources import ColumnType
from raylane_worker.generation.template.held import zone_of
from raylane_worker.generation.template.labels import measure_labels
from raylane_worker.generation.template.question import (
    Aggregate,
    Comparison,
    CountMissing,
    Describe,
    Distinct,
    Measure,
    Preview,
    Statistic,
    TopRows,
    has_quartiles,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import duckdb

    from raylane_common.wire.sources import Column
    from raylane_worker.generation.template.question import Condition, Question
    from tests.fuzz.engines.tables import Table

_STATISTICS: Final = {
    Statistic.SUM: "sum({})",
    Statistic.MEAN: "avg({}::DOUBLE)",
    Statistic.MEDIAN: "quantile_cont({}::DOUBLE, 0.5)",
    Statistic.MIN: "min({})",
    Statistic.MAX: "max({})",
    Statistic.STD: "stddev_samp({}::DOUBLE)",
    Statistic.DISTINCT: "count(DISTINCT {})",
}


@dataclass(frozen=True)
class Expected:
    """A table: the names and types of its columns, and its cells; those of timestamps are `datetime` objects.

    `scale` is the size of the largest number.
    """

    names: tuple[str, ...]
    types: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    scale: float


def expected(question: Question, table: Table) -> Expected | None:
    """Returns the table that answers the question; None if a condition names a text that no row has."""
    database = table.connect()
    at = {column.name: f"c{index}" for index, column in enumerate(table.source.columns)}
    if _has_unknown_text(question.conditions, at, database):
        return None
    where = " AND ".join(_condition(one, at[one.column.name]) for one in question.conditions) or "true"
    rows = f"FROM t WHERE {where}"

    def ask(selected: Sequence[tuple[str, str]], rest: str) -> pa.Table:
        found = database.sql(f"SELECT {', '.join(code for _, code in selected)} {rest}").to_arrow_table()
        return found.rename_columns([name for name, _ in selected])

    everything = list(at.items())
    match question.operation:
        case Preview(limit=limit):
            found = ask(everything, f"{rows} ORDER BY r{f' LIMIT {limit}' if limit else ''}")
        case TopRows(limit=limit, column=column, descending=descending):
            others = [code for name, code in at.items() if name != column.name]
            order = [f"{at[column.name]} {'DESC' if descending else 'ASC'}", *map(_last, others)]
            found = ask(
                everything, f"{rows} AND {at[column.name]} IS NOT NULL ORDER BY {', '.join(order)} LIMIT {limit}"
            )
        case Describe(columns=columns):
            parts = [ask(_description(column.name, at, question), rows) for column in columns]
            found = pa.concat_tables(parts)
        case CountMissing(columns=columns):
            parts = [ask(_missing(column.name, at[column.name]), rows) for column in columns]
            found = pa.concat_tables(parts)
        case Distinct(columns=keys):
            found = _groups(Aggregate((Measure(Statistic.ROWS),), keys), at, rows, ask)
        case Aggregate() as aggregate:
            found = _groups(aggregate, at, rows, ask)
        case operation:
            raise NotImplementedError(operation)
    cells = [_cells(column) for column in found.columns]
    return Expected(
        tuple(found.column_names),
        tuple(_type(kind) for kind in found.schema.types),
        tuple(zip(*cells, strict=True)),
        _scale(table.data),
    )


def _scale(data: pa.Table) -> float:
    numbers = [
        abs(float(value))
        for column in data.columns
        if pa.types.is_integer(column.type) or pa.types.is_floating(column.type) or pa.types.is_decimal(column.type)
        for value in column.to_pylist()
        if value is not None
    ]
    return max(numbers, default=0.0)


def _last(code: str) -> str:
    return f"{code} ASC NULLS LAST"


def _groups(operation: Aggregate, at: dict[str, str], rows: str, ask: Any) -> pa.Table:
    labels = measure_labels(operation.measures, [key.name for key in operation.keys])
    measures = [
        "count(*)" if one.column is None else _STATISTICS[one.statistic].format(at[one.column.name])
        for one in operation.measures
    ]
    selected = [*((key.name, at[key.name]) for key in operation.keys), *zip(labels, measures, strict=True)]
    if not operation.keys:
        return ask(selected, rows)
    keys = [at[key.name] for key in operation.keys]
    order = [_last(key) for key in keys]
    if operation.top:
        order = [f"{measures[0]} {'DESC' if operation.descending else 'ASC'} NULLS LAST", *order]
    limit = f" LIMIT {operation.top}" if operation.top else ""
    return ask(selected, f"{rows} GROUP BY {', '.join(keys)} ORDER BY {', '.join(order)}{limit}")


def _description(name: str, at: dict[str, str], question: Question) -> list[tuple[str, str]]:
    code = f"{at[name]}::DOUBLE"
    quartiles = [(f"{q}%", f"quantile_cont({code}, {q / 100})") for q in (25, 50, 75)]
    return [
        ("column", _text(name)),
        ("count", f"count({code})"),
        ("mean", f"avg({code})"),
        ("std", f"stddev_samp({code})"),
        ("min", f"min({code})"),
        *(quartiles if has_quartiles(question.source) else []),
        ("max", f"max({code})"),
    ]


def _missing(name: str, code: str) -> list[tuple[str, str]]:
    missing = f"count(*) - count({code})"
    return [
        ("column", _text(name)),
        ("missing", missing),
        ("percent", f"(100.0 * ({missing}))::DOUBLE / nullif(count(*), 0)"),
    ]


def _has_unknown_text(conditions: Iterable[Condition], at: dict[str, str], database: duckdb.DuckDBPyConnection) -> bool:
    for one in conditions:
        if one.column.type is not ColumnType.STRING:
            continue
        code = at[one.column.name]
        for value in one.values:
            test = f"contains({code}, ?)" if one.comparison is Comparison.CONTAINS else f"{code} = ?"
            if database.execute(f"SELECT count(*) FROM t WHERE {test}", [value]).fetchall() == [(0,)]:
                return True
    return False


def _condition(condition: Condition, code: str) -> str:
    def compare(sign: str, value: object) -> str:
        is_day = isinstance(value, date) and not isinstance(value, datetime)
        is_moment = condition.column.type is ColumnType.TIMESTAMP
        compared = f"CAST({code} AS DATE)" if is_moment and is_day else code
        return f"{compared} {sign} {_literal(value, condition.column)}"

    values = condition.values
    match condition.comparison:
        case Comparison.MISSING:
            return f"{code} IS NULL"
        case Comparison.PRESENT:
            return f"{code} IS NOT NULL"
        case Comparison.CONTAINS:
            return f"contains({code}, {_literal(values[0], condition.column)})"
        case Comparison.IN:
            return f"({' OR '.join(compare('=', value) for value in values)})"
        case Comparison.BETWEEN:
            return f"({compare('>=', values[0])} AND {compare('<=', values[1])})"
        case sign:
            return compare(str(sign), values[0])


def _literal(value: object, column: Column) -> str:
    match value:
        case bool():
            return str(value).lower()
        case datetime():
            kind = "TIMESTAMPTZ" if zone_of(column) else "TIMESTAMP"
            return f"{kind} '{value.isoformat(sep=' ')}{'+00' if zone_of(column) else ''}'"
        case date():
            return f"DATE '{value.isoformat()}'"
        case str() if column.type is ColumnType.TIME:
            return f"TIME '{value}'"
        case str():
            return _text(value)
        case float() if column.native_type.startswith("decimal"):
            return f"{value!r}::DECIMAL(18, 6)"
        case float():
            return f"{value!r}::DOUBLE"
        case _:
            return str(value)


def _text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _type(kind: pa.DataType) -> str:
    is_ = pa.types
    if is_.is_boolean(kind):
        return "boolean"
    if is_.is_integer(kind) or (is_.is_decimal(kind) and kind.scale == 0):
        return "integer"
    if is_.is_decimal(kind):
        return "decimal"
    if is_.is_floating(kind):
        return "number"
    names = {is_.is_date: "date", is_.is_time: "time", is_.is_timestamp: "timestamp"}
    return next((name for test, name in names.items() if test(kind)), "string")


def _cells(column: pa.ChunkedArray) -> list[Any]:
    kind = _type(column.type)
    if kind == "timestamp":
        column = column.cast(pa.timestamp("us", column.type.tz))
    return [None if value is None else _cell(value, kind) for value in column.to_pylist()]


def _cell(value: Any, kind: str) -> Any:
    match kind:
        case "integer":
            whole = int(value)
            return whole if abs(whole) <= 2**53 else str(whole)
        case "number":
            return None if math.isnan(value) else float(value)
        case "decimal":
            return format(value, "f")
        case "date" | "time":
            return value.isoformat()
        case _:
            return value
