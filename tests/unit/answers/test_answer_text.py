"""Answers as text: the same at each width as in the golden files, and right for any cells."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from raylane.answers.bars import bar_lines
from raylane.answers.cells import exact, number, shown
from raylane.answers.layout import Layout
from raylane.answers.tables import table_lines
from raylane.answers.text import answer_lines
from raylane.answers.width import clip, pad
from raylane_common.wire.answer import Answer, CellType, ChartKind
from tests.helpers.hostile_text import HOSTILE, is_safe
from tests.unit.answers.samples import ANSWER, BAR, BOXES, CHARTS, HISTOGRAM, LINE, PIE, SCATTER, chart, table

if TYPE_CHECKING:
    from pydantic import JsonValue

    from raylane_common.wire.answer import AnswerChart

GOLDEN = Path(__file__).parent / "golden"


def layout(width: int | None, *, blocks: bool = True) -> Layout:
    return Layout(width=width, max_rows=None if width is None else 20, blocks=blocks, command="raylane result j")


def whole(width: int | None, *, blocks: bool = True) -> str:
    """The answer with every kind of item, and then each chart that has bars."""
    room = layout(width, blocks=blocks)
    parts = [answer_lines(ANSWER, room), *(bar_lines(each, room) for each in CHARTS.values())]
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"


@pytest.mark.parametrize("width", [60, 80, 120])
def test_an_answer_of_all_kinds_on_a_terminal(width: int) -> None:
    assert whole(width) == (GOLDEN / f"answer-{width}.txt").read_text(encoding="utf-8")


def test_an_answer_with_an_encoding_without_blocks() -> None:
    golden = (GOLDEN / "answer-ascii.txt").read_text(encoding="utf-8")
    assert whole(80, blocks=False) == golden
    assert "█" not in golden
    assert "…" not in golden


def test_nothing_is_cut_without_a_terminal() -> None:
    lines = answer_lines(ANSWER, layout(None))
    assert "a text that is longer than the terminal" in "\n".join(lines)
    assert "999 | 998001" in lines
    assert "… 999,001 more rows; raylane result j --table 2 --csv FILE has all" in lines


def test_an_answer_without_items_says_so() -> None:
    assert answer_lines(Answer(notes=("Why.",)), layout(80)) == ["no answer", "", "note: Why."]


@pytest.mark.parametrize(
    ("value", "cell_type", "expected"),
    [
        (None, CellType.STRING, "null"),
        ("", CellType.STRING, ""),
        (True, CellType.BOOLEAN, "true"),
        (2015, CellType.INTEGER, "2015"),
        ("12345678901234567890123", CellType.INTEGER, "12345678901234567890123"),
        ("1234.50", CellType.DECIMAL, "1234.50"),
        (3.0, CellType.NUMBER, "3"),
        (-0.0, CellType.NUMBER, "0"),
        (0.1 + 0.2, CellType.NUMBER, "0.3"),
        (15.926415094339622, CellType.NUMBER, "15.926415"),
        (0.99999999999999, CellType.NUMBER, "1.000000"),
        (99.9999999999999, CellType.NUMBER, "100.000000"),
        (1.5e-9, CellType.NUMBER, "1.5e-09"),
        (0.000123456789012345, CellType.NUMBER, "0.000123457"),
        (1234567890.25, CellType.NUMBER, "1234567890.25"),
        (9007199254740993.0, CellType.NUMBER, "9007199254740992.0"),
        (1e22, CellType.NUMBER, "1e+22"),
        ("Infinity", CellType.NUMBER, "Infinity"),
        ("2024-01-05", CellType.DATE, "2024-01-05"),
        ("2024-01-05T10:00:00+02:00", CellType.TIMESTAMP, "2024-01-05 10:00:00+02:00"),
        ("10:30:00", CellType.TIME, "10:30:00"),
        (90061.5, CellType.DURATION, "1 d 01:01:01.5"),
        (-1, CellType.DURATION, "-00:00:01"),
        (5e-7, CellType.DURATION, "5e-07 s"),
        (1.5e302, CellType.DURATION, "1.5e+302 s"),
        ("aGk=", CellType.BINARY, "aGk="),
        ({"a": [1, None, "é"]}, CellType.NESTED, '{"a": [1, null, "é"]}'),
        ("a\tb\nc", CellType.STRING, "a\\tb\\nc"),
    ],
)
def test_a_cell_as_people_read_it(value: JsonValue, cell_type: CellType, expected: str) -> None:
    assert shown(value, cell_type) == expected


@given(st.floats(allow_nan=False))
def test_a_float_is_shown_within_half_of_its_last_digit(value: float) -> None:
    text = shown(value, CellType.NUMBER)
    if value in (float("inf"), float("-inf")):
        assert float(text) == value
    else:
        assert float(text) == pytest.approx(value, rel=1e-5, abs=5.1e-7 if abs(value) >= 0.001 else 0)
        assert (float(text) == 0) == (value == 0)
        assert text == text.strip()


@given(st.floats(allow_nan=False) | st.integers() | st.booleans() | st.none() | st.text())
def test_an_exact_cell_reads_back_as_the_same_number(value: JsonValue) -> None:
    text = exact(value)
    match value:
        case None:
            assert text == ""
        case bool():
            assert text == str(value).lower()
        case float():
            assert float(text) == value
        case int():
            assert int(text) == value
        case _:
            assert text == value


def test_texts_are_no_numbers_for_a_chart() -> None:
    cells: list[JsonValue] = ["12.50", 3, "Infinity", None, "x", True, [1], "9" * 400]
    assert list(map(number, cells)) == [12.5, 3.0, *[None] * 6]


CELLS = st.none() | st.text(max_size=40) | st.just(HOSTILE) | st.text("漢字かな👩‍👧🏽é\u0301", max_size=20)
NUMBERS = st.none() | st.integers(-(10**25), 10**25).map(lambda value: value if abs(value) < 2**53 else str(value))
TYPES = st.sampled_from([CellType.STRING, CellType.INTEGER])


@given(st.data(), st.lists(TYPES, min_size=1, max_size=5), st.sampled_from([None, 20, 40, 80]))
def test_any_table_is_aligned_safe_and_no_number_is_cut(
    data: st.DataObject, types: list[CellType], width: int | None
) -> None:
    rows = data.draw(
        st.lists(st.tuples(*(NUMBERS if each is CellType.INTEGER else CELLS for each in types)), min_size=2, max_size=5)
    )
    names = data.draw(st.lists(st.text(max_size=20), min_size=len(types), max_size=len(types), unique=True))
    lines = table_lines(table(dict(zip(names, types, strict=True)), rows), layout(width))
    assert all(is_safe(line) and "\n" not in line for line in lines)
    header, rule, *body, footer = lines
    assert len(body) == len(rows)
    assert all(cell_len(line) <= cell_len(rule) for line in (header, *body))
    kept = rule.count("-+-") + 1
    for line, row in zip(body, rows, strict=True):
        for cell, cell_type in zip(row[:kept], types, strict=False):
            if cell_type is CellType.INTEGER:
                assert ("null" if cell is None else str(cell)) in line
    if width is not None and kept > 1:
        assert cell_len(rule) <= width
    assert ("more column" in footer) == (kept < len(types))


@given(st.text(), st.integers(1, 30))
def test_a_clipped_text_fits(text: str, columns: int) -> None:
    clipped = clip(text, columns, "…")
    assert cell_len(clipped) <= max(columns, 0)
    assert clipped == text or clipped.endswith("…")
    assert cell_len(pad(clipped, columns)) == columns
    assert pad(clipped, columns, right=True).endswith(clipped)


@pytest.mark.parametrize("drawn", [BOXES, SCATTER, chart(ChartKind.BAR, {"x": CellType.STRING}, [], x="x", y="x")])
def test_charts_without_bars_have_no_lines(drawn: AnswerChart) -> None:
    assert bar_lines(drawn, layout(80)) == []


@pytest.mark.parametrize("drawn", [BAR, LINE, PIE, HISTOGRAM])
@pytest.mark.parametrize("width", [30, 60, 200])
def test_bars_fit_and_have_the_length_of_their_values(drawn: AnswerChart, width: int) -> None:
    lines = bar_lines(drawn, layout(width))
    assert all(cell_len(line) <= width for line in lines)
    assert len(lines) in (0, 1 + len(drawn.rows))


@given(st.lists(st.floats(allow_nan=False) | st.none(), min_size=1, max_size=20), st.booleans())
def test_bars_of_any_numbers(values: list[float | None], blocks: bool) -> None:
    drawn = chart(ChartKind.BAR, {"x": CellType.INTEGER, "y": CellType.NUMBER}, enumerate(values), x="x", y="y")
    lines = bar_lines(drawn, layout(80, blocks=blocks))
    if lines:
        assert len(lines) == len(values) + 1
        assert all(cell_len(line) <= 80 for line in lines)
        assert blocks or all(line.isascii() for line in lines)


def test_a_chart_of_columns_that_do_not_exist_has_no_bars() -> None:
    for kind in ChartKind:
        assert bar_lines(chart(kind, {"a": CellType.STRING}, [("b",)], x="nothing", y="nothing"), layout(80)) == []
