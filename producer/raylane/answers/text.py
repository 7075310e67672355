"""An answer as text for people: values, tables and files, then the notes. Charts are drawn elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raylane.answers.cells import shown
from raylane.answers.series import title_of
from raylane.answers.tables import table_lines
from raylane_common.counting import counted
from raylane_common.safe_text import safe_line
from raylane_common.wire.answer import AnswerChart, AnswerFile, AnswerTable, AnswerValue

if TYPE_CHECKING:
    from raylane.answers.layout import Layout
    from raylane_common.wire.answer import Answer, AnswerItem


def answer_lines(answer: Answer, layout: Layout) -> list[str]:
    """Returns the lines of an answer, each safe to print; none for an answer of charts alone."""
    parts: list[list[str]] = []
    follows_value = False
    tables = 0
    for item in answer.items:
        is_value = isinstance(item, AnswerValue)
        tables += isinstance(item, AnswerTable)
        lines = _item_lines(item, layout, tables)
        if is_value and follows_value:
            parts[-1] += lines
        elif lines:
            parts.append(lines)
        follows_value = is_value
    if not answer.items:
        parts.append(["no answer"])
    if answer.notes:
        parts.append([f"note: {safe_line(note)}" for note in answer.notes])
    return [line for number, part in enumerate(parts) for line in (*([""] if number else []), *part)]


def chart_line(chart: AnswerChart) -> str:
    """Returns what a chart shows, on one line, for where it is not drawn."""
    return f"{chart.kind} chart: {safe_line(title_of(chart))} ({counted(len(chart.rows), 'row')})"


def _item_lines(item: AnswerItem, layout: Layout, tables: int) -> list[str]:
    match item:
        case AnswerValue():
            unit = f" {safe_line(item.unit)}" if item.unit else ""
            return [f"{safe_line(item.name)}: {shown(item.value, item.value_type)}{unit}"]
        case AnswerTable():
            title = [safe_line(item.title)] if item.title else []
            return [*title, *table_lines(item, layout, tables)]
        case AnswerFile():
            size = f"{counted(item.rows, 'row')}, {counted(item.size_bytes, 'byte')}"
            return [f"file: {safe_line(item.name)}  {size}  {safe_line(item.s3_uri)}".rstrip()]
        case AnswerChart():
            return []
        case _:
            return [f"a {safe_line(item.type)} that a newer version wrote; upgrade to see it"]
