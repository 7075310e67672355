"""Turns rows of Python values into batches, by way of a CSV on disk, so that memory is bounded however long a file is.

pyarrow converts Python values only with pandas at hand, which takes 60 MiB and which a worker does not need.
"""

from __future__ import annotations

import io
import tempfile
from contextlib import contextmanager
from datetime import date, datetime, time
from itertools import pairwise
from typing import TYPE_CHECKING, BinaryIO, Final, cast

import pyarrow as pa
from pyarrow import csv as arrow_csv

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Value = None | bool | int | float | str | date | datetime | time

_BLOCK_BYTES: Final = 16 * 1024 * 1024
_CHUNK_BYTES: Final = 1024 * 1024
_INT64: Final = range(-(2**63), 2**63)
# A float holds every whole number up to here.
_EXACT: Final = range(-(2**53), 2**53 + 1)
_TYPES: Final = {
    frozenset({"bool"}): pa.bool_(),
    frozenset({"int"}): pa.int64(),
    frozenset({"int", "long"}): pa.int64(),
    frozenset({"long"}): pa.int64(),
    frozenset({"float"}): pa.float64(),
    frozenset({"int", "float"}): pa.float64(),
    frozenset({"date"}): pa.date32(),
    frozenset({"datetime"}): pa.timestamp("us"),
    frozenset({"date", "datetime"}): pa.timestamp("us"),
    frozenset({"time"}): pa.time64("us"),
}


class TypedRows:
    """Rows of Python values on disk. `add` takes them one by one; then `batches` yields them in columns with types.

    A column whose values have types that do not fit together is text.
    """

    def __init__(self, file: BinaryIO, booleans: tuple[str, str]) -> None:
        """Keeps the rows in `file`. `booleans` are the texts of true and false in a column of text."""
        self._file = file
        self._true, self._false = booleans
        self._kinds: list[set[str]] = []
        # Where the rows of each width begin. A row has the columns of those before it, and may add some.
        self._parts: list[tuple[int, int]] = []
        self.has_broken_text = False

    def add(self, row: Sequence[Value]) -> None:
        """Adds a row, which has at least as many values as the row before it."""
        if len(row) > len(self._kinds) or not self._parts:
            self._kinds += [set() for _ in range(len(row) - len(self._kinds))]
            self._parts.append((self._file.tell(), len(row)))
        cells = []
        for kinds, value in zip(self._kinds, row, strict=True):
            if value is None:
                cells.append("")
            else:
                kinds.add(_kind(value))
                cells.append(self._text(value))
        line = ",".join(cells) + "\n"
        try:
            self._file.write(line.encode())
        except UnicodeEncodeError:
            # JSON may hold halves of characters, which UTF-8 cannot encode. Two halves that fit are a character.
            self.has_broken_text = True
            self._file.write(line.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").encode())

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yields the rows."""
        types = [_TYPES.get(frozenset(kinds), pa.string()) for kinds in self._kinds]
        names = [f"c{index}" for index in range(len(types))]
        end = self._file.seek(0, io.SEEK_END)
        for (start, width), (stop, _) in pairwise([*self._parts, (end, 0)]):
            if not width:
                # Records without fields are lines without cells.
                yield pa.RecordBatch.from_arrays([pa.nulls(stop - start, each) for each in types], names=names)
                continue
            self._file.seek(start)
            part = cast("BinaryIO", io.BufferedReader(_Part(self._file, stop - start), _CHUNK_BYTES))
            with _open_csv(part, dict(zip(names[:width], types, strict=False)), self._true, self._false) as reader:
                for batch in reader:
                    missing = [pa.nulls(batch.num_rows, each) for each in types[width:]]
                    yield pa.RecordBatch.from_arrays([*batch.columns, *missing], names=names)

    def _text(self, value: Value) -> str:
        """Returns a cell of the file; only a missing value is empty."""
        match value:
            case str():
                return '"' + value.replace('"', '""') + '"'
            case bool():
                return self._true if value else self._false
            case datetime():
                return value.isoformat(" ")
            case date() | time():
                return value.isoformat()
            case _:
                return str(value)


class _Part(io.RawIOBase):
    """The next bytes of a file."""

    def __init__(self, file: BinaryIO, size_bytes: int) -> None:
        self._file = file
        self._left = size_bytes

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # the stubs want any buffer
        data = self._file.read(min(len(buffer), self._left))
        self._left -= len(data)
        buffer[: len(data)] = data
        return len(data)


@contextmanager
def typed_rows(booleans: tuple[str, str] = ("true", "false")) -> Iterator[TypedRows]:
    """Opens a place for rows, which is removed at the end. `booleans` are the texts of true and false."""
    with tempfile.TemporaryFile(prefix="raylane-") as file:
        yield TypedRows(cast("BinaryIO", file), booleans)


def _open_csv(file: BinaryIO, types: dict[str, pa.DataType], true: str, false: str) -> arrow_csv.CSVStreamingReader:
    return arrow_csv.open_csv(
        file,
        read_options=arrow_csv.ReadOptions(use_threads=False, block_size=_BLOCK_BYTES, column_names=list(types)),
        parse_options=arrow_csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
        convert_options=arrow_csv.ConvertOptions(
            column_types=types,
            null_values=[""],
            true_values=[true],
            false_values=[false],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )


def _kind(value: Value) -> str:
    """Returns the name of the value's type, which for a whole number depends on its size."""
    match value:
        case bool():
            return "bool"
        case int():
            return "int" if value in _EXACT else "long" if value in _INT64 else "longer"
        case datetime():
            return "datetime" if value.tzinfo is None else "zoned"
        case _:
            return type(value).__name__
