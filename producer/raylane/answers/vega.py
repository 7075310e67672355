"""A chart of an answer as a Vega-Lite specification that holds its own data and depends on nothing else."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from raylane.answers.axes import Axis, Spec, labelled, literal, measured
from raylane.answers.frame import HEIGHT, WIDTH, beside, color_channel, color_of, height_of, lies, whole
from raylane.answers.series import Series, bins, named, statistics
from raylane_common.errors import InvalidRequest
from raylane_common.safe_text import safe_line
from raylane_common.wire.names import CellType, ChartKind

if TYPE_CHECKING:
    from raylane_common.wire.answer import AnswerChart

# Up to here each bar has its own label; a longer axis of times or numbers is drawn to scale.
_MAX_LABELLED: Final = 60
_POINTS: Final = 60
_ROW: Final = "row"


def vega_lite(chart: AnswerChart) -> Spec:
    """Returns the specification. Raises `InvalidRequest` if the chart's columns are not those of its kind or rows."""
    if any(len(row) != len(chart.columns) for row in chart.rows):
        problem = f"a row of the answer's {chart.kind} chart has another number of cells than it has columns"
        raise InvalidRequest.field("chart", problem)
    match chart.kind:
        case ChartKind.HISTOGRAM:
            return _histogram(chart)
        case ChartKind.BOX:
            return _box(chart)
        case ChartKind.PIE:
            return _pie(chart)
        case ChartKind.BAR:
            return _bar(chart)
        case ChartKind.LINE:
            return _line(chart)
        case ChartKind.SCATTER:
            return _scatter(chart)


def vega_lite_text(chart: AnswerChart) -> str:
    """Returns the specification as JSON; the same chart is always the same text. Raises what `vega_lite` raises."""
    return json.dumps(vega_lite(chart), ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _bar(chart: AnswerChart) -> Spec:
    x, y, color = _axis_series(chart, "x"), _axis_series(chart, "y"), color_of(chart)
    amount = measured("y", y)
    along, mark = measured("x", x), Spec(type="bar")
    places = len(set(along.values))
    width = 0.0
    if along.type != "ordinal" and places > _MAX_LABELLED and places == len(along.values):
        mark["width"] = width = _bar_width(along)
    else:
        along = labelled("x", x)
    is_lying = along.type == "ordinal" and lies(along, x.type)
    first, second = ("y", "x") if is_lying else ("x", "y")
    encoding: Spec = {
        first: along.position(is_across=not is_lying, padding=width / 2),
        second: amount.position(is_across=is_lying, from_zero=True) | {"stack": None},
        "color": color_channel(color, legend=chart.color != chart.x),
    }
    bars = len(along.labels)
    if places_beside := beside(along, color):
        encoding[f"{first}Offset"] = places_beside.channel()
        bars *= len(places_beside.labels)
    axes = (along, amount, color, places_beside)
    height = height_of(bars) if is_lying else HEIGHT
    return whole(chart, axes, {"mark": mark, "encoding": encoding}, needs=(along, amount), height=height)


def _line(chart: AnswerChart) -> Spec:
    x, y, color = _axis_series(chart, "x"), _axis_series(chart, "y"), color_of(chart)
    along, amount = measured("x", x), measured("y", y)
    encoding: Spec = {
        "x": along.position(is_across=True),
        "y": amount.position(is_across=False),
        "color": color_channel(color),
    }
    if along.type == "ordinal":
        # Otherwise the line goes through the texts in the order of the alphabet.
        encoding["order"] = {"field": _ROW, "type": "quantitative"}
    mark: Spec = {"type": "line", "invalid": "break-paths-show-domains"}
    mark |= {"point": True} if len(x.cells) <= _POINTS else {"strokeWidth": 1.2}
    return whole(
        chart,
        (along, amount, color, _rows(chart)),
        {"mark": mark, "encoding": encoding},
        needs=(along, amount),
        breaks=amount,
    )


def _scatter(chart: AnswerChart) -> Spec:
    x, y = measured("x", _axis_series(chart, "x")), measured("y", _axis_series(chart, "y"))
    found = named(chart, chart.color)
    color = None if found is None else labelled("color", found)
    if found is not None and color is not None and len(color.labels) > 10:
        scaled = measured("color", found)
        color = scaled if scaled.type == "quantitative" else color
    opacity = 0.8 if len(chart.rows) <= 100 else 0.5
    view: Spec = {
        "mark": {"type": "point", "filled": True, "opacity": opacity},
        "encoding": {
            "x": x.position(is_across=True),
            "y": y.position(is_across=False),
            "color": color_channel(color),
        },
    }
    return whole(chart, (x, y, color), view, needs=(x, y))


def _pie(chart: AnswerChart) -> Spec:
    labels = named(chart, chart.x) or named(chart, chart.color)
    if labels is None:
        raise _misfit(chart, "x")
    amount = measured("y", _axis_series(chart, "y"))
    slices = labelled("color", labels)
    values = [value if isinstance(value, float) and value > 0 else None for value in amount.values]
    amount = Axis("y", amount.title, "quantitative", [*values])
    total = sum(value for value in values if value is not None)
    shares = dict.fromkeys(slices.labels, 0.0)
    for label, value in zip(slices.values, values, strict=True):
        shares[str(label)] += (value or 0.0) / total if total else 0.0
    # Slices are hard to compare, so the legend says how large they are.
    renamed = {label: f"{share:.1%} {label}" for label, share in shares.items()}
    slices = Axis(
        "color", slices.title, "ordinal", [renamed[str(each)] for each in slices.values], tuple(renamed.values())
    )
    view: Spec = {
        "mark": {"type": "arc", "stroke": "white"},
        "encoding": {
            "theta": {"field": "y", "type": "quantitative", "stack": True},
            "order": {"field": _ROW, "type": "quantitative"},
            "color": color_channel(slices),
        },
    }
    return whole(chart, (slices, amount, _rows(chart)), view, needs=(amount,))


def _histogram(chart: AnswerChart) -> Spec:
    found = bins(chart)
    if found is None:
        raise _misfit(chart, "start, end and count")
    start, end, count = found
    title = chart.x or start.title
    low, high = measured("x", Series(title, start.type, start.cells)), measured("x2", end)
    amount, color = measured("y", count), color_of(chart)
    view: Spec = {
        "mark": {"type": "bar"},
        "encoding": {
            "x": low.position(is_across=True) | {"bin": "binned"},
            "x2": {"field": "x2"},
            "y": amount.position(is_across=False, from_zero=True, is_stacked=True) | {"stack": "zero"},
            "color": color_channel(color),
        },
    }
    return whole(chart, (low, high, amount, color), view, needs=(low, high, amount))


def _box(chart: AnswerChart) -> Spec:
    found = statistics(chart)
    if found is None:
        raise _misfit(chart, "min, q1, median, q3 and max")
    group, color = named(chart, chart.x) or named(chart, chart.color), color_of(chart)
    names = ("low", "q1", "y", "q3", "high")
    low, q1, median, q3, high = (measured(name, each) for name, each in zip(names, found, strict=True))
    along = labelled("x", group or Series("", CellType.STRING, ("",) * len(chart.rows)))
    is_lying = lies(along, CellType.STRING if group is None else group.type)
    first, second = ("y", "x") if is_lying else ("x", "y")
    place: Spec = {first: along.position(is_across=not is_lying)}
    boxes = len(along.labels)
    if places := beside(along, color):
        place[f"{first}Offset"] = places.channel()
        boxes *= len(places.labels)
    title = literal(safe_line(chart.y)) if chart.y else median.title
    colors = color_channel(color, legend=chart.color != chart.x)

    def layer(mark: Spec, start: Axis, end: Axis) -> Spec:
        position = start.position(is_across=is_lying) | {"title": title}
        return {
            "mark": mark,
            "encoding": {second: position, f"{second}2": {"field": end.field}, "color": colors},
        }

    middle: Spec = {second: median.position(is_across=is_lying) | {"title": title}, "color": {"value": "white"}}
    height = height_of(boxes) if is_lying else HEIGHT
    size = _box_size(height if is_lying else WIDTH, boxes)
    view: Spec = {
        "encoding": place,
        "layer": [
            layer({"type": "rule"}, low, high),
            layer({"type": "bar", "size": size}, q1, q3),
            {"mark": {"type": "tick", "thickness": 2, "size": size}, "encoding": middle},
        ],
    }
    axes = (along, low, q1, median, q3, high, color, places)
    return whole(chart, axes, view, needs=(low, q1, median, q3, high), height=height)


def _rows(chart: AnswerChart) -> Axis:
    """Returns the axis that keeps the order of the rows."""
    return Axis(_ROW, _ROW, "quantitative", [float(row) for row in range(len(chart.rows))])


def _axis_series(chart: AnswerChart, axis: str) -> Series:
    found = named(chart, chart.x if axis == "x" else chart.y)
    if found is None:
        raise _misfit(chart, axis)
    return found


def _misfit(chart: AnswerChart, missing: str) -> InvalidRequest:
    return InvalidRequest.field("chart", f"the answer's {chart.kind} chart has no column for {missing}")


def _box_size(room: int, boxes: int) -> int:
    """Returns the width in pixels of boxes that do not overlap; a fifth of the room is for the axis and its labels."""
    return max(2, min(60, int(room * 0.8 * 0.7 / max(1, boxes))))


def _bar_width(along: Axis) -> float:
    """Returns the width in pixels of bars that do not overlap on an axis that is drawn to scale."""
    places = sorted({value for value in along.values if isinstance(value, float)})
    gap = min((after - before for before, after in pairwise(places)), default=0.0)
    share = gap / (places[-1] - places[0]) if gap else 1.0
    return round(max(1.0, 0.8 * 540 * share), 2)
