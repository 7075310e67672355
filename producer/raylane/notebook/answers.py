"""An answer in a notebook: values, tables with their first rows, charts as pictures, files and notes."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Final

from raylane.answers.cells import NUMERIC, shown
from raylane.answers.drawing import svg
from raylane.answers.series import title_of
from raylane.answers.vega import vega_lite
from raylane.notebook import html
from raylane_common.counting import counted
from raylane_common.errors import MissingPackage, RaylaneError
from raylane_common.wire.answer import AnswerChart, AnswerFile, AnswerTable, AnswerValue

if TYPE_CHECKING:
    from collections.abc import Iterator

    from raylane_common.wire.answer import Answer, AnswerItem

MAX_ROWS: Final = 20
"""The rows of a table that a notebook shows: as many as a terminal."""
VEGA_LITE: Final = "application/vnd.vegalite.v6+json"
SVG: Final = "image/svg+xml"
_MAX_COLUMNS: Final = 40


def answer_pieces(answer: Answer) -> Iterator[str]:
    """Yields the pieces of an answer, in the order of its items."""
    if not answer.items:
        yield html.note("no answer")
    tables = 0
    for item in answer.items:
        tables += isinstance(item, AnswerTable)
        yield from item_pieces(item, tables if len(answer.tables) > 1 else 0)
    yield from (html.note(f"note: {note}") for note in answer.notes)


def item_pieces(item: AnswerItem, number: int = 0) -> Iterator[str]:
    """Yields the pieces of one item. `number` is that of a table which is not the only one."""
    match item:
        case AnswerValue():
            unit = f" {item.unit}" if item.unit else ""
            yield html.line(f"{item.name}: {shown(item.value, item.value_type)}{unit}")
        case AnswerTable():
            yield from _table_pieces(item, number)
        case AnswerChart():
            yield from _chart_pieces(item)
        case AnswerFile():
            size = f"{counted(item.rows, 'row')}, {counted(item.size_bytes, 'byte')}"
            yield html.line(f"file: {item.name} ({size}) {item.s3_uri}")
        case _:
            yield html.note(f"a {item.type} that a newer version wrote; upgrade to see it")


def chart_bundle(chart: AnswerChart) -> dict[str, object]:
    """Returns a chart as Vega-Lite, for those who can zoom into it, and as a picture if it can be drawn here."""
    found: dict[str, object] = {}
    try:
        found[VEGA_LITE] = vega_lite(chart)
        found[SVG] = svg(chart)
    except RaylaneError as error:
        found.setdefault("text/plain", f"{chart_words(chart)}: {error.message}")
    return found


def chart_words(chart: AnswerChart) -> str:
    """Returns what a chart shows, for where it is not drawn, and for those who do not see it."""
    return f"{chart.kind} chart: {title_of(chart)} ({counted(len(chart.rows), 'row')})"


def _chart_pieces(chart: AnswerChart) -> Iterator[str]:
    try:
        drawn = base64.b64encode(svg(chart).encode()).decode()
    except MissingPackage as error:
        yield html.line(chart_words(chart))
        yield html.note(error.message)
    except RaylaneError as error:
        yield html.line(f"{chart_words(chart)}: {error.message}")
    else:
        yield html.picture(SVG, drawn, chart_words(chart))


def _table_pieces(table: AnswerTable, number: int) -> Iterator[str]:
    columns = table.columns[:_MAX_COLUMNS]
    rows = (
        [shown(cell, column.type) for cell, column in zip(row, columns, strict=False)] for row in table.rows[:MAX_ROWS]
    )
    right = [column.type in NUMERIC for column in columns]
    yield html.table([column.name for column in columns], rows, right=right, title=table.title or "")
    yield html.note(_below(table, number))


def _below(table: AnswerTable, number: int) -> str:
    """Returns the number of rows, and what gives those that are not shown."""
    more = table.total_rows - min(MAX_ROWS, len(table.rows))
    parts = [f"… {counted(more, 'more row')}" if more else counted(table.total_rows, "row")]
    left_out = table.columns[_MAX_COLUMNS:]
    if left_out:
        parts.append(f"… {counted(len(left_out), 'more column')}")
    if more or left_out:
        which = str(number) if number else ""
        is_whole = len(table.rows) == table.total_rows
        all_rows = f"answer.to_pandas({which})" if is_whole else f"producer.to_pandas(job{which and f', {which}'})"
        parts.append(f"{all_rows} has all")
    return "; ".join(parts)
