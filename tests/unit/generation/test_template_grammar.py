"""Which prompts the template generator understands, and how it refuses the others."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raylane_common.errors import (
    AmbiguousColumn,
    AmbiguousSource,
    GenerationError,
    NeedsModel,
    NoSources,
    NotUnderstood,
    RaylaneError,
    TypeMismatch,
    UnknownColumn,
    UnknownSource,
)
from raylane_common.wire.sources import ColumnType, Source
from raylane_worker.generation.template.generator import write
from tests.unit.generation import schemas
from tests.unit.generation.schemas import ORDERS, WEATHER, column, csv_source, table_source

UNDERSTOOD = {
    "average temp_max by weather": "The average of 'temp_max' for each 'weather'",
    "What is the average temp max for each weather?": "The average of 'temp_max' for each 'weather'",
    'AVERAGE "temp_max" BY `weather`': "The average of 'temp_max' for each 'weather'",
    "average temp_max where wind > 3 by weather": (
        "The average of 'temp_max' for each 'weather' over the rows where 'wind' > 3"
    ),
    "average temp_max and max wind by weather, where wind > 3": (
        "The average of 'temp_max' and the maximum of 'wind' for each 'weather' over the rows where 'wind' > 3"
    ),
    "max and min of wind per weather": ("The maximum of 'wind' and the minimum of 'wind' for each 'weather'"),
    "sum of precipitation": "The sum of 'precipitation'",
    "the sum of the precipitation in the file": "The sum of 'precipitation'",
    "standard deviation of wind": "The sample standard deviation (n - 1) of 'wind'",
    "median temp_max and wind": "The median of 'temp_max' and the median of 'wind'",
    "what is the highest temp_max": "The maximum of 'temp_max'",
    "first 5 rows": "The first 5 rows",
    "Please show me the first five rows.": "The first 5 rows",
    "first row": "The first row",
    "preview seattle-weather.csv": "The first 10 rows",
    "show me the data": "The first 10 rows",
    "give me 3 rows": "The first 3 rows",
    "how many rows": "The number of rows",
    "How many rows are there in seattle-weather.csv?": "The number of rows",
    "how many rows does seattle-weather.csv have": "The number of rows",
    "row count": "The number of rows",
    "count rows by weather": "The number of rows for each 'weather'",
    "count by weather": "The number of rows for each 'weather'",
    "describe": "Summary statistics of 'precipitation', 'temp_max', 'temp_min', 'wind'",
    "describe the data": "Summary statistics of 'precipitation', 'temp_max', 'temp_min', 'wind'",
    "describe the wind column": "Summary statistics of 'wind'",
    "summary statistics of wind and temp_min": "Summary statistics of 'wind', 'temp_min'",
    "columns": "The columns and their types",
    "what columns are there?": "The columns and their types",
    "missing values per column": (
        "The number of missing values of 'date', 'precipitation', 'temp_max', 'temp_min', 'wind', 'weather'"
    ),
    "how many missing values in wind": "The number of missing values of 'wind'",
    "top 5 by temp_max": "The 5 rows with the largest 'temp_max'",
    "bottom 3 rows by date": "The 3 rows with the smallest 'date'",
    "top 1 by wind": "The row with the largest 'wind'",
    "top 1 weather by count": "The group by 'weather' with the largest number of rows",
    "top 3 weather by average temp_max": "The 3 groups by 'weather' with the largest average of 'temp_max'",
    "bottom 2 weather by count": "The 2 groups by 'weather' with the smallest number of rows",
    "distinct weather and date": "The distinct combinations of 'weather', 'date' with their frequency",
    "distinct weather": "The distinct values of 'weather' with their frequency",
    "list the unique weather values": "The distinct values of 'weather' with their frequency",
    "number of unique values of weather by wind": "The number of distinct values of 'weather' for each 'wind'",
    "distinct count of weather": "The number of distinct values of 'weather'",
    "count where weather = 'rain'": "The number of rows where 'weather' = 'rain'",
    "count rows where weather is fog and wind at least 3": "The number of rows where 'weather' = 'fog' and 'wind' >= 3",
    "rows where weather in (rain, 'heavy snow')": "All rows where 'weather' is one of 'rain', 'heavy snow'",
    "first 3 rows where weather contains 'ai'": "The first 3 rows where 'weather' contains 'ai'",
    "count where temp_max between -1.5 and 3": (
        "The number of rows where 'temp_max' is between -1.5 and 3 (both included)"
    ),
    "count where date >= 2014-01-01 and date before '2014-02-01'": (
        "The number of rows where 'date' >= 2014-01-01 and 'date' < 2014-02-01"
    ),
    "count where wind is missing": "The number of rows where 'wind' is missing",
    "count where wind is not missing and weather not null": (
        "The number of rows where 'wind' is not missing and 'weather' is not missing"
    ),
    "count rows by weather, please": "The number of rows for each 'weather'",
}

REFUSED: dict[str, tuple[type[GenerationError], dict[str, Any]]] = {
    "": (NotUnderstood, {"unconsumed": []}),
    "hello": (NotUnderstood, {"unconsumed": ["hello"]}),
    "average": (NotUnderstood, {"unconsumed": []}),
    "average temp_max by": (NotUnderstood, {"unconsumed": []}),
    "average temp_max not by weather": (NotUnderstood, {"unconsumed": ["not", "by", "weather"]}),
    "average temp_max except rain": (NotUnderstood, {"unconsumed": ["except", "rain"]}),
    "average temp_max. How many rows": (NotUnderstood, {"unconsumed": [".", "How", "many", "rows"]}),
    "average temp_max by weather sorted by wind": (NotUnderstood, {"unconsumed": ["sorted", "by", "wind"]}),
    "count where weather is not rain": (NotUnderstood, {"unconsumed": ["not", "rain"]}),
    "count where weather = rain or weather = fog": (NotUnderstood, {"unconsumed": ["or", "weather", "=", "fog"]}),
    "count where weather = missing": (NotUnderstood, {"unconsumed": ["missing"]}),
    "count where wind > 3 m": (NotUnderstood, {"unconsumed": ["m"]}),
    "count weather": (NotUnderstood, {"unconsumed": ["weather"]}),
    "last 5 rows": (NotUnderstood, {"unconsumed": ["last", "5", "rows"]}),
    "first 0 rows": (NotUnderstood, {"unconsumed": ["0", "rows"]}),
    "first 1001 rows": (NotUnderstood, {"unconsumed": ["1001", "rows"]}),
    "top 3 weather by temp_max": (NotUnderstood, {"unconsumed": ["temp_max"]}),
    "wind " * 201: (NotUnderstood, {"unconsumed": ["wind"]}),
    "average temp_max by weather. Then plot it": (NotUnderstood, {"unconsumed": [".", "Then", "plot", "it"]}),
    "predict temp_max": (NeedsModel, {"word": "predict"}),
    "join a with b": (NeedsModel, {"word": "join"}),
    "correlation between wind and temp_max": (NeedsModel, {"word": "correlation"}),
    "clean the data": (NeedsModel, {"word": "clean"}),
    "average max temp by weather": (UnknownColumn, {"column": "max temp", "nearest": ["temp_max", "temp_min"]}),
    "average temp_max by cloud cover": (UnknownColumn, {"column": "cloud cover"}),
    "count where rainfall > 3": (UnknownColumn, {"column": "rainfall"}),
    "count where sky contains 'x'": (UnknownColumn, {"column": "sky"}),
    "count where rainfall over 3": (UnknownColumn, {"column": "rainfall"}),
    "count where wind is not 3": (NotUnderstood, {"unconsumed": ["not", "3"]}),
    "average weather": (TypeMismatch, {"column": "weather"}),
    "max weather": (TypeMismatch, {"column": "weather"}),
    "describe weather": (TypeMismatch, {"column": "weather"}),
    "sum of date": (TypeMismatch, {"column": "date"}),
    "top 5 by weather": (TypeMismatch, {"column": "weather"}),
    "top 2 weather by max date": (TypeMismatch, {"column": "date"}),
    "count where weather > 'a'": (TypeMismatch, {"column": "weather"}),
    "count where wind = rain": (TypeMismatch, {"column": "wind"}),
    "count where wind = '3'": (TypeMismatch, {"column": "wind"}),
    "count where temp_max > temp_min": (TypeMismatch, {"column": "temp_max"}),
    "count where wind contains 3": (TypeMismatch, {"column": "wind"}),
    "count where wind > 99999999999999999999": (TypeMismatch, {"column": "wind"}),
    "count where wind > 1e999": (TypeMismatch, {"column": "wind"}),
    "count where date > yesterday": (TypeMismatch, {"column": "date"}),
    "count where date > 2020-13-01": (TypeMismatch, {"column": "date"}),
    "count where date > '2020-01-01 10:00:00'": (TypeMismatch, {"column": "date"}),
    "first 5 rows of other.csv": (UnknownSource, {"source": "other.csv"}),
}


@pytest.mark.parametrize(("prompt", "meaning"), UNDERSTOOD.items())
def test_a_prompt_of_the_grammar_is_understood(prompt: str, meaning: str) -> None:
    said = write(prompt, [WEATHER]).interpreted_as
    assert said.partition(";")[0] == f"{meaning} in seattle-weather.csv"


@pytest.mark.parametrize(("prompt", "kind", "details"), [(prompt, *rest) for prompt, rest in REFUSED.items()])
def test_any_other_prompt_is_refused_with_the_reason(
    prompt: str, kind: type[GenerationError], details: dict[str, Any]
) -> None:
    with pytest.raises(GenerationError) as caught:
        write(prompt, [WEATHER])
    assert type(caught.value) is kind, caught.value
    assert {name: caught.value.details[name] for name in details} == details
    if kind in (NotUnderstood, NeedsModel, UnknownColumn):
        supported = caught.value.details["supported"]
        assert isinstance(supported, list)
        assert {"form": "count", "example": "how many rows"} in supported


def test_every_supported_example_is_understood() -> None:
    with pytest.raises(NotUnderstood) as caught:
        write("?", [WEATHER])
    supported = caught.value.details["supported"]
    assert isinstance(supported, list)
    for form in supported:
        assert isinstance(form, dict)
        assert write(str(form["example"]), [WEATHER]).code


def test_where_a_column_is_expected_a_keyword_may_name_one() -> None:
    kinds = {"total": ColumnType.NUMBER, "count": ColumnType.INTEGER, "by": ColumnType.STRING, "max": ColumnType.NUMBER}
    source = csv_source(columns=tuple(column(name, kind) for name, kind in kinds.items()))

    def meaning(prompt: str) -> str:
        return write(prompt, [source]).interpreted_as.partition(" in seattle")[0]

    assert meaning("total total") == "The sum of 'total'"
    assert meaning("sum of total by by") == "The sum of 'total' for each 'by'"
    assert meaning("average count") == "The average of 'count'"
    assert meaning("max max by count") == "The maximum of 'max' for each 'count'"
    assert meaning("top 3 by count") == "The 3 rows with the largest 'count'"
    assert meaning("how many rows where total > 3") == "The number of rows where 'total' > 3"


def test_an_exact_name_wins_over_a_similar_one_and_several_similar_ones_are_ambiguous() -> None:
    number = ColumnType.NUMBER
    source = csv_source(columns=(column("Temp Max", number), column("temp_max", number), column("wind", number)))
    assert "'temp_max'" in write("average temp_max", [source]).interpreted_as
    assert "'Temp Max'" in write("average Temp Max", [source]).interpreted_as
    with pytest.raises(AmbiguousColumn) as caught:
        write("average TEMP MAX", [source])
    assert caught.value.details["candidates"] == ["Temp Max", "temp_max"]


@pytest.mark.parametrize("name", ["Gro\u0308\u00dfe", "Gr\u00f6\u00dfe"])
@pytest.mark.parametrize("asked", ["Gro\u0308\u00dfe", "gr\u00f6\u00dfe"])
def test_a_name_with_accents_of_their_own_is_that_name(name: str, asked: str) -> None:
    source = csv_source(columns=(column(name, ColumnType.INTEGER), column("n", ColumnType.INTEGER)))
    assert repr(name) in write(f"sum of {asked}", [source]).code.replace('"', "'")


def test_names_with_signs_and_spaces_and_the_empty_name_can_be_written() -> None:
    names = ("price ($)", "a, b", "", '"); import os #', "😀 x", "größe")
    source = csv_source(columns=tuple(column(name, ColumnType.NUMBER) for name in names))
    for name, said in zip(names, ("price ($)", "'a, b'", "''", '`"); import os #`', "😀 x", "GRÖSSE"), strict=True):
        assert f"average of {name!r} in" in write(f"average {said}", [source]).interpreted_as, name


def test_a_source_with_duplicate_column_names_can_only_be_counted() -> None:
    source = csv_source(columns=(column("a", ColumnType.NUMBER),) * 2 + (column("b", ColumnType.STRING),))
    assert write("how many rows", [source]).code
    for prompt in ("first 5 rows", "count where b = 'x'", "count rows by b", "columns"):
        with pytest.raises(AmbiguousColumn, match="several columns named 'a'"):
            write(prompt, [source])


def test_a_column_that_is_called_like_a_noun_is_refused_for_its_own_reason() -> None:
    columns = tuple(column(name, ColumnType.STRING) for name in ("value", "values", "file"))
    for one in columns:
        for prompt in ("average {}", "describe {}", "max of {}", "top 3 by {}"):
            with pytest.raises(TypeMismatch, match=f"'{one.name}' is of type string and cannot"):
                write(prompt.format(one.name), [csv_source(columns=columns)])


def test_a_column_without_values_is_not_called_a_type() -> None:
    source = csv_source(columns=(column("a", ColumnType.OTHER, "null"), column("b", ColumnType.OTHER, "time32[s]")))
    with pytest.raises(TypeMismatch, match="column 'a' has no values and cannot have a mean"):
        write("average a", [source])
    with pytest.raises(TypeMismatch, match=r"column 'b' is of type other \(time32\[s\]\) and cannot be grouped by"):
        write("count rows by b", [source])


def test_a_note_names_each_column_once() -> None:
    reading = write("count where weather != 'rain' and weather != 'sun'", [WEATHER]).interpreted_as
    assert "rows where 'weather' is missing are left out" in reading


def test_one_of_several_sources_must_be_named() -> None:
    both: list[Source] = [WEATHER, ORDERS]
    for prompt in ("how many rows", "average temp_max by weather"):
        with pytest.raises(AmbiguousSource) as caught:
            write(prompt, both)
        assert caught.value.details["sources"] == ["seattle-weather.csv", "sales.orders"]
    for prompt in ("how many rows in sales.orders", "how many rows in orders", "count rows of the table orders"):
        assert write(prompt, both).interpreted_as == "The number of rows in sales.orders"
    for prompt in ("describe seattle-weather.csv", "describe 'seattle-weather.csv'", "describe in seattle-weather"):
        assert write(prompt, both).interpreted_as.startswith("Summary statistics of 'precipitation'")
    assert "sales.orders" in write("sum of amount by city in sales.orders where year = 2020", both).interpreted_as


def test_a_value_that_equals_the_name_of_a_source_does_not_name_it() -> None:
    files = csv_source("files.csv", columns=(column("name", ColumnType.STRING),))
    both: list[Source] = [files, WEATHER]
    with pytest.raises(AmbiguousSource):
        write("count where name = 'files.csv'", both)
    assert "in files.csv" in write("count where name = 'files.csv' in files.csv", both).interpreted_as
    assert "in files.csv" in write("count where name = 'seattle-weather.csv'", [files]).interpreted_as


def test_with_several_sources_a_prompt_is_still_refused_for_its_own_error() -> None:
    both: list[Source] = [WEATHER, ORDERS]
    with pytest.raises(NeedsModel):
        write("predict temp_max", both)
    with pytest.raises(NotUnderstood):
        write("make the numbers sing", both)
    with pytest.raises(UnknownSource):
        write("first 5 rows of other.csv", both)
    with pytest.raises(UnknownColumn, match=r"sales\.orders has no column 'temp_max'"):
        write("average temp_max of sales.orders", both)
    with pytest.raises(AmbiguousSource):
        write("how many rows in orders", [ORDERS, table_source().model_copy(update={"database": "archive"})])


def test_a_session_without_sources_has_an_error_of_its_own() -> None:
    with pytest.raises(NoSources):
        write("how many rows", [])


def test_times_are_compared_as_times() -> None:
    source = csv_source(columns=(column("at", ColumnType.TIMESTAMP), column("ok", ColumnType.BOOLEAN)))
    draft = write("count where at > '2020-01-01 00:00' and ok = yes", [source])
    assert '["at"] > "2020-01-01 00:00:00"' in draft.code
    assert '["ok"].eq(True)' in draft.code


@given(prompt=st.text(), source=schemas.sources)
def test_any_text_is_code_or_a_typed_refusal(prompt: str, source: Any) -> None:
    try:
        assert write(prompt, [source]).code
    except RaylaneError as error:
        assert error.info().model_dump_json()


@given(st.data())
def test_any_words_of_the_grammar_are_code_or_a_typed_refusal(data: st.DataObject) -> None:
    words = [word for prompt in (*UNDERSTOOD, *REFUSED) for word in prompt.split()][:400]
    prompt = " ".join(data.draw(st.lists(st.sampled_from(words), max_size=12)))
    try:
        assert write(prompt, [WEATHER]).code
    except RaylaneError as error:
        assert error.message
