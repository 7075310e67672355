"""Charts and answers of every kind, for the tests of what draws and prints them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from raylane_common.wire.answer import (
    Answer,
    AnswerChart,
    AnswerColumn,
    AnswerFile,
    AnswerTable,
    AnswerValue,
    CellType,
    ChartKind,
    OpaqueItem,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pydantic import JsonValue

WEATHER: Final = (
    ("drizzle", 15.909259),
    ("fog", 14.470316),
    ("rain", 12.584942),
    ("snow", 5.504348),
    ("sun", 19.362745),
)
BOX: Final = ("min", "q1", "median", "q3", "max")


def columns(**types: CellType) -> tuple[AnswerColumn, ...]:
    return tuple(AnswerColumn(name=name, type=cell_type) for name, cell_type in types.items())


def chart(
    kind: ChartKind,
    types: dict[str, CellType],
    rows: Iterable[Sequence[JsonValue]],
    *,
    x: str | None = None,
    y: str | None = None,
    color: str | None = None,
    title: str | None = None,
) -> AnswerChart:
    return AnswerChart(
        kind=kind, columns=columns(**types), rows=tuple(map(tuple, rows)), x=x, y=y, color=color, title=title
    )


def table(types: dict[str, CellType], rows: Iterable[Sequence[JsonValue]], total: int | None = None) -> AnswerTable:
    found = tuple(map(tuple, rows))
    return AnswerTable(columns=columns(**types), rows=found, total_rows=len(found) if total is None else total)


BAR: Final = chart(
    ChartKind.BAR,
    {"weather": CellType.STRING, "mean(temp_max)": CellType.NUMBER},
    WEATHER,
    x="weather",
    y="mean(temp_max)",
)
LYING_BARS: Final = chart(
    ChartKind.BAR,
    {"state": CellType.STRING, "change": CellType.INTEGER},
    [*((f"a state with number {number}", number * number - 100) for number in range(30)), (None, 4), ("null", None)],
    x="state",
    y="change",
    title="Change by state",
)
COLORED_BARS: Final = chart(
    ChartKind.BAR,
    {"year": CellType.INTEGER, "rows": CellType.INTEGER, "weather": CellType.STRING},
    [
        (year, (year * 7 + number * 13) % 50, name)
        for year in range(2012, 2016)
        for number, name in enumerate(("sun", "rain", "snow"))
    ],
    x="year",
    y="rows",
    color="weather",
)
DAILY_BARS: Final = chart(
    ChartKind.BAR,
    {"day": CellType.DATE, "amount": CellType.DECIMAL},
    [(f"2024-{month:02}-{day:02}", f"{month * day % 17}.50") for month in range(1, 13) for day in range(1, 29)],
    x="day",
    y="amount",
)
LINE: Final = chart(
    ChartKind.LINE,
    {"day": CellType.DATE, "mean": CellType.NUMBER},
    [(f"2024-{month:02}-01", None if month == 5 else 10 + 5 * math.sin(month)) for month in range(1, 13)],
    x="day",
    y="mean",
)
COLORED_LINES: Final = chart(
    ChartKind.LINE,
    {"at": CellType.TIMESTAMP, "n": CellType.INTEGER, "name": CellType.STRING},
    [
        (f"2024-01-05T{hour:02}:00:00", hour * (number + 1) % 11, name)
        for number, name in enumerate(("__proto__", "constructor", "a.b[0]"))
        for hour in range(24)
    ],
    x="at",
    y="n",
    color="name",
)
SCATTER: Final = chart(
    ChartKind.SCATTER,
    {"length": CellType.NUMBER, "width": CellType.NUMBER, "kind": CellType.STRING},
    [
        *((math.cos(turn) * turn, math.sin(turn) * turn, "odd" if turn % 2 else "even") for turn in range(200)),
        (None, 1.0, "odd"),
    ],
    x="length",
    y="width",
    color="kind",
)
HISTOGRAM: Final = chart(
    ChartKind.HISTOGRAM,
    {"start": CellType.NUMBER, "end": CellType.NUMBER, "count": CellType.INTEGER},
    [(at * 2.5, at * 2.5 + 2.5, round(100 * math.exp(-((at - 6) ** 2) / 8))) for at in range(14)],
    x="temp_max",
)
PIE: Final = chart(
    ChartKind.PIE,
    {"weather": CellType.STRING, "rows": CellType.INTEGER},
    [("rain", 641), ("sun", 640), ("fog", 101), ("drizzle", 53), ("snow", 26)],
    x="weather",
    y="rows",
)
BOXES: Final = chart(
    ChartKind.BOX,
    {"weather": CellType.STRING, **dict.fromkeys(BOX, CellType.NUMBER)},
    [("rain", 2, 9, 12, 15, 35), ("sun", -1.6, 12.8, 20, 26, 35.6), ("snow", -1, 3, 5, 8, 12)],
    x="weather",
    y="temp_max",
)
CHARTS: Final = {
    "bar": BAR,
    "lying_bars": LYING_BARS,
    "colored_bars": COLORED_BARS,
    "daily_bars": DAILY_BARS,
    "line": LINE,
    "colored_lines": COLORED_LINES,
    "scatter": SCATTER,
    "histogram": HISTOGRAM,
    "pie": PIE,
    "boxes": BOXES,
}
ANSWER: Final = Answer(
    items=(
        AnswerValue(name="rows", value=1461, value_type=CellType.INTEGER),
        AnswerValue(name="mean(temp_max)", value=16.439082819986314, value_type=CellType.NUMBER, unit="°C"),
        AnswerValue(name="latest", value="2015-12-31", value_type=CellType.DATE),
        AnswerValue(name="nothing", value=None, value_type=CellType.NUMBER),
        AnswerTable(
            title="By weather",
            columns=columns(
                weather=CellType.STRING,
                **{"mean(temp_max)": CellType.NUMBER, "id": CellType.INTEGER},
                day=CellType.DATE,
                note=CellType.STRING,
            ),
            rows=(
                ("drizzle", 15.909259, "12345678901234567890", "2012-01-01", "a text that is longer than the terminal"),
                ("日本語", 14.47, 7, None, "two\nlines"),
                ("sun", -3.0, None, "2012-01-03", "👩‍👩‍👧 family, \x1b[31mred\x1b[0m, \u202eback"),
                (None, "Infinity", 0, "2012-01-04", ""),
            ),
            total_rows=4,
        ),
        AnswerTable(
            columns=columns(n=CellType.INTEGER, square=CellType.INTEGER),
            rows=tuple((number, number * number) for number in range(1000)),
            total_rows=1_000_001,
            file=AnswerFile(name="table-2.parquet", rows=1_000_001, columns=()),
        ),
        table({f"column {number}": CellType.NUMBER for number in range(12)}, [[1234567.25] * 12]),
        table({f"column {number}": CellType.NUMBER for number in range(12)}, [[1234567.25] * 12, [1.0] * 12]),
        table({"empty": CellType.STRING}, []),
        AnswerFile(name="all.csv", s3_uri="s3://lake/all.csv", rows=1, columns=(), size_bytes=12),
        OpaqueItem(type="map"),
        BAR,
        COLORED_LINES,
    ),
    notes=("The note of a script, which is a sentence.", "Another one."),
)
