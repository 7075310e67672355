"""Finds out the dialect of a CSV: what separates and encloses its cells, and which line names the columns.

DuckDB's sniffer proposes a dialect; the head of the file, split with it, has to agree. See docs/decisions/0028.
"""

from __future__ import annotations

import re
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Final, NamedTuple

import duckdb

from raylane_common.errors import InvalidFile, InvalidRequest
from raylane_worker.data.readers.rows import Head, Row, has_row_names, split, without_rules
from raylane_worker.data.sniff.delimiters import has_lines_in_quotes, most_regular, regularity
from raylane_worker.data.sniff.header import Header, find_header, has_names, said_header

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from raylane_common.wire.reading import ReadingOptions

# pyarrow takes more than a minute for a header with a million names.
MAX_COLUMNS: Final = 10_000
_SEPARATOR_LINE: Final = re.compile(r'"?sep=(.)"?\r?\n?')
_DECIMAL_COMMA: Final = re.compile(r"\s*-?[0-9]{1,3}((\.[0-9]{3})+|[0-9]*),([0-9]{1,2}|[0-9]{4,})\s*")
_DECIMAL_POINT: Final = re.compile(r"\s*-?[0-9]{1,3}((,[0-9]{3})+|[0-9]*)\.([0-9]{1,2}|[0-9]{4,})\s*")
# Spaces that align columns.
_ALIGNED: Final = re.compile(r"\S {2,}\S")
# Characters that names of columns hardly ever have.
_NO_NAME: Final = re.compile(r"[:=\[\]{}<>]")
# Tabs and line ends as MySQL and PostgreSQL write them.
_ESCAPED: Final = re.compile(r"\\[btnrfv\\]")
# DuckDB must not load anything from the network, and one thread is enough for the head of a file.
_DUCKDB: Final[dict[str, str | bool | int | float | list[str]]] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "threads": 1,
    "memory_limit": "256MB",
}


@dataclass
class Dialect:
    """The fields of `Reading` that say how a CSV is written, and warnings about them."""

    fields: dict[str, str | int]
    warnings: list[str] = field(default_factory=list)


def dialect_of(head: Head, options: ReadingOptions) -> Dialect:
    """Returns the dialect of the CSV that begins with `head`.

    Raises `InvalidRequest` if an option does not fit the file, and `InvalidFile`.
    """
    lines, first = head.lines, head.first_line
    named = _SEPARATOR_LINE.fullmatch(lines[first - 1])
    delimiter = options.delimiter or (named[1] if named else None)
    start = first + 1 if named else first
    if len(lines) < start:
        raise InvalidFile("the file holds only a separator line, and no data")
    proposed = _propose("".join(without_rules(lines[start - 1 :])), delimiter, options)
    quote = proposed.quote if options.quote is None else options.quote
    escape = proposed.escape if options.escape is None else options.escape
    fields: dict[str, str | int] = {
        "delimiter": delimiter or proposed.delimiter,
        "quote": quote,
        # A quote before a quote is a doubled one.
        "escape": "" if escape == quote else escape,
        "comment": proposed.comment,
    }
    if fields["delimiter"] in (quote, escape):
        raise InvalidRequest.field("reading.delimiter", "is also the quote or the escape; name different characters")
    rows = split(head, start, fields)
    if options.delimiter is not None and all(len(row.cells) == 1 for row in rows):
        raise InvalidRequest.field(
            "reading.delimiter", f"no line has {options.delimiter!r}; leave it out to have it detected"
        )
    fields["decimal"] = options.decimal or _decimal_mark(rows, str(fields["delimiter"]))
    if (
        options.header_line is None
        and rows
        and has_names(rows[0].cells)
        and has_row_names(rows[0].cells, rows[1:], lines, quote)
    ):
        header = Header(rows[0].line, ("the header leaves out the first column, which seems to name the rows",))
    else:
        header = said_header(options.header_line, lines) or find_header(
            rows, skipped_until=start + proposed.skipped_lines, has_header=proposed.has_header
        )
    fields["header_line"] = header.line
    return Dialect(fields, [*header.warnings, *_warnings(rows, header.line, fields)])


class _Proposal(NamedTuple):
    delimiter: str
    quote: str
    escape: str
    comment: str
    skipped_lines: int
    has_header: bool
    columns: int


def _propose(text: str, delimiter: str | None, options: ReadingOptions) -> _Proposal:
    """Returns what DuckDB thinks of the text, or of the delimiter with which more lines have the same length."""
    found = _ask_duckdb(text, delimiter, options)
    if delimiter is not None:
        return found or _Proposal(
            delimiter, options.quote or '"', options.escape or "", "", 0, has_header=True, columns=1
        )
    regular = most_regular(text, options.quote)
    if found is None:
        return _propose(text, regular.delimiter if regular else ",", options)
    if regular is None or regular.delimiter == found.delimiter:
        return found
    if found.columns > 1 and has_lines_in_quotes(text, found.delimiter, found.quote):
        return found
    is_better = found.columns == 1 or regular.is_better(regularity(text, found.delimiter, options.quote))
    return _propose(text, regular.delimiter, options) if is_better else found


def _ask_duckdb(text: str, delimiter: str | None, options: ReadingOptions) -> _Proposal | None:
    """Returns what DuckDB thinks of the text; None if it finds no table."""
    said: dict[str, str | bool | None] = {"delim": delimiter, "quote": options.quote, "escape": options.escape}
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", newline="", suffix=".csv", prefix="raylane-") as file:
        # DuckDB takes one kind of line ends only, also inside quotes.
        file.write(text.replace("\r\n", "\n").replace("\r", "\n"))
        file.flush()
        for lenient in (False, True):
            found = _sniff(file.name, said | {"null_padding": True} if lenient else said)
            is_table = found is not None and (found.columns > 1 or delimiter is not None)
            if found is not None and is_table and (lenient or not _skips_records(text, found)):
                return found
    return None


def _sniff(path: str, said: dict[str, str | bool | None]) -> _Proposal | None:
    """Returns what DuckDB finds in the file; None if it finds no dialect that fits."""
    arguments = {name: value for name, value in said.items() if value is not None}
    given = "".join(f", {name} = ${name}" for name in arguments)
    columns = "Delimiter, Quote, Escape, Comment, SkipRows, HasHeader, len(Columns)"
    try:
        query = f"SELECT {columns} FROM sniff_csv($path{given})"  # noqa: S608  # `given` has only names from `_propose`
        row = _duckdb().cursor().execute(query, {"path": path} | arguments).fetchone()
    except duckdb.Error:
        return None
    if row is None:
        return None
    delimiter, quote, escape, comment, skipped, has_header, count = row
    # DuckDB calls a dialect without quotes one in which the text has none.
    quote = '"' if quote in ("(empty)", "\0") else quote
    escape = escape if escape == "\\" else ""
    comment = "" if comment in ("(empty)", "\0") else comment
    return _Proposal(delimiter, quote, escape, comment, skipped, has_header, count)


@cache
def _duckdb() -> duckdb.DuckDBPyConnection:
    """Returns the connection of this process. Threads need a cursor each."""
    return duckdb.connect(config=_DUCKDB)


def _skips_records(text: str, found: _Proposal) -> bool:
    """Returns whether the lines that DuckDB leaves out look like a table themselves, and not like a title."""
    skipped = text.splitlines()[: found.skipped_lines]
    filled = [sum(bool(cell.strip()) for cell in line.split(found.delimiter)) for line in skipped]
    return sum(count > 1 for count in filled) > 1 or max(filled, default=0) >= found.columns


def _warnings(rows: list[Row], header_line: int, fields: Mapping[str, str | int]) -> Iterator[str]:
    widths = {len(row.cells) for row in rows if row.line >= header_line}
    if max(widths, default=0) > MAX_COLUMNS:
        raise InvalidFile(f"a line has {max(widths):,} cells; at most {MAX_COLUMNS:,} columns are supported")
    if fields["delimiter"] == " ":
        yield "spaces separate the columns; otherwise enclose cells that hold spaces in quotes, or use --delimiter"
    if widths == {1} and (other := _delimiter_in(rows)):
        yield f"only one column was found; if {other!r} separates the columns, use --delimiter '{other}'"
    elif widths == {1} and sum(bool(_ALIGNED.search(row.cells[0])) for row in rows) > 1:
        yield (
            "only one column was found, but columns seem to be aligned with spaces; put a delimiter between them, and "
            "name it with --delimiter if it is a rare one"
        )
    elif widths == {1} and rows and _NO_NAME.search(rows[0].cells[0]):
        yield (
            f"only one column was found, and line {rows[0].line} does not look like its name; if the file is a table, "
            "use --delimiter and --header-line"
        )
    if not fields["escape"] and _has_escapes_of_text(rows):
        yield (
            r"\N is a missing value, but what other backslashes mean, such as \t, is not replaced; if MySQL or "
            "PostgreSQL wrote the file, write it again as CSV"
        )


def _delimiter_in(rows: list[Row]) -> str | None:
    counts = Counter(character for row in rows[:1] for character in row.cells[0] if character in ";\t|")
    return max(counts, key=lambda character: counts[character]) if counts else None


def _has_escapes_of_text(rows: list[Row]) -> bool:
    """Returns whether cells are missing or escaped as in the text formats of databases, which are not CSV."""
    cells = [cell for row in rows for cell in row.cells if "\\" in cell]
    return r"\N" in cells and any(map(_ESCAPED.search, cells))


def _decimal_mark(rows: list[Row], delimiter: str) -> str:
    """Returns ',' if some cells can only be numbers with a decimal comma, and none one with a decimal point."""
    if delimiter == "," and not any("," in cell for row in rows for cell in row.cells):
        return "."
    cells = [cell for row in rows for cell in row.cells]
    has_comma = any(_DECIMAL_COMMA.fullmatch(cell) for cell in cells)
    return "," if has_comma and not any(_DECIMAL_POINT.fullmatch(cell) for cell in cells) else "."
