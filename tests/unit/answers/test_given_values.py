"""Values that scripts give to `raylane_run.answer`, its bounds, what it prints, and when it is written."""

from __future__ import annotations

import math
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from raylane_worker.run_kit import raylane_run
from tests.helpers.answers import Given, table, value

KIT = str(Path(raylane_run.__file__).parents[1])


@pytest.fixture
def given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Given:
    """An answer that is written below `tmp_path`."""
    return Given(tmp_path, monkeypatch)


@pytest.mark.parametrize(
    ("x", "kind", "cell"),
    [
        (3, "integer", 3),
        (np.int64(3), "integer", 3),
        (np.float32(0.5), "number", 0.5),
        (float("nan"), "number", None),
        (True, "boolean", True),
        (np.bool_(False), "boolean", False),
        ("text", "string", "text"),
        (None, "string", None),
        (pd.NA, "string", None),
        (date(2024, 1, 31), "date", "2024-01-31"),
        (pd.Timestamp("2024-01-31").as_unit("s"), "date", "2024-01-31"),
        (pd.Timestamp("2024-01-31").as_unit("us"), "timestamp", "2024-01-31T00:00:00"),
        (pd.NaT, "string", None),
        (pd.Timestamp("2024-01-31 10:00"), "timestamp", "2024-01-31T10:00:00"),
        (pd.Timestamp(1, unit="ns"), "timestamp", "1970-01-01T00:00:00.000000001"),
        (np.datetime64("2024-01-31T10:00:00.000000001"), "timestamp", "2024-01-31T10:00:00.000000001"),
        (pd.Timestamp(np.datetime64(2**62, "us")), "timestamp", "+148108-07-06T14:00:27.387904"),
        (
            pd.Timestamp(np.datetime64(2**60, "us")).tz_localize("UTC"),
            "timestamp",
            "+038504-08-17T21:30:06.846976+00:00",
        ),
        (pd.Timestamp(np.datetime64(-(2**40), "s")), "timestamp", "-032873-11-12T23:23:44"),
        (pd.Timestamp(np.datetime64("12024-01-01", "s")), "date", "+012024-01-01"),
        ([pd.Timestamp(np.datetime64("12024-01-01", "us"))], "nested", ["+012024-01-01T00:00:00"]),
        (pd.Timestamp("2024-07-01", tz="Europe/Berlin"), "timestamp", "2024-07-01T00:00:00+02:00"),
        (np.timedelta64(90, "m"), "duration", 5400.0),
        (pd.Timedelta("1us"), "duration", 1e-6),
        ([1, math.nan, {"a": date(2024, 1, 1)}], "nested", [1, None, {"a": "2024-01-01"}]),
        (np.array([[1, 2], [3, 4]])[:1, :1], "integer", 1),
        (pd.Series([7]), "integer", 7),
        (pd.DataFrame({"a": [b"\x00"]}), "binary", "AA=="),
        (pa.scalar(2**60), "integer", str(2**60)),
        ({"sum(x)": 3}, "nested", {"sum(x)": 3}),
        ((1, 2), "nested", [1, 2]),
    ],
    ids=str,
)
def test_values_of_any_library_are_typed(given: Given, x: Any, kind: str, cell: object) -> None:
    given.answer.value("x", x, unit="km")
    found = value(given.read())

    assert (found.value_type, found.value, found.unit) == (kind, cell, "km")


@pytest.mark.parametrize(
    ("x", "problem"),
    [
        (pd.DataFrame({"a": [1, 2]}), "a DataFrame with 2 values; give it to answer.table"),
        (pd.Series([], dtype=float), "a Series with 0 values"),
        (np.arange(3), "a ndarray with 3 values"),
        (object(), "a object is no value"),
        (lambda: 1, "a function is no value"),
    ],
)
def test_what_is_no_value_is_refused_with_the_way_out(given: Given, x: object, problem: str) -> None:
    with pytest.raises(TypeError, match=problem):
        given.answer.value("x", x)


def test_a_value_that_is_too_long_is_refused(given: Given) -> None:
    with pytest.raises(ValueError, match="value 'x' takes 100,002 characters"):
        given.answer.value("x", "a" * 100_000)


def test_the_bytes_of_an_answer_are_bounded(given: Given) -> None:
    for number in range(52):
        given.answer.value(f"v{number}", "x" * 60_000)

    with pytest.raises(ValueError, match="the answer takes more than 3 MiB"):
        given.answer.value("v", "x" * 60_000)
    assert len(given.read().items) == 52


def test_the_lists_of_an_answer_are_bounded(given: Given) -> None:
    given.answer.table(pd.DataFrame({"brackets": ["[{" * 5000] * 100, "lists": [[[]] * 5000] * 100}))
    for _ in range(12):
        given.answer.table(pd.DataFrame({"lists": [[[]] * 500] * 100}))
    found = given.read()

    assert [0 < len(table(found, at).rows) < 100 for at in range(13)] == [True] * 13


def test_the_parts_of_an_answer_are_bounded(given: Given) -> None:
    for number in range(1000):
        given.answer.value(f"n{number}", number)
        given.answer.note("n")

    with pytest.raises(ValueError, match="at most 1,000 parts"):
        given.answer.value("n", 0)
    with pytest.raises(ValueError, match="at most 1,000 notes"):
        given.answer.note("n")
    assert len(given.read().notes) == 1000


def test_long_titles_and_notes_are_shortened(given: Given) -> None:
    given.answer.table({"a": 1}, title="t" * 1000)
    given.answer.note("n" * 10_000)
    found = given.read()

    assert table(found).title == "t" * 299 + "…"
    assert found.notes == ("n" * 1999 + "…",)


def test_nothing_is_added_to_an_answer_that_is_written(given: Given) -> None:
    given.answer.value("x", 1)
    given.answer.finish()
    given.answer.finish()

    with pytest.raises(RuntimeError, match="already written"):
        given.answer.value("y", 2)


def test_without_an_output_prefix_an_answer_is_only_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    one = Given(tmp_path, monkeypatch)
    monkeypatch.setenv("RAYLANE_LOCAL", "1")
    one.answer.table(pd.DataFrame({"n": range(1500)}))
    one.answer.file({"a": 1}, "a.csv")
    one.answer.finish()

    assert list(tmp_path.iterdir()) == []
    assert "… 1,480 more rows" in capsys.readouterr().out


def test_a_table_is_printed_with_aligned_columns(given: Given, capsys: pytest.CaptureFixture[str]) -> None:
    given.answer.table(
        pd.DataFrame({"天気": ["晴れ", "rain", None], "mean": [20.0, 13.5, math.nan], "n": [1, 200, 3]}), title="T"
    )

    assert capsys.readouterr().out == (
        "T\n天気  mean    n\n----  ----  ---\n晴れ  20.0    1\nrain  13.5  200\n              3\n"
    )


SCRIPT = """
import sys; sys.path.insert(0, {kit!r})
from raylane_run.answer import answer
answer.value("x", 1)
{end}
"""


@pytest.mark.parametrize(("end", "is_written"), [("", True), ("raise SystemExit", True), ("raise ValueError", False)])
def test_a_plain_script_writes_its_answer_when_it_ends_well(tmp_path: Path, end: str, is_written: bool) -> None:
    script = SCRIPT.format(kit=KIT, end=end)
    subprocess.run(
        [sys.executable, "-c", script],
        env={"RAYLANE_OUTPUT_URI": f"{tmp_path.as_uri()}/out/"},
        capture_output=True,
        timeout=60,
    )

    assert (tmp_path / "out" / "answer.json").exists() is is_written
