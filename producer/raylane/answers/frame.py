"""What all charts have in common: size, look, title, colors, places beside each other, and the rows that they draw."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from raylane.answers.axes import Axis, Spec, labelled, literal
from raylane.answers.series import named, title_of
from raylane_common.counting import counted
from raylane_common.safe_text import safe_line
from raylane_common.wire.names import CellType

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydantic import JsonValue

    from raylane_common.wire.answer import AnswerChart

WIDTH: Final = 640
HEIGHT: Final = 400
_SCHEMA: Final = "https://vega.github.io/schema/vega-lite/v6.json"
# The first of them is part of the chart library, and the others have its measures: the same picture on every machine.
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
_PER_BAR: Final = 18
_MAX_HEIGHT: Final = 1600
# Names to the left of lying bars have more room than below standing ones.
_MAX_STANDING: Final = 12
_MAX_STANDING_LABEL: Final = 14
_ACROSS: Final = frozenset((CellType.DATE, CellType.TIMESTAMP, CellType.TIME, CellType.INTEGER, CellType.NUMBER))


def whole(
    chart: AnswerChart,
    axes: Sequence[Axis | None],
    view: Spec,
    *,
    needs: Sequence[Axis],
    breaks: Axis | None = None,
    height: int = HEIGHT,
) -> Spec:
    """Returns the whole specification with the values of the `axes` as its data.

    Rows without one of the values that the chart `needs` are left out and counted below the title; but a row without a
    value of `breaks` stays, because the line has a gap there.
    """
    rows: list[JsonValue] = []
    without = 0
    for row in range(len(chart.rows)):
        missing = [axis for axis in needs if axis.values[row] is None]
        without += bool(missing)
        if all(axis is breaks for axis in missing):
            rows.append({axis.field: axis.values[row] for axis in axes if axis is not None})
    title: Spec = {"text": literal(safe_line(title_of(chart)))}
    if without:
        verb = "has" if without == 1 else "have"
        title["subtitle"] = f"{without:,} of {counted(len(chart.rows), 'row')} {verb} no value to draw"
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


def color_of(chart: AnswerChart) -> Axis | None:
    """Returns the column that colors tell apart; None if the chart has one color."""
    found = named(chart, chart.color)
    return None if found is None else labelled("color", found)


def color_channel(color: Axis | None, *, legend: bool = True) -> Spec:
    """Returns how Vega-Lite encodes the colors. Without a legend, an axis says the same."""
    if color is None:
        return {"value": _COLOR}
    scheme = "viridis" if color.type != "ordinal" else "tableau10" if len(color.labels) <= 10 else "tableau20"
    # An ordinal field would get the shades of one color.
    channel: Spec = {"type": "nominal" if color.type == "ordinal" else color.type}
    if not legend:
        channel["legend"] = None
    return color.channel(scheme=scheme) | channel


def beside(along: Axis, color: Axis | None) -> Axis | None:
    """Returns the places beside each other at one label, by color; None if each label has one row."""
    if len(set(along.values)) == len(along.values):
        return None
    colors = [None] * len(along.values) if color is None else color.values
    seen: dict[tuple[object, object], int] = {}
    places: list[str] = []
    ranks = {} if color is None else {label: rank for rank, label in enumerate(color.labels)}
    order: dict[str, tuple[int, int]] = {}
    for label, each in zip(along.values, colors, strict=True):
        copy = seen[label, each] = seen.get((label, each), 0) + 1
        places.append(f"{each} {copy}")
        order[places[-1]] = (ranks.get(str(each), 0), copy)
    return Axis("beside", "", "ordinal", [*places], labels=tuple(sorted(order, key=lambda place: order[place])))


def lies(along: Axis, cell_type: CellType) -> bool:
    """Returns whether bars lie, because their names are long or many. Times and numbers go from left to right."""
    if cell_type in _ACROSS:
        return False
    return len(along.labels) > _MAX_STANDING or any(len(label) > _MAX_STANDING_LABEL for label in along.labels)


def height_of(bars: int) -> int:
    """Returns the height of a chart with so many lying bars, in pixels."""
    return min(max(HEIGHT, 80 + _PER_BAR * bars), _MAX_HEIGHT)
