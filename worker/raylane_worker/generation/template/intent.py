"""What a prompt asks for, checked against the source's schema, and said back in words."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Final, TypeAlias

from raylane_common.errors import AmbiguousColumn, TypeMismatch
from raylane_common.wire.sources import Column, ColumnType, CsvSource, TableFormat, TableSource

MAX_ROWS: Final = 1000

Value: TypeAlias = int | float | str | bool | date | datetime


class Statistic(StrEnum):
    """What is computed of a column; its value is its name in the printed table."""

    ROWS = "rows"
    SUM = "sum"
    MEAN = "mean"
    MEDIAN = "median"
    MIN = "min"
    MAX = "max"
    STD = "std"
    DISTINCT = "count_distinct"


class Comparison(StrEnum):
    """How a condition compares; its value is how it is said."""

    EQUAL = "="
    UNEQUAL = "!="
    GREATER = ">"
    GREATER_EQUAL = ">="
    LESS = "<"
    LESS_EQUAL = "<="
    CONTAINS = "contains"
    IN = "in"
    BETWEEN = "between"
    MISSING = "is missing"
    PRESENT = "is not missing"


@dataclass(frozen=True)
class Measure:
    """One statistic; `column` is None only for the number of rows."""

    statistic: Statistic
    column: Column | None = None

    @property
    def label(self) -> str:
        """Its header in the printed table."""
        return str(self.statistic) if self.column is None else f"{self.statistic}({self.column.name})"


@dataclass(frozen=True)
class Condition:
    """One condition on a column. A row whose value is missing meets none but `MISSING`."""

    column: Column
    comparison: Comparison
    values: tuple[Value, ...] = ()


@dataclass(frozen=True)
class Preview:
    """The first rows, as they stand in the file; without a limit, all rows up to `MAX_ROWS`."""

    limit: int | None


@dataclass(frozen=True)
class ListColumns:
    """The columns and their types."""


@dataclass(frozen=True)
class Describe:
    """Count, mean, spread and extremes of numeric columns."""

    columns: tuple[Column, ...]


@dataclass(frozen=True)
class CountMissing:
    """How many values are missing in each column."""

    columns: tuple[Column, ...]


@dataclass(frozen=True)
class Distinct:
    """The different values of columns, with their number of rows."""

    columns: tuple[Column, ...]


@dataclass(frozen=True)
class Aggregate:
    """Statistics, one row per group if there are `keys`. With `top`, only so many groups by the first measure."""

    measures: tuple[Measure, ...]
    keys: tuple[Column, ...] = ()
    top: int | None = None
    descending: bool = True


@dataclass(frozen=True)
class TopRows:
    """The rows with the largest or smallest values of a column."""

    limit: int
    column: Column
    descending: bool


Operation: TypeAlias = Preview | ListColumns | Describe | CountMissing | Distinct | Aggregate | TopRows


@dataclass(frozen=True)
class Request:
    """One operation on one source, on the rows that meet all conditions. `names_source`: the prompt says which."""

    source: CsvSource | TableSource
    operation: Operation
    conditions: tuple[Condition, ...] = ()
    names_source: bool = False

    @property
    def template_id(self) -> str:
        """The template that answers it."""
        match self.operation:
            case Preview():
                return "filter" if self.conditions else "preview"
            case Aggregate(measures=(Measure(statistic=Statistic.ROWS),), keys=()):
                return "count"
            case Aggregate(keys=keys, top=top):
                return "top_groups" if top else "group_by" if keys else "aggregate"
            case _:
                return _TEMPLATE_IDS[type(self.operation)]


_TEMPLATE_IDS: Final[dict[type, str]] = {
    ListColumns: "columns",
    Describe: "describe",
    CountMissing: "nulls",
    Distinct: "distinct",
    TopRows: "top_n",
}


def columns_of(source: CsvSource | TableSource) -> tuple[Column, ...]:
    """All columns that the reader yields, partition keys last."""
    return source.columns + (source.partition_keys if isinstance(source, TableSource) else ())


def numeric_columns(source: CsvSource | TableSource) -> tuple[Column, ...]:
    """The columns that `describe` is about."""
    return tuple(column for column in columns_of(source) if column.type.is_numeric)


def check(request: Request) -> None:
    """Raises `TypeMismatch` where an operation does not fit a column, `AmbiguousColumn` for a header Ray cannot read.

    Conditions were checked when their values were read.
    """
    if request.template_id != "count" or request.conditions:
        _check_names_differ(request.source)
    match request.operation:
        case Describe(columns=columns):
            for column in columns:
                _require(column, column.type.is_numeric, "be described; only numbers can")
            if not columns:
                raise TypeMismatch(f"{request.source.name} has no numeric column that could be described")
        case Distinct(columns=columns):
            for column in columns:
                _require(column, column.type is not ColumnType.OTHER, "be compared")
        case TopRows(column=column):
            _require(column, _is_ordered(column), "rank rows; only numbers and dates can")
        case Aggregate():
            _check_aggregate(request.operation)
        case _:
            pass


def _check_names_differ(source: CsvSource | TableSource) -> None:
    counts = Counter(column.name for column in columns_of(source))
    if twice := [name for name, count in counts.items() if count > 1]:
        raise AmbiguousColumn(
            f"{source.name} has several columns named {', '.join(map(repr, twice))}, so that Ray can do no more than "
            "count its rows; rename them and upload the file again",
            details={"columns": list(twice), "source": source.name},
        )


def _check_aggregate(operation: Aggregate) -> None:
    for measure in operation.measures:
        column, statistic = measure.column, measure.statistic
        if column is None:
            continue
        if statistic is Statistic.DISTINCT:
            _require(column, column.type is not ColumnType.OTHER, "be compared")
        elif statistic in (Statistic.MIN, Statistic.MAX):
            _require(column, _is_ordered(column), f"have a {statistic}; only numbers and dates can")
        else:
            _require(column, column.type.is_numeric, f"have a {statistic}; only numbers can")
    for key in operation.keys:
        _require(key, key.type is not ColumnType.OTHER, "make groups")
    first = operation.measures[0]
    if operation.top and first.column and first.statistic in (Statistic.MIN, Statistic.MAX):
        _require(first.column, first.column.type.is_numeric, "rank groups; only numbers can")


def _is_ordered(column: Column) -> bool:
    return column.type.is_numeric or column.type in (ColumnType.DATE, ColumnType.TIMESTAMP)


def _require(column: Column, fits: bool, what: str) -> None:
    if not fits:
        raise TypeMismatch(
            f"column {column.name!r} is of type {column.type} ({column.native_type}) and cannot {what}",
            details={"column": column.name, "type": str(column.type)},
        )


_SAID: Final = {
    Statistic.SUM: "sum",
    Statistic.MEAN: "average",
    Statistic.MEDIAN: "median",
    Statistic.MIN: "smallest value",
    Statistic.MAX: "largest value",
    Statistic.STD: "sample standard deviation (n - 1)",
    Statistic.DISTINCT: "number of distinct values",
}


def say(request: Request, *, small: bool) -> str:
    """One sentence on how the prompt was read, with what is worth knowing about the answer."""
    said = _say_operation(request.operation)
    if request.conditions:
        rows = "" if said.endswith(("rows", "row")) else " over the rows"
        said += f"{rows} where " + " and ".join(_say_condition(one) for one in request.conditions)
    return "; ".join([f"{said} in {request.source.name}", *_notes(request, small=small)])


def _say_operation(operation: Operation) -> str:
    match operation:
        case Preview(limit=None):
            return "All rows"
        case Preview(limit=limit):
            return "The first row" if limit == 1 else f"The first {limit} rows"
        case ListColumns():
            return "The columns and their types"
        case Describe(columns=columns):
            return f"Summary statistics of {_names(columns)}"
        case CountMissing(columns=columns):
            return f"The number of missing values of {_names(columns)}"
        case Distinct(columns=columns):
            return f"The distinct values of {_names(columns)} with their frequency"
        case TopRows(limit=limit, column=column, descending=descending):
            return f"The {limit} rows with the {_extreme(descending)} {column.name!r}"
        case Aggregate(measures=measures, keys=keys, top=top, descending=descending):
            what = " and the ".join(_say_measure(measure) for measure in measures)
            if top:
                return f"The {top} groups by {_names(keys)} with the {_extreme(descending)} {what}"
            return f"The {what}" + (f" for each {_names(keys)}" if keys else "")


def _extreme(descending: bool) -> str:
    return "largest" if descending else "smallest"


def _say_measure(measure: Measure) -> str:
    if measure.column is None:
        return "number of rows"
    return f"{_SAID[measure.statistic]} of {measure.column.name!r}"


def _say_condition(condition: Condition) -> str:
    column, values = repr(condition.column.name), [_say_value(value) for value in condition.values]
    match condition.comparison:
        case Comparison.MISSING | Comparison.PRESENT:
            return f"{column} {condition.comparison}"
        case Comparison.BETWEEN:
            return f"{column} is between {values[0]} and {values[1]} (both included)"
        case Comparison.IN:
            return f"{column} is one of {', '.join(values)}"
        case comparison:
            return f"{column} {comparison} {values[0]}"


def _say_value(value: Value) -> str:
    return str(value) if isinstance(value, date) else repr(value)


def _notes(request: Request, *, small: bool) -> list[str]:
    operation, conditions = request.operation, request.conditions
    notes = []
    if isinstance(operation, Preview) and operation.limit is None:
        notes.append(f"at most {MAX_ROWS:,} are shown")
    if isinstance(operation, TopRows):
        notes.append("ties in the order of the other columns")
    if isinstance(operation, Describe) and not small:
        notes.append("quartiles are left out, since the source is not known to be small")
    if any(one.column.type is ColumnType.STRING and one.values for one in conditions):
        notes.append("text is compared exactly, capital letters included")
    counted = operation.measures if isinstance(operation, Aggregate) else ()
    of_text = [one for one in counted if one.column and one.column.type is ColumnType.STRING]
    if of_text and request.source.format is TableFormat.CSV:
        notes.append("an empty cell of text counts as a value")
    return notes


def _names(columns: tuple[Column, ...]) -> str:
    return ", ".join(repr(column.name) for column in columns)
