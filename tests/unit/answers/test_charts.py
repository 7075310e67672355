"""A chart shows the data of the answer, and its bins and boxes are those of NumPy."""

from __future__ import annotations

import math
import re
import sys
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.helpers import answers
from tests.helpers.answers import Given, chart
from tests.helpers.profiles import by_profile

if TYPE_CHECKING:
    from pathlib import Path

    from raylane_common.wire.answer import AnswerChart

_LABELS = st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=4) | st.sampled_from("abc")
_NUMBERS = st.none() | st.integers(0, 2**62)
_FLOATS = st.just(math.nan) | st.floats(min_value=0)


def _drawn(directory: Path, monkeypatch: pytest.MonkeyPatch, kind: str, data: object, **axes: Any) -> AnswerChart:
    return chart(answers.given(directory, lambda answer: answer.chart(kind, data=data, **axes), monkeypatch))


@st.composite
def _frames(draw: st.DrawFn) -> pd.DataFrame:
    rows = draw(st.integers(0, 8))

    def column(values: st.SearchStrategy[Any]) -> list[Any]:
        return draw(st.lists(values, min_size=rows, max_size=rows))

    days = pd.Series(pd.array(column(st.none() | st.dates()), dtype="datetime64[s]"))
    frame = pd.DataFrame({"label": pd.Series(column(_LABELS), dtype=object), "day": days})
    return frame.assign(count=pd.Series(column(_NUMBERS), dtype="Int64"), amount=column(_FLOATS))


_AXES = st.tuples(
    st.sampled_from(["bar", "line", "scatter", "pie"]),
    st.sampled_from(["label", "day", "count"]),
    st.sampled_from(["count", "amount"]),
    st.sampled_from([None, "label", "day"]),
)


@settings(max_examples=by_profile(fast=5, ci=25, deep=500))
@given(_frames(), st.lists(_AXES, min_size=20, max_size=20))
def test_a_chart_has_the_columns_of_the_table(
    tmp_path_factory: pytest.TempPathFactory, frame: pd.DataFrame, charts: list[tuple[str, str, str, str | None]]
) -> None:
    charts = [(kind, "count" if kind == "scatter" and x == "label" else x, y, color) for kind, x, y, color in charts]
    with pytest.MonkeyPatch.context() as patch:
        one = Given(tmp_path_factory.getbasetemp(), patch)
        one.answer.table(frame)
        for kind, x, y, color in charts:
            one.answer.chart(kind, data=frame, x=x, y=y, color=color)
        found = one.read()

    table = answers.table(found)
    names = [column.name for column in table.columns]
    for number, (kind, x, y, color) in enumerate(charts, 1):
        drawn = chart(found, number)
        at = [names.index(column.name) for column in drawn.columns]
        assert [names[index] for index in at] == list(dict.fromkeys(filter(None, (x, y, color))))
        assert drawn.columns == tuple(table.columns[index] for index in at)
        assert drawn.rows == tuple(tuple(row[index] for index in at) for row in table.rows)
        assert (drawn.kind, drawn.x, drawn.y, drawn.color) == (kind, x, y, color)


@settings(max_examples=by_profile(fast=20, ci=50, deep=5000))
@given(st.lists(st.floats(allow_nan=True, allow_infinity=False), max_size=60))
def test_the_bins_of_numbers_are_those_of_numpy(tmp_path_factory: pytest.TempPathFactory, values: list[float]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        drawn = _drawn(tmp_path_factory.getbasetemp(), patch, "histogram", pd.DataFrame({"v": values}), x="v")

    finite = np.array([one for one in values if one == one])
    assert [column.name for column in drawn.columns] == ["start", "end", "count"]
    if not len(finite):
        assert drawn.rows == ()
        return
    starts, ends, counts = zip(*drawn.rows, strict=True)
    assert starts[1:] == ends[:-1]
    assert starts[0] <= finite.min()
    assert finite.max() <= ends[-1]
    assert sum(counts) == len(finite)
    assert list(counts) == np.histogram(finite, [*starts, ends[-1]])[0].tolist()


@settings(max_examples=by_profile(fast=20, ci=50, deep=5000))
@given(st.lists(st.none() | st.integers(-(2**63), 2**63 - 1) | st.integers(0, 9), max_size=60))
def test_the_bins_of_integers_begin_and_end_with_integers(
    tmp_path_factory: pytest.TempPathFactory, values: list[int | None]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        drawn = _drawn(
            tmp_path_factory.getbasetemp(), patch, "histogram", pd.DataFrame({"v": pd.array(values, "Int64")}), x="v"
        )

    known = [one for one in values if one is not None]
    bins = [tuple(int(str(cell)) for cell in row) for row in drawn.rows]
    assert [count for _, _, count in bins] == [sum(1 for one in known if start <= one < end) for start, end, _ in bins]
    assert sum(count for _, _, count in bins) == len(known)
    assert len({end - start for start, end, _ in bins}) <= 1


@settings(max_examples=by_profile(fast=20, ci=50, deep=5000))
@given(st.lists(st.tuples(_LABELS, st.none() | st.integers(-(10**6), 10**6)), max_size=40))
def test_the_numbers_of_boxes_are_those_of_numpy(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str | None, int | None]]
) -> None:
    frame = pd.DataFrame({"label": [one for one, _ in rows], "v": pd.array([one for _, one in rows], "Int64")})
    with pytest.MonkeyPatch.context() as patch:
        drawn = _drawn(tmp_path_factory.getbasetemp(), patch, "box", frame, x="label", y="v")

    groups: dict[str | None, list[int]] = {}
    for label, amount in rows:
        if amount is not None:
            groups.setdefault(label, []).append(amount)
    assert [column.name for column in drawn.columns] == ["label", "min", "q1", "median", "q3", "max"]
    assert [row[0] for row in drawn.rows] == list(groups)
    for row, found in zip(drawn.rows, groups.values(), strict=True):
        assert np.allclose(np.array(row[1:], dtype=float), np.quantile(found, [0, 0.25, 0.5, 0.75, 1]))


def test_a_box_without_labels_is_one_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = _drawn(tmp_path, monkeypatch, "box", pa.table({"v": [1.0, 2.0, 4.0]}), y="v")

    assert list(drawn.rows) == [(1.0, 1.5, 2.0, 3.0, 4.0)]


def test_a_box_for_each_pair_of_labels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frame = pd.DataFrame({"a": ["x", "y", "x", "x"], "b": [1, 1, 2, 1], "v": [1, 2, 3, 5]})
    drawn = _drawn(tmp_path, monkeypatch, "box", frame, x="a", y="v", color="b")

    assert [row[:3] for row in drawn.rows] == [("x", 1, 1.0), ("y", 1, 2.0), ("x", 2, 3.0)]


def test_a_histogram_with_color_has_the_same_bins_for_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frame = pd.DataFrame({"v": [0.0, 1.0, 2.0, 3.0], "count": ["a", "b", "a", "a"]})
    drawn = _drawn(tmp_path, monkeypatch, "histogram", frame, x="v", color="count")

    assert [column.name for column in drawn.columns] == ["start", "end", "count", "count_2"]
    assert drawn.color == "count_2"
    assert drawn.rows == (
        (0.0, 1.0, 1, "a"), (1.0, 2.0, 0, "a"), (2.0, 3.0, 2, "a"),
        (0.0, 1.0, 0, "b"), (1.0, 2.0, 1, "b"), (2.0, 3.0, 0, "b"),
    )  # fmt: skip


def test_infinite_values_are_left_out_of_bins_with_a_note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = answers.given(
        tmp_path, lambda answer: answer.chart("histogram", data={"v": [1.0, float("inf")]}, x="v"), monkeypatch
    )

    assert chart(found).rows == ((0.5, 1.5, 1),)
    assert found.notes == ("The histogram chart leaves out 1 infinite value of v.",)


@pytest.mark.parametrize(
    "values",
    [
        [1e308, -1e308, 0.0],
        [5e-324, 0.0],
        [1e300, 1e300],
        [-sys.float_info.max],
        [sys.float_info.max],
        [Decimal("1.5"), Decimal("2")],
        [10**30, 1],
        [2**64 - 1, 0],
        pd.to_timedelta(["1h", "2h"]),
        [0.1] * 3,
    ],
    ids=repr,
)
def test_bins_of_odd_numbers_hold_them_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, values: object) -> None:
    drawn = _drawn(tmp_path, monkeypatch, "histogram", pd.DataFrame({"v": values}), x="v")

    assert sum(int(str(row[2])) for row in drawn.rows) == len(pd.Series(values))


@pytest.mark.parametrize(
    ("kind", "axes", "problem"),
    [
        ("bar", {"x": "labl", "y": "v"}, "the data has no column 'labl' for x; did you mean 'label'?"),
        ("bar", {"x": "q", "y": "v"}, "no column 'q' for x; it has 'label', 'v', 'many'"),
        ("bar", {"x": "label"}, "y= is missing"),
        ("line", {"y": "v"}, "x= is missing"),
        ("bar", {"x": "label", "y": "label"}, "column 'label' is of type string, but y takes integer, number"),
        ("scatter", {"x": "label", "y": "v"}, "column 'label' is of type string, but x takes"),
        ("histogram", {"x": "label"}, "column 'label' is of type string, but x takes"),
        ("histogram", {"x": "v", "y": "v"}, "y= has no meaning"),
        ("box", {"x": "label"}, "y= is missing"),
        ("bar", {"x": "many", "y": "v"}, "column 'many' is of type nested"),
        ("bar", {"x": "label", "y": ["v", "v"]}, "y must be the name of one column, not a list"),
        ("pie", {"x": "label", "y": "v"}, "column 'v' has negative values"),
        ("box", {"x": "v", "y": "v"}, "column 'v' is both what is counted and what divides it"),
        ("histogram", {"x": "v", "color": "v"}, "column 'v' is both what is counted and what divides it"),
        ("area", {"x": "label", "y": "v"}, "there is no chart 'area'; the kinds are bar, line"),
    ],
)
def test_a_chart_that_cannot_be_drawn_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, axes: dict[str, Any], problem: str
) -> None:
    frame = pd.DataFrame({"label": ["a", "b"], "v": [1, -1], "many": [[1], [2]]})

    with pytest.raises(ValueError, match=re.escape(problem)):
        _drawn(tmp_path, monkeypatch, kind, frame, **axes)

    assert list(tmp_path.iterdir()) == []


def test_a_chart_of_too_many_rows_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frame = pd.DataFrame({"x": range(5001), "y": range(5001)})

    assert len(_drawn(tmp_path, monkeypatch, "line", frame.head(5000), x="x", y="y").rows) == 5000
    with pytest.raises(ValueError, match="shows at most 5,000 rows; aggregate first"):
        _drawn(tmp_path, monkeypatch, "line", frame, x="x", y="y")
    assert len(_drawn(tmp_path, monkeypatch, "histogram", frame, x="x").rows) > 5


def test_a_chart_without_data_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="bar chart: data= is missing"):
        _drawn(tmp_path, monkeypatch, "bar", None, x="x", y="y")


@pytest.mark.parametrize("empty", [[None, None], [], pd.Series([None, None], dtype="datetime64[s]"), [math.nan] * 2])
@pytest.mark.parametrize("kind", ["bar", "line", "scatter", "pie", "histogram", "box"])
def test_a_column_without_a_value_fits_every_axis(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, empty: Any
) -> None:
    frame = pd.DataFrame({"a": empty, "b": empty})
    frame["b"] = frame["b"].astype(object)
    axes = {"x": "a"} if kind == "histogram" else {"x": "a", "y": "b"}
    drawn = _drawn(tmp_path, monkeypatch, kind, frame, **axes)

    assert {cell for row in drawn.rows for cell in row} <= {None}
