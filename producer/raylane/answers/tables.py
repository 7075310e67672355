"""A table of an answer as text: aligned, at most as wide as the terminal, with its number of rows below it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.cells import cell_len

from raylane.answers.cells import NULL, NUMERIC, shown
from raylane.answers.width import clip, pad
from raylane_common.counting import counted
from raylane_common.safe_text import safe_line
from raylane_common.wire.names import CellType

if TYPE_CHECKING:
    from collections.abc import Sequence

    from raylane.answers.layout import Layout
    from raylane_common.wire.answer import AnswerTable

# Only these may be cut: a part of a number, a time or a truth value is another one.
_MAY_BE_CUT: Final = frozenset((CellType.STRING, CellType.NESTED, CellType.BINARY))
_MIN_TEXT: Final = 12
_MIN_HEADER: Final = 8
_BETWEEN: Final = " | "


def table_lines(table: AnswerTable, layout: Layout, number: int = 1) -> list[str]:
    """Returns the lines of a table, which is the first or the given one of its answer.

    Columns that do not fit are left out and named below it. A single row that is too wide is shown as one line for each
    column.
    """
    rows = table.rows if layout.max_rows is None else table.rows[: layout.max_rows]
    header = [safe_line(column.name) for column in table.columns]
    types = [column.type for column in table.columns]
    body = [[shown(cell, cell_type) for cell, cell_type in zip(row, types, strict=True)] for row in rows]
    has_null = any(cell is None for row in rows for cell in row)
    natural = [max(1, *map(cell_len, column)) for column in zip(header, *body, strict=True)]
    widths = natural
    if layout.width is not None:
        minimums = [_minimum(at, types, header, body) for at in range(len(types))]
        widths = _fitting(natural, minimums, layout.width)
        if len(widths) < len(natural) and len(body) == 1:
            lines = _record(header, types, body[0], layout)
            return [*lines, _footer(table, len(rows), (), layout, number, has_null=has_null)]
    lines = _grid(header, types, body, widths, layout) if header else []
    return [*lines, _footer(table, len(rows), header[len(widths) :], layout, number, has_null=has_null)]


def _minimum(at: int, types: Sequence[CellType], header: Sequence[str], body: Sequence[Sequence[str]]) -> int:
    cells = max([1, *(cell_len(row[at]) for row in body)])
    if types[at] in _MAY_BE_CUT:
        return min(max(cells, cell_len(header[at])), _MIN_TEXT)
    return max(cells, min(cell_len(header[at]), _MIN_HEADER))


def _fitting(natural: Sequence[int], minimums: Sequence[int], width: int) -> list[int]:
    """Returns the widths of the first columns that fit. The widest are cut first, none below its minimum."""
    kept = 0
    used = 0
    for minimum in minimums:
        used += minimum + (len(_BETWEEN) if kept else 0)
        if used > width and kept:
            break
        kept += 1
    room = width - len(_BETWEEN) * (kept - 1)
    natural, minimums = natural[:kept], minimums[:kept]
    widest = min(room, max(natural, default=0))
    while widest > 1 and sum(_capped(natural, minimums, widest)) > room:
        widest -= 1
    return _capped(natural, minimums, widest)


def _capped(natural: Sequence[int], minimums: Sequence[int], widest: int) -> list[int]:
    return [max(minimum, min(width, widest)) for width, minimum in zip(natural, minimums, strict=True)]


def _grid(
    header: Sequence[str],
    types: Sequence[CellType],
    body: Sequence[Sequence[str]],
    widths: Sequence[int],
    layout: Layout,
) -> list[str]:
    right = [cell_type in NUMERIC for cell_type in types]
    lines = [
        # The columns that do not fit are at the end.
        _BETWEEN.join(
            pad(clip(cell, width, layout.cut), width, right=on_right)
            for cell, width, on_right in zip(row, widths, right, strict=False)
        ).rstrip()
        for row in (header, *body)
    ]
    return [lines[0], "-+-".join("-" * width for width in widths), *lines[1:]]


def _record(header: Sequence[str], types: Sequence[CellType], row: Sequence[str], layout: Layout) -> list[str]:
    assert layout.width is not None
    names = min(max(map(cell_len, header)), max(_MIN_HEADER, layout.width // 3))
    room = max(1, layout.width - names - len(_BETWEEN))
    return [
        pad(clip(name, names, layout.cut), names)
        + _BETWEEN
        + (clip(cell, room, layout.cut) if cell_type in _MAY_BE_CUT else cell)
        for name, cell_type, cell in zip(header, types, row, strict=True)
    ]


def _footer(
    table: AnswerTable, shown_rows: int, left_out: Sequence[str], layout: Layout, number: int, *, has_null: bool
) -> str:
    more = table.total_rows - shown_rows
    parts = [f"{layout.cut} {counted(more, 'more row')}"] if more else [counted(table.total_rows, "row")]
    if left_out:
        names = clip(", ".join(left_out), layout.width or 0, layout.cut)
        parts.append(f"{counted(len(left_out), 'more column')}: {names}")
    if has_null:
        parts.append(f"{NULL}: no value")
    if more or left_out:
        which = f" --table {number}" if number > 1 else ""
        parts.append(f"{layout.command}{which} --csv FILE has all")
    text = "; ".join(parts)
    return text if more else f"({text})"
