"""A prompt that can be read in several ways is refused, with a prompt for each reading."""

from __future__ import annotations

from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raylane_common.errors import AmbiguousPrompt, GenerationError, NotUnderstood, RaylaneError, UnknownColumn
from raylane_common.wire.sources import ColumnType, FileSource, Source
from raylane_worker.generation.template.generator import write
from tests.unit.generation.schemas import column, csv_source, table_source

KINDS: Final = {
    "n": ColumnType.NUMBER,
    "s": ColumnType.STRING,
    "d": ColumnType.DATE,
    "t": ColumnType.TIMESTAMP,
}
AMBIGUOUS: Final = "ambiguous"
NOT_UNDERSTOOD: Final = "not_understood"
PAY: Final = "country:s salary:n"
NAMES: Final = "name:s year:n count:n"
CODE: Final = "file:s lines:n"
SALES: Final = "region:s sales:n total_sales:n"
TIMES: Final = "at:t v:n"
PEOPLE: Final = "name:s n:n"


def source(columns: str, filename: str = "x.csv") -> FileSource:
    pairs = [one.rpartition(":") for one in columns.split()]
    return csv_source(filename, columns=tuple(column(name.replace("_", " "), KINDS[kind]) for name, _, kind in pairs))


def outcome(prompt: str, columns: str, filename: str = "x.csv") -> str:
    """How the prompt was read, or the code of the error."""
    try:
        return write(prompt, [source(columns, filename)]).interpreted_as.partition(f" in {filename}")[0]
    except GenerationError as error:
        return error.code


@pytest.mark.parametrize(
    ("columns", "prompt", "expected"),
    [
        # A word of the data is not skipped as courtesy.
        (PAY, "what is the US average salary", NOT_UNDERSTOOD),
        (PAY, "what is the us average salary", NOT_UNDERSTOOD),
        (PAY, "show ME average salary", NOT_UNDERSTOOD),
        (PAY, "IT average salary", NOT_UNDERSTOOD),
        (PAY, "what is THE average salary", NOT_UNDERSTOOD),
        (PAY, "what is a average salary", NOT_UNDERSTOOD),
        (PAY, "average salary of data", NOT_UNDERSTOOD),
        (PAY, "average salary in this Table", NOT_UNDERSTOOD),
        (PAY, "average salary do we have", NOT_UNDERSTOOD),
        (PAY, "show me the average salary in the data please", "The average of 'salary'"),
        ("me:s salary:n", "show me", AMBIGUOUS),
        ("please:n salary:n", "average salary please", AMBIGUOUS),
        # A column that is called like a keyword.
        (NAMES, "top 1 name by count", AMBIGUOUS),
        (NAMES, "count by name", AMBIGUOUS),
        (NAMES, "count", AMBIGUOUS),
        (NAMES, "count rows by name", "The number of rows for each 'name'"),
        (NAMES, "top 1 name by sum of count", "The group by 'name' with the largest sum of 'count'"),
        (NAMES, "top 1 by count", "The row with the largest 'count'"),
        (NAMES, "distinct count", "The distinct values of 'count' with their frequency"),
        (CODE, "top 1 file by lines", AMBIGUOUS),
        (CODE, "count lines by file", AMBIGUOUS),
        (CODE, "how many lines", AMBIGUOUS),
        (CODE, "first 5 lines", AMBIGUOUS),
        (CODE, "first 5 rows", "The first 5 rows"),
        (CODE, "missing values in the file", AMBIGUOUS),
        ("data:s n:n", "describe the data", AMBIGUOUS),
        ("columns:n s:s", "columns", AMBIGUOUS),
        ("missing:n city:s", "missing values", AMBIGUOUS),
        ("first:s last:s", "first 5 rows", "The first 5 rows"),
        ("first:s last:s", "show first", AMBIGUOUS),
        ("and:n by:s not:n in:n", "sum of in and and by by where not > 3", None),
        ("is:n between:n", "count where between between 1 and 2 and is is 3", None),
        ("max:n total:n", "max total", "The maximum of 'total'"),
        # A statistic's word that begins a column's name.
        (SALES, "total sales by region", AMBIGUOUS),
        (SALES, "total sales", AMBIGUOUS),
        (SALES, "sum of total sales by region", "The sum of 'total sales' for each 'region'"),
        (SALES, "average sales by region", "The average of 'sales' for each 'region'"),
        ("region:s total_sales:n", "total sales by region", AMBIGUOUS),
        ("city:s price:n average_price:n", "average price by city", AMBIGUOUS),
        ("city:s temp:n max_temp:n", "max temp", AMBIGUOUS),
        ("x:n min_x:n", "min x", AMBIGUOUS),
        ("city:s number_of_rooms:n", "number of rooms by city", AMBIGUOUS),
        ("file:s number_of_rows:n", "number of rows by file", AMBIGUOUS),
        ("car:s top_speed:n", "average top speed by car", "The average of 'top speed' for each 'car'"),
        ("a:n b:n a_and_b:n", "sum of a and b", AMBIGUOUS),
        ("a:n b:n a_and_b:n", "sum of 'a' and 'b'", "The sum of 'a' and the sum of 'b'"),
        ("salary:n city:s salary_by_city:n", "average salary by city", AMBIGUOUS),
        # A day as the bound of times.
        (TIMES, "sum of v where at between 2024-01-30 and 2024-01-31", None),
        (TIMES, "sum of v where at = 2024-01-31", "The sum of 'v' over the rows where 'at' is on the day 2024-01-31"),
        (
            TIMES,
            "sum of v where at after 2024-01-31",
            "The sum of 'v' over the rows where 'at' is after the day 2024-01-31",
        ),
        (TIMES, "sum of v where at between 2024-01-31 and 2024-01-30", "type_mismatch"),
        (TIMES, "sum of v where at between '2024-01-30 10:00' and 2024-01-30", None),
        (TIMES, "sum of v where at = 2024", "type_mismatch"),
        # Values keep their signs.
        (PEOPLE, "count where name = O'Neill, Jr.", NOT_UNDERSTOOD),
        (PEOPLE, 'count where name = "O\'Neill, Jr."', """The number of rows where 'name' = "O'Neill, Jr.\""""),
        (PEOPLE, "count where name = A-1/B", "The number of rows where 'name' = 'A-1/B'"),
        (PEOPLE, "count where name = Jr.", AMBIGUOUS),
        (PEOPLE, "count where name = Yahoo!", AMBIGUOUS),
        (PEOPLE, "count where name = rain.", "The number of rows where 'name' = 'rain'"),
        (PEOPLE, "count where name = C++", NOT_UNDERSTOOD),
        (PEOPLE, "count where name = New York", NOT_UNDERSTOOD),
        (PEOPLE, "count where name in (War and Peace, Emma)", NOT_UNDERSTOOD),
        (PEOPLE, "count where name = 'War and Peace'", "The number of rows where 'name' = 'War and Peace'"),
        (PEOPLE, "count where n > 1,000", "The number of rows where 'n' > 1000"),
        (PEOPLE, "count where n in (1,000, 2,000)", AMBIGUOUS),
        (PEOPLE, "count where n in (100,200)", AMBIGUOUS),
        (PEOPLE, "count where n in (100, 200)", "The number of rows where 'n' is one of 100, 200"),
        (PEOPLE, "count where n > 1,5", NOT_UNDERSTOOD),
        (PEOPLE, "count where n > 15%", NOT_UNDERSTOOD),
        (PEOPLE, "count where n > $100", "type_mismatch"),
        (PEOPLE, "count where n between 5 and 1", "type_mismatch"),
        # More than one sentence, negation.
        (PAY, "average salary. Only the US", NOT_UNDERSTOOD),
        (PAY, "average salary; by country", NOT_UNDERSTOOD),
        (PAY, "average salary not by country", NOT_UNDERSTOOD),
        (PAY, "average salary without US", NOT_UNDERSTOOD),
        # What is said twice.
        ("s:s n:n", "top 3 s by max n", "The 3 groups by 's' with the largest maximum of 'n'"),
        ("s:s n:n", "top 1 s by count", "The group by 's' with the largest number of rows"),
    ],
)
def test_a_prompt_with_two_readings_is_refused_and_others_say_their_reading(
    columns: str, prompt: str, expected: str | None
) -> None:
    found = outcome(prompt, columns)
    if expected is None:
        assert found not in (AMBIGUOUS, NOT_UNDERSTOOD)
    else:
        assert found == expected


@pytest.mark.parametrize(
    ("columns", "prompt", "choices"),
    [
        (
            NAMES,
            "top 1 name by count",
            [
                "top 1 'name' by number of rows in 'x.csv'",
                "top 1 'name' by sum of 'count' in 'x.csv'",
                "top 1 'name' by average of 'count' in 'x.csv'",
            ],
        ),
        (
            SALES,
            "total sales by region where sales > 1",
            [
                "sum of 'sales' by 'region' in 'x.csv' where 'sales' > 1",
                "sum of 'total sales' by 'region' in 'x.csv' where 'sales' > 1",
                "average of 'total sales' by 'region' in 'x.csv' where 'sales' > 1",
            ],
        ),
        (CODE, "first 5 lines", ["first 5 rows in 'x.csv'"]),
        (
            PEOPLE,
            "count where name = Jr.",
            ["how many rows in 'x.csv' where 'name' = 'Jr'", "how many rows in 'x.csv' where 'name' = 'Jr.'"],
        ),
    ],
)
def test_each_choice_of_an_ambiguous_prompt_is_a_prompt_with_one_reading(
    columns: str, prompt: str, choices: list[str]
) -> None:
    with pytest.raises(AmbiguousPrompt) as caught:
        write(prompt, [source(columns)])
    assert caught.value.details["choices"] == choices
    assert all(choice in caught.value.message for choice in choices)
    assert len({outcome(choice, columns) for choice in choices}) == len(choices)


def test_a_word_that_names_the_only_source_may_be_a_value() -> None:
    columns = "department:s salary:n"
    with pytest.raises(AmbiguousPrompt) as caught:
        write("average salary in sales", [source(columns, "sales.csv")])
    assert caught.value.details["choices"] == [
        "average of 'salary' in 'sales.csv'",
        "average of 'salary' in 'sales.csv' where 'department' = 'sales'",
    ]
    for prompt in (
        "average salary in sales.csv",
        "average salary in the sales file",
        "average salary in the table sales",
        "average salary in 'sales.csv'",
    ):
        assert outcome(prompt, columns, "sales.csv") == "The average of 'salary'"
    both: list[Source] = [source(columns, "sales.csv"), table_source()]
    assert write("average salary in sales", both).interpreted_as == "The average of 'salary' in sales.csv"


def test_the_examples_are_about_the_columns_of_the_session() -> None:
    with pytest.raises(NotUnderstood) as caught:
        write("tell me a story", [source(PAY)])
    supported = caught.value.details["supported"]
    assert isinstance(supported, list)
    examples = [str(form["example"]) for form in supported if isinstance(form, dict)]
    assert "average of salary by country" in examples
    assert all(example in caught.value.message for example in examples)
    assert all(outcome(example, PAY) not in (AMBIGUOUS, NOT_UNDERSTOOD) for example in examples)


def test_only_a_similar_column_is_suggested() -> None:
    tips = "total_bill:n tip:n smoker:s day:s time:s"
    for written, nearest in (
        ("number", []),
        ("tipp", ["tip", "time"]),
        ("total", ["total bill"]),
        ("smokers", ["smoker"]),
    ):
        with pytest.raises(UnknownColumn) as caught:
            write(f"max {written}", [source(tips)])
        assert caught.value.details["nearest"] == nearest, written


HOSTILE_WORDS: Final = (
    *(
        "count",
        "rows",
        "row",
        "lines",
        "sum",
        "total",
        "mean",
        "average",
        "min",
        "max",
        "median",
        "first",
        "last",
        "top",
    ),
    *(
        "by",
        "where",
        "and",
        "or",
        "in",
        "not",
        "is",
        "between",
        "number",
        "missing",
        "distinct",
        "date",
        "file",
        "data",
    ),
    *(
        "table",
        "values",
        "column",
        "the",
        "of",
        "me",
        "us",
        "all",
        "please",
        "total_sales",
        "average_price",
        "max_temp",
    ),
    *("number_of_rows", "count_rows", "first_5_rows", "sum_of", "a", "b", "a_and_b", "5", "1,000", "US", "describe"),
)
HOSTILE = st.sampled_from(HOSTILE_WORDS)


@given(st.data())
def test_every_choice_and_every_example_of_a_refusal_is_understood(data: st.DataObject) -> None:
    names = data.draw(st.lists(HOSTILE, min_size=1, max_size=5, unique=True))
    kinds = st.sampled_from(list(KINDS.values()))
    hostile = csv_source("x.csv", columns=tuple(column(name.replace("_", " "), data.draw(kinds)) for name in names))
    prompt = " ".join(data.draw(st.lists(HOSTILE | st.sampled_from(names), min_size=1, max_size=7))).replace("_", " ")
    try:
        write(prompt, [hostile])
    except RaylaneError as error:
        for kind in ("choices", "supported"):
            found = error.details.get(kind, [])
            assert isinstance(found, list)
            for one in found:
                assert write(str(one["example"] if isinstance(one, dict) else one), [hostile]).code, prompt
