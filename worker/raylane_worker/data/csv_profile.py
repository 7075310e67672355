"""Profiles a CSV by reading it as Ray does: with pyarrow, in blocks, with pyarrow's rules for types and records."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

import pyarrow as pa
from pyarrow import csv as arrow_csv

from raylane_common.errors import InvalidFile
from raylane_common.wire.sources import Column, ColumnType
from raylane_worker.data.csv_warnings import cell_warnings

if TYPE_CHECKING:
    from collections.abc import Iterator

# Enough to recognise a file. The preview is part of the result, which stays in Redis for days.
PREVIEW_RECORDS: Final = 5
PREVIEW_CELL_CHARACTERS: Final = 1000
# pyarrow takes more than a minute for a header with a million names.
MAX_COLUMNS: Final = 10_000
# pyarrow's default, which Ray uses: the first block decides the types of all blocks.
BLOCK_BYTES: Final = 1024 * 1024

_BOM: Final = b"\xef\xbb\xbf"
_OTHER_FORMATS: Final = {
    b"PK\x03\x04": "a ZIP archive or an Excel workbook; export the sheet as CSV",
    b"\x1f\x8b": "compressed with gzip; unpack it first",
    b"\xff\xfe": "UTF-16; save it as UTF-8",
    b"\xfe\xff": "UTF-16; save it as UTF-8",
}
_OTHER_DELIMITERS: Final = {";": "';'", "\t": "tabs", "|": "'|'"}
_CONVERSION_ERROR: Final = re.compile(
    r"In CSV column #(\d+): Row #(\d+): CSV conversion error to ([^:]+): invalid value '(.*)'", re.DOTALL
)
_CUT_CELL: Final = (
    "a line break inside quotes is at the border of two blocks of 1 MiB, where Ray cannot read it; "
    "remove line breaks from the cells, or split the file into parts below 1 MiB"
)
_SHOWN_CHARACTERS: Final = 100


@dataclass(frozen=True)
class CsvProfile:
    """The file as Ray reads it.

    `rows` is exact. `preview` has the first 5 records, with all cells as text; long cells are cut and end with '…'.
    """

    columns: tuple[Column, ...]
    rows: int
    preview: tuple[tuple[str, ...], ...]
    warnings: tuple[str, ...]


class _Record(NamedTuple):
    line: int
    fields: list[str]


def profile(data: bytes) -> CsvProfile:
    """Reads the whole file and returns its profile. The CPU time is proportional to its size: call it in a thread.

    Raises `InvalidFile` for a file that Ray cannot read or would misread: no header, records of different lengths, text
    that is not UTF-8, a quote that is never closed, or a column that changes its type after the first block.
    """
    text = _text(data)
    header = _header(text)
    table = _read(data, text)
    if _ends_inside_quotes(data, table):
        raise InvalidFile("a quote is opened and never closed, so the rest of the file is one cell; close the '\"'")
    columns = tuple(
        Column(name=field.name, type=_column_type(field.type), native_type=str(field.type)) for field in table.schema
    )
    warnings = (*_warnings(data, header, table), *cell_warnings(table, _numbers_as_text(data, table.schema)))
    return CsvProfile(columns, table.num_rows, _preview(data, columns), warnings)


def _text(data: bytes) -> str:
    """Returns the file as text. Raises `InvalidFile`, which says what the file is, if it is not UTF-8 text."""
    for magic, kind in _OTHER_FORMATS.items():
        if data.startswith(magic):
            raise InvalidFile(f"the file is not a CSV but {kind}")
    if (position := data.find(b"\0")) >= 0:
        line = _line_of(data, position)
        raise InvalidFile(
            f"line {line} holds a NUL byte: binary data, or UTF-16; save it as UTF-8", details={"line": line}
        )
    try:
        return data.decode().removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = _line_of(data, error.start)
        raise InvalidFile(
            f"line {line} is not UTF-8 (byte 0x{data[error.start]:02x}); save the file as UTF-8", details={"line": line}
        ) from error


def _line_of(data: bytes, position: int) -> int:
    return data.count(b"\n", 0, position) + 1


def _header(text: str) -> list[str]:
    try:
        header = next(_records(text), None)
    except csv.Error as error:
        raise InvalidFile(f"the header cannot be read: {error}") from error
    if header is None:
        raise InvalidFile("the file is empty; its first line must name the columns")
    if len(header.fields) > MAX_COLUMNS:
        raise InvalidFile(f"the header names {len(header.fields):,} columns; at most {MAX_COLUMNS:,} are supported")
    return header.fields


def _records(text: str) -> Iterator[_Record]:
    """Yields the non-empty records, each with the line on which it starts."""
    reader = csv.reader(io.StringIO(text, newline=""))
    line = 1
    for fields in reader:
        if fields:
            yield _Record(line, fields)
        line = reader.line_num + 1


def _read(data: bytes, text: str) -> pa.Table:
    """Returns the whole file, read in blocks as Ray does. Raises `InvalidFile` if reading in blocks changes a value."""
    names: list[str] = []
    try:
        with _open(data, arrow_csv.ConvertOptions()) as reader:
            names = reader.schema.names
            table = reader.read_all()
        if len(data) > BLOCK_BYTES and not _same_text(table, _read_at_once(data)):
            raise InvalidFile(_CUT_CELL)
    except pa.ArrowException as error:
        raise _explained(str(error), text, names) from error
    return table


def _read_at_once(data: bytes) -> pa.Table:
    one_block = arrow_csv.ReadOptions(use_threads=False, block_size=len(data) + 1)
    return arrow_csv.read_csv(pa.BufferReader(data), read_options=one_block)


def _numbers_as_text(data: bytes, schema: pa.Schema) -> pa.Table:
    is_number = (pa.types.is_integer, pa.types.is_floating)
    types = {field.name: pa.string() for field in schema if any(test(field.type) for test in is_number)}
    with _open(data, arrow_csv.ConvertOptions(column_types=types)) as reader:
        return reader.read_all()


def _same_text(table: pa.Table, other: pa.Table) -> bool:
    """Returns whether no cell was cut. A cell with a line break is text, so only text columns are compared."""
    pairs = zip(table.columns, other.columns, strict=True)
    return all(mine.equals(its) for mine, its in pairs if pa.types.is_string(mine.type))


def _ends_inside_quotes(data: bytes, table: pa.Table) -> bool:
    last_column = table.columns[-1]
    if table.num_rows == 0 or not pa.types.is_string(last_column.type):
        return False
    has_line_break = set("\r\n") & set(last_column[-1].as_py())
    return bool(has_line_break) and not data.rstrip(b"\r\n").endswith(b'"')


def _preview(data: bytes, columns: tuple[Column, ...]) -> tuple[tuple[str, ...], ...]:
    as_text = arrow_csv.ConvertOptions(column_types={column.name: pa.string() for column in columns})
    records: list[tuple[str, ...]] = []
    with _open(data, as_text) as reader:
        for batch in reader:
            head = batch.slice(0, PREVIEW_RECORDS - len(records))
            records += zip(*([_cut(cell) for cell in column.to_pylist()] for column in head.columns), strict=True)
            if len(records) == PREVIEW_RECORDS:
                break
    return tuple(records)


def _open(data: bytes, convert: arrow_csv.ConvertOptions) -> arrow_csv.CSVStreamingReader:
    read = arrow_csv.ReadOptions(use_threads=False, block_size=BLOCK_BYTES)
    return arrow_csv.open_csv(pa.BufferReader(data), read_options=read, convert_options=convert)


def _cut(cell: str) -> str:
    return cell if len(cell) <= PREVIEW_CELL_CHARACTERS else f"{cell[: PREVIEW_CELL_CHARACTERS - 1]}…"


def _column_type(arrow_type: pa.DataType) -> ColumnType:
    kinds = (
        (pa.types.is_boolean, ColumnType.BOOLEAN),
        (pa.types.is_integer, ColumnType.INTEGER),
        (pa.types.is_floating, ColumnType.NUMBER),
        (pa.types.is_string, ColumnType.STRING),
        (pa.types.is_date, ColumnType.DATE),
        (pa.types.is_timestamp, ColumnType.TIMESTAMP),
    )
    return next((column_type for fits, column_type in kinds if fits(arrow_type)), ColumnType.OTHER)


def _explained(problem: str, text: str, names: list[str]) -> InvalidFile:
    """Turns pyarrow's message into one that names the line or the column, and says what to do."""
    if "Expected" in problem:
        return _first_ragged(problem, text)
    if names and (match := _CONVERSION_ERROR.search(problem)):
        index, record, arrow_type, value = match.groups()
        name = names[int(index)]
        return InvalidFile(
            f"column {name!r} is {arrow_type} in the first MiB, which decides its type in Ray, but record {record} has "
            f"{value[:_SHOWN_CHARACTERS]!r}; move such a record to the front, or use one type in the whole column",
            details={"column": name, "record": int(record)},
        )
    if "out of sync" in problem:
        return InvalidFile(_CUT_CELL)
    if "Empty CSV" in problem:
        return InvalidFile("the header never ends; end it with a line break, and close every quote")
    if "straddl" in problem:
        return InvalidFile("a record is longer than 1 MiB, which Ray cannot read, or a quote is never closed")
    return _as_pyarrow_says(problem)


def _as_pyarrow_says(problem: str) -> InvalidFile:
    return InvalidFile(f"the file cannot be read: {problem.splitlines()[0][: 3 * _SHOWN_CHARACTERS]}")


def _first_ragged(problem: str, text: str) -> InvalidFile:
    try:
        records = _records(text)
        header = next(records).fields
        found = next((record for record in records if len(record.fields) != len(header)), None)
    except csv.Error:
        return _as_pyarrow_says(problem)
    if found is None:
        return InvalidFile(_CUT_CELL) if len(text) > BLOCK_BYTES else _as_pyarrow_says(problem)
    line, fields = found
    other = _other_delimiter(header)
    if other:
        hint = f"is the file separated by {other} instead of ','?"
    else:
        hint = (
            "quote cells that contain ','" if len(fields) > len(header) else "a cell without a value needs its ',' too"
        )
    return InvalidFile(
        f"the number of cells on line {line} is {len(fields)}, the header's is {len(header)}; {hint}",
        details={"line": line},
    )


def _other_delimiter(header: list[str]) -> str | None:
    """Returns what probably separates the columns if it is not a comma, else None."""
    counts = Counter(character for name in header for character in name if character in _OTHER_DELIMITERS)
    likeliest, count = max(counts.items(), key=lambda item: item[1], default=("", 0))
    return _OTHER_DELIMITERS[likeliest] if count >= len(header) else None


def _warnings(data: bytes, header: list[str], table: pa.Table) -> Iterator[str]:
    names = table.schema.names
    if data.startswith(_BOM):
        yield "the file starts with a byte order mark; readers other than Ray's may see it in the first column's name"
    if unnamed := [str(number) for number, name in enumerate(names, start=1) if not name]:
        yield f"columns without a name: number {', '.join(unnamed)}"
    if twice := [name for name, count in Counter(names).items() if name and count > 1]:
        yield f"several columns have the same name: {_quoted(twice)}"
    if blank := [name for name in names if name != name.strip()]:
        yield f"column names that start or end with a space, which is part of the name: {_quoted(blank)}"
    if len(names) == 1 and (other := _other_delimiter(header)):
        yield f"only one column was found; the file seems to be separated by {other} instead of ','"
    if table.num_rows == 0:
        yield "there are no rows below the header"


def _quoted(names: list[str]) -> str:
    return ", ".join(repr(name[:_SHOWN_CHARACTERS]) for name in names)
