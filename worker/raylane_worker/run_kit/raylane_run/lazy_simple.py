"""Text of Hive's LazySimpleSerDe: no quotes, and a cell that does not have its column's type is null."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import pyarrow as pa
import pyarrow.compute as pc

from .text_values import from_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .description import Table
    from .hive_types import HiveType

# An escaped line end is written so, because lines are split first.
_ESCAPED: Final = {"n": "\n", "r": "\r"}


def read_cells(lines: pa.Array, table: Table, width: int, wanted: Mapping[str, HiveType]) -> dict[str, pa.Array]:
    """Returns the wanted columns. A line has `width` columns; missing ones are null, and further ones are dropped."""
    cells = split_cells(lines, table, width)
    found = {}
    positions = {name: index for index, (name, _) in enumerate(table.columns)}
    for name, hive in wanted.items():
        if positions[name] >= width:
            found[name] = pa.nulls(len(lines), hive.arrow)
            continue
        texts = pc.list_element(cells, positions[name])
        texts = pc.if_else(pc.equal(texts, table.null_text), None, texts)
        if table.escape and pa.types.is_string(hive.arrow):
            texts = pa.array(_unescape(texts, table.escape), pa.string())
        found[name] = from_text(texts.cast(pa.string()), hive).cast(hive.arrow)
    return found


def split_cells(lines: pa.Array, table: Table, width: int) -> pa.Array:
    """Returns the first `width` cells of each line, with null for those that the line does not have."""
    if table.escape and pc.any(pc.match_substring(lines, table.escape)).as_py():
        escape, delimiter = re.escape(table.escape), re.escape(table.delimiter)
        cell = re.compile(rf"((?:{escape}.|(?!{delimiter}).)*)(?:{delimiter}|$)", re.DOTALL)
        lists = pa.array([_escaped_cells(cell, line) for line in lines.to_pylist()], pa.list_(pa.string()))
    else:
        lists = pc.split_pattern(lines, table.delimiter)
    return pc.list_slice(lists, 0, width, return_fixed_size_list=True)


def _escaped_cells(cell: re.Pattern[str], line: str) -> list[str]:
    cells, start = [], 0
    while True:
        match = cell.match(line, start)
        assert match is not None  # the pattern matches the empty text
        cells.append(match[1])
        if match.end() == match.end(1):
            return cells
        start = match.end()


def _unescape(texts: pa.Array, escape: str) -> Iterator[str | None]:
    escaped = re.compile(re.escape(escape) + "(.)", re.DOTALL)
    for text in texts.to_pylist():
        yield None if text is None else escaped.sub(lambda match: _ESCAPED.get(match[1], match[1]), text)
