"""The code of the template generator passes verification, is always the same, and treats data as data."""

from __future__ import annotations

import ast
import hashlib
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from hypothesis import event, given
from hypothesis import strategies as st
from pyarrow import csv as arrow_csv

from raylane_common.errors import RaylaneError, TypeMismatch
from raylane_common.wire.names import Engine
from raylane_common.wire.reading import NULL_MARKERS, SerDe, TableReading
from raylane_common.wire.sources import ColumnType
from raylane_worker.generation.template.builder import MAX_LINES
from raylane_worker.generation.template.generator import write
from raylane_worker.generation.verify import verify
from tests.unit.generation import schemas
from tests.unit.generation.schemas import WEATHER, column, csv_source, table_source

if TYPE_CHECKING:
    from raylane_common.wire.sources import Source


@given(st.data(), st.sampled_from(Engine), st.booleans())
def test_every_script_passes_verification_and_fits_on_a_screen(
    data: st.DataObject, engine: Engine, chart: bool
) -> None:
    source = data.draw(schemas.sources)
    prompt = data.draw(schemas.prompts(source))
    try:
        draft = write(prompt, [source], engine=engine, chart=chart)
    except RaylaneError as error:
        event(type(error).__name__)
        return
    event(draft.template_id)
    assert verify(draft.code, [source], engine) == [], draft.code
    assert draft.code.count("\n") <= MAX_LINES, draft.code
    assert chart or "answer.chart" not in draft.code


@given(st.data(), st.sampled_from(Engine))
def test_the_same_prompt_gives_the_same_code(data: st.DataObject, engine: Engine) -> None:
    source = data.draw(schemas.sources)
    prompt = data.draw(schemas.prompts(source))
    with suppress(RaylaneError):
        assert write(prompt, [source], engine=engine) == write(prompt, [source], engine=engine)


@given(st.data())
def test_both_engines_understand_the_same_prompts_in_the_same_way(data: st.DataObject) -> None:
    source = data.draw(schemas.sources)
    prompt = data.draw(schemas.prompts(source))
    read = []
    for engine in Engine:
        try:
            draft = write(prompt, [source], engine=engine)
        except RaylaneError as error:
            read.append((type(error).__name__, error.message, ""))
        else:
            read.append((draft.interpreted_as, draft.template_id, draft.question))
    assert read[0] == read[1]


@pytest.mark.parametrize("engine", Engine)
def test_the_header_names_the_template_and_does_not_repeat_the_prompt(engine: Engine) -> None:
    prompt = "average temp_max by weather where weather != 'secret words'"
    draft = write(prompt, [WEATHER], engine=engine)
    digest = hashlib.sha256(prompt.encode()).hexdigest()
    header = draft.code.splitlines()[0]
    assert draft.template_id == "group_by"
    assert header == f"# Written by Raylane's template generator: template group_by, prompt sha256:{digest[:16]}."
    assert all("secret words" not in line for line in draft.code.splitlines() if "#" in line)


@pytest.mark.parametrize("engine", Engine)
@pytest.mark.parametrize(
    "source",
    [
        csv_source("odd 100% #1.csv"),
        *(table_source(reading=TableReading(serde=serde, delimiter="\t")) for serde in SerDe),
    ],
    ids=lambda source: source.location,
)
def test_a_source_is_read_by_the_location_that_its_record_has_and_nothing_else(source: Source, engine: Engine) -> None:
    code = write("how many rows", [source], engine=engine).code
    (read,) = [line for line in code.splitlines() if "read(" in line]
    assert read.endswith(f'= read("{source.location}")')


def test_a_script_that_is_usual_reads_like_one_that_a_person_writes() -> None:
    code = write("average temp_max by weather", [WEATHER]).code
    assert (
        code.partition("\n")[2]
        == """\
from raylane_run import answer, read

seattle_weather = read("s3://raylane/sessions/s-1/csv/seattle-weather.csv")
result = (
    seattle_weather.groupby("weather", dropna=False)["temp_max"]
    .mean()
    .reset_index(name="mean(temp_max)")
)
answer.table(result)
if len(result) <= 50:
    answer.chart("bar", data=result, x="weather", y="mean(temp_max)")
"""
    )


@pytest.mark.parametrize("engine", Engine)
def test_a_column_name_that_looks_like_code_stays_a_string(engine: Engine) -> None:
    name = "'); __import__('os').system('id') #"
    source = csv_source(columns=(column(name, ColumnType.NUMBER),))
    code = write(f'sum of "{name}" by "{name}"', [source], engine=engine).code
    assert verify(code, [source], engine) == []
    strings = {node.value for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Constant)}
    assert {name, f"sum({name})"} <= strings


def test_the_words_for_a_missing_value_are_those_of_the_reader_that_ray_uses_and_five_that_people_write() -> None:
    by_hand = {"-", ".", "?", "\\N", "None"}
    assert {*arrow_csv.ConvertOptions().null_values, *by_hand} == set(NULL_MARKERS)


@pytest.mark.parametrize("condition", ["= ''", "!= 'NA'", "in ('Rome', 'N/A')", "= 'null'"])
def test_a_text_that_means_a_missing_value_is_no_value_to_compare_with(condition: str) -> None:
    source = csv_source(columns=(column("city", ColumnType.STRING),))
    with pytest.raises(TypeMismatch, match="write 'city is missing'"):
        write(f"count where city {condition}", [source])
    # The text of a table may be any.
    for serde in SerDe:
        table = table_source(reading=TableReading(serde=serde))
        assert write(f"count where city {condition}", [table]).template_id == "count"


@pytest.mark.parametrize("engine", Engine)
def test_no_column_of_an_answer_is_named_like_another_one(engine: Engine) -> None:
    text = ColumnType.STRING
    source = csv_source(columns=(column("rows", text), column("rows_2", text), column("n", ColumnType.INTEGER)))
    assert '"rows_3"' in write('count records by "rows" and "rows_2"', [source], engine=engine).code
    source = csv_source(columns=(column("n", ColumnType.INTEGER), column("sum(n)", text)))
    code = write("sum of n by `sum(n)`", [source], engine=engine).code
    assert '"sum(n)_2"' in code


@pytest.mark.parametrize("engine", Engine)
def test_only_sources_that_are_known_to_be_small_have_quartiles(engine: Engine) -> None:
    number = column("n", ColumnType.NUMBER)
    small = write("describe n", [csv_source(columns=(number,))], engine=engine)
    assert "left out" not in small.interpreted_as
    for source in (csv_source(columns=(number,), size_bytes=10**10), table_source(columns=(number,))):
        large = write("describe n", [source], engine=engine)
        assert "Quantile" not in large.code
        assert "quartiles are left out, since the source is not known to be small" in large.interpreted_as


@pytest.mark.parametrize("engine", Engine)
@pytest.mark.parametrize(
    "prompt", ["average temp_max by weather", "max wind by date", "average temp_max by weather where wind > 3"]
)
def test_a_script_draws_a_chart_unless_none_may_be_drawn(prompt: str, engine: Engine) -> None:
    drawn, plain = (write(prompt, [WEATHER], engine=engine, chart=chart) for chart in (True, False))
    assert drawn.code.count("answer.chart(") == 1
    assert "answer.chart(" not in plain.code
    assert plain.code.count("answer.table(") == 1
