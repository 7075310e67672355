"""The axes of a chart: which scale fits the type of a column, and its cells as a chart library takes them.

Charts name their fields by themselves and get texts only as values and titles, so that no name or cell can be read as
anything else.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import TYPE_CHECKING, Final, Literal

from raylane.answers.cells import NUMERIC, number, shown
from raylane_common.safe_text import safe_line
from raylane_common.wire.names import CellType

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydantic import JsonValue

    from raylane.answers.series import Series

Spec = dict[str, "JsonValue"]

_TEMPORAL: Final = frozenset((CellType.DATE, CellType.TIMESTAMP, CellType.TIME))
_MAX_LABEL: Final = 60
_MAX_LABELS: Final = 100
# A title that is one of these, or a color that is the first one, is looked up as a function or a signal, and the chart
# is not drawn. The others are what every object of JavaScript has.
_RESERVED: Final = frozenset(
    (
        *("if", "constructor", "hasOwnProperty", "isPrototypeOf", "propertyIsEnumerable", "toLocaleString", "toString"),
        *("valueOf", "__defineGetter__", "__defineSetter__", "__lookupGetter__", "__lookupSetter__", "__proto__"),
    )
)
_EPOCH: Final = datetime(1970, 1, 1)
_EPOCH_UTC: Final = _EPOCH.replace(tzinfo=UTC)
# From here on, digits are no longer read at a glance.
_LARGE: Final = 1e9
# Floats hold all whole numbers up to here, and so many digits.
_EXACT: Final = 2.0**53
_FLOAT_DIGITS: Final = 17
_SHORT_DIGITS: Final = 4
_MAX_WHOLE_TICKS: Final = 10


@dataclass(frozen=True)
class Axis:
    """One axis, or the colors, of a chart: what its cells are for the chart, and the scale on which they stand."""

    field: str
    title: str
    type: Literal["quantitative", "temporal", "ordinal"]
    values: list[float | str | None]
    labels: tuple[str, ...] = ()
    """The different values of an ordinal axis, in the order of the rows."""
    format: str | None = None
    is_whole: bool = False

    def channel(self, **scale: JsonValue) -> Spec:
        """Returns how Vega-Lite encodes this axis, without its labels and lines."""
        if self.type == "ordinal":
            scale["domain"] = [*self.labels]
        elif self.type == "temporal":
            # Otherwise a day begins when it begins where the chart is drawn.
            scale["type"] = "utc"
        return {"field": self.field, "type": self.type, "title": self.title, "scale": scale}

    def position(
        self, *, is_across: bool, from_zero: bool = False, is_stacked: bool = False, padding: float = 0.0
    ) -> Spec:
        """Returns the encoding as a position, with its axis.

        `is_across` says that the axis lies below the chart, and `is_stacked` that it shows sums of its values;
        `padding` is the space at its ends in pixels.
        """
        axis: Spec = {"labelOverlap": "greedy", "labelSeparation": 6}
        if self.format is not None:
            axis["format"] = self.format
        if self.is_whole:
            axis["tickMinStep"] = 1
            # Vega divides a short axis into halves all the same, and rounds their labels.
            if ticks := self._whole_ticks(from_zero=from_zero, is_stacked=is_stacked):
                axis["values"] = ticks
        if self.type == "ordinal":
            is_short = sum(len(label) + 2 for label in self.labels) * 7 < 520
            axis["labelAngle"] = 0 if is_short or not is_across else -45
            # Whether labels overlap takes a time that grows with the square of their number.
            if len(self.labels) > _MAX_LABELS:
                axis["values"] = [*self.labels[:: math.ceil(len(self.labels) / _MAX_LABELS)]]
        scale: Spec = {}
        if self.type == "quantitative":
            scale["zero"] = from_zero
        if padding:
            scale["padding"] = padding
        return {**self.channel(**scale), "axis": axis}

    def _whole_ticks(self, *, from_zero: bool, is_stacked: bool) -> list[JsonValue]:
        """Returns all whole numbers of a short axis; none of another one. Those beyond its end are not drawn."""
        values = [value for value in self.values if isinstance(value, float) and math.isfinite(value)]
        low = min([0.0] * from_zero + values, default=0.0)
        high = max([0.0] * from_zero + ([sum(values)] if is_stacked else values), default=0.0)
        return [*range(int(low), int(high) + 1)] if high - low <= _MAX_WHOLE_TICKS else []


def measured(name: str, series: Series) -> Axis:
    """Returns the axis of amounts or times; of texts if the cells are neither."""
    if series.type in NUMERIC:
        return _quantitative(name, series)
    return _temporal(name, series) or labelled(name, series)


def labelled(name: str, series: Series) -> Axis:
    """Returns the axis with one place for each different cell, in the order of the rows."""
    labels = _labels(series)
    found = [labels[_key(cell)] for cell in series.cells]
    return Axis(name, _title(series), "ordinal", [*found], labels=tuple(dict.fromkeys(found)))


def literal(text: str) -> str:
    """Returns a text as a chart may hold it: none that Vega takes for a name of its own language."""
    return f"{text} " if text in _RESERVED else text


def _quantitative(name: str, series: Series) -> Axis:
    values = [number(cell) for cell in series.cells]
    is_whole = series.type is CellType.INTEGER
    form = _format([value for value in values if value is not None], is_whole=is_whole)
    return Axis(name, _title(series), "quantitative", [*values], format=form, is_whole=is_whole)


def _format(values: Sequence[float], *, is_whole: bool) -> str | None:
    """Returns the format of the labels, with as many digits as tell them apart; None for that of Vega."""
    largest, span = max(map(abs, values), default=0.0), max(values, default=0.0) - min(values, default=0.0)
    if largest < _LARGE:
        return "d" if is_whole and largest < 10_000 else None
    digits = math.ceil(math.log10(largest / span)) + 2 if 0 < span < math.inf else 0
    if digits <= _SHORT_DIGITS:
        return ".3~e"
    return ",d" if is_whole and largest < _EXACT else f".{min(digits, _FLOAT_DIGITS)}~e"


def _temporal(name: str, series: Series) -> Axis | None:
    """Returns the axis of times, as milliseconds; None if a cell is no time that a calendar has."""
    if series.type not in _TEMPORAL:
        return None
    try:
        times = [None if cell is None else _time(cell) for cell in series.cells]
    except ValueError:
        return None
    instants = [None if each is None else _milliseconds(each) for each in times]
    # Without their zone: a chart shows the day and the hour that the cells name.
    walls = [None if each is None else _milliseconds(each.replace(tzinfo=None)) for each in times]
    title = _title(series)
    is_ordered = _in_order(walls, instants)
    form = "%H:%M" if series.type is CellType.TIME else None
    return Axis(
        name,
        title if is_ordered else f"{title} (UTC)",
        "temporal",
        [*(walls if is_ordered else instants)],
        format=form,
    )


def _in_order(walls: Sequence[float | None], instants: Sequence[float | None]) -> bool:
    """Returns whether the clocks of all zones show the times in the order in which they were."""
    known = [(now, wall) for now, wall in zip(instants, walls, strict=True) if now is not None and wall is not None]
    ordered = [wall for _, wall in sorted(known)]
    return ordered == sorted(ordered)


def _time(cell: JsonValue) -> datetime:
    text = str(cell)
    if "T" in text or " " in text:
        return datetime.fromisoformat(text)
    if ":" in text:
        return datetime.combine(_EPOCH, time.fromisoformat(text))
    return datetime.combine(date.fromisoformat(text), time())


def _milliseconds(moment: datetime) -> float:
    """Returns the milliseconds since 1970; a time without a zone is in UTC."""
    return (moment - (_EPOCH if moment.tzinfo is None else _EPOCH_UTC)).total_seconds() * 1000


def _labels(series: Series) -> dict[object, str]:
    """Returns a label for each different cell. No two are the same, even if their texts look the same."""
    labels: dict[object, str] = {}
    taken: set[str] = set()
    for cell in series.cells:
        key = _key(cell)
        if key in labels:
            continue
        text = literal(shown(cell, series.type))
        text = text if len(text) <= _MAX_LABEL else f"{text[: _MAX_LABEL - 1]}…"
        label, copy = text, 1
        while label in taken:
            copy += 1
            label = f"{text} ({copy})"
        taken.add(label)
        labels[key] = label
    return labels


def _key(cell: JsonValue) -> object:
    return repr(cell) if isinstance(cell, dict | list) else (type(cell), cell)


def _title(series: Series) -> str:
    unit = " (s)" if series.type is CellType.DURATION else ""
    return literal(safe_line(series.title) + unit)
