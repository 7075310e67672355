"""Moments that Python does not hold, and zones that nobody knows, are read, and shown as far as that is possible."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest
from pyarrow import ipc, parquet

from raylane_common.wire.reading import ReadingOptions
from raylane_worker.data.prepare import read_file

if TYPE_CHECKING:
    from pathlib import Path

    from raylane_worker.data.file_content import FileContent

BEYOND = "<value out of range: 1152921504606846976>"


def content(tmp_path: Path, values: pa.Array, kind: str = "parquet") -> tuple[FileContent, pa.Table | None]:
    """Returns what is read of a file with one column, and the prepared copy."""
    data, table = io.BytesIO(), pa.table({"t": values})
    if kind == "parquet":
        parquet.write_table(table, data, store_schema=True)
    else:
        with ipc.new_file(data, table.schema) as writer:
            writer.write(table)
    path, copy = tmp_path / "file", tmp_path / "copy"
    path.write_bytes(data.getvalue())
    found = read_file(path, f"file.{kind}", ReadingOptions(), copy_to=copy)
    return found, parquet.read_table(copy) if found.reasons else None


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        (pa.array([2**60], pa.timestamp("us")), BEYOND),
        (pa.array([2**60], pa.timestamp("us", "UTC")), BEYOND),
        (pa.array([2**60], pa.timestamp("ms", "Europe/Berlin")), BEYOND),
        (pa.array([2**60], pa.duration("s")), "1152921504606846976"),
        (pa.array([2**30], pa.date32()), "<value out of range: 1073741824>"),
        (pa.array([-(10**6)], pa.date32()), "-0768-02-04"),
        (pa.array([[2**60]], pa.list_(pa.timestamp("us"))), f"[{BEYOND}]"),
    ],
    ids=lambda value: str(getattr(value, "type", "")),
)
def test_moments_beyond_the_years_of_python_are_read_and_shown(tmp_path: Path, values: pa.Array, shown: str) -> None:
    found, _ = content(tmp_path, values)
    assert (found.rows, found.preview) == (1, ((shown,),))
    profile = found.columns[0].profile
    assert profile is None or (profile.min, profile.max) == (None, None)


@pytest.mark.parametrize("kind", ["parquet", "arrow"])
def test_moments_of_an_unknown_zone_are_those_of_utc_with_a_warning(tmp_path: Path, kind: str) -> None:
    moment = pa.array([0, None], pa.timestamp("us", "Mars/Base"))
    found, copy = content(tmp_path, moment, kind)
    assert copy is not None
    assert copy["t"].combine_chunks() == moment.cast(pa.timestamp("us", "UTC"))
    assert found.preview == (("1970-01-01 00:00:00+00:00",), ("",))
    assert found.warnings == ("column 't' has the unknown time zone 'Mars/Base', so its moments are those of UTC",)


def test_an_unknown_zone_inside_a_list_is_utc(tmp_path: Path) -> None:
    moment = pa.array([[0]], pa.list_(pa.timestamp("us", "+5")))
    found, _ = content(tmp_path, moment, "arrow")
    assert "UTC" in found.columns[0].native_type
    assert "time zone '+5'" in found.warnings[0]


def test_known_zones_and_shifts_are_kept(tmp_path: Path) -> None:
    for zone in ("Europe/Berlin", "+05:30", "UTC"):
        found, _ = content(tmp_path, pa.array([0], pa.timestamp("us", zone)))
        assert (found.columns[0].native_type, found.warnings) == (f"timestamp[us, tz={zone}]", ())
