"""What a prompt asks for, in the test's own words, and the SQL that answers it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.fuzz.template.tables import Cell, Table

STATISTICS: Final = {
    "sum": "sum({})",
    "average": "avg({})",
    "median": "quantile_cont({}, 0.5)",
    "minimum": "min({})",
    "maximum": "max({})",
    "sample standard deviation (n - 1)": "stddev_samp({})",
    "number of distinct values": "count(DISTINCT {})",
}
ROWS: Final = "number of rows"


@dataclass(frozen=True)
class Measure:
    """A statistic of a column; None for the number of rows."""

    statistic: str
    column: str | None = None


@dataclass(frozen=True)
class Condition:
    """A comparison of a column. `sign` is one of SQL, or contains, in, between, missing, not missing."""

    column: str
    sign: str
    values: tuple[Cell, ...] = ()


@dataclass(frozen=True)
class Intent:
    """One question. `kind` is preview, columns, describe, missing, distinct, top_rows or aggregate."""

    kind: str
    columns: tuple[str, ...] = ()
    measures: tuple[Measure, ...] = ()
    keys: tuple[str, ...] = ()
    limit: int | None = None
    descending: bool = True
    conditions: tuple[Condition, ...] = ()


def answer(intent: Intent, table: Table) -> list[list[Any]]:
    """Returns the rows of the answer, computed by DuckDB."""
    names = list(table.types)
    at = {name: f"c{position}" for position, name in enumerate(names)}
    where = " AND ".join(_condition(one, at, table) for one in intent.conditions)
    rows = f"FROM t WHERE {where or 'true'}"

    def ask(query: str) -> list[list[Any]]:
        return [list(row) for row in table.database.execute(query).fetchall()]

    def order(columns: Iterable[str]) -> list[str]:
        return [f"{at[name]} ASC NULLS LAST" for name in columns]

    match intent.kind:
        case "preview":
            return ask(f"SELECT * {rows} ORDER BY rowid LIMIT {intent.limit or 1000}")
        case "columns":
            return [[name] for name in names]
        case "describe":
            statistics = "count({0}), avg({0}), stddev_samp({0}), min({0}), quantile_cont({0}, 0.25), "
            statistics += "quantile_cont({0}, 0.5), quantile_cont({0}, 0.75), max({0})"
            return [[name, *ask(f"SELECT {statistics.format(at[name])} {rows}")[0]] for name in intent.columns]
        case "missing":
            share = "count(*) - count({0}), 100.0 * (count(*) - count({0})) / nullif(count(*), 0)"
            return [[name, *ask(f"SELECT {share.format(at[name])} {rows}")[0]] for name in intent.columns]
        case "distinct":
            keys = ", ".join(at[name] for name in intent.columns)
            return ask(f"SELECT {keys}, count(*) {rows} GROUP BY {keys} ORDER BY {', '.join(order(intent.columns))}")
        case "top_rows":
            (name,) = intent.columns
            direction = "DESC" if intent.descending else "ASC"
            others = [other for other in names if other != name]
            ranks = ", ".join([f"{at[name]} {direction}", *order(others)])
            return ask(f"SELECT * {rows} AND {at[name]} IS NOT NULL ORDER BY {ranks} LIMIT {intent.limit}")
        case "aggregate":
            found = [
                "count(*)" if one.column is None else STATISTICS[one.statistic].format(at[one.column])
                for one in intent.measures
            ]
            if not intent.keys:
                return ask(f"SELECT {', '.join(found)} {rows}")
            keys = ", ".join(at[name] for name in intent.keys)
            groups = f"SELECT {keys}, {', '.join(found)} {rows} GROUP BY {keys}"
            if not intent.limit:
                return ask(f"{groups} ORDER BY {', '.join(order(intent.keys))}")
            first = f"{found[0]} {'DESC' if intent.descending else 'ASC'} NULLS LAST"
            return ask(f"{groups} ORDER BY {', '.join([first, *order(intent.keys)])} LIMIT {intent.limit}")
        case kind:
            raise NotImplementedError(kind)


def has_unknown_text(intent: Intent, table: Table) -> bool:
    """Returns whether a condition compares with a text that no row has."""
    for one in intent.conditions:
        column = f"c{table.position(one.column)}"
        for value in one.values if isinstance(one.values[:1], tuple) else ():
            if table.types[one.column] == "VARCHAR" and isinstance(value, str):
                test = f"contains({column}, ?)" if one.sign == "contains" else f"{column} = ?"
                found = table.database.execute(f"SELECT count(*) FROM t WHERE {test}", [value]).fetchone()
                if found == (0,):
                    return True
    return False


def _condition(condition: Condition, at: dict[str, str], table: Table) -> str:
    column, values = at[condition.column], condition.values
    holds_times = table.types[condition.column] == "TIMESTAMP"

    def compare(sign: str, value: Cell) -> str:
        is_day = isinstance(value, date) and not isinstance(value, datetime)
        return f"{f'CAST({column} AS DATE)' if holds_times and is_day else column} {sign} {_literal(value)}"

    match condition.sign:
        case "missing":
            return f"{column} IS NULL"
        case "not missing":
            return f"{column} IS NOT NULL"
        case "contains":
            return f"contains({column}, {_literal(values[0])})"
        case "in":
            return f"({' OR '.join(compare('=', value) for value in values)})"
        case "between":
            return f"({compare('>=', values[0])} AND {compare('<=', values[1])})"
        case sign:
            return compare(sign, values[0])


def _literal(value: Cell) -> str:
    match value:
        case bool():
            return str(value).lower()
        case datetime():
            return f"TIMESTAMP '{value.isoformat(sep=' ')}'"
        case date():
            return f"DATE '{value.isoformat()}'"
        case str():
            return "'" + value.replace("'", "''") + "'"
        case _:
            return repr(value)
