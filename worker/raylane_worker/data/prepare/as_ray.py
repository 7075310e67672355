"""Says in what Ray's reader would read a file differently, so that a prepared copy is needed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pyarrow as pa
from pyarrow import compute, parquet
from pyarrow import csv as arrow_csv

from raylane_common.wire.names import FileFormat

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from raylane_common.wire.reading import Reading

# One process reads a CSV as a whole, so a larger one is not read in parallel.
MAX_ORIGINAL_BYTES: Final = 64 * 1024 * 1024
# pyarrow's default, which Ray uses: the first block decides the types of all blocks.
_BLOCK_BYTES: Final = 1024 * 1024


def differences_for_ray(
    path: Path, reading: Reading, names: list[str], typed: Callable[[], pa.Table]
) -> tuple[list[str], pa.Schema | None]:
    """Returns why Ray would not read the file at `path` right, and the schema that Ray gives it if it does.

    `names` are those of the columns, and `typed` returns the whole table as it is meant.
    """
    size_bytes = path.stat().st_size
    if reading.format is FileFormat.PARQUET:
        return _of_parquet(path, names, size_bytes)
    if reading.format is not FileFormat.CSV:
        return [f"Ray reads no {reading.format} file like this"], None
    reasons = list(_of_dialect(reading))
    if size_bytes > MAX_ORIGINAL_BYTES:
        reasons.append("the file is too large for one reader")
    if reasons:
        return reasons, None
    try:
        options = arrow_csv.ReadOptions(use_threads=False, block_size=_BLOCK_BYTES)
        convert = arrow_csv.ConvertOptions(strings_can_be_null=True)
        with arrow_csv.open_csv(path, options, convert_options=convert) as batches:
            seen = batches.read_all()
    except pa.ArrowInvalid:
        return ["Ray's reader cannot read the file"], None
    if seen.column_names != names:
        return ["columns were renamed or left out"], None
    meant = typed()
    if seen.num_rows != meant.num_rows:
        return ["Ray's reader finds another number of rows"], None
    different = [name for name in names if not _is_same(seen.column(name), meant.column(name))]
    if different:
        listed = ", ".join(repr(name[:60]) for name in different[:5]) + (" …" if len(different) > 5 else "")
        return [f"Ray's reader reads other values or types in {listed}"], None
    return [], seen.schema


def _of_dialect(reading: Reading) -> list[str]:
    found = []
    if reading.compression is not None:
        found.append(f"the file is compressed with {reading.compression}")
    if reading.encoding != "utf-8":
        found.append(f"the text is {reading.encoding}")
    if reading.delimiter != ",":
        found.append(f"the delimiter is {reading.delimiter!r}")
    if reading.quote != '"' or reading.escape:
        found.append("quotes are written in another way")
    if reading.header_line != 1:
        found.append("the names are not on the first line" if reading.header_line else "the file has no header")
    if reading.comment:
        found.append("the file has comments")
    return found


def _of_parquet(path: Path, names: list[str], size_bytes: int) -> tuple[list[str], pa.Schema | None]:
    with parquet.ParquetFile(path) as file:
        schema, groups = file.schema_arrow, file.num_row_groups
    if schema.names != names:
        return ["columns were renamed"], None
    if any(pa.types.is_dictionary(field.type) for field in schema):
        return ["a column is written as a dictionary"], None
    if size_bytes > MAX_ORIGINAL_BYTES and groups == 1:
        return ["the file has only one row group, so one process would read all of it"], None
    return [], schema


def _is_same(seen: pa.ChunkedArray, meant: pa.ChunkedArray) -> bool:
    if seen.type == meant.type:
        return bool(seen.equals(meant)) or _is_same_with_nan(seen, meant)
    if pa.types.is_timestamp(seen.type) and pa.types.is_timestamp(meant.type) and seen.type.tz == meant.type.tz:
        return bool(seen.cast(meant.type).equals(meant))
    if pa.types.is_time(seen.type) and pa.types.is_time(meant.type):
        return bool(seen.cast(meant.type).equals(meant))
    return False


def _is_same_with_nan(seen: pa.ChunkedArray, meant: pa.ChunkedArray) -> bool:
    """Arrow's NaN is not equal to itself."""
    if not pa.types.is_floating(seen.type):
        return False
    both = compute.and_kleene(compute.is_nan(seen), compute.is_nan(meant))
    same = compute.or_kleene(compute.equal(seen, meant), both)
    same_nulls = compute.equal(compute.is_null(seen), compute.is_null(meant))
    return bool(compute.all(compute.and_(same_nulls, compute.fill_null(same, True))).as_py())
