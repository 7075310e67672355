"""Opens a file as a stream of record batches. Each format has a module, which is imported when a file needs it.

See docs/decisions/0028.
"""

from __future__ import annotations

from enum import Enum
from importlib import import_module
from typing import TYPE_CHECKING, Final, Protocol

from raylane_common.wire.names import FileFormat
from raylane_worker.importing import IMPORTING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    import pyarrow as pa

    from raylane_common.wire.reading import Reading

_MODULES: Final = {
    FileFormat.CSV: "csv_file",
    FileFormat.JSON: "json_file",
    FileFormat.JSON_LINES: "json_file",
    FileFormat.PARQUET: "parquet_file",
    FileFormat.ARROW: "arrow_file",
    FileFormat.WORKBOOK: "workbook",
}


class Decide(Enum):
    """Which columns still need a type.

    ALL: those of text, whose cells are as they are written. DATES: those of text may hold dates, and are text
    otherwise. NOTHING: every column has the type that the file gives it.
    """

    ALL = "all"
    DATES = "dates"
    NOTHING = "nothing"


NO_COLUMNS: Final = frozenset[int]()


class Batches(Protocol):
    """The rows of an open file, in batches of bounded size. Iterating raises `InvalidFile`.

    `names` are those in the file: '' for a column without a name, and duplicates as they are. The columns of a batch
    have other names and are identified by their position. `numbers` are the positions of the columns of text which hold
    only numbers, so that they need a type whatever `decide` is. `warnings` is complete once all batches have been read.
    """

    names: Sequence[str]
    decide: Decide
    numbers: Collection[int]
    warnings: list[str]

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        """Yields the batches, in the order of the file."""


def open_batches(path: Path, reading: Reading) -> AbstractContextManager[Batches]:
    """Opens the file at `path`, which is written as `reading` says. A file may be opened several times.

    Raises `InvalidFile`.
    """
    with IMPORTING:
        reader = import_module(f"{__name__}.{_MODULES[reading.format]}")
    opened: AbstractContextManager[Batches] = reader.open_file(path, reading)
    return opened
