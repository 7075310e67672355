"""Reads a CSV as text with pyarrow, or with Python's `csv` where pyarrow would not read it right.

See docs/decisions/0028.
"""

from __future__ import annotations

import csv
import io
from contextlib import ExitStack, contextmanager
from itertools import islice
from typing import TYPE_CHECKING, BinaryIO, Final, NoReturn, cast

import pyarrow as pa
from pyarrow import csv as arrow_csv

from raylane_common.counting import counted
from raylane_common.errors import InvalidFile
from raylane_worker.data.readers import NO_COLUMNS, Decide
from raylane_worker.data.readers.csv_batches import BlankLines, RepeatedNames, batches_of, without_first
from raylane_worker.data.readers.csv_escapes import KeptEscapes
from raylane_worker.data.readers.csv_quotes import QuoteCheck
from raylane_worker.data.readers.plain import open_text
from raylane_worker.data.readers.rows import (
    Row,
    csv_format,
    has_spaced_cells,
    head_of,
    is_row_count,
    is_rule,
    names_of,
    split,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from raylane_common.wire.reading import Reading

# Small blocks stay in the caches of a processor: with 16 MiB, pyarrow takes twice as long. It reads 32 of them ahead.
_BLOCK_BYTES: Final = 512 * 1024
_SHOWN_CHARACTERS: Final = 80
_MAX_LISTED: Final = 5
# DOS ends a file with this control character.
_BLANK: Final = " \t\x1a"


class CsvBatches:
    """The rows of a CSV, in which all cells are text as they are written."""

    decide = Decide.ALL
    numbers = NO_COLUMNS

    def __init__(self, path: Path, reading: Reading, stack: ExitStack) -> None:
        """Reads the header. Raises `InvalidFile`."""
        self._path = path
        self._reading = reading
        self._stack = stack
        self.warnings: list[str] = []
        self._fields = reading.model_dump()
        with self._open() as file:
            head = head_of(file)
        self._format = csv_format(self._fields, spaced=has_spaced_cells(head.lines, self._fields))
        header, self._first_line = [], head.first_line
        if reading.header_line:
            written = csv.reader(head.lines[reading.header_line - 1 :], **self._format)
            header = next(written, [])
            self._first_line = reading.header_line + written.line_num
        rows = split(head, self._first_line, self._fields)
        self.names = names_of(header, rows, head.lines, reading.quote)
        if not self.names:
            raise InvalidFile(f"line {reading.header_line} names no column; use --header-line to choose another line")
        self._may_repeat_names = reading.header_line > 0 and len(set(self.names)) > 1
        marks = reading.delimiter + reading.quote + reading.escape
        around_names = head.lines[max(0, reading.header_line - 2) : reading.header_line + 1]
        self._is_drawn = reading.header_line > 0 and len(self.names) > 1 and any(map(is_rule, around_names))
        if self._is_drawn:
            self.names = [name.strip() for name in self.names]
        is_spaced = self._is_drawn or self._format["skipinitialspace"]
        self._is_for_arrow = not reading.comment and not is_spaced and marks.isascii()

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        """Yields the batches. Raises `InvalidFile` that names the line of what cannot be read."""
        if not self._may_repeat_names:
            yield from self._batches()
            return
        repeated = RepeatedNames(self.names)
        yield from filter(len, map(repeated.without, self._batches()))
        if repeated.count:
            self._warn_of_repeated_names(repeated.count)

    def _batches(self) -> Iterator[pa.RecordBatch]:
        if not self._is_for_arrow:
            yield from batches_of(self._records())
            return
        given, blank = 0, BlankLines()
        ragged: list[arrow_csv.InvalidRow] = []
        checked = QuoteCheck(self._open(), self._reading)
        for batch in self._arrow_batches(checked, ragged):
            rows = blank.without(batch) if len(self.names) == 1 else batch
            given += rows.num_rows
            if rows.num_rows:
                yield rows
        if ragged or not checked.is_regular or not self._is_for_arrow:
            # The rows before the first one that pyarrow does not read were already given.
            yield from without_first(batches_of(self._records()), given)
        elif blank.count:
            self._warn_of_blank_lines(blank.count)

    def line_of(self, row: int) -> int:
        """Returns the number of the line on which a row begins. Both count from 1. Reads the file up to the row."""
        records = (each for each in self._records() if not (self._may_repeat_names and each.cells == self.names))
        return next(islice(records, row - 1, None)).line

    def _open(self) -> BinaryIO:
        text = self._stack.enter_context(open_text(self._path, self._reading.compression, self._reading.encoding))
        return cast("BinaryIO", io.BufferedReader(KeptEscapes(text, self._fields))) if self._reading.escape else text

    def _arrow_batches(self, file: QuoteCheck, ragged: list[arrow_csv.InvalidRow]) -> Iterator[pa.RecordBatch]:
        """Yields the batches up to a quote that does not fit, or a row of another length, which is added to `ragged`.

        In a file with one column, blank lines are rows without a value.
        """

        def note(row: arrow_csv.InvalidRow) -> str:
            ragged.append(row)
            return "skip"

        names = [f"c{index}" for index in range(len(self.names))]
        # A block is parsed while the one before it is converted.
        try:
            with arrow_csv.open_csv(
                cast("BinaryIO", file),
                read_options=arrow_csv.ReadOptions(
                    block_size=_BLOCK_BYTES, column_names=names, skip_rows=self._first_line - 1
                ),
                parse_options=arrow_csv.ParseOptions(
                    delimiter=self._reading.delimiter,
                    quote_char=self._reading.quote or False,
                    escape_char=self._reading.escape or False,
                    newlines_in_values=True,
                    ignore_empty_lines=len(names) > 1,
                    invalid_row_handler=note,
                ),
                convert_options=arrow_csv.ConvertOptions(
                    column_types=dict.fromkeys(names, pa.string()),
                    null_values=[""],
                    strings_can_be_null=len(names) == 1,
                    quoted_strings_can_be_null=False,
                ),
            ) as batches:
                for batch in batches:
                    if ragged or file.is_broken:
                        return
                    yield batch
        except pa.ArrowInvalid:
            # A record or the header is longer than a block, a quote is never closed, or there is nothing to read.
            self._is_for_arrow = False

    def _records(self) -> Iterator[Row]:
        """Yields the records in full length. A short one gets empty cells; empty cells too many are dropped.

        Raises `InvalidFile` for a cell that has no column, and for a quote that does not enclose a whole cell.
        """
        width, short, first_short = len(self.names), 0, 0
        for row in self._split():
            surplus = row.cells[width:]
            if any(cell.strip() for cell in surplus):
                self._refuse_length(row)
            if len(row.cells) < width:
                short, first_short = short + 1, first_short or row.line
            yield Row(row.line, [*row.cells[:width], *[""] * (width - len(row.cells))])
        if short:
            self.warnings.append(
                f"{_counted(short, 'row has', 'rows have')} fewer cells than there are columns, first line "
                f"{first_short}; the missing cells count as missing values"
            )

    def _split(self) -> Iterator[Row]:
        text = io.TextIOWrapper(self._open(), "utf-8", newline="")
        for _ in range(self._first_line - 1):
            text.readline()
        reader = csv.reader(text, **self._format, strict=True)
        line = self._first_line
        blank = pending = drawn = continued = first_continued = comments = first_comment = 0
        # A line around the table makes a column without a name.
        first_name = next((place for place, name in enumerate(self.names) if name), 0)
        try:
            for cells in reader:
                is_blank = len(cells) <= 1 < len(self.names) and not "".join(cells).strip(_BLANK)
                if not cells:
                    pending += 1
                elif self._is_no_record(cells):
                    drawn += 1
                elif self._is_comment(cells):
                    comments, first_comment = comments + 1, first_comment or line
                elif not is_blank:
                    blank, pending = blank + pending, 0
                    if self._is_drawn:
                        cells = [cell.strip() for cell in cells]
                        if not any(cells[: first_name + 1]):
                            continued, first_continued = continued + 1, first_continued or line
                    yield Row(line, cells)
                line = self._first_line + reader.line_num
        except csv.Error as error:
            self._refuse_quotes(line, str(error), error)
        if blank and len(self.names) == 1:
            self._warn_of_blank_lines(blank)
        if drawn:
            lines = _counted(drawn, "line is", "lines are")
            self.warnings.append(
                f"{lines} left out, because database clients draw such lines around rows, or count them"
            )
        if comments:
            lines = _counted(comments, "line that begins", "lines that begin")
            left_out = "is left out as a comment" if comments == 1 else "are left out as comments"
            self.warnings.append(f"{lines} with {self._reading.comment!r} {left_out}, first line {first_comment}")
        if continued:
            rows = _counted(continued, "row has", "rows have")
            self.warnings.append(
                f"{rows} no value in the first column, first line {first_continued}; database clients write a cell of "
                "several lines as several rows: export the table as CSV if there are such cells"
            )

    def _is_no_record(self, cells: list[str]) -> bool:
        """Returns whether a database client drew the line around the rows, or counts them in it."""
        is_alone = len(cells) == 1 < len(self.names)
        return (is_alone or self._is_drawn) and (is_row_count(cells) or is_rule(self._reading.delimiter.join(cells)))

    def _is_comment(self, cells: list[str]) -> bool:
        """Returns whether the line is a comment. A row may begin with `#N/A` or `#FF0000`."""
        mark, first = self._reading.comment, cells[0]
        if not mark or not first.startswith(mark):
            return False
        is_word = bool(first.removeprefix(mark)[:1].strip())
        is_whole = len(cells) == len(self.names)
        return not (is_whole and is_word and (len(cells) > 1 or first in self._reading.null_markers))

    def _warn_of_blank_lines(self, count: int) -> None:
        self.warnings.append(
            f"{_counted(count, 'blank line between the rows is', 'blank lines between the rows are')} left out; "
            'write missing values of the only column as ""'
        )

    def _warn_of_repeated_names(self, count: int) -> None:
        places = (row.line for row in self._records() if row.cells == self.names)
        lines = ", ".join(map(str, islice(places, min(count, _MAX_LISTED))))
        more = " …" if count > _MAX_LISTED else ""
        rows = _counted(count, "row repeats", "rows repeat")
        self.warnings.append(
            f"{rows} the names of the columns and {'is' if count == 1 else 'are'} left out: line {lines}{more}; "
            "several files seem to have been joined"
        )

    def _refuse_length(self, row: Row) -> NoReturn:
        names = f"the header names {len(self.names)}" if self._reading.header_line else f"others have {len(self.names)}"
        shown = self._reading.delimiter.join(row.cells)[:_SHOWN_CHARACTERS]
        raise InvalidFile(
            f"line {row.line} has {counted(len(row.cells), 'cell')} and {names}: {shown!r}; enclose cells that hold "
            f"{self._reading.delimiter!r} in quotes, or use --delimiter, --quote, --escape or --header-line",
            details={"line": row.line},
        )

    def _refuse_quotes(self, line: int, problem: str, cause: Exception) -> NoReturn:
        quote = self._reading.quote
        if "unexpected end" in problem:
            what = f"a quote that opens on line {line} is never closed, so the rest of the file would be one cell"
        elif "expected after" in problem:
            what = f"the record that begins on line {line} has text after the quote {quote} that ends a cell"
        else:
            limit = csv.field_size_limit() // 1024**2
            what = f"the record that begins on line {line} has a cell of more than {limit} MiB"
        raise InvalidFile(
            f"{what}: {self._line(line)!r}; double the quotes inside cells, use --escape '\\' if a backslash precedes "
            "them, or --quote '' if quotes are part of the text",
            details={"line": line},
        ) from cause

    def _line(self, number: int) -> str:
        with io.TextIOWrapper(self._open(), "utf-8", newline="") as text:
            for _ in range(number - 1):
                text.readline()
            return text.readline(_SHOWN_CHARACTERS).rstrip("\r\n")


def _counted(count: int, one: str, several: str) -> str:
    return f"{count:,} {one if count == 1 else several}"


@contextmanager
def open_file(path: Path, reading: Reading) -> Iterator[CsvBatches]:
    """Opens a CSV. Raises `InvalidFile`."""
    with ExitStack() as stack:
        yield CsvBatches(path, reading, stack)
