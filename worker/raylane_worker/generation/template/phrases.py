"""The phrases of the grammar. Alternatives are separated by '|', as in `row count|rows`."""

from __future__ import annotations

from itertools import product
from typing import Final

from raylane_common.wire.names import ChartKind
from raylane_worker.generation.template.question import Statistic


def _combine(*parts: str) -> str:
    """Returns all phrases that combine one alternative of each part."""
    return "|".join(" ".join(words) for words in product(*(part.split("|") for part in parts)))


# Courtesy before the operation. No word that could be a value is alone here: "us" is also a country.
POLITE: Final = (
    "please|kindly|can you|could you|would you|tell me|let me see|i want|i need|i would like|to see|to know"
    "|what is|what's|what are|what was|what were|find|find me|return|calculate|compute|the"
)
SHOW: Final = "show|show me|display|print|list|get|get me|give|give me"
# May follow the operation without changing its meaning.
TAIL: Final = "are there|there are|do we have|does it have"

ROWS: Final = "rows|records|lines|entries|observations"
ROW: Final = "row|record|line|entry|observation"
FIRST_ROW: Final = _combine("first", ROW)
ALL_ROWS: Final = _combine("all|all the", ROWS)
COUNT: Final = "how many|count|a count of"
COUNT_ROWS: Final = "row count|record count|" + _combine(
    "how many|total number of|number of|count of|count the|count all|count", ROWS
)

COLUMNS: Final = (
    "columns|all columns|which columns|what columns|column names|names of the columns|column types|schema"
    "|columns and types|columns and their types"
)
DESCRIBE: Final = "describe|summary statistics|descriptive statistics|statistics|summary|a summary"
DISTINCT: Final = "distinct|unique|different"
VALUES: Final = "values of|values in|values for|values"
_MISSING: Final = "missing values|null values|missing data|nulls"
COUNT_MISSING: Final = f"{_MISSING}|" + _combine("how many|number of|count the|count", _MISSING)
EACH_COLUMN: Final = _combine("per|by|in each|for each|in every|for every", "column")
BY: Final = "by|per|for each|for every|grouped by|group by|in each"
HEAD: Final = "first|head|preview|a preview|sample of|sample|a sample of|a sample"
TOP: Final = "top|highest|largest"
BOTTOM: Final = "bottom|lowest|smallest"

STATISTICS: Final = (
    ("sum|total", Statistic.SUM),
    ("average|mean|avg", Statistic.MEAN),
    ("median", Statistic.MEDIAN),
    ("min|minimum|lowest|smallest", Statistic.MIN),
    ("max|maximum|highest|largest", Statistic.MAX),
    ("standard deviation|std dev|stddev|std", Statistic.STD),
    (
        "count-distinct|count_distinct|distinct count|unique count|"
        + _combine("number of|how many|count|count of", DISTINCT),
        Statistic.DISTINCT,
    ),
)
# A column whose name begins with one of these could be meant where its words are read as an operation.
OPERATIONS: Final = "|".join(
    (
        *(names for names, _ in STATISTICS),
        *(COUNT, COUNT_ROWS, ROWS, ROW, COLUMNS, DESCRIBE, DISTINCT, COUNT_MISSING, HEAD, TOP, BOTTOM),
        "number of|total number of|missing|data",
    )
)
# May precede such a column: "how many lines by file", where `lines` is a column.
COUNT_PREFIX: Final = "how many|count|count of|number of|total number of"

# Before an operation, to draw its answer.
DRAW: Final = "plot|draw|chart|graph|visualise|visualize"
CHART_OF: Final = _combine("chart|a chart|graph|a graph|plot|a plot", "of")
_CHART: Final = "chart|graph|plot"
CHART_WORDS: Final = tuple(_CHART.split("|"))
_KINDS: Final = {
    ChartKind.LINE: f"{_combine('line', _CHART)}|line",
    ChartKind.BAR: f"{_combine('bar|column', _CHART)}|barplot|bar",
    ChartKind.PIE: f"{_combine('pie', _CHART)}|pie",
    ChartKind.SCATTER: f"{_combine('scatter', _CHART)}|scatterplot|scatter-plot|scatter",
    ChartKind.HISTOGRAM: "histogram",
    ChartKind.BOX: f"{_combine('box|box-and-whisker', 'plot|chart|diagram')}|boxplot|box-plot",
}


def _and_plural(names: str) -> str:
    return f"{names}|{'|'.join(f'{name}s' for name in names.split('|'))}"


# "a bar chart of", of the answer.
CHARTS_OF: Final = tuple(
    (_combine(f"{said}|{_combine('a|the', said)}", "of|for|showing"), kind)
    for kind, names in _KINDS.items()
    if kind in (ChartKind.LINE, ChartKind.BAR, ChartKind.PIE)
    for said in ["|".join(name for name in names.split("|") if name not in ("line", "bar"))]
)
# "as a bar chart", "as bars".
AS_CHARTS: Final = tuple(
    (f"{_combine('as|in|with', 'a', names)}|{_combine('as', _and_plural(names))}", kind)
    for kind, names in _KINDS.items()
)
# "a bar chart", "bars".
A_CHARTS: Final = tuple((f"{_combine('a', names)}|{_and_plural(names)}", kind) for kind, names in _KINDS.items())
AS_CHART: Final = f"{_combine('as|in|with', 'a', _CHART)}|as chart"
NO_CHART: Final = (
    f"{_combine('without|without a|without the|without any|with no|no', _CHART)}|as a table|as table|only the table"
)
# All that may end a prompt about its chart.
CHART_ENDS: Final = "|".join((NO_CHART, AS_CHART, *(said for said, _ in AS_CHARTS)))
HISTOGRAM: Final = f"{_combine('histogram|a histogram|the histogram', 'of|for')}|distribution of|the distribution of"
BOX: Final = _combine(f"{_KINDS[ChartKind.BOX]}|{_combine('a|the', _KINDS[ChartKind.BOX])}", "of|for")
SCATTER: Final = _combine(f"{_KINDS[ChartKind.SCATTER]}|{_combine('a|the', _KINDS[ChartKind.SCATTER])}", "of|for")
AGAINST: Final = "against|versus|vs"
OVER: Final = "over"

# In a follow-up, which changes an earlier question.
NOW: Final = (
    "now|and now|then|and then|but|please|kindly|ok|okay|yes|no ,|,|show|show me|show it|give me|make it|make that"
    "|draw it|plot it|what about|how about|the same|the same but|do it|i want|it|use|change it to|change to|switch to"
)
AND: Final = "and|, and"
ALSO: Final = "also|and also|, and also|as well as|plus"
ONLY: Final = "only|just|only for|just for|only rows|only those|only the rows|just the rows"
ALL_AGAIN: Final = (
    "for all rows|with all rows|all rows again|everything again|unfiltered"
    f"|{_combine('without|drop|remove|without the|drop the|remove the', 'condition|conditions|filter|filters')}"
    f"|{_combine('no', 'condition|conditions|filter|filters')}"
)
WITHOUT_ON: Final = _combine("without|drop|remove", "the condition on|the conditions on|the filter on")
OVERALL: Final = "overall|in total|without groups|not grouped|ungrouped|no groups"
ALL_GROUPS: Final = "all groups|all of them"
ROW_COUNT: Final = f"count|counts|number of rows|how many|{COUNT_ROWS}"
LARGEST_FIRST: Final = _combine("largest|highest|most", "first")
SMALLEST_FIRST: Final = _combine("smallest|lowest|fewest|least", "first")
# Not values, because they more likely belong to a change that was not understood.
NOT_VALUES: Final = (
    "conditions|condition|filters|filter|groups|the|a|an|of|by|in|for|and|or|not|no|than|to|with|without|first|last"
    f"|missing|null|empty|where|since|from|before|after|until|between|per|as|only|just|also|instead|top|bottom|{NOW}"
)
# May follow a value without quotes. Another word would be a part of something that is not understood.
AFTER_VALUE: Final = ",|and|or|but|as|instead|please|again"

NUMBERS: Final = {
    "one": 1,
    "two": 2,
    "three": 3,
    "four": 4,
    "five": 5,
    "six": 6,
    "seven": 7,
    "eight": 8,
    "nine": 9,
    "ten": 10,
}

# Before and after the name of a source.
SOURCE_PREPOSITION: Final = "in|from|of|for|on"
SOURCE_ARTICLE: Final = "the|this"
SOURCE_NOUN: Final = "file|table|dataset|data|csv"
COLUMN_NOUN: Final = "columns|column|values|value"
# Words that end an unknown name.
NAME_BOUNDARY: Final = (
    "and|or|by|per|for|where|in|from|of|is|are|with|between|contains|equals|equal to|exceeds|above|over|below|under"
    "|before|after|at least|at most|greater than|more than|less than|fewer than"
)

# Words that ask for something that no template can do.
NEEDS_MODEL: Final = (
    "predict|prediction|forecast|train|classify|cluster"
    "|regression|correlate|correlation|correlations|clean|cleanse|impute|deduplicate|dedupe|normalise|normalize|pivot"
    "|join|merge|combine|enrich|trend|trends|explain|why|insight|insights|anomaly|anomalies|outlier|outliers|analyse"
    "|analyze|compare|recommend|summarise|summarize|translate|percentage|percent|ratio|growth"
)
