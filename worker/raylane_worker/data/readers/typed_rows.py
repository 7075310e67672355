"""Reads the rows of a `RowFile` as batches, so that memory is bounded however long a file is.

pyarrow converts Python values only with pandas at hand, which takes 60 MiB and which a worker does not need.
"""

from __future__ import annotations

import io
from itertools import pairwise
from typing import TYPE_CHECKING, BinaryIO, Final, cast

import pyarrow as pa
from pyarrow import csv as arrow_csv

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

_BLOCK_BYTES: Final = 16 * 1024 * 1024
_CHUNK_BYTES: Final = 1024 * 1024
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
_NUMBERS: Final = frozenset({"int", "long", "longer", "float", "digits"})


def has_numbers_as_text(kinds: Collection[str]) -> bool:
    """Returns whether a column of these kinds is text although it has only numbers, because no type here fits them."""
    return _is_text(kinds) and _NUMBERS.issuperset(kinds)


def is_mixed(kinds: Collection[str]) -> bool:
    """Returns whether a column of these kinds is text because it has more than numbers or texts."""
    return len(kinds) > 1 and _is_text(kinds) and not _NUMBERS.issuperset(kinds)


def _is_text(kinds: Collection[str]) -> bool:
    return bool(kinds) and frozenset(kinds) not in _TYPES


def typed_batches(
    file: BinaryIO, kinds: Sequence[Collection[str]], parts: Sequence[tuple[int, int]]
) -> Iterator[pa.RecordBatch]:
    """Yields the rows of `file`. A column whose values have types that do not fit together is text.

    `kinds` and `parts` are those of the `RowFile` that wrote it. Without rows, yields one empty batch.
    """
    types = [_TYPES.get(frozenset(each), pa.string()) for each in kinds]
    names = [f"c{index}" for index in range(len(types))]
    end = file.seek(0, io.SEEK_END)
    for (start, width), (stop, _) in pairwise([*parts, (end, 0)]):
        if not width:
            # Records without fields are lines without cells.
            yield _missing(stop - start, types, names)
            continue
        file.seek(start)
        part = cast("BinaryIO", io.BufferedReader(_Part(file, stop - start), _CHUNK_BYTES))
        with _open_csv(part, dict(zip(names[:width], types, strict=False))) as reader:
            for batch in reader:
                later = _missing(batch.num_rows, types[width:], names[width:])
                yield pa.RecordBatch.from_arrays([*batch.columns, *later.columns], names=names)
    if not parts:
        yield _missing(0, types, names)


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


def _missing(rows: int, types: Sequence[pa.DataType], names: Sequence[str]) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([pa.nulls(rows, each) for each in types], names=list(names))


def _open_csv(file: BinaryIO, types: dict[str, pa.DataType]) -> arrow_csv.CSVStreamingReader:
    return arrow_csv.open_csv(
        file,
        read_options=arrow_csv.ReadOptions(use_threads=False, block_size=_BLOCK_BYTES, column_names=list(types)),
        parse_options=arrow_csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
        convert_options=arrow_csv.ConvertOptions(
            column_types=types,
            null_values=[""],
            true_values=["true", "TRUE"],
            false_values=["false", "FALSE"],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )
