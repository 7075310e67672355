"""A chart of an answer as a Vega-Lite specification that holds its own data and depends on nothing else."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from raylane.answers.axes import Axis, Spec, labelled, measured
from raylane.answers.series import Series, bins, named, statistics, title_of
from raylane_common.errors import InvalidRequest
from raylane_common.safe_text import safe_line
from raylane_common.wire.names import CellType, ChartKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydantic import JsonValue

    from raylane_common.wire.answer import AnswerChart

WIDTH: Final = 640
HEIGHT: Final = 400
_SCHEMA: Final = "https://vega.github.io/schema/vega-lite/v6.json"
# One of them is part of the chart library, and the others have its measures: the same picture on every machine.
_FONT: Final = "Liberation Sans, Arial, Helvetica, sans-serif"
_CONFIG: Final[Spec] = {
    "font": _FONT,
    "aria": False,
    "background": "white",
    "title": {"anchor": "start", "limit": 600, "subtitleColor": "#666"},
    "axis": {"titleLimit": 360, "labelLimit": 160, "gridColor": "#e4e4e4"},
    "legend": {"titleLimit": 160, "labelLimit": 160, "symbolLimit": 18},
    "view": {"stroke": None},
}
_COLOR: Final = "#4c78a8"
# Up to here each bar has its own label; a longer axis of times or numbers is drawn to scale.
_MAX_LABELLED: Final = 60
_PER_BAR: Final = 18
_MAX_HEIGHT: Final = 1600
_POINTS: Final = 60


def vega_lite(chart: AnswerChart) -> Spec:
    """Returns the specification. Raises `InvalidRequest` if the chart's columns are not those of its kind."""
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
    x, y, color = _axis_series(chart, "x"), _axis_series(chart, "y"), _color(chart)
    scaled = measured("x", x)
    places = len(set(scaled.values))
    if scaled.type != "ordinal" and places > _MAX_LABELLED:
        along, lies = scaled, False
    else:
        along = labelled("x", x)
        lies = _lies(along, x.type)
    amount = measured("y", y)
    mark: Spec = {"type": "bar"}
    if along.type != "ordinal":
        mark["width"] = _bar_width(along)
    first, second = ("y", "x") if lies else ("x", "y")
    encoding: Spec = {
        first: along.position(is_across=not lies),
        second: amount.position(is_across=lies, from_zero=True) | {"stack": None},
        "color": _color_channel(color),
    }
    axes = [along, amount, *([color] if color else [])]
    bars = len(along.labels)
    if along.type == "ordinal" and (beside := _beside(along, color)):
        axes.append(beside)
        encoding[f"{first}Offset"] = beside.channel()
        bars *= len(beside.labels)
    view: Spec = {"mark": mark, "encoding": encoding}
    return _whole(chart, axes, view, needs=(along, amount), height=_height(bars) if lies else HEIGHT)


def _line(chart: AnswerChart) -> Spec:
    x, y, color = _axis_series(chart, "x"), _axis_series(chart, "y"), _color(chart)
    along, amount = measured("x", x), measured("y", y)
    encoding: Spec = {
        "x": along.position(is_across=True),
        "y": amount.position(is_across=False),
        "color": _color_channel(color),
    }
    axes = [along, amount, *([color] if color else [])]
    if along.type == "ordinal":
        # Otherwise the line goes through the texts in the order of the alphabet.
        order = Axis("row", "row", "quantitative", [float(row) for row in range(len(x.cells))])
        axes.append(order)
        encoding["order"] = {"field": order.field, "type": "quantitative"}
    mark: Spec = {"type": "line", "point": len(x.cells) <= _POINTS, "invalid": "break-paths-show-domains"}
    return _whole(chart, axes, {"mark": mark, "encoding": encoding}, needs=(along, amount), breaks=amount)


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
            "color": _color_channel(color),
        },
    }
    return _whole(chart, [x, y, *([color] if color else [])], view, needs=(x, y))


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
    renamed = {label: f"{label} ({share:.1%})" for label, share in shares.items()}
    slices = Axis(
        "color", slices.title, "ordinal", [renamed[str(each)] for each in slices.values], tuple(renamed.values())
    )
    order = Axis("row", "row", "quantitative", [float(row) for row in range(len(values))])
    view: Spec = {
        "mark": {"type": "arc", "stroke": "white"},
        "encoding": {
            "theta": {"field": "y", "type": "quantitative", "stack": True},
            "order": {"field": "row", "type": "quantitative"},
            "color": _color_channel(slices),
        },
    }
    return _whole(chart, [slices, amount, order], view, needs=(amount,))


def _histogram(chart: AnswerChart) -> Spec:
    found = bins(chart)
    if found is None:
        raise _misfit(chart, "start, end and count")
    start, end, count = found
    title = chart.x or start.title
    low, high = measured("x", Series(title, start.type, start.cells)), measured("x2", end)
    amount, color = measured("y", count), _color(chart)
    view: Spec = {
        "mark": {"type": "bar"},
        "encoding": {
            "x": low.position(is_across=True) | {"bin": "binned"},
            "x2": {"field": "x2"},
            "y": amount.position(is_across=False, from_zero=True) | {"stack": "zero"},
            "color": _color_channel(color),
        },
    }
    return _whole(chart, [low, high, amount, *([color] if color else [])], view, needs=(low, high, amount))


def _box(chart: AnswerChart) -> Spec:
    found = statistics(chart)
    if found is None:
        raise _misfit(chart, "min, q1, median, q3 and max")
    group, color = named(chart, chart.x) or named(chart, chart.color), _color(chart)
    names = ("low", "q1", "y", "q3", "high")
    low, q1, median, q3, high = (measured(name, each) for name, each in zip(names, found, strict=True))
    along = labelled("x", group or Series("", CellType.STRING, ("",) * len(chart.rows)))
    lies = _lies(along, CellType.STRING if group is None else group.type)
    first, second = ("y", "x") if lies else ("x", "y")
    place: Spec = {first: along.position(is_across=not lies)}
    axes = [along, low, q1, median, q3, high, *([color] if color else [])]
    boxes = len(along.labels)
    if beside := _beside(along, color):
        axes.append(beside)
        place[f"{first}Offset"] = beside.channel()
        boxes *= len(beside.labels)
    title = safe_line(chart.y) if chart.y else median.title

    def layer(mark: Spec, start: Axis, end: Axis) -> Spec:
        position = start.position(is_across=lies) | {"title": title}
        return {
            "mark": mark,
            "encoding": {second: position, f"{second}2": {"field": end.field}, "color": _color_channel(color)},
        }

    middle: Spec = {second: median.position(is_across=lies) | {"title": title}, "color": {"value": "white"}}
    size = _box_size(boxes)
    view: Spec = {
        "encoding": place,
        "layer": [
            layer({"type": "rule"}, low, high),
            layer({"type": "bar", "size": size}, q1, q3),
            {"mark": {"type": "tick", "thickness": 2, "size": size}, "encoding": middle},
        ],
    }
    height = _height(boxes) if lies else HEIGHT
    return _whole(chart, axes, view, needs=(low, q1, median, q3, high), height=height)


def _whole(
    chart: AnswerChart,
    axes: Sequence[Axis],
    view: Spec,
    *,
    needs: Sequence[Axis],
    breaks: Axis | None = None,
    height: int = HEIGHT,
) -> Spec:
    """Returns the whole specification. Rows without one of the values that it `needs` are counted below the title.

    A row without a value of `breaks` stays, because the line has a gap there.
    """
    rows: list[JsonValue] = []
    without = 0
    for row in range(len(chart.rows)):
        missing = [axis for axis in needs if axis.values[row] is None]
        without += bool(missing)
        if all(axis is breaks for axis in missing):
            rows.append({axis.field: axis.values[row] for axis in axes})
    title: Spec = {"text": safe_line(title_of(chart))}
    if without:
        verb = "has" if without == 1 else "have"
        title["subtitle"] = f"{without} of {len(chart.rows)} rows {verb} no value to draw"
    return {
        "$schema": _SCHEMA,
        "autosize": {"type": "fit", "contains": "padding"},
        "config": _CONFIG,
        "data": {"values": rows},
        "height": height,
        "title": title,
        "width": WIDTH,
        **view,
    }


def _axis_series(chart: AnswerChart, axis: str) -> Series:
    found = named(chart, chart.x if axis == "x" else chart.y)
    if found is None:
        raise _misfit(chart, axis)
    return found


def _misfit(chart: AnswerChart, missing: str) -> InvalidRequest:
    return InvalidRequest.field("chart", f"the answer's {chart.kind} chart has no column for {missing}")


def _color(chart: AnswerChart) -> Axis | None:
    found = named(chart, chart.color)
    return None if found is None else labelled("color", found)


def _color_channel(color: Axis | None) -> Spec:
    if color is None:
        return {"value": _COLOR}
    channel = color.channel()
    scale = channel["scale"]
    assert isinstance(scale, dict)
    scheme = "viridis" if color.type != "ordinal" else "tableau10" if len(color.labels) <= 10 else "tableau20"
    # A legend of an ordinal field shades one color.
    return channel | {
        "type": "nominal" if color.type == "ordinal" else color.type,
        "scale": {**scale, "scheme": scheme},
    }


def _beside(along: Axis, color: Axis | None) -> Axis | None:
    """Returns the places beside each other at one label, by color; None if each label has one row."""
    colors = [None] * len(along.values) if color is None else color.values
    seen: dict[tuple[object, object], int] = {}
    places: list[float | str | None] = []
    for label, each in zip(along.values, colors, strict=True):
        copy = seen[label, each] = seen.get((label, each), 0) + 1
        places.append(f"{each} {copy}" if color is not None else str(copy))
    if len(set(along.values)) == len(along.values):
        return None
    return Axis("beside", "", "ordinal", places, labels=tuple(dict.fromkeys(map(str, places))))


def _lies(along: Axis, cell_type: CellType) -> bool:
    """Returns whether bars lie: there is room for long or many names beside them. Times go from left to right."""
    if cell_type in (CellType.DATE, CellType.TIMESTAMP, CellType.TIME, CellType.INTEGER, CellType.NUMBER):
        return False
    return len(along.labels) > 12 or any(len(label) > 14 for label in along.labels)


def _height(bars: int) -> int:
    return min(max(HEIGHT, 80 + _PER_BAR * bars), _MAX_HEIGHT)


def _box_size(boxes: int) -> int:
    return max(4, min(60, 360 // max(1, boxes)))


def _bar_width(along: Axis) -> float:
    """Returns the width in pixels of bars that do not overlap on an axis that is drawn to scale."""
    places = sorted({value for value in along.values if isinstance(value, float)})
    gap = min((after - before for before, after in pairwise(places)), default=0.0)
    share = gap / (places[-1] - places[0]) if gap else 1.0
    return round(max(1.0, 0.8 * 540 * share), 2)
