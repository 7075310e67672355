"""Finds out the dialect of a CSV: what separates and encloses its cells, and which line names the columns.

DuckDB's sniffer proposes a dialect; the head of the file, split with it, has to agree. See docs/decisions/0028.
"""

from __future__ import annotations

import re
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

import duckdb

from raylane_common.errors import InvalidFile, InvalidRequest
from raylane_worker.data.readers.rows import CHECKED_ROWS, Row, first_line, split

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from raylane_common.wire.reading import ReadingOptions

# pyarrow takes more than a minute for a header with a million names.
MAX_COLUMNS: Final = 10_000
# Without any of them, there is one column.
_DELIMITERS: Final = (",", ";", "\t", "|", ":", "^", "~", "\x01", " ")
_SEPARATOR_LINE: Final = re.compile(r'"?sep=(.)"?\r?\n?')
_NUMBER: Final = re.compile(r"\s*[-+(]?[$€£¥]?\s*[0-9][0-9.,' \u00a0\u202f]*([eE][-+]?[0-9]+)?\s*[%€$£¥)]?\s*")
_DATE: Final = re.compile(r"\s*[0-9]{1,4}[-/.][0-9]{1,2}[-/.][0-9]{1,4}([ T].*)?|\s*[0-9]{1,2}:[0-9]{2}(:[0-9.]+)?\s*")
_YEAR: Final = re.compile(r"\s*(1[89]|20|21)[0-9]{2}\s*")
_DECIMAL_COMMA: Final = re.compile(r"\s*-?[0-9]{1,3}((\.[0-9]{3})+|[0-9]*),([0-9]{1,2}|[0-9]{4,})\s*")
_DECIMAL_POINT: Final = re.compile(r"\s*-?[0-9]{1,3}((,[0-9]{3})+|[0-9]*)\.([0-9]{1,2}|[0-9]{4,})\s*")
_SHOWN_CHARACTERS: Final = 60
# A delimiter has to give nearly all lines the same number of cells.
_REGULAR: Final = 0.9
# DuckDB must not load anything from the network, and one thread is enough for the head of a file.
_DUCKDB: Final[dict[str, str | bool | int | float | list[str]]] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "threads": 1,
    "memory_limit": "256MB",
}
_CONNECTION: Final[list[duckdb.DuckDBPyConnection]] = []


@dataclass
class Dialect:
    """The fields of `Reading` that say how a CSV is written, and warnings about them."""

    fields: dict[str, str | int]
    warnings: list[str] = field(default_factory=list)


def dialect_of(lines: list[str], options: ReadingOptions) -> Dialect:
    """Returns the dialect of the CSV that begins with these lines.

    Raises `InvalidRequest` if an option does not fit the file, and `InvalidFile`.
    """
    first = first_line(lines)
    named = _SEPARATOR_LINE.fullmatch(lines[first - 1])
    delimiter = options.delimiter or (named[1] if named else None)
    start = first + 1 if named else first
    if len(lines) < start:
        raise InvalidFile("the file holds only a separator line, and no data")
    proposed = _propose("".join(lines[start - 1 :]), delimiter, options)
    fields: dict[str, str | int] = {
        "delimiter": delimiter or proposed.delimiter,
        "quote": proposed.quote if options.quote is None else options.quote,
        "escape": proposed.escape if options.escape is None else options.escape,
        "comment": proposed.comment,
    }
    rows = split(lines, start, fields)
    if options.delimiter is not None and all(len(row.cells) == 1 for row in rows):
        raise InvalidRequest.field(
            "reading.delimiter", f"no line has {options.delimiter!r}; leave it out to find it out"
        )
    fields["decimal"] = options.decimal or _decimal_mark(rows, str(fields["delimiter"]))
    header = _said_header(options.header_line, lines) or _found_header(rows, proposed, start)
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


class _Header(NamedTuple):
    line: int
    warnings: tuple[str, ...] = ()


def _propose(text: str, delimiter: str | None, options: ReadingOptions) -> _Proposal:
    """Returns what DuckDB thinks of the text, or what is most regular if it finds no table."""
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
    simple = _Proposal(delimiter or ",", options.quote or '"', options.escape or "", "", 0, has_header=True, columns=1)
    return simple._replace(delimiter=delimiter or _most_regular(text, simple))


def _sniff(path: str, said: dict[str, str | bool | None]) -> _Proposal | None:
    """Returns what DuckDB finds in the file; None if it finds no dialect that fits."""
    arguments = {name: value for name, value in said.items() if value is not None}
    given = "".join(f", {name} = ${name}" for name in arguments)
    columns = "Delimiter, Quote, Escape, Comment, SkipRows, HasHeader, len(Columns)"
    try:
        query = f"SELECT {columns} FROM sniff_csv($path{given})"  # noqa: S608  # `given` has only names from `_propose`
        row = _duckdb().execute(query, {"path": path} | arguments).fetchone()
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


def _duckdb() -> duckdb.DuckDBPyConnection:
    """Returns a new cursor of one connection that every thread of this process uses."""
    if not _CONNECTION:
        _CONNECTION.append(duckdb.connect(config=_DUCKDB))
    return _CONNECTION[0].cursor()


def _skips_records(text: str, found: _Proposal) -> bool:
    """Returns whether the lines that DuckDB leaves out look like a table themselves, and not like a title."""
    skipped = text.splitlines()[: found.skipped_lines]
    filled = [sum(bool(cell.strip()) for cell in line.split(found.delimiter)) for line in skipped]
    return sum(count > 1 for count in filled) > 1 or max(filled, default=0) >= found.columns


def _most_regular(text: str, dialect: _Proposal) -> str:
    """Returns the delimiter with which most lines have the same number of cells; ',' if every line has one."""
    lines = [line for line in text.splitlines()[:CHECKED_ROWS] if line.strip()]

    def regularity(delimiter: str) -> tuple[float, int]:
        counts = Counter(line.count(delimiter) for line in lines)
        count, lines_with_it = counts.most_common(1)[0]
        return (lines_with_it / len(lines), count) if count else (0, 0)

    best = max(_DELIMITERS, key=regularity)
    return best if regularity(best)[0] > _REGULAR else dialect.delimiter


def _said_header(said: int | None, lines: list[str]) -> _Header | None:
    if said is None:
        return None
    if said > len(lines):
        problem = f"is {said}, but the beginning of the file has only {len(lines)} lines"
        raise InvalidRequest.field("reading.header_line", problem)
    if said and not lines[said - 1].strip():
        raise InvalidRequest.field("reading.header_line", f"line {said} is blank; name the line with the column names")
    return _Header(said)


def _found_header(rows: list[Row], proposed: _Proposal, start: int) -> _Header:
    """Returns the line that names the columns, and what is doubtful about it."""
    below_title = [row for row in rows if row.line >= start + proposed.skipped_lines] or rows
    if not below_title:
        raise InvalidFile("the file holds only comments and blank lines")
    first, *others = below_title
    title = tuple(_title_warnings(rows, first))
    if not proposed.has_header and not title and others and not _names_years(first, others):
        doubt = (
            f"line {first.line} seems to be data, so the columns are named column_1, column_2 …; "
            f"if it names them, use --header-line {first.line}"
        )
        return _Header(0, (doubt,))
    unclear = _doubt(first, others)
    return _Header(first.line, (*title, unclear) if unclear else title)


def _title_warnings(rows: list[Row], header: Row) -> Iterator[str]:
    above = [row for row in rows if row.line < header.line]
    if above:
        shown = ", ".join(cell.strip() for cell in above[0].cells)[:_SHOWN_CHARACTERS]
        yield (
            f"the column names are on line {header.line}, and what is above, such as {shown!r}, is left out; "
            "use --header-line to choose another line"
        )


def _names_years(first: Row, others: list[Row]) -> bool:
    """Returns whether the first row has years above numbers, and names above texts: `country,2019,2020`."""
    numbers = [cell for cell in first.cells if _NUMBER.fullmatch(cell)]
    return (
        all(map(_YEAR.fullmatch, numbers)) and 1 < len(numbers) < len(first.cells) and len(set(numbers)) == len(numbers)
    )


def _doubt(first: Row, others: list[Row]) -> str | None:
    """Returns a warning if nothing tells the first row from the others: all cells are text of the same forms."""
    same_length = [row.cells for row in others if len(row.cells) == len(first.cells)]
    columns = list(zip(*same_length, strict=True))
    if not columns or any(_has_values(column) for column in columns):
        return None
    if any(_form(name) != _common_form(column) for name, column in zip(first.cells, columns, strict=True)):
        return None
    return (
        f"line {first.line} is taken for the names of the columns, but looks like the lines below; "
        "if it is data, use --header-line 0"
    )


def _common_form(column: tuple[str, ...]) -> str:
    return Counter(_form(cell) for cell in column).most_common(1)[0][0]


def _form(text: str) -> str:
    """Returns the text with 'A' for capitals, 'a' for other letters and '9' for digits, each run as one character."""
    letters = "".join("A" if one.isupper() else "a" if one.isalpha() else "9" if one.isdigit() else one for one in text)
    return re.sub(r"(.)\1+", r"\1", letters.strip())


def _has_values(column: tuple[str, ...]) -> bool:
    filled = [cell for cell in column if cell.strip()]
    return bool(filled) and all(_NUMBER.fullmatch(cell) or _DATE.fullmatch(cell) for cell in filled)


def _warnings(rows: list[Row], header_line: int, fields: Mapping[str, str | int]) -> Iterator[str]:
    widths = {len(row.cells) for row in rows if row.line >= header_line}
    if max(widths, default=0) > MAX_COLUMNS:
        raise InvalidFile(f"a line has {max(widths):,} cells; at most {MAX_COLUMNS:,} columns are supported")
    if widths == {1} and (other := _delimiter_in(rows)):
        yield f"only one column was found; if {other!r} separates the columns, use --delimiter '{other}'"


def _delimiter_in(rows: list[Row]) -> str | None:
    counts = Counter(character for row in rows[:1] for character in row.cells[0] if character in ";\t|")
    return max(counts, key=lambda character: counts[character]) if counts else None


def _decimal_mark(rows: list[Row], delimiter: str) -> str:
    """Returns ',' if some cells can only be numbers with a decimal comma, and none one with a decimal point."""
    if delimiter == "," and not any("," in cell for row in rows for cell in row.cells):
        return "."
    cells = [cell for row in rows for cell in row.cells]
    has_comma = any(_DECIMAL_COMMA.fullmatch(cell) for cell in cells)
    return "," if has_comma and not any(_DECIMAL_POINT.fullmatch(cell) for cell in cells) else "."
