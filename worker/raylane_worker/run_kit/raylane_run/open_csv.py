"""Text of Hive's OpenCSVSerde: quoted cells, which become values of their column's type."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import pyarrow as pa
import pyarrow.compute as pc

from .hive_types import HiveType, Kind
from .lazy_simple import split_cells
from .text_values import from_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .description import Table

# What Athena takes for a whole number; LazySimpleSerDe also takes fractions.
_WHOLE: Final = r"^\s*[+-]?[0-9]+\s*$"
_SHOWN_CHARACTERS: Final = 40


def read_quoted(
    lines: pa.Array, first: int, table: Table, width: int, wanted: Mapping[str, HiveType]
) -> dict[str, pa.Array]:
    """Returns the wanted columns of lines with `width` cells; `first` is the number of the first line.

    Raises `ValueError` for a quote that the line does not close, and for a cell that does not have its column's type.
    """
    special = re.escape(table.quote) + "|" + re.escape(table.escape) if table.escape else re.escape(table.quote)
    has_quotes = pc.match_substring_regex(lines, special)
    if not pc.any(has_quotes).as_py():
        cells = split_cells(lines, table, width)
    else:
        parser = _Parser(table)
        rows = [parser.cells(line, first + index) for index, line in enumerate(lines.to_pylist())]
        lists = pa.array(rows, pa.list_(pa.string()))
        cells = pc.list_slice(lists, 0, width, return_fixed_size_list=True)
    positions = {name: index for index, (name, _) in enumerate(table.columns)}
    found = {}
    for name, hive in wanted.items():
        if positions[name] >= width:
            found[name] = pa.nulls(len(lines), hive.arrow)
        else:
            found[name] = _typed(pc.list_element(cells, positions[name]).cast(pa.string()), hive, name, first)
    return found


def _typed(texts: pa.Array, hive: HiveType, name: str, first: int) -> pa.Array:
    if hive.kind is Kind.TEXT:
        return from_text(texts, hive)
    texts = pc.if_else(pc.equal(pc.utf8_trim_whitespace(texts), ""), None, texts)
    match hive.kind:
        case Kind.INTEGER:
            values = from_text(pc.if_else(pc.match_substring_regex(texts, _WHOLE), texts, None), hive)
        case Kind.DATE | Kind.TIMESTAMP:
            values = _since_1970(texts, hive)
        case _:
            values = from_text(texts, hive)
    values = values.cast(hive.arrow)
    bad = pc.indices_nonzero(pc.and_(pc.is_null(values), pc.is_valid(texts)))
    if len(bad):
        index = bad[0].as_py()
        text = texts[index].as_py()[:_SHOWN_CHARACTERS]
        raise ValueError(f"line {first + index} has {text!r} in column {name}, which is not of type {hive.name}")
    return values


def _since_1970(texts: pa.Array, hive: HiveType) -> pa.Array:
    """Returns dates or timestamps: a whole number counts days or milliseconds since 1970, as Athena says."""
    is_number = pc.match_substring_regex(texts, _WHOLE)
    days = HiveType("int", Kind.INTEGER, pa.int64(), 32 if hive.kind is Kind.DATE else 64)
    counts = from_text(pc.if_else(is_number, texts, None), days)
    if hive.kind is Kind.DATE:
        counted = counts.cast(pa.int32()).cast(pa.date32())
    else:
        counted = counts.cast(pa.timestamp("ms")).cast(hive.arrow)
    return pc.if_else(is_number, counted, from_text(pc.if_else(is_number, None, texts), hive))


class _Parser:
    """Splits a line as opencsv 2.3 does it, which OpenCSVSerde uses."""

    def __init__(self, table: Table) -> None:
        self._quote, self._escape, self._delimiter = table.quote, table.escape, table.delimiter
        quote, delimiter = re.escape(self._quote), re.escape(self._delimiter)
        escape = re.escape(self._escape) if self._escape else quote
        # A cell without any quote, or one that is quoted from its first character to its last.
        quoted = rf"{quote}(?:[^{quote}{escape}]|{quote}{quote}|{escape}[{quote}{escape}])*{quote}"
        cell = rf"(?:[^{quote}{escape}{delimiter}]*|{quoted})"
        self._regular = re.compile(rf"{cell}(?:{delimiter}{cell})*")
        self._cells = re.compile(rf"({cell})(?:{delimiter}|$)")
        self._escaped = re.compile(rf"{quote}({quote})|{escape}([{quote}{escape}])")

    def cells(self, line: str, number: int) -> list[str]:
        """Returns the cells. Raises `ValueError` with the line's number if a quote is not closed."""
        if self._quote not in line and (not self._escape or self._escape not in line):
            return line.split(self._delimiter)
        if self._regular.fullmatch(line):
            return [self._unquoted(cell) for cell in self._regular_cells(line)]
        return self._irregular(line, number)

    def _regular_cells(self, line: str) -> list[str]:
        cells, start = [], 0
        while True:
            match = self._cells.match(line, start)
            assert match is not None  # the whole line is regular
            cells.append(match[1])
            if match.end() == match.end(1):
                return cells
            start = match.end()

    def _unquoted(self, cell: str) -> str:
        if not cell.startswith(self._quote):
            return cell
        return self._escaped.sub(lambda match: match[1] or match[2], cell[1:-1])

    def _irregular(self, line: str, number: int) -> list[str]:
        cells: list[str] = []
        cell: list[str] = []
        is_quoted = is_in_cell = False
        index = 0
        while index < len(line):
            character, following = line[index], line[index + 1 : index + 2]
            is_open = is_quoted or is_in_cell
            if character == self._escape and self._escape:
                # An escape before any other character is dropped.
                if is_open and following and following in (self._quote, self._escape):
                    cell.append(following)
                    index += 1
            elif character == self._quote:
                if is_open and following == self._quote:
                    cell.append(following)
                    index += 1
                else:
                    is_quoted = not is_quoted
                    if index > 2 and line[index - 1] != self._delimiter and following and following != self._delimiter:
                        if cell and not "".join(cell).strip():
                            cell.clear()
                        else:
                            cell.append(character)
                is_in_cell = not is_in_cell
            elif character == self._delimiter and not is_quoted:
                cells.append("".join(cell))
                cell.clear()
                is_in_cell = False
            else:
                cell.append(character)
                is_in_cell = True
            index += 1
        if is_quoted:
            raise ValueError(f"line {number} opens a quote that it does not close; a cell cannot hold a line break")
        return [*cells, "".join(cell)]
