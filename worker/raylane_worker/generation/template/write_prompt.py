"""Writes a question as a prompt."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Final

from raylane_common.wire.names import ChartKind
from raylane_worker.generation.columns import columns_of
from raylane_worker.generation.template.question import (
    Aggregate,
    Comparison,
    CountMissing,
    Describe,
    Distinct,
    Drawing,
    ListColumns,
    Measure,
    Plot,
    Preview,
    Statistic,
    TopRows,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from raylane_common.wire.sources import Column, Source
    from raylane_worker.generation.template.question import Condition, Operation, Question, Value

_STATISTICS: Final = {
    Statistic.SUM: "sum of",
    Statistic.MEAN: "average of",
    Statistic.MEDIAN: "median of",
    Statistic.MIN: "min of",
    Statistic.MAX: "max of",
    Statistic.STD: "standard deviation of",
    Statistic.DISTINCT: "count distinct",
}

_QUOTES: Final = ("''", '""', "``", "\u201c\u201d", "\u2018\u2019")
_CHARTS: Final[dict[ChartKind | Drawing, str]] = {Drawing.FITTING: "as a chart", Drawing.NOTHING: "without a chart"}


def quote(text: str) -> str:
    """Returns the text between quotes that it does not contain, as a prompt may write a name or value."""
    marks = next((marks for marks in _QUOTES if not set(marks) & set(text)), _QUOTES[0])
    return f"{marks[0]}{text}{marks[1]}"


def write_prompts(question: Question) -> Iterator[str]:
    """Yields the prompt in several words, with its source and with all names in quotes.

    One of them has no other reading, unless the columns have the names of all these words.
    """
    for words in _WORDS:
        yield _Writer(words, quote).write(question, with_source=True)


def write_example(question: Question, *, quotes: bool) -> str:
    """Returns the prompt without its source, and with names in quotes or not."""
    return _Writer(_WORDS[0], quote if quotes else str).write(question, with_source=False)


@dataclass(frozen=True)
class _Words:
    """The words of a prompt that columns may have as names."""

    rows: str
    missing: str
    columns: str
    describe: str
    distinct: str
    is_plain: bool = False
    """Whether a chart of rows is written as people write it, although words of it may be names."""

    @property
    def row(self) -> str:
        return "entry" if self.rows == "entries" else self.rows.removesuffix("s")


_WORDS: Final = (
    _Words("rows", "missing values", "columns", "describe", "distinct", is_plain=True),
    _Words("records", "null values", "column names", "summary statistics of", "unique"),
    _Words("entries", "missing data", "column types", "descriptive statistics of", "different"),
    _Words("observations", "nulls", "schema", "a summary of", "distinct"),
)


@dataclass(frozen=True)
class _Writer:
    """Writes questions. `name` writes the name of a column."""

    words: _Words
    name: Callable[[str], str]

    def write(self, question: Question, *, with_source: bool) -> str:
        parts = [self._operation(question.operation, question.source)]
        if with_source:
            parts.append(f"in {quote(question.source.name)}")
        if question.conditions:
            parts.append("where " + " and ".join(map(self._condition, question.conditions)))
        if question.chart is not None:
            parts.append(_CHARTS.get(question.chart) or f"as a {question.chart} chart")
        return " ".join(parts)

    def _operation(self, operation: Operation, source: Source) -> str:
        words = self.words
        match operation:
            case Preview(limit=None):
                return f"all {words.rows}"
            case Preview(limit=limit):
                return f"first {words.row}" if limit == 1 else f"first {limit} {words.rows}"
            case ListColumns():
                return words.columns
            case Describe(columns=columns):
                return f"{words.describe} {self._names(columns)}"
            case CountMissing(columns=columns) if columns == columns_of(source):
                return f"{words.missing} per column"
            case CountMissing(columns=columns):
                return f"{words.missing} of {self._names(columns)}"
            case Distinct(columns=columns):
                return f"{words.distinct} {self._names(columns)}"
            case Plot() as plot:
                return self._plot(plot)
            case TopRows(limit=limit, column=column, descending=descending):
                return f"{'top' if descending else 'bottom'} {limit} by {self.name(column.name)}"
            case Aggregate(measures=(Measure(column=None),), keys=()):
                return f"how many {words.rows}"
            case Aggregate(measures=measures, keys=keys, top=top, descending=descending):
                what = " and ".join(map(self._measure, measures))
                if top:
                    return f"{'top' if descending else 'bottom'} {top} {self._names(keys)} by {what}"
                return f"{what} by {self._names(keys)}" if keys else what

    def _plot(self, plot: Plot) -> str:
        name, by = self.name(plot.column.name), self.name(plot.by.name) if plot.by else ""
        if plot.kind in (ChartKind.HISTOGRAM, ChartKind.BOX):
            said = "histogram" if plot.kind is ChartKind.HISTOGRAM else "box plot"
            return (f"{said} of {name}" if self.words.is_plain else f"{name} as a {said}") + (f" by {by}" if by else "")
        place = f"{name} {'over' if plot.kind is ChartKind.LINE else 'against'} {by}"
        if self.words.is_plain:
            return f"plot {place}"
        return f"{place} as a {'line chart' if plot.kind is ChartKind.LINE else 'scatter plot'}"

    def _measure(self, measure: Measure) -> str:
        if measure.column is None:
            return f"number of {self.words.rows}"
        return f"{_STATISTICS[measure.statistic]} {self.name(measure.column.name)}"

    def _condition(self, condition: Condition) -> str:
        column, values = self.name(condition.column.name), [_value(value) for value in condition.values]
        match condition.comparison:
            case Comparison.MISSING | Comparison.PRESENT as comparison:
                return f"{column} {comparison}"
            case Comparison.BETWEEN:
                return f"{column} between {values[0]} and {values[1]}"
            case Comparison.IN:
                return f"{column} in ({', '.join(values)})"
            case comparison:
                return f"{column} {comparison} {values[0]}"

    def _names(self, columns: Iterable[Column]) -> str:
        return ", ".join(self.name(column.name) for column in columns)


def _value(value: Value) -> str:
    if isinstance(value, datetime):
        return quote(value.isoformat(sep=" "))
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, bool):
        return str(value).lower()
    return quote(value) if isinstance(value, str) else str(value)
