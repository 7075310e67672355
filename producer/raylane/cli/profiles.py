"""Prints the profile of a source: what is known of the values of each column."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from raylane.cli.columns import fact, key, text
from raylane_common.counting import counted

if TYPE_CHECKING:
    from raylane.cli.terminal import Terminal
    from raylane_common.wire.sources import AnySource, Column

_HEADER: Final = (
    *(key("column"), fact("type", 1), fact("missing", 2), text("distinct", 3), text("min", 4), text("max", 5)),
    *(fact("mean", 7), fact("order", 8), text("text", 6), text("written as", 9)),
)


def show_profile(source: AnySource, terminal: Terminal) -> None:
    """Prints a table with a line for each column. Only files have a profile."""
    from raylane_common.wire.sources import FileSource

    if isinstance(source, FileSource):
        terminal.line("")
        terminal.line(f"{source.name}: {counted(source.rows, 'row')}")
        terminal.table(_HEADER, [_cells(column) for column in source.columns])


def _cells(column: Column) -> list[str]:
    known = column.profile
    if known is None:
        return [column.name, column.type, *[""] * (len(_HEADER) - 3), column.written or ""]
    distinct = f"{known.distinct:,}" if known.distinct_is_exact else f"about {known.distinct:,}"
    shapes = ", ".join(f"{shape.shape} ({shape.count:,})" for shape in known.shapes)
    longest = "" if known.longest is None else f"up to {counted(known.longest, 'character')}"
    return [
        column.name,
        column.type,
        f"{known.nulls:,}",
        f"{distinct}, unique" if known.unique else distinct,
        _shown(known.min),
        _shown(known.max),
        _shown(known.mean),
        known.order or "",
        "; ".join(filter(None, (longest, shapes))),
        column.written or "",
    ]


def _shown(value: float | str | None) -> str:
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(value)
