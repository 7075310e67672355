"""What a prompt asks for: one operation on one source, on the rows that meet its conditions."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import Enum, StrEnum, auto
from typing import TYPE_CHECKING, Final, TypeAlias

from raylane_common.wire.sources import ColumnType
from raylane_worker.generation.columns import columns_of

if TYPE_CHECKING:
    from raylane_common.wire.names import ChartKind
    from raylane_common.wire.sources import Column, Source

# The maximum number of rows that a prompt may ask for by number: as many as an answer holds itself.
MAX_ROWS: Final = 1000
# Quartiles require all values of a column in one process.
_MAX_QUARTILE_BYTES: Final = 256 * 1024 * 1024

# A decimal is a fraction with which whole numbers are compared.
Value: TypeAlias = int | float | Decimal | str | bool | date | datetime


class Statistic(StrEnum):
    """What is computed from a column. The value is its name in the printed table."""

    ROWS = "rows"
    SUM = "sum"
    MEAN = "mean"
    MEDIAN = "median"
    MIN = "min"
    MAX = "max"
    STD = "std"
    DISTINCT = "count_distinct"


class Comparison(StrEnum):
    """How a condition compares. The value is its name in a sentence."""

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


class Drawing(Enum):
    """What a prompt says about a chart if it names no kind."""

    FITTING = auto()
    """The answer has a chart of the kind that fits it."""
    NOTHING = auto()
    """The answer has no chart."""


@dataclass(frozen=True)
class Measure:
    """One statistic of one column; `column` is None only for the number of rows."""

    statistic: Statistic
    column: Column | None = None

    @property
    def label(self) -> str:
        """The header of its column in the printed table."""
        return str(self.statistic) if self.column is None else f"{self.statistic}({self.column.name})"


@dataclass(frozen=True)
class Condition:
    """One condition on a column. A row whose value is missing meets only `MISSING`.

    A date that a column of times is compared with is the whole day.
    """

    column: Column
    comparison: Comparison
    values: tuple[Value, ...] = ()


@dataclass(frozen=True)
class Preview:
    """The first rows in the order of the file; without a limit, all rows."""

    limit: int | None


@dataclass(frozen=True)
class ListColumns:
    """Lists the columns and their types."""


@dataclass(frozen=True)
class Describe:
    """Computes count, mean, standard deviation and extremes of numeric columns."""

    columns: tuple[Column, ...]


@dataclass(frozen=True)
class CountMissing:
    """Counts the missing values of each column."""

    columns: tuple[Column, ...]


@dataclass(frozen=True)
class Distinct:
    """Lists the distinct values of columns with their number of rows."""

    columns: tuple[Column, ...]


@dataclass(frozen=True)
class Aggregate:
    """Computes statistics, one row per group if there are `keys`.

    With `top`, only that many groups are kept: those with the largest first measure, or the smallest if not
    `descending`.
    """

    measures: tuple[Measure, ...]
    keys: tuple[Column, ...] = ()
    top: int | None = None
    descending: bool = True


@dataclass(frozen=True)
class TopRows:
    """Lists the rows with the largest or smallest values of a column."""

    limit: int
    column: Column
    descending: bool


@dataclass(frozen=True)
class Plot:
    """Draws the values of rows: a histogram, a box of each group, a scatter or a line against another column."""

    kind: ChartKind
    column: Column
    by: Column | None = None


Operation: TypeAlias = Preview | ListColumns | Describe | CountMissing | Distinct | Aggregate | TopRows | Plot


@dataclass(frozen=True)
class Question:
    """One operation on one source, on the rows that meet all conditions.

    `chart` is what the prompt says about a chart of the answer; None: nothing, so one is drawn if one fits.
    `names_source` says whether the prompt names the source; it does not change the question.
    """

    source: Source
    operation: Operation
    conditions: tuple[Condition, ...] = ()
    chart: ChartKind | Drawing | None = None
    names_source: bool = field(default=False, compare=False)

    @property
    def template_id(self) -> str:
        """The name of the template that answers it."""
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
    Plot: "plot",
}


def is_ordered(column: Column) -> bool:
    """Returns whether the values of the column are numbers, dates or times."""
    return column.type.is_numeric or column.type in (ColumnType.DATE, ColumnType.TIME, ColumnType.TIMESTAMP)


def is_temporal(column: Column) -> bool:
    """Returns whether the values of the column are dates, with or without a time."""
    return column.type in (ColumnType.DATE, ColumnType.TIMESTAMP)


def numeric_columns(source: Source) -> tuple[Column, ...]:
    """Returns the columns that hold numbers."""
    return tuple(column for column in columns_of(source) if column.type.is_numeric)


def has_quartiles(source: Source) -> bool:
    """Returns whether a description of the source has quartiles. It has none if the source is large or of unknown size.

    This does not depend on the engine, so both give the same answer.
    """
    return source.data_bytes is not None and source.data_bytes <= _MAX_QUARTILE_BYTES
