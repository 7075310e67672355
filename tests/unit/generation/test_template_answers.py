"""The answers of scripts of the template generator, which run in this process with the kit."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

import pytest

from raylane.answers.cells import shown
from raylane_common.wire.names import CellType, Engine
from raylane_worker.generation.template.generator import write
from raylane_worker.generation.verify import verify
from tests.fuzz.template.fuzz import fuzz
from tests.helpers import profiles
from tests.helpers.answers import table
from tests.helpers.kit import kit, run_script
from tests.helpers.typed_rows import rows
from tests.integration.hand_cases import BUCKET, ZONES, Case, hand_cases

if TYPE_CHECKING:
    from tests.helpers.kit import Ran

BY_FILE = {filename: [*found] for filename, found in groupby(hand_cases(), lambda case: case.filename)}


@pytest.mark.parametrize("filename", BY_FILE)
def test_a_prompt_gets_the_answer_and_the_notes_that_are_written_by_hand(filename: str) -> None:
    wrong = [
        text
        for case, ran in zip(BY_FILE[filename], ran_locally(BY_FILE[filename]), strict=True)
        if (text := case.difference(ran))
    ]
    assert wrong == [], "\n\n".join(wrong)


def ran_locally(cases: list[Case]) -> list[Ran]:
    """Returns how the scripts end for prompts about one file."""
    source, objects = cases[0].upload()
    found = []
    with kit({f"s3://{BUCKET}/{key}": stored for key, stored in objects.items()}, [source]) as package:
        for case in cases:
            code = write(case.prompt, [source]).code
            assert verify(code, [source], Engine.LOCAL) == [], code
            found.append(run_script(code, package))
    return found


def test_the_reading_says_that_the_days_of_times_with_a_zone_are_those_of_utc() -> None:
    source, _ = Case("zones.csv", ZONES.encode(), "", None).upload()
    assert "times and days are those of UTC" in write("sum of v where at = 2024-01-31", [source]).interpreted_as


@pytest.mark.parametrize("written", ["31.95376472", "-0.00123456789", "0.1", "-89.2345044", "1234567.12345", "1e-07"])
def test_a_number_can_be_copied_from_an_answer_into_a_condition(written: str) -> None:
    data = f"x,y\n1,{written}\n2,0.3333333333333333\n".encode()
    [all_rows] = ran_locally([Case("numbers.csv", data, "rows", None)])
    assert all_rows.answer is not None
    (_, one), (_, other) = rows(all_rows.answer)
    assert [shown(one, CellType.NUMBER), shown(other, CellType.NUMBER)] == [written, "0.333333"]
    [count] = ran_locally([Case("numbers.csv", data, f"count where y = {shown(one, CellType.NUMBER)}", None)])
    assert count.answer is not None
    assert rows(count.answer) == [[1]]


@pytest.mark.parametrize("condition", ["{} is missing", "n = 3"])
def test_a_column_without_values_has_the_type_that_it_has_in_the_source(condition: str) -> None:
    data = b"n,ok,text,big,day,at\n1,true,a,12345678901234567,2024-01-31,10:30\n2,,,,,\n"
    names = ("ok", "text", "big", "day", "at")
    prompts = [
        f"{form.format(name)} where {condition.format(name)}" for name in names for form in ("rows", "count by {}")
    ]
    found = ran_locally([Case("gaps.csv", data, prompt, None) for prompt in prompts])
    types = {column.name: column.type for ran in found if ran.answer for column in table(ran.answer).columns}
    assert types == {
        "n": "integer",
        "ok": "boolean",
        "text": "string",
        "big": "integer",
        "day": "date",
        "at": "time",
        "rows": "integer",
    }


@pytest.mark.chaos
def test_every_answer_to_a_random_prompt_is_that_of_duckdb() -> None:
    counts = fuzz(profiles.by_profile(fast=50, ci=150, deep=10_000), profiles.seed())
    print(counts.report())
    assert counts.wrong == [], counts.report()
    assert counts.ran > counts.prompts["phrases"] // 2
