"""Reads a CSV as text with pyarrow; one whose rows differ in length is first written anew. See docs/decisions/0028."""

from __future__ import annotations

import csv
import io
import tempfile
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, BinaryIO, Final, NoReturn

import pyarrow as pa
from pyarrow import csv as arrow_csv

from raylane_common.errors import InvalidFile
from raylane_common.wire.reading import Reading
from raylane_worker.data.readers import Decide
from raylane_worker.data.readers.plain import open_text
from raylane_worker.data.readers.rows import Row, csv_format, first_line, has_spaced_cells, head_lines, split

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# A record must fit into a block, and a few blocks are in memory at once.
_BLOCK_BYTES: Final = 16 * 1024 * 1024
_SHOWN_CHARACTERS: Final = 80
_PLAIN: Final = Reading()
# DOS ends a file with this control character.
_BLANK: Final = " \t\x1a"


class CsvBatches:
    """The rows of a CSV, in which all cells are text as they are written."""

    decide = Decide.ALL

    def __init__(self, path: Path, reading: Reading, stack: ExitStack) -> None:
        """Reads the header. Raises `InvalidFile`."""
        self._path = path
        self._reading = reading
        self._stack = stack
        self.warnings: list[str] = []
        with self._open() as file:
            lines = head_lines(file)
        self._spaced = has_spaced_cells(lines, reading.model_dump())
        header, self._first_line = [], first_line(lines)
        if reading.header_line:
            written = csv.reader(
                lines[reading.header_line - 1 :], **csv_format(reading.model_dump(), spaced=self._spaced)
            )
            header = next(written, [])
            self._first_line = reading.header_line + written.line_num
        rows = split(lines, self._first_line, reading.model_dump())
        self._is_rewritten = bool(reading.comment) or self._spaced
        width = max(len(header), _width(rows, len(header)))
        self.names = [*header, *[""] * (width - len(header))]
        if not self.names:
            raise InvalidFile(f"line {reading.header_line} names no column; use --header-line to choose another line")

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        """Yields the batches. Raises `InvalidFile` that names the line of what cannot be read."""
        given, last = 0, None
        if not self._is_rewritten:
            ragged: list[arrow_csv.InvalidRow] = []
            for batch in self._batches(self._open(), self._reading, self._first_line - 1, ragged):
                given, last = given + batch.num_rows, batch
                yield batch
            self._is_rewritten = bool(ragged)
        if self._is_rewritten:
            # The rows before the first one of another length were already given.
            for batch in _without_first(self._rewritten(), given):
                last = batch
                yield batch
        if last is not None:
            self._check_last_quote(last)

    def _open(self) -> BinaryIO:
        return self._stack.enter_context(open_text(self._path, self._reading.compression, self._reading.encoding))

    def _batches(
        self, file: BinaryIO, written: Reading, skipped_lines: int, ragged: list[arrow_csv.InvalidRow]
    ) -> Iterator[pa.RecordBatch]:
        """Yields the batches up to a row that has too few or too many cells, which is added to `ragged`.

        `written` says how the text of `file` is written. Its first `skipped_lines` are left out.
        """

        def note(row: arrow_csv.InvalidRow) -> str:
            ragged.append(row)
            return "skip"

        names = [f"c{index}" for index in range(len(self.names))]
        try:
            with arrow_csv.open_csv(
                file,
                read_options=arrow_csv.ReadOptions(
                    use_threads=False, block_size=_BLOCK_BYTES, column_names=names, skip_rows=skipped_lines
                ),
                parse_options=arrow_csv.ParseOptions(
                    delimiter=written.delimiter,
                    quote_char=written.quote or False,
                    escape_char=written.escape or False,
                    double_quote=not written.escape,
                    newlines_in_values=True,
                    invalid_row_handler=note,
                ),
                convert_options=arrow_csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string())),
            ) as batches:
                for batch in batches:
                    if ragged:
                        return
                    yield batch
        except pa.ArrowInvalid as error:
            # There is nothing below the header.
            if not any(problem in str(error) for problem in ("Empty CSV", "Could not skip")):
                self._explain(error)

    def _rewritten(self) -> Iterator[pa.RecordBatch]:
        """Yields the batches of the file after Python's reader, which forgives more than pyarrow's, has split it."""
        with tempfile.TemporaryFile(prefix="raylane-") as file:
            text = io.TextIOWrapper(file, "utf-8", newline="", write_through=True)
            writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n")
            writer.writerows(row.cells for row in self._records())
            text.flush()
            file.seek(0)
            yield from self._batches(file, _PLAIN, 0, [])
            text.detach()

    def _records(self) -> Iterator[Row]:
        """Yields the records in full length. A short one gets empty cells; empty cells too many are dropped.

        Raises `InvalidFile` for a cell that has no column.
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
                f"{short:,} rows have fewer cells than there are columns, first line {first_short}; "
                "the missing cells count as missing values"
            )

    def _split(self) -> Iterator[Row]:
        text = io.TextIOWrapper(self._open(), "utf-8", newline="")
        for _ in range(self._first_line - 1):
            text.readline()
        reader = csv.reader(text, **csv_format(self._reading.model_dump(), spaced=self._spaced))
        comment, line = self._reading.comment, self._first_line
        try:
            for cells in reader:
                is_blank = len(cells) <= 1 < len(self.names) and not "".join(cells).strip(_BLANK)
                if cells and not is_blank and not (comment and cells[0].startswith(comment)):
                    yield Row(line, cells)
                line = self._first_line + reader.line_num
        except csv.Error as error:
            raise InvalidFile(f"line {line} cannot be split into cells: {error}", details={"line": line}) from error

    def _refuse_length(self, row: Row) -> NoReturn:
        names = f"the header names {len(self.names)}" if self._reading.header_line else f"others have {len(self.names)}"
        shown = self._reading.delimiter.join(row.cells)[:_SHOWN_CHARACTERS]
        raise InvalidFile(
            f"line {row.line} has {len(row.cells)} cells and {names}: {shown!r}; enclose cells that hold "
            f"{self._reading.delimiter!r} in quotes, or use --delimiter, --quote or --header-line",
            details={"line": row.line},
        )

    def _check_last_quote(self, last: pa.RecordBatch) -> None:
        """Raises `InvalidFile` if the file ends in the middle of a quoted cell, which then holds all lines below."""
        cell = last.column(last.num_columns - 1)[-1].as_py() or ""
        if not self._reading.quote or not ({"\n", "\r"} & set(cell)):
            return
        with self._open() as file:
            tail = b""
            while chunk := file.read(_BLOCK_BYTES):
                tail = (tail + chunk)[-1000:]
        if not tail.rstrip(b"\r\n ").endswith(self._reading.quote.encode()):
            line = max(row.line for row in self._split())
            raise InvalidFile(
                f"a quote that opens on line {line} is never closed, so the rest of the file would be one cell; "
                "close it, or use --quote '' if the file has no quotes",
                details={"line": line},
            )

    def _explain(self, error: pa.ArrowInvalid) -> NoReturn:
        if "straddl" in str(error) or "out of sync" in str(error):
            raise InvalidFile(
                f"a record is longer than {_BLOCK_BYTES // 1024**2} MiB, or a quote is never closed; "
                "use --quote '' if the file has no quotes"
            ) from error
        raise InvalidFile(f"the file cannot be read: {str(error).splitlines()[0][: 3 * _SHOWN_CHARACTERS]}") from error


@contextmanager
def open_file(path: Path, reading: Reading) -> Iterator[CsvBatches]:
    """Opens a CSV. Raises `InvalidFile`."""
    with ExitStack() as stack:
        yield CsvBatches(path, reading, stack)


def _width(rows: list[Row], header_width: int) -> int:
    """Returns how many cells a row has, if all cells beyond the header's are empty; otherwise the header's."""
    widths = [len(row.cells) for row in rows]
    if not header_width:
        return max(set(widths), key=lambda width: (widths.count(width), width), default=0)
    surplus = [cell for row in rows for cell in row.cells[header_width:]]
    return max(widths, default=0) if not any(cell.strip() for cell in surplus) else header_width


def _without_first(batches: Iterator[pa.RecordBatch], rows: int) -> Iterator[pa.RecordBatch]:
    """Yields the batches without their first `rows` rows."""
    for batch in batches:
        left = batch.slice(rows)
        rows = max(0, rows - batch.num_rows)
        if left.num_rows:
            yield left
