"""`require_text` explains a text that no row has, and ends the script without an answer."""

from __future__ import annotations

import pytest

from tests.helpers.files import uploaded
from tests.helpers.kit import Ran, kit, run_script

DATA = "sex,city,n\nFemale,Köln,1\nMale,New York,2\n,new-york,3\nMale,Bonn,4\n".encode()
EMPTY = b"sex,n\n,1\n,2\n"


def run(call: str, data: bytes = DATA) -> Ran:
    source, objects = uploaded("people.csv", data, bucket="lake", session_id="s")
    code = (
        "from raylane_run import answer, read, require_text\n"
        f"people = read({source.location!r})\n{call}\n"
        "answer.value('rows', len(people))\n"
    )
    with kit({f"s3://lake/{key}": body for key, body in objects.items()}, [source]) as package:
        return run_script(code, package)


@pytest.mark.parametrize(
    ("call", "notes"),
    [
        ("require_text(people, 'sex', 'female')", ["No value of 'sex' is 'female'; did you mean 'Female'?"]),
        (
            "require_text(people, 'sex', 'Male', 'other')",
            ["No value of 'sex' is 'other'; it has values such as 'Female', 'Male'."],
        ),
        (
            "require_text(people, 'city', 'newyork')",
            ["No value of 'city' is 'newyork'; did you mean 'New York', 'new-york'?"],
        ),
        (
            "require_text(people, 'city', 'KÖ', contains=True)",
            ["No value of 'city' contains 'KÖ'; did you mean 'Köln'?"],
        ),
        (
            "require_text(people[people['n'] > 9], 'sex', 'Male')",
            ["No value of 'sex' is 'Male'; it is empty."],
        ),
        (
            "require_text(people, 'n', '5')",
            ["No value of 'n' is '5'; it has values such as '1', '2', '3', '4'."],
        ),
        (
            "require_text(people, 'sex', '?')",
            ["No value of 'sex' is '?'; it has values such as 'Female', 'Male'."],
        ),
    ],
)
def test_a_text_that_no_row_has_ends_the_script_with_a_note(call: str, notes: list[str]) -> None:
    ran = run(call)
    assert ran.error is None
    assert ran.answer is not None
    assert (list(ran.answer.notes), ran.answer.items) == (notes, ())
    assert ran.output == "".join(f"Note: {note}\n" for note in notes)


def test_a_column_without_a_value_is_empty() -> None:
    ran = run("require_text(people, 'sex', 'x')", EMPTY)
    assert ran.answer is not None
    assert ran.answer.notes == ("No value of 'sex' is 'x'; it is empty.",)


def test_a_text_that_is_there_lets_the_script_go_on_and_notes_other_spellings() -> None:
    ran = run("require_text(people, 'city', 'New York', 'Bonn')\nrequire_text(people, 'city', 'öln', contains=True)")
    assert ran.answer is not None
    assert ran.answer.notes == ("'city' also has 'new-york', spelled differently from 'New York'.",)
    assert len(ran.answer.items) == 1


def test_a_value_that_looks_the_same_is_noted_with_its_characters() -> None:
    data = "city,n\nZürich,1\nZu\u0308rich,2\n\uff22ern,3\n".encode()
    ran = run("require_text(people, 'city', 'Zürich')", data)
    assert ran.answer is not None
    assert ran.answer.notes == (r"'city' also has 'Zu\u0308rich', spelled differently from 'Zürich'.",)
    ran = run("require_text(people, 'city', 'Bern')", data)
    assert ran.answer is not None
    assert ran.answer.notes == (r"No value of 'city' is 'Bern'; did you mean '\uff22ern'?",)


def test_a_column_that_is_not_there_is_an_error() -> None:
    ran = run("require_text(people, 'town', 'Bonn')")
    assert "KeyError: 'town'" in (ran.error or "")
