"""A question that is written as a prompt is the same question when it is read, alone and with a follow-up."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

import pyarrow as pa
from hypothesis import assume, event, given, settings
from hypothesis import strategies as st

from raylane_common.errors import GenerationError
from raylane_common.wire.names import ChartKind
from raylane_common.wire.sources import ColumnType
from raylane_worker.generation.template.choose_source import parse_prompt
from raylane_worker.generation.template.fitting_charts import check_chart
from raylane_worker.generation.template.follow_up import about, parse_follow_up
from raylane_worker.generation.template.question import Condition, Drawing, Plot, Question, is_ordered
from raylane_worker.generation.template.readings import write_question
from raylane_worker.generation.template.tokens import split_prompt
from raylane_worker.generation.template.type_check import check_types
from raylane_worker.generation.template.write_prompt import write_prompts
from tests.fuzz.engines.questions import conditions_on, questions
from tests.fuzz.engines.tables import Table, cells
from tests.helpers.profiles import by_profile
from tests.unit.generation.schemas import column, csv_source

if TYPE_CHECKING:
    from raylane_common.wire.sources import Source

EXAMPLES = by_profile(fast=20, ci=60, deep=3000)
TYPES = {
    pa.int64(): ColumnType.INTEGER,
    pa.uint64(): ColumnType.INTEGER,
    pa.float64(): ColumnType.NUMBER,
    pa.decimal128(38, 3): ColumnType.NUMBER,
    pa.string(): ColumnType.STRING,
    pa.bool_(): ColumnType.BOOLEAN,
    pa.date32(): ColumnType.DATE,
    pa.time64("us"): ColumnType.TIME,
    pa.timestamp("us"): ColumnType.TIMESTAMP,
}
NAMES = (
    *("a", "b", "total sales", "größe", 'say "hi"', "it's", "count", "column", "a_2", "mean(a)", "rows", "", "by"),
    *("chart", "line", "bar", "plot", "box", "pie", "histogram", "only", "median", "date", "instead", "2012"),
)


@st.composite
def tables(draw: st.DrawFn) -> Table:
    """A source of columns of every type, with names that are words of the grammar, and values of it."""
    names = draw(st.lists(st.sampled_from(NAMES), min_size=2, max_size=5, unique=True))
    types = [draw(st.sampled_from([*TYPES])) for _ in names]
    held = [[None if value != value else value for value in draw(cells(one, 3))] for one in types]
    data = pa.table([pa.array(one, kind) for one, kind in zip(held, types, strict=True)], names)
    columns = [column(name, TYPES[one], str(one)) for name, one in zip(names, types, strict=True)]
    return Table(csv_source("the data.csv", tuple(columns)), {}, data)


def written(question: Question, *others: Source) -> str:
    return write_question(about(question.source, (), [question.source, *others]), question)


def read(prompt: str, *sources: Source) -> Question:
    tokens, ending = split_prompt(prompt)
    return parse_prompt(tokens, sources, ending)


def changed(question: Question, prompt: str) -> Question:
    tokens, ending = split_prompt(prompt)
    return parse_follow_up(tokens, [question.source], ending, earlier=[written(question)])


def fits(question: Question) -> bool:
    try:
        check_types(question)
        check_chart(question)
    except GenerationError:
        return False
    return True


def as_read(condition: Condition) -> Condition:
    """The condition as a prompt has it: a decimal is compared with exactly the digits of the prompt."""
    if not condition.column.native_type.startswith("decimal"):
        return condition
    exact = [Decimal(str(value)) for value in condition.values]
    return replace(condition, values=tuple(int(one) if one == one.to_integral_value() else one for one in exact))


@st.composite
def drawn(draw: st.DrawFn, question: Question) -> Question:
    """The question with a chart that fits, or a chart of rows instead of it."""
    question = replace(question, conditions=tuple(map(as_read, question.conditions)))
    charts = [None, *Drawing, *ChartKind]
    with_chart = replace(question, chart=draw(st.sampled_from(charts)))
    columns = question.source.columns
    numbers, places = [one for one in columns if one.type.is_numeric], [one for one in columns if is_ordered(one)]
    if numbers and draw(st.integers(0, 3)) == 0:
        kind = draw(st.sampled_from([ChartKind.HISTOGRAM, ChartKind.BOX, ChartKind.SCATTER, ChartKind.LINE]))
        others = {
            ChartKind.HISTOGRAM: st.none(),
            ChartKind.BOX: st.none() | st.sampled_from(columns),
            ChartKind.SCATTER: st.sampled_from(places),
            ChartKind.LINE: st.sampled_from(places),
        }
        plot = Plot(kind, draw(st.sampled_from(numbers)), draw(others[kind]))
        with_chart = replace(question, operation=plot, chart=None)
    return with_chart if fits(with_chart) else question


@settings(max_examples=EXAMPLES)
@given(st.data())
def test_what_is_written_is_read_as_the_same_question(data: st.DataObject) -> None:
    table = data.draw(tables())
    question = data.draw(questions(table).flatmap(drawn))
    assume(fits(question))
    event(f"{question.template_id} {question.chart}")
    assert read(written(question), question.source) == question


@settings(max_examples=EXAMPLES // 3)
@given(st.data())
def test_a_follow_up_with_a_condition_is_the_whole_prompt_with_it(data: st.DataObject) -> None:
    table = data.draw(tables())
    question = data.draw(questions(table).flatmap(drawn))
    used = {one.column for one in question.conditions}
    new = data.draw(st.sampled_from(table.source.columns).flatmap(lambda one: conditions_on(table, one)).map(as_read))
    assume(new.column not in used)
    whole = replace(question, conditions=(*question.conditions, new))
    assume(fits(whole))
    prompt = next(write_prompts(replace(whole, conditions=(new,), chart=None)))
    condition = prompt[prompt.index(" where ") :]
    # "only where" may be a column named `only`, and then a condition.
    names = {one.name for one in table.source.columns}
    words = ["and", "but please", "", "just"] + ["now only", "only"] * ("only" not in names)
    said = data.draw(st.sampled_from(words))
    assert changed(question, said + condition) == whole
    assert changed(whole, "without the filter") == replace(whole, conditions=())
