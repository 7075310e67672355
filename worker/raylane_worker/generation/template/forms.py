"""The forms of prompts that the template generator understands, with examples about the columns of a source."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from raylane_common.errors import AmbiguousPrompt, GenerationError, NeedsModel, NotUnderstood, UnknownColumn
from raylane_common.wire.names import ChartKind
from raylane_common.wire.sources import ColumnType
from raylane_worker.generation.columns import columns_of
from raylane_worker.generation.template.names import NameIndex
from raylane_worker.generation.template.prompt import Prompt
from raylane_worker.generation.template.question import (
    Aggregate,
    Comparison,
    Condition,
    CountMissing,
    Describe,
    Distinct,
    ListColumns,
    Measure,
    Plot,
    Preview,
    Question,
    Statistic,
    TopRows,
    numeric_columns,
)
from raylane_worker.generation.template.readings import find_question
from raylane_worker.generation.template.write_prompt import write_example, write_prompts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic import JsonValue

    from raylane_common.wire.sources import Source

_ROWS = Measure(Statistic.ROWS)


def with_forms(error: GenerationError, source: Source) -> GenerationError:
    """Returns the error with the supported forms in its details, and in its message if that says nothing better."""
    if not isinstance(error, NotUnderstood | NeedsModel | UnknownColumn | AmbiguousPrompt):
        return error
    forms = list(_forms(source))
    supported: list[JsonValue] = [{"form": form, "example": example} for form, example in forms]
    message = error.message
    if isinstance(error, NotUnderstood | NeedsModel) and not error.details.get("fits"):
        message += f"; it understands prompts such as {', '.join(repr(example) for _, example in forms)}"
    return type(error)(message, details={**error.details, "supported": supported})


def _forms(source: Source) -> Iterator[tuple[str, str]]:
    """Yields each form that the source's columns allow, with an example."""
    prompt = Prompt([], source, NameIndex([(source.name, source)]))
    for form, question in _examples(source):
        for written in (
            write_example(question, quotes=False),
            write_example(question, quotes=True),
            *write_prompts(question),
        ):
            if written.isprintable() and _means(prompt.rewritten(written), question):
                yield form, written
                break


def _means(prompt: Prompt, question: Question) -> bool:
    try:
        return find_question(prompt) == question
    except GenerationError:
        return False


def _examples(source: Source) -> Iterator[tuple[str, Question]]:
    columns, numbers = columns_of(source), numeric_columns(source)
    keys = [one for one in columns if one.type in (ColumnType.STRING, ColumnType.BOOLEAN)]
    ask, count = partial(Question, source), Aggregate((_ROWS,))
    yield "preview", ask(Preview(5))
    yield "count", ask(count)
    yield "columns", ask(ListColumns())
    yield "missing values", ask(CountMissing(columns))
    if numbers:
        first, last = numbers[0], numbers[-1]
        mean, greatest = Measure(Statistic.MEAN, first), Measure(Statistic.MAX, last)
        yield "describe", ask(Describe(numbers[:2]))
        statistics = "sum, average, median, min, max, standard deviation, count distinct"
        yield statistics, ask(Aggregate((mean, greatest)))
        yield "top or bottom rows", ask(TopRows(5, first, descending=True))
        yield "filter, after any of these", ask(count, (Condition(first, Comparison.BETWEEN, (1, 20)),))
    for key in keys[:1]:
        yield "distinct values", ask(Distinct((key,)))
        yield "grouped, by one or more columns", ask(Aggregate((_ROWS,), (key,)))
        if key.type is ColumnType.STRING:
            yield "filter by text", ask(count, (Condition(key, Comparison.EQUAL, ("a text",)),))
        if numbers:
            yield "statistics of groups", ask(Aggregate((mean,), (key,)))
            yield "top or bottom groups", ask(Aggregate((mean,), (key,), 3))
        yield "chart of groups: bar, line, pie or scatter", ask(Aggregate((_ROWS,), (key,)), chart=ChartKind.PIE)
    if numbers:
        yield "histogram, or box plot", ask(Plot(ChartKind.HISTOGRAM, first))
        if first != last:
            yield "scatter plot, or line", ask(Plot(ChartKind.SCATTER, last, first))
