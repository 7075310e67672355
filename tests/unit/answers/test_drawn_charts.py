"""Charts of answers: what they draw is what the answer holds, whatever its names and texts, and the same everywhere."""

from __future__ import annotations

import hashlib
import json
import os
import re
import socket
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raylane.answers import drawing
from raylane.answers.drawing import png, svg
from raylane.answers.vega import vega_lite, vega_lite_text
from raylane_common.errors import InvalidRequest, MissingPackage
from raylane_common.wire.answer import AnswerChart, AnswerColumn, CellType, ChartKind
from tests.helpers.hostile_text import HOSTILE
from tests.unit.answers.samples import (
    BAR,
    BOX,
    BOXES,
    CHARTS,
    COLORED_BARS,
    COLORED_LINES,
    DAILY_BARS,
    HISTOGRAM,
    LINE,
    LYING_BARS,
    PIE,
    SCATTER,
    chart,
)

if TYPE_CHECKING:
    from pydantic import JsonValue

GOLDEN = Path(__file__).parent / "golden" / "charts.json"
NAMES = [
    "a.b",
    "a[0]",
    "it's",
    '"',
    "\\",
    "$",
    "😀",
    "__proto__",
    "constructor",
    "datum.x",
    "</text><script>",
    "a\nb",
    "",
    "if",
]
TEXTS = [*NAMES, HOSTILE, "null", "http://127.0.0.1:1/x.png", "'+alert(1)+'", "{{x}}", "a" * 500]


def labels(chart: AnswerChart) -> list[str]:
    """All texts of the drawing."""
    return re.findall(r"<text[^>]*>([^<]*)</text>", svg(chart))


def parsed(chart: AnswerChart) -> dict[str, Any]:  # JSON of another format
    """The specification, as a program reads it."""
    found: dict[str, Any] = json.loads(vega_lite_text(chart))
    return found


def drawn(chart: AnswerChart) -> list[dict[str, Any]]:
    """The rows that the chart draws."""
    values: list[dict[str, Any]] = parsed(chart)["data"]["values"]
    return values


def encoding(chart: AnswerChart) -> dict[str, Any]:
    found: dict[str, Any] = parsed(chart)["encoding"]
    return found


def test_each_chart_is_the_same_picture_as_before() -> None:
    """Look at the pictures before you change the hashes: `python -m tests.unit.answers.pictures DIRECTORY`."""
    hashes = {name: hashlib.sha256(svg(each).encode()).hexdigest() for name, each in CHARTS.items()}
    assert hashes == {name: hashlib.sha256(svg(each).encode()).hexdigest() for name, each in CHARTS.items()}
    assert hashes == json.loads(GOLDEN.read_text())


@pytest.mark.parametrize("name", CHARTS)
def test_a_picture_is_well_formed_and_has_its_texts(name: str) -> None:
    root = ElementTree.fromstring(svg(CHARTS[name]))
    texts = [each.text for each in root.iter("{http://www.w3.org/2000/svg}text")]
    assert (root.get("width"), (root.get("height"))) == ("640", "400") or name == "lying_bars"
    for series in (CHARTS[name].x, CHARTS[name].y, CHARTS[name].color):
        assert series is None or series in texts or name == "pie" or (name == "histogram" and series == "temp_max")


def test_a_png_has_twice_the_pixels() -> None:
    image = png(BAR)
    assert image.startswith(b"\x89PNG\r\n")
    assert (int.from_bytes(image[16:20]), int.from_bytes(image[20:24])) == (1280, 800)


def test_no_time_zone_moves_a_day() -> None:
    code = "import sys; from tests.unit.answers.samples import CHARTS; from raylane.answers.drawing import svg\n"
    code += "sys.stdout.write(svg(CHARTS['line']) + svg(CHARTS['daily_bars']) + svg(CHARTS['colored_lines']))"
    env = os.environ | {"TZ": "America/Los_Angeles"}
    found = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert found.stdout == svg(LINE) + svg(DAILY_BARS) + svg(COLORED_LINES)


def test_days_are_on_a_scale_in_utc() -> None:
    assert encoding(LINE)["x"]["type"] == "temporal"
    assert encoding(LINE)["x"]["scale"]["type"] == "utc"
    assert [row["x"] for row in drawn(LINE)][:2] == [1704067200000, 1706745600000]


def test_nothing_is_fetched() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/x.png"
    for kind in (ChartKind.BAR, ChartKind.LINE, ChartKind.SCATTER):
        types = {"url": CellType.STRING, "src": CellType.NUMBER, "href": CellType.STRING}
        png(chart(kind, types, [(url, 1.0, url), (f"url({url})", 2.0, "x")], x="url", y="src", color="href", title=url))
    with pytest.raises(BlockingIOError):
        listener.accept()
    listener.close()


def test_a_specification_that_names_an_address_would_be_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        drawing, "vega_lite_text", lambda _: '{"data":{"url":"http://127.0.0.1:1/d.json"},"mark":"bar"}'
    )
    with pytest.raises(ValueError, match="External data url not allowed"):
        svg(BAR)


def test_no_specification_has_an_address_besides_its_schema() -> None:
    for each in CHARTS.values():
        text = vega_lite_text(each)
        assert re.findall(r"\w+://[^\"]*", text) == ["https://vega.github.io/schema/vega-lite/v6.json"]
        assert not {"url", "href", "image", "expr", "signal", "datum"} & set(_keys(json.loads(text)))


def _keys(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [name for key, each in value.items() for name in (key, *_keys(each))]
    return [name for each in value for name in _keys(each)] if isinstance(value, list) else []


def test_without_its_package_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    for draw in (svg, png):
        with pytest.raises(MissingPackage, match=r"pip install 'raylane\[charts\]'") as caught:
            draw(BAR)
        assert caught.value.code == "missing_package"


def named_by(each: AnswerChart, names: list[str]) -> AnswerChart:
    """The chart with other names for its columns."""
    new = {column.name: name for column, name in zip(each.columns, names, strict=False)}
    columns = tuple(column.model_copy(update={"name": new[column.name]}) for column in each.columns)
    axes = {axis: new.get(getattr(each, axis), getattr(each, axis)) for axis in ("x", "y", "color")}
    return each.model_copy(update={"columns": columns, **axes})


def untitled(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: untitled(each) for key, each in value.items() if key != "title"}
    return list(map(untitled, value)) if isinstance(value, list) else value


@pytest.mark.parametrize(
    "name", ["bar", "colored_bars", "line", "colored_lines", "scatter", "pie", "boxes", "histogram"]
)
@given(st.lists(st.sampled_from(NAMES) | st.text(max_size=10), min_size=6, max_size=6, unique=True))
def test_names_of_columns_change_nothing_but_titles(name: str, names: list[str]) -> None:
    assert untitled(vega_lite(named_by(CHARTS[name], names))) == untitled(vega_lite(CHARTS[name]))


def test_names_and_texts_of_any_kind_are_drawn_as_marks() -> None:
    neutral = chart(
        ChartKind.BAR,
        {"x": CellType.STRING, "y": CellType.NUMBER},
        [(f"label {number}", number + 1.0) for number in range(len(TEXTS))],
        x="x",
        y="y",
    )
    hostile = neutral.model_copy(update={"rows": tuple((text, number + 1.0) for number, text in enumerate(TEXTS))})
    for each in (neutral, hostile, named_by(hostile, ["__proto__", HOSTILE])):
        root = ElementTree.fromstring(svg(each))
        [marks] = (part for part in root.iter() if "mark-rect" in (part.get("class") or ""))
        assert len(marks) == len(TEXTS)
        lengths = [float(re.findall(r"h([\d.]+)v", str(mark.get("d")))[0]) for mark in marks]
        assert lengths == sorted(lengths)
        assert lengths[-1] / lengths[0] == pytest.approx(len(TEXTS), rel=0.01)


@pytest.mark.parametrize(
    "name", ["if", "constructor", "toString", "valueOf", "hasOwnProperty", "__proto__", "__lookupGetter__", "width"]
)
def test_names_of_the_language_of_charts_are_texts(name: str) -> None:
    types = {name: CellType.STRING, "y": CellType.NUMBER}
    for kind in (ChartKind.BAR, ChartKind.PIE, ChartKind.LINE):
        texts = svg(chart(kind, types, [(name, 1.0), ("b", 2.0)], x=name, y="y", color=name, title=name))
        assert len(re.findall(rf">(?:33.3% )?{name} ?</text>", texts)) >= 2
    assert svg(chart(ChartKind.BAR, {"x": CellType.STRING, name: CellType.NUMBER}, [("a", 1.0)], x="x", y=name))


@pytest.mark.parametrize("series", [["__proto__", "constructor"], ["toString", HOSTILE], [None, "null"]])
def test_series_of_any_name_are_lines_of_their_own(series: list[JsonValue]) -> None:
    rows = [(at, at * (number + 1), name) for number, name in enumerate(series) for at in range(3)]
    types = {"x": CellType.INTEGER, "y": CellType.INTEGER, "c": CellType.STRING}
    root = ElementTree.fromstring(svg(chart(ChartKind.LINE, types, rows, x="x", y="y", color="c")))
    paths = [path for part in root.iter() if "mark-line" in (part.get("class") or "") for path in part]
    assert len(paths) == 2


NUMBERS = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | st.none()


@given(
    st.sampled_from([ChartKind.BAR, ChartKind.LINE, ChartKind.SCATTER]),
    st.lists(st.tuples(st.text(max_size=5) | st.none(), NUMBERS), max_size=100),
)
def test_what_is_drawn_is_what_the_chart_holds(kind: ChartKind, rows: list[tuple[str | None, float | None]]) -> None:
    found = chart(kind, {"x": CellType.STRING, "y": CellType.NUMBER}, rows, x="x", y="y")
    kept = [(x, y) for x, y in rows if y is not None or kind is ChartKind.LINE]
    assert [row["y"] for row in drawn(found)] == [y for _, y in kept]
    labels = {x: row["x"] for row, (x, _) in zip(drawn(found), kept, strict=True)}
    assert len(set(labels.values())) == len(labels)
    subtitle = parsed(found)["title"].get("subtitle")
    missing = sum(y is None for _, y in rows)
    assert (subtitle is None) == (missing == 0)
    assert json.loads(vega_lite_text(found)) == vega_lite(found)


def test_decimals_and_large_integers_are_numbers() -> None:
    types = {"x": CellType.STRING, "y": CellType.DECIMAL}
    assert [row["y"] for row in drawn(chart(ChartKind.BAR, types, [("a", "1.50"), ("b", "-2")], x="x", y="y"))] == [
        1.5,
        -2,
    ]
    types["y"] = CellType.INTEGER
    large = chart(ChartKind.BAR, types, [("a", "12345678901234567890")], x="x", y="y")
    assert drawn(large)[0]["y"] == float(12345678901234567890)


def test_bars_start_at_zero_and_lines_do_not() -> None:
    assert encoding(BAR)["y"]["scale"] == {"zero": True}
    assert encoding(LYING_BARS)["x"]["scale"] == {"zero": True}
    assert encoding(HISTOGRAM)["y"]["scale"] == {"zero": True}
    assert encoding(LINE)["y"]["scale"] == {"zero": False}
    assert encoding(SCATTER)["x"]["scale"] == {"zero": False}


def test_bars_keep_the_order_of_the_rows_and_are_not_stacked() -> None:
    assert encoding(BAR)["x"]["scale"]["domain"] == ["drizzle", "fog", "rain", "snow", "sun"]
    assert encoding(COLORED_BARS)["xOffset"]["scale"]["domain"] == ["sun 1", "rain 1", "snow 1"]
    assert encoding(COLORED_BARS)["y"]["stack"] is None


def test_rows_with_the_same_label_are_bars_beside_each_other() -> None:
    types = {"x": CellType.STRING, "y": CellType.INTEGER}
    twice = encoding(chart(ChartKind.BAR, types, [("a", 1), ("a", 2), ("b", 3)], x="x", y="y"))
    assert len(twice["xOffset"]["scale"]["domain"]) == 2


def test_cells_that_look_the_same_have_labels_of_their_own() -> None:
    types = {"x": CellType.STRING, "y": CellType.INTEGER}
    rows = [(None, 1), ("null", 2), ("\x00", 3), ("\\x00", 4), ("a" * 80, 5), ("a" * 81, 6)]
    labels = encoding(chart(ChartKind.BAR, types, rows, x="x", y="y"))["y"]["scale"]["domain"]
    assert labels[:4] == ["null", "null (2)", "\\x00", "\\x00 (2)"]
    assert len(set(labels)) == 6


@pytest.mark.parametrize(
    ("cell_type", "cells", "expected", "title"),
    [
        (CellType.DATE, ["2024-01-05", "0001-01-01"], ["2024-01-05T00:00:00", "0001-01-01T00:00:00"], "x"),
        (CellType.TIMESTAMP, ["2024-01-05T10:00:00.123456789"], ["2024-01-05T10:00:00.123000"], "x"),
        # A day of Berlin stays that day, in winter and in summer.
        (
            CellType.TIMESTAMP,
            ["2024-01-05T00:00:00+01:00", "2024-07-05T00:00:00+02:00"],
            ["2024-01-05T00:00:00", "2024-07-05T00:00:00"],
            "x",
        ),
        # The clock shows 02:30 twice, and the later one is not the earlier.
        (
            CellType.TIMESTAMP,
            ["2024-10-27T02:30:00+02:00", "2024-10-27T02:10:00+01:00"],
            ["2024-10-27T00:30:00", "2024-10-27T01:10:00"],
            "x (UTC)",
        ),
        # An hour that has no year in UTC, beside one without a zone.
        (
            CellType.TIMESTAMP,
            ["0001-01-01T00:00:00+14:00", "9999-12-31T23:00:00"],
            ["0001-01-01T00:00:00", "9999-12-31T23:00:00"],
            "x",
        ),
        (CellType.TIME, ["10:30:00"], ["1970-01-01T10:30:00"], "x"),
    ],
)
def test_times_stand_where_a_calendar_has_them(
    cell_type: CellType, cells: list[str], expected: list[str], title: str
) -> None:
    rows = [(cell, 1) for cell in cells]
    found = chart(ChartKind.LINE, {"x": cell_type, "y": CellType.INTEGER}, rows, x="x", y="y")
    times = [row["x"] / 1000 for row in drawn(found)]
    wanted = [datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() for text in expected]
    assert times == pytest.approx(wanted, abs=0.001)
    assert encoding(found)["x"]["title"] == title


def test_times_that_no_calendar_has_are_labels() -> None:
    types = {"x": CellType.TIMESTAMP, "y": CellType.INTEGER}
    found = encoding(chart(ChartKind.LINE, types, [("+12024-01-01T00:00:00", 1), (None, 2)], x="x", y="y"))
    assert found["x"]["type"] == "ordinal"


def test_many_bars_are_drawn_to_scale_and_many_labels_are_thinned() -> None:
    assert encoding(DAILY_BARS)["x"]["type"] == "temporal"
    assert parsed(DAILY_BARS)["mark"]["width"] == pytest.approx(0.8 * 540 / 362, abs=0.01)
    types = {"x": CellType.STRING, "y": CellType.INTEGER}
    many = chart(ChartKind.BAR, types, [(f"n{number}", number) for number in range(5000)], x="x", y="y")
    assert len(encoding(many)["y"]["axis"]["values"]) == 100
    assert (vega_lite(many)["height"], vega_lite(LYING_BARS)["height"]) == (1600, 656)
    assert len(drawn(many)) == 5000


def test_a_legend_of_shares_belongs_to_a_pie() -> None:
    assert encoding(PIE)["color"]["scale"]["domain"][:2] == ["43.9% rain", "43.8% sun"]
    types = {"x": CellType.STRING, "y": CellType.INTEGER}
    odd = chart(ChartKind.PIE, types, [("a", -1), ("b", 0), ("c", 4)], x="x", y="y", color="x")
    assert [row["y"] for row in drawn(odd)] == [4]
    assert "legend" not in encoding(odd)["color"]


def test_bars_in_the_colors_of_their_labels_need_no_legend() -> None:
    assert encoding(BAR.model_copy(update={"color": "weather"}))["color"]["legend"] is None


def test_boxes_of_two_groups_stand_beside_each_other() -> None:
    types = {"group": CellType.STRING, "side": CellType.STRING, **dict.fromkeys(BOX, CellType.NUMBER)}
    rows = [(group, side, 1, 2, 3, 4, 5) for group in ("a", "b") for side in ("left", "right")]
    assert "xOffset" in encoding(chart(ChartKind.BOX, types, rows, x="group", y="v", color="side"))
    alone = chart(ChartKind.BOX, dict.fromkeys(BOX, CellType.NUMBER), [(1, 2, 3, 4, 5)], y="v")
    assert drawn(alone) == [{"x": "", "low": 1, "q1": 2, "y": 3, "q3": 4, "high": 5}]


@pytest.mark.parametrize("name", CHARTS)
def test_a_chart_without_rows_or_without_values_is_drawn_empty(name: str) -> None:
    empty = CHARTS[name].model_copy(update={"rows": ()})
    nothing = CHARTS[name].model_copy(update={"rows": ((None,) * len(CHARTS[name].columns),)})
    for each in (empty, nothing):
        ElementTree.fromstring(svg(each))


@pytest.mark.parametrize("kind", ChartKind)
def test_a_chart_whose_columns_do_not_fit_is_refused(kind: ChartKind) -> None:
    columns = (AnswerColumn(name="a", type=CellType.STRING),)
    with pytest.raises(InvalidRequest, match=f"chart: the answer's {kind} chart has no column for"):
        vega_lite(AnswerChart(kind=kind, x="nothing", y="nothing", columns=columns, rows=(("b",),)))


def test_a_scatter_of_many_amounts_has_shades() -> None:
    types = {"x": CellType.NUMBER, "y": CellType.NUMBER, "c": CellType.NUMBER}
    rows = [(number, number, number / 7) for number in range(20)]
    color = encoding(chart(ChartKind.SCATTER, types, rows, x="x", y="y", color="c"))["color"]
    assert (color["type"], color["scale"]["scheme"]) == ("quantitative", "viridis")
    assert encoding(SCATTER)["color"]["type"] == "nominal"


def test_boxes_have_all_their_statistics() -> None:
    assert drawn(BOXES)[0] == {"x": "rain", "low": 2, "q1": 9, "y": 12, "q3": 15, "high": 35}


INTEGERS = {"k": CellType.INTEGER, "v": CellType.INTEGER}


@pytest.mark.parametrize("low", [0, 1, 2019])
@pytest.mark.parametrize("span", [1, 2, 3, 10])
def test_a_short_axis_of_whole_numbers_has_each_of_them_once(low: int, span: int) -> None:
    line = chart(ChartKind.LINE, INTEGERS, [[low, low], [low + span, low + span]], x="k", y="v")
    numbers = [str(number) for number in range(low, low + span + 1)]
    assert labels(line) == [*numbers, "k", *numbers, "v", "v by k"]


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([1_700_000_000, 1_700_003_600, 1_700_007_200], CellType.INTEGER),
        ([1_234_567_890, 1_234_567_990], CellType.INTEGER),
        ([5_000_000_000, 9_000_000_000], CellType.INTEGER),
        ([4.0e18, 4.000001e18], CellType.NUMBER),
        ([1e9, 1e9], CellType.NUMBER),
    ],
)
def test_the_labels_of_large_numbers_differ(values: list[float], kind: CellType) -> None:
    line = chart(ChartKind.LINE, {"k": CellType.STRING, "v": kind}, [*zip("abc", values, strict=False)], x="k", y="v")
    found = labels(line)
    assert len(found) == len(set(found)) > 4
