"""What scripts of the template generator print, run on a double of Ray Data."""

from __future__ import annotations

import pytest

from raylane_worker.generation.template.generator import write
from raylane_worker.generation.verify import verify
from tests.fuzz.template.fuzz import fuzz
from tests.helpers import profiles
from tests.helpers.files import uploaded
from tests.helpers.printed import table
from tests.helpers.ray_double import run_script

TIMES = """\
at,v
2024-01-30 00:00:00,1
2024-01-30 10:00:00,2
2024-01-31 23:59:59,4
2024-02-01 00:00:00,8
,16
"""
ZONES = """\
at,v
2024-01-31T23:30:00-05:00,1
2024-01-31T23:30:00+00:00,2
"""
PEOPLE = """\
name,sex,n
"O'Neill, Jr.",Female,1
A-1/B,Female,2
Ann,Male,4
US,male,8
,,16
"""
TANKS = """\
tank,level,liters
1,full,10
2,empty,20
3,Empty ,30
4,,40
"""


def printed(data: str, prompt: str) -> tuple[str, str]:
    """What the script prints, and how the prompt was read."""
    source, objects = uploaded("x.csv", data.encode(), bucket="bucket", session_id="s")
    draft = write(prompt, [source], small=True)
    assert verify(draft.code, [source]) == []
    return run_script(
        draft.code, {f"s3://bucket/{key}": stored for key, stored in objects.items()}
    ), draft.interpreted_as


@pytest.mark.parametrize(
    ("condition", "total"),
    [
        ("between 2024-01-30 and 2024-01-31", 7),
        ("between 2024-01-30 and '2024-01-31 10:00:00'", 3),
        ("between '2024-01-30 10:00:00' and 2024-01-30", 2),
        ("after 2024-01-31", 8),
        ("> 2024-01-30", 12),
        (">= 2024-01-31", 12),
        ("before 2024-01-31", 3),
        ("<= 2024-01-31", 7),
        ("= 2024-01-30", 3),
        ("is 2024-01-31", 4),
        ("!= 2024-01-31", 11),
        ("in (2024-01-30, '2024-02-01 00:00:00')", 11),
        ("<= 9999-12-31", 15),
        ("after '2024-01-31 00:00:00'", 12),
    ],
)
def test_a_day_as_the_bound_of_times_is_the_whole_day(condition: str, total: int) -> None:
    output, _ = printed(TIMES, f"sum of v where at {condition}")
    assert table(output) == [[str(total)]]


def test_the_days_of_times_with_a_zone_are_those_of_utc() -> None:
    output, reading = printed(ZONES, "sum of v where at = 2024-01-31")
    assert table(output) == [["2"]]
    assert "times and days are those of UTC" in reading


@pytest.mark.parametrize(
    ("condition", "explanation"),
    [
        ("sex = female", "No value of 'sex' is 'female'; did you mean 'Female'?"),
        ("sex != FEMALE", "No value of 'sex' is 'FEMALE'; did you mean 'Female'?"),
        ("sex in (Male, 'female ')", "No value of 'sex' is 'female '; did you mean 'Female'?"),
        ("name contains oneill", "No value of 'name' contains 'oneill'; did you mean \"O'Neill, Jr.\"?"),
        ("name = A1B and n > 100", "No value of 'name' is 'A1B'; did you mean 'A-1/B'?"),
        ("sex = woman", "No value of 'sex' is 'woman'; it has values such as 'Female', 'Male', 'male'."),
    ],
)
@pytest.mark.parametrize("operation", ["count", "sum of n", "rows", "count by sex", "top 3 by n", "missing values"])
def test_a_text_that_no_row_has_gets_an_explanation_and_no_table(
    operation: str, condition: str, explanation: str
) -> None:
    output, _ = printed(PEOPLE, f"{operation} where {condition}")
    assert output.splitlines() == [line for line in output.splitlines() if line.startswith(("No value", "Note"))]
    assert explanation in output.splitlines()


def test_another_spelling_of_a_text_that_some_rows_have_is_noted() -> None:
    output, _ = printed(PEOPLE, "count where sex = Male")
    assert output.startswith("Note: 'sex' also has 'male', spelled differently from 'Male'.\n")
    assert table(output) == [["1"]]


@pytest.mark.parametrize(
    ("prompt", "answer"),
    [
        ("sum of liters where level is empty", ["40"]),
        ("sum of liters where level is missing", ["40"]),
        ("sum of liters where level is not missing", ["60"]),
        ("missing values in level", ["level", "1", "25"]),
        ("missing values in level where level is not null", ["level", "0", "0"]),
    ],
)
def test_texts_that_say_that_a_value_is_missing_are_noted(prompt: str, answer: list[str]) -> None:
    output, _ = printed(TANKS, prompt)
    assert output.startswith("Note: not counted as missing in 'level': 'Empty ', 'empty'.\n")
    assert table(output) == [answer]
    output, _ = printed(PEOPLE, "missing values")
    assert "Note" not in output


@pytest.mark.parametrize("written", ["31.95376472", "-0.00123456789", "0.1", "-89.2345044", "1234567.12345", "1e-07"])
def test_a_number_can_be_copied_from_an_answer_into_a_condition(written: str) -> None:
    data = f"x,y\n1,{written}\n2,0.3333333333333333\n"
    output, _ = printed(data, "rows")
    assert table(output)[0] == ["1", written]
    assert table(output)[1] == ["2", "0.333333"]
    assert table(printed(data, f"count where y = {table(output)[0][1]}")[0]) == [["1"]]


def test_an_answer_without_rows_is_printed_if_each_text_is_known() -> None:
    output, _ = printed(PEOPLE, "count where sex = Female and n > 100")
    assert table(output) == [["0"]]
    output, _ = printed(PEOPLE, "describe n where n > 100")
    assert table(output) == [["n", "0", *["null"] * 7]]


@pytest.mark.chaos
def test_every_answer_to_a_random_prompt_is_that_of_duckdb() -> None:
    counts = fuzz(profiles.by_profile(fast=100, ci=300, deep=10_000), profiles.seed())
    print(counts.report())
    assert counts.wrong == [], counts.report()
    assert len(counts.scripts) > counts.prompts["phrases"] // 2
