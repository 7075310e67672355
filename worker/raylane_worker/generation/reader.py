"""The reader of Ray Data with which generated code reads a source."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from raylane_common.wire.sources import TableFormat

if TYPE_CHECKING:
    from raylane_common.wire.sources import Source

# The run reads tables itself, whichever reader the code calls, and Ray has none for ORC.
_READERS: Final = {
    TableFormat.CSV: "read_csv",
    TableFormat.JSON: "read_json",
    TableFormat.PARQUET: "read_parquet",
    TableFormat.ORC: "read_parquet",
}
READERS: Final = frozenset(f"ray.data.{name}" for name in _READERS.values())


def reader_of(source: Source) -> str:
    """Returns the full name of the function that reads the source."""
    return f"ray.data.{_READERS[source.format]}"
