"""Draws intents, and writes each in one of many phrasings, with or without words that change or keep its meaning."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime
from typing import TYPE_CHECKING, Final

from tests.fuzz.template.intents import ROWS, STATISTICS, Condition, Intent, Measure
from tests.fuzz.template.tables import FILENAME, VALUES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from random import Random

    from tests.fuzz.template.tables import Cell, Table

_SYNONYMS: Final = {
    "sum": ("sum", "total", "sum of", "total of the", "SUM"),
    "average": ("average", "mean", "avg", "average of", "the mean of the"),
    "median": ("median", "median of"),
    "minimum": ("min", "minimum", "lowest", "smallest", "min of", "MIN"),
    "maximum": ("max", "maximum", "highest", "largest", "max of", "MAX of"),
    "sample standard deviation (n - 1)": ("standard deviation of", "std", "stddev"),
    "number of distinct values": ("count distinct", "number of distinct", "distinct count of", "unique count of"),
}
_SIGNS: Final = {
    "=": ("=", "is", "equals", "=="),
    "!=": ("!=", "<>"),
    ">": (">", "is greater than", "more than", "above", "after"),
    ">=": (">=", "at least"),
    "<": ("<", "less than", "is below", "before"),
    "<=": ("<=", "at most"),
    "contains": ("contains",),
}
_COURTESIES: Final = (
    *("", "", "", "please ", "show me ", "what is the ", "What are the ", "can you give me the ", "list the "),
)
# Words that keep the meaning wherever they are understood.
KEEPING: Final = ("please", "the", "kindly", "show", "what is", "file", "in the file", "are there", "of")
# Words that change the meaning, unless they are a name or a value.
CHANGING: Final = (
    *("not", "except", "without", "other than", "only", "no", "women"),
    *("US", "us", "IT", "ME", "NY", "A", "a"),
)
_KEYWORDS: Final = ("count", "rows", "sum", "by", "top", "3", "where", "=", "and", "mean", ",")
NUMERIC: Final = ("BIGINT", "DOUBLE")


def draw_intent(chance: Random, table: Table) -> Intent:
    """Draws a question that the types of the table's columns allow."""
    names = list(table.types)
    numbers = [name for name in names if table.types[name] in NUMERIC]
    ranked = [name for name in names if table.types[name] not in ("VARCHAR", "BOOLEAN")]
    conditions = tuple(_draw_condition(chance, table) for _ in range(chance.choice((0, 0, 1, 1, 2))))
    some = tuple(chance.sample(names, chance.randint(1, min(2, len(names)))))
    kinds = ["preview", "columns", "missing", "distinct", "rows", "grouped rows", "count distinct"]
    kinds += ["describe", *["aggregate"] * 4, *["grouped"] * 4, "top groups"] if numbers else []
    kinds += ["top_rows", "extreme"] if ranked else []
    kind = chance.choice(kinds)
    descending, limit = chance.random() < 0.7, chance.randint(1, 5)
    match kind:
        case "preview":
            return Intent("preview", limit=chance.choice((1, 5, 3)), conditions=conditions)
        case "columns":
            return Intent("columns")
        case "missing" | "distinct":
            return Intent(kind, some, conditions=conditions)
        case "describe":
            return Intent("describe", tuple(chance.sample(numbers, 1)), conditions=conditions)
        case "top_rows":
            rank = (chance.choice(ranked),)
            return Intent("top_rows", rank, limit=limit, descending=descending, conditions=conditions)
        case "rows" | "grouped rows":
            keys = some if kind == "grouped rows" else ()
            return Intent("aggregate", measures=(Measure(ROWS),), keys=keys, conditions=conditions)
        case "count distinct":
            measure = Measure("number of distinct values", chance.choice(names))
            return Intent("aggregate", measures=(measure,), keys=chance.choice(((), some)), conditions=conditions)
        case "extreme":
            measure = Measure(chance.choice(("minimum", "maximum")), chance.choice(ranked))
            return Intent("aggregate", measures=(measure,), conditions=conditions)
        case "top groups":
            measure = chance.choice((Measure(ROWS), Measure(chance.choice(list(STATISTICS)), chance.choice(numbers))))
            grouped = Intent("aggregate", measures=(measure,), keys=some[:1], conditions=conditions)
            return replace(grouped, limit=limit, descending=descending)
        case _:
            statistics = chance.sample(list(STATISTICS), chance.choice((1, 1, 2)))
            measures = tuple(Measure(one, chance.choice(numbers)) for one in statistics)
            return Intent("aggregate", measures=measures, keys=some if kind == "grouped" else (), conditions=conditions)


def write_phrase(chance: Random, intent: Intent) -> str:
    """Returns the intent as somebody may write it, with names between quotes or not."""
    quotes = chance.choice(("", "", "'", "`"))

    def name(column: str) -> str:
        if quotes and quotes not in column:
            return f"{quotes}{column}{quotes}"
        return chance.choice((column, column, column.replace("_", " "), column.replace(" ", "_")))

    def listed(columns: Sequence[str]) -> str:
        return chance.choice((" and ", ", ")).join(map(name, columns))

    by = f" {chance.choice(('by', 'per', 'for each', 'grouped by', 'BY'))} {listed(intent.keys)}" if intent.keys else ""
    match intent.kind:
        case "preview":
            rows = chance.choice(("rows", "records", "lines"))
            what = "first row" if intent.limit == 1 else f"first {intent.limit} {rows}"
        case "columns":
            what = chance.choice(("columns", "which columns", "schema"))
        case "describe":
            what = chance.choice(("describe", "summary statistics of")) + f" {listed(intent.columns)}"
        case "missing":
            counted = chance.choice(("missing values in", "how many missing values in", "nulls in"))
            what = f"{counted} {listed(intent.columns)}"
        case "distinct":
            what = f"{chance.choice(('distinct', 'unique', 'unique values of'))} {listed(intent.columns)}"
        case "top_rows":
            ends = ("top", "highest") if intent.descending else ("bottom", "lowest")
            what = f"{chance.choice(ends)} {intent.limit} {chance.choice(('', 'rows '))}by {name(*intent.columns)}"
        case _ if intent.limit:
            rank = "count" if intent.measures[0].column is None else _statistic(chance, intent.measures[0], name)
            what = f"{'top' if intent.descending else 'bottom'} {intent.limit} {listed(intent.keys)} by {rank}"
            by = ""
        case _ if intent.measures == (Measure(ROWS),):
            what = chance.choice(("how many rows", "count", "count rows", "number of rows", "row count"))
        case _:
            what = chance.choice((" and ", ", ")).join(_statistic(chance, one, name) for one in intent.measures)
    where = ""
    if intent.conditions:
        where = f" where {' and '.join(_write_condition(chance, one, name) for one in intent.conditions)}"
    place = chance.choice(("", "", "", f" in {FILENAME}", f" of '{FILENAME}'", " in the file"))
    ending = chance.choice(("", "", "?", ".", " please"))
    clauses = chance.choice((by + place + where, place + by + where, where + by))
    return f"{chance.choice(_COURTESIES)}{what}{clauses}{ending}"


def write_loose_phrase(chance: Random, intent: Intent) -> str:
    """Returns the intent as people speak: without its statistic, or with a value that has no column.

    Most of these prompts say too little. They may be refused, but not read as another question.
    """
    measure = intent.measures[0] if len(intent.measures) == 1 else None
    if measure and measure.column and not intent.conditions and chance.random() < 0.7:
        by = f" by {', '.join(intent.keys)}" if intent.keys else ""
        if intent.limit:
            end = "top" if intent.descending else "bottom"
            return f"{end} {intent.limit} {', '.join(intent.keys)} by {measure.column}"
        return chance.choice(("{}", "show {}", "how many {}", "count {}", "number of {}")).format(measure.column) + by
    texts = [one for one in intent.conditions if one.sign == "=" and isinstance(one.values[0], str)]
    if texts:
        rest = tuple(one for one in intent.conditions if one is not texts[0])
        phrase = write_phrase(chance, replace(intent, conditions=rest)).rstrip("?.")
        form = chance.choice(("{1} {0}", "{0} {1}", "{0} in {1}", "{0} for {1}", "{0} of {1}", "what is the {1} {0}"))
        return form.format(phrase, texts[0].values[0])
    return write_phrase(chance, intent)


def insert_word(chance: Random, phrase: str, word: str) -> str:
    """Returns the phrase with one word more, outside of quotes."""
    words = phrase.split()
    places = [
        place for place in range(len(words) + 1) if all(" ".join(words[:place]).count(mark) % 2 == 0 for mark in "\"'`")
    ]
    place = chance.choice(places)
    return " ".join([*words[:place], word, *words[place:]])


def soup(chance: Random, table: Table, phrases: Sequence[str]) -> str:
    """Returns words of some phrases, of the table and of the language, in any order."""
    words = [word for phrase in phrases for word in phrase.split()]
    words += [*table.types, *KEEPING, *CHANGING, *_KEYWORDS]
    if chance.random() < 0.8:
        start = phrases[0].split()
        for _ in range(chance.randint(1, 2)):
            position = chance.randrange(len(start) + 1)
            match chance.randint(0, 3):
                case 0:
                    start[position : position + 1] = []
                case 1:
                    start.insert(position, chance.choice(words))
                case 2:
                    start[position : position + 1] = [chance.choice(words)]
                case _:
                    start = [*start, chance.choice((".", "and", "then", ",")), *phrases[-1].split()]
        return " ".join(start)
    return " ".join(chance.choices(words, k=chance.randint(1, 8)))


def _draw_condition(chance: Random, table: Table) -> Condition:
    name = chance.choice(list(table.types))
    kind = table.types[name]
    signs = ["=", "!=", "in", "missing", "not missing"]
    signs += {"VARCHAR": ["contains", "=", "="], "BOOLEAN": []}.get(kind, [">", ">=", "<", "<=", "between", "between"])
    sign = chance.choice(signs)
    if sign in ("missing", "not missing"):
        return Condition(name, sign)
    values = [_draw_value(chance, kind) for _ in range(2)]
    if sign == "between":
        return Condition(name, sign, tuple(sorted(values, key=_order)))
    if sign == "in":
        return Condition(name, sign, tuple(dict.fromkeys(values)))
    value = values[0]
    return Condition(name, sign, (value[:2] if sign == "contains" and isinstance(value, str) else value,))


def _order(value: Cell) -> float:
    """Returns a number in the order of the values of one column; a day comes before its times."""
    if isinstance(value, date):
        return (datetime.fromisoformat(str(value)) - datetime.min).total_seconds()
    assert isinstance(value, int | float)
    return value


def _draw_value(chance: Random, kind: str) -> Cell:
    value = chance.choice(VALUES[kind])
    return value.date() if isinstance(value, datetime) and chance.random() < 0.6 else value


def _statistic(chance: Random, measure: Measure, name: Callable[[str], str]) -> str:
    return f"{chance.choice(_SYNONYMS[measure.statistic])} {name(measure.column or '')}"


def _write_condition(chance: Random, condition: Condition, name: Callable[[str], str]) -> str:
    column, values = name(condition.column), [_write_value(chance, one) for one in condition.values]
    match condition.sign:
        case "missing" | "not missing":
            return f"{column} is {condition.sign}"
        case "between":
            return f"{column} between {values[0]} and {values[1]}"
        case "in":
            listed = chance.choice((f"({', '.join(values)})", " or ".join(values)))
            return f"{column} in {listed}"
        case sign:
            return f"{column} {chance.choice(_SIGNS[sign])} {values[0]}"


def _write_value(chance: Random, value: Cell) -> str:
    match value:
        case bool():
            return str(value).lower()
        case datetime():
            return f"'{value.isoformat(sep=' ')}'"
        case date():
            return value.isoformat()
        case str() if chance.random() < 0.5:
            return f'"{value}"'
        case int() if value >= 1000 and chance.random() < 0.5:
            return f"{value:,}"
        case _:
            return str(value)
