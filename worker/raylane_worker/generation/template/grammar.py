"""Reads a prompt with a strict grammar: every word must be accounted for, or the prompt is refused.

Names come before keywords: where a column may stand, a column called `total` or `count` is that column.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Final

from raylane_common.errors import GenerationError, NeedsModel
from raylane_worker.generation.template.conditions import read_conditions
from raylane_worker.generation.template.cursor import A_FILE, Cursor, supported
from raylane_worker.generation.template.intent import (
    MAX_ROWS,
    Aggregate,
    Condition,
    CountMissing,
    Describe,
    Distinct,
    ListColumns,
    Measure,
    Operation,
    Preview,
    Request,
    Statistic,
    TopRows,
    columns_of,
    numeric_columns,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from raylane_common.wire.sources import Column, CsvSource, TableSource
    from raylane_worker.generation.template.vocabulary import Names, Word

_DEFAULT_ROWS: Final = 10
# A prompt without a number of rows: all that meet its conditions, or else a few.
_SOME_ROWS: Final = Preview(0)
_MAX_STATISTICS: Final = 50


def _each(*parts: str) -> str:
    """All phrases that take one alternative of each part."""
    return "|".join(" ".join(words) for words in product(*(part.split("|") for part in parts)))


_POLITE: Final = (
    "please|kindly|can you|could you|would you|tell me|let me see|i want|i need|i would like|to see|to know"
    "|what is|what's|what are|what was|what were|find|find me|return|calculate|compute|the|a|an|me|us"
)
_SHOW: Final = "show|display|print|list|get|give"
_TAIL: Final = "please|are there|there are|are|do we have|does it have|does|have"
_ROWS: Final = "rows|row|records|record|lines|line|entries|observations"
_COUNT_ROWS: Final = "row count|record count|" + _each(
    "how many|total number of|number of|count of|count the|count all|count", _ROWS
)
_COUNT: Final = "how many|count"
_COLUMNS: Final = (
    "columns|all columns|which columns|what columns|column names|names of the columns|column types|schema"
    "|columns and types|columns and their types"
)
_DIFFERENT: Final = "distinct|unique|different"
_VALUES: Final = "values of|values in|values for|values"
_COUNT_DISTINCT: Final = "count-distinct|count_distinct|distinct count|unique count|" + _each(
    "number of|how many|count|count of", _DIFFERENT
)
_STATISTICS: Final = (
    ("sum|total", Statistic.SUM),
    ("average|mean|avg", Statistic.MEAN),
    ("median", Statistic.MEDIAN),
    ("min|minimum|lowest|smallest", Statistic.MIN),
    ("max|maximum|highest|largest", Statistic.MAX),
    ("standard deviation|std dev|stddev|std", Statistic.STD),
    (_COUNT_DISTINCT, Statistic.DISTINCT),
)
_MISSING: Final = "missing values|null values|missing data|nulls"
_COUNT_MISSING: Final = f"{_MISSING}|" + _each("how many|number of|count the|count", _MISSING)
_EACH_COLUMN: Final = _each("per|by|in each|for each|in every|for every", "column")
_BY: Final = "by|per|for each|for every|grouped by|group by|in each"

_BEYOND_TEMPLATES: Final = (
    "plot|chart|graph|histogram|visualise|visualize|draw|predict|prediction|forecast|train|classify|cluster"
    "|regression|correlate|correlation|correlations|clean|cleanse|impute|deduplicate|dedupe|normalise|normalize|pivot"
    "|join|merge|combine|enrich|trend|trends|explain|why|insight|insights|anomaly|anomalies|outlier|outliers|analyse"
    "|analyze|compare|recommend|summarise|summarize|translate|percentage|percent|ratio|growth"
)


def read(words: Sequence[Word], source: CsvSource | TableSource, sources: Names[CsvSource | TableSource]) -> Request:
    """What the prompt asks of this source; `sources` names all of the session's.

    Raises `NotUnderstood` (details: the words not accounted for), `NeedsModel`, `UnknownColumn`, `AmbiguousColumn`,
    `TypeMismatch`, `UnknownSource`, `AmbiguousSource`.
    """
    cursor = Cursor(words, source, sources)
    try:
        return _request(cursor)
    except GenerationError:
        if (word := _beyond_templates(cursor)) is not None:
            raise NeedsModel(
                f"{word!r} is beyond the template generator; configure a model, or ask for one of the supported forms",
                details={"word": word, "supported": supported()},
            ) from None
        raise


def _beyond_templates(cursor: Cursor) -> str | None:
    cursor.position = 0
    for index, word in enumerate(cursor.words):
        if cursor.ahead(_BEYOND_TEMPLATES, skipping=index) and not cursor.names_column(skipping=index):
            return word.text
    return None


def _request(cursor: Cursor) -> Request:
    operation = _operation(cursor)
    conditions: tuple[Condition, ...] = ()
    while not cursor.at_end:
        if not conditions and cursor.take("where|, where"):
            conditions = read_conditions(cursor)
        elif isinstance(operation, Aggregate) and not operation.keys and cursor.take(_BY):
            operation = Aggregate(operation.measures, cursor.columns())
        elif not cursor.take_source() and not cursor.take(_TAIL):
            cursor.stuck()
    if operation == _SOME_ROWS:
        operation = Preview(None if conditions else _DEFAULT_ROWS)
    return Request(cursor.source, operation, conditions, names_source=cursor.has_named_source)


def _operation(cursor: Cursor) -> Operation:
    cursor.skip(_POLITE)
    to_show = cursor.take(_SHOW)
    cursor.skip(_POLITE)
    for form in (_listing, _missing, _distinct, _count, _top):
        if (operation := form(cursor)) is not None:
            return operation
    return _preview(cursor, to_show=to_show) or Aggregate(_measures(cursor))


def _listing(cursor: Cursor) -> Operation | None:
    if cursor.take(_COLUMNS):
        return ListColumns()
    if cursor.take("describe|summary statistics|descriptive statistics|statistics|summary"):
        return Describe(_optional_columns(cursor) or numeric_columns(cursor.source))
    return None


def _missing(cursor: Cursor) -> Operation | None:
    if not cursor.take(_COUNT_MISSING):
        return None
    named = () if cursor.take(_EACH_COLUMN) else _optional_columns(cursor)
    return CountMissing(named or columns_of(cursor.source))


def _distinct(cursor: Cursor) -> Operation | None:
    if not cursor.take(_DIFFERENT):
        return None
    if cursor.ahead("count"):
        cursor.position -= 1
        return None
    cursor.take(_VALUES)
    return Distinct(cursor.columns())


def _count(cursor: Cursor) -> Operation | None:
    rows = Aggregate((Measure(Statistic.ROWS),))
    if cursor.take(_COUNT_ROWS):
        return rows
    start = cursor.position
    if cursor.take(_COUNT):
        if _at_clause(cursor):
            return rows
        cursor.position = start
    return None


def _top(cursor: Cursor) -> Operation | None:
    start = cursor.position
    descending = cursor.take("top|highest|largest")
    limit = cursor.take_number() if descending or cursor.take("bottom|lowest|smallest") else None
    if limit is None:
        cursor.position = start
        return None
    _check_limit(cursor, limit)
    cursor.take(_ROWS)
    if cursor.take("by"):
        return TopRows(limit, cursor.column(), descending)
    keys = cursor.columns()
    cursor.expect("by")
    return Aggregate((_rank(cursor),), keys, limit, descending)


def _rank(cursor: Cursor) -> Measure:
    if cursor.take(f"{_COUNT_ROWS}|{_ROWS}|count"):
        return Measure(Statistic.ROWS)
    if not any(cursor.ahead(phrases) for phrases, _ in _STATISTICS) and cursor.names_column():
        cursor.stuck("say which statistic ranks the groups, as in 'top 3 weather by average temp_max'")
    first, *more = _measures(cursor)
    if more:
        cursor.stuck("only one statistic can rank the groups")
    return first


def _preview(cursor: Cursor, *, to_show: bool) -> Preview | None:
    if cursor.take("first row|first record|first line"):
        return Preview(1)
    if cursor.take("first|head|preview|sample of|sample"):
        limit = cursor.take_number()
        if limit is not None:
            _check_limit(cursor, limit)
        cursor.take(_ROWS)
        return Preview(limit) if limit is not None else _SOME_ROWS
    if (limit := cursor.take_number()) is not None:
        _check_limit(cursor, limit)
        cursor.expect(_ROWS)
        return Preview(limit)
    if cursor.take(_each("all|all the", _ROWS)):
        return Preview(None)
    if cursor.take(f"{_ROWS}|data") or (to_show and _at_clause(cursor)):
        return _SOME_ROWS
    return None


def _check_limit(cursor: Cursor, limit: int) -> None:
    if not 1 <= limit <= MAX_ROWS:
        cursor.position -= 1
        cursor.stuck(f"between 1 and {MAX_ROWS:,} rows can be shown")


def _measures(cursor: Cursor) -> tuple[Measure, ...]:
    """Statistics of columns: `average a`, `min and max of a`, `average a and b`, `average a and max b`."""
    measures: list[Measure] = []
    is_more = True
    while is_more:
        statistics = _statistics(cursor)
        columns = [cursor.column()]
        is_more = False
        while not is_more and cursor.take_and():
            if cursor.names_column() or not _at_statistic(cursor):
                columns.append(cursor.column())
            else:
                is_more = True
        measures += [Measure(statistic, column) for column in columns for statistic in statistics]
        if len(measures) > _MAX_STATISTICS:
            cursor.stuck(f"at most {_MAX_STATISTICS} statistics can be asked for at once")
    return tuple(dict.fromkeys(measures))


def _statistics(cursor: Cursor) -> list[Statistic]:
    found: list[Statistic] = []
    while True:
        statistic = next((one for phrases, one in _STATISTICS if cursor.take(phrases)), None)
        if statistic is None:
            cursor.stuck()
        found.append(statistic)
        if statistic is Statistic.DISTINCT:
            cursor.take(_VALUES)
        if cursor.names_column() or not cursor.take_and():
            return found


def _at_statistic(cursor: Cursor) -> bool:
    return any(cursor.ahead(phrases) for phrases, _ in _STATISTICS)


def _optional_columns(cursor: Cursor) -> tuple[Column, ...]:
    """Columns after an operation that does without them too, and may be followed by its source instead."""
    if cursor.names_column():
        return cursor.columns()
    if _at_clause(cursor):
        return ()
    introduced = cursor.take("of the|of|for the|for|in the|in|on the|on|the|this")
    if cursor.take(f"all columns|columns|numeric columns|{A_FILE}"):
        return ()
    return cursor.columns() if introduced else ()


def _at_clause(cursor: Cursor) -> bool:
    """Whether the prompt ends here or goes on with what may follow any operation."""
    start = cursor.position
    found = cursor.at_end or cursor.ahead(f"where|{_BY}|{_TAIL}") or cursor.take_source()
    cursor.position = start
    return found
