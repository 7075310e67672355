"""Reads the original as Ray does, to see whether it finds the same values. See docs/decisions/0030."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import pyarrow as pa
from pyarrow import csv as arrow_csv
from pyarrow import parquet

from raylane_common.wire.names import FileFormat
from raylane_common.wire.reading import NULL_MARKERS
from raylane_worker.data.quoted import clipped, quoted
from raylane_worker.data.readers.plain_types import is_plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from raylane_common.wire.reading import Reading

# pyarrow's default, which Ray uses: the first block decides the types of all blocks.
BLOCK_BYTES: Final = 1024 * 1024
# Ray decompresses files with these names, whatever they contain.
_COMPRESSED: Final = (".gz", ".bz2", ".zst", ".lz4", ".snappy")
# Ray parses a key as an address, and drops the sign before an empty part: it would read `a?b` instead of `a;?b`.
_OTHER_KEY: Final = re.compile(r";(\?|$)|\?$")
_UTF8: Final = ("utf-8", "ascii")
_MAX_LISTED: Final = 3


def reasons_at_sight(
    path: Path, key: str, reading: Reading, names: Sequence[str], unique: Sequence[str], limit_bytes: int
) -> list[str]:
    """Returns why Ray cannot read the file itself, judged by its dialect, key and size; nothing if it may.

    `key` is where the file is on S3. `names` are those in the file, and `unique` the final ones.
    """
    if reading.format is FileFormat.PARQUET:
        return _reasons_of_parquet(path, key, names, unique, limit_bytes)
    if reading.format is not FileFormat.CSV:
        return [f"the file is {reading.format.described}"]
    line = reading.header_line
    header = f"the names are on line {line}" if line else "the file has no header"
    found = (
        (path.stat().st_size > limit_bytes, _too_large(limit_bytes)),
        (key.lower().endswith(_COMPRESSED), "Ray would take it for a compressed file because of its name"),
        (_OTHER_KEY.search(key) is not None, "Ray would look for a file of another name"),
        (reading.compression is not None, f"the file is compressed ({reading.compression})"),
        (reading.encoding not in _UTF8, f"the text is {reading.encoding}"),
        (reading.delimiter != ",", f"the delimiter is {reading.delimiter!r}"),
        (reading.quote not in ('"', ""), f"cells are enclosed in {reading.quote!r}"),
        (bool(reading.escape), f"quotes are escaped with {reading.escape!r}"),
        (reading.header_line != 1, header),
        (bool(reading.comment), f"lines that begin with {reading.comment!r} are comments"),
        (set(reading.null_markers) | {""} != set(NULL_MARKERS), "the words for missing values are not the usual ones"),
        (tuple(names) != tuple(unique), "columns were renamed"),
    )
    return [reason for applies, reason in found if applies]


def _reasons_of_parquet(
    path: Path, key: str, names: Sequence[str], unique: Sequence[str], limit_bytes: int
) -> list[str]:
    with parquet.ParquetFile(path) as file:
        groups, schema = file.num_row_groups, file.schema_arrow
    odd = next((quoted(one.name) for one in schema if not is_plain(one)), "")
    found = (
        (path.stat().st_size > limit_bytes and groups == 1, _too_large(limit_bytes)),
        # For Ray, a '?' ends the name.
        (not key.partition("?")[0].lower().endswith(".parquet"), "its name does not end in .parquet, so Ray skips it"),
        (tuple(names) != tuple(unique), "columns were renamed"),
        (bool(odd), f"Ray and pandas handle the type of column {odd} differently"),
    )
    return [reason for applies, reason in found if applies]


def _too_large(limit_bytes: int) -> str:
    return f"the file has more than {limit_bytes // 1024**2:,} MiB, which Ray would read in one piece"


class RaysReader:
    """The rows of a CSV as Ray reads them, to be compared with ours."""

    def __init__(self, reader: arrow_csv.CSVStreamingReader) -> None:
        self._reader = reader
        self._rows = iter(reader)
        self._left: pa.RecordBatch | None = None
        self.schema: pa.Schema = reader.schema

    def differing_columns(self, schema: pa.Schema) -> list[str]:
        """Returns a reason for each column of `schema` to which Ray gives another name, or a type of other values."""
        if len(schema) != len(self.schema):
            return ["Ray would find a different number of columns"]
        found = [
            reason for ours, theirs in zip(schema, self.schema, strict=True) if (reason := _difference(ours, theirs))
        ]
        more = [f"and so on for {len(found) - _MAX_LISTED:,} more columns"] if len(found) > _MAX_LISTED else []
        return [*found[:_MAX_LISTED], *more]

    def differing_values(self, batch: pa.RecordBatch) -> str | None:
        """Reads as many rows as `batch` has; returns the reason if a value differs."""
        place = 0
        while place < batch.num_rows:
            try:
                theirs = self._next(batch.num_rows - place)
            except pa.ArrowInvalid as error:
                return f"Ray could not read it: {clipped(str(error).splitlines()[0])}"
            if theirs is None:
                return "Ray would find fewer rows"
            ours = batch.slice(place, theirs.num_rows)
            for field, mine, its in zip(batch.schema, ours.columns, theirs.columns, strict=True):
                if not _is_same(mine, its):
                    return f"Ray would read different values in column {quoted(field.name)}"
            place += theirs.num_rows
        return None

    def differing_end(self) -> str | None:
        """Returns the reason if Ray would find more rows."""
        try:
            return "Ray would find more rows" if self._next(1) is not None else None
        except pa.ArrowInvalid as error:
            return f"Ray could not read it: {clipped(str(error).splitlines()[0])}"

    def _next(self, rows: int) -> pa.RecordBatch | None:
        batch = self._left
        while batch is None or batch.num_rows == 0:
            batch = next(self._rows, None)
            if batch is None:
                return None
        self._left = batch.slice(rows)
        return batch.slice(0, rows)


@contextmanager
def as_ray_reads(path: Path) -> Iterator[RaysReader | None]:
    """Opens a CSV as Ray does, with `NA` missing in text too. None if Ray cannot read its first block."""
    with path.open("rb") as file:
        try:
            reader = arrow_csv.open_csv(
                file,
                read_options=arrow_csv.ReadOptions(use_threads=False, block_size=BLOCK_BYTES),
                convert_options=arrow_csv.ConvertOptions(strings_can_be_null=True),
            )
        except pa.ArrowInvalid:
            yield None
            return
        with reader:
            yield RaysReader(reader)


def _difference(ours: pa.Field, theirs: pa.Field) -> str | None:
    # Ray keeps the spaces in `a, b`. A run asks for columns by their names here.
    if ours.name != theirs.name:
        return f"Ray would name column {quoted(ours.name)} {quoted(theirs.name)}"
    if not _is_alike(ours.type, theirs.type):
        return f"Ray would read column {quoted(ours.name)} as {theirs.type}, not as {ours.type}"
    return None


def _is_alike(ours: pa.DataType, theirs: pa.DataType) -> bool:
    if pa.types.is_timestamp(ours) and pa.types.is_timestamp(theirs):
        return (ours.tz is None) == (theirs.tz is None)
    return bool(ours == theirs or (pa.types.is_time(ours) and pa.types.is_time(theirs)))


def _is_same(ours: pa.Array, theirs: pa.Array) -> bool:
    try:
        return bool(ours.equals(theirs if theirs.type == ours.type else theirs.cast(ours.type)))
    except pa.ArrowInvalid:
        return False
