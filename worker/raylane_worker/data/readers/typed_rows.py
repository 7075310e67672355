"""Turns rows of Python values into batches, by way of a CSV on disk, so that memory is bounded however long a file is.

pyarrow converts Python values only with pandas at hand, which takes 60 MiB and which a worker does not need.
"""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from datetime import date, datetime, time
from typing import TYPE_CHECKING, BinaryIO, Final, cast

import pyarrow as pa
from pyarrow import csv as arrow_csv

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Value = None | bool | int | float | str | date | datetime | time

_BLOCK_BYTES: Final = 16 * 1024 * 1024
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

    def __init__(self, file: BinaryIO, width: int) -> None:
        """Keeps the rows, which have `width` values, in `file`."""
        self._file = file
        self._kinds: list[set[str]] = [set() for _ in range(width)]

    def add(self, row: Sequence[Value]) -> None:
        """Adds a row."""
        cells = ["" if value is None else '"' + _text(value).replace('"', '""') + '"' for value in row]
        for kinds, value in zip(self._kinds, row, strict=True):
            if value is not None:
                kinds.add(_kind(value))
        # JSON may hold halves of characters, which UTF-8 cannot encode.
        self._file.write(",".join(cells).encode("utf-8", "replace") + b"\n")

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yields the rows."""
        types = {f"c{index}": _TYPES.get(frozenset(kinds), pa.string()) for index, kinds in enumerate(self._kinds)}
        if self._file.tell() == 0:
            return
        self._file.seek(0)
        with arrow_csv.open_csv(
            self._file,
            read_options=arrow_csv.ReadOptions(use_threads=False, block_size=_BLOCK_BYTES, column_names=list(types)),
            parse_options=arrow_csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
            convert_options=arrow_csv.ConvertOptions(
                column_types=types,
                null_values=[""],
                true_values=["true"],
                false_values=["false"],
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
            ),
        ) as reader:
            yield from reader


@contextmanager
def typed_rows(width: int) -> Iterator[TypedRows]:
    """Opens a place for rows of `width` values, which is removed at the end."""
    with tempfile.TemporaryFile(prefix="raylane-") as file:
        yield TypedRows(cast("BinaryIO", file), width)


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


def _text(value: Value) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case datetime():
            return value.isoformat(" ")
        case date() | time():
            return value.isoformat()
        case _:
            return str(value)
