"""A case of the corpus: a file, and what a user expects to read from it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from raylane_common.wire.reading import ReadingOptions
from raylane_common.wire.sources import ColumnType

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# Cells are Python values of the column's type; None is missing.
Cells = list[Any]
Content = bytes | Callable[[Path], None]

ARROW: Final[Mapping[ColumnType, Any]] = {
    ColumnType.INTEGER: pa.int64(),
    ColumnType.NUMBER: pa.float64(),
    ColumnType.STRING: pa.string(),
    ColumnType.BOOLEAN: pa.bool_(),
    ColumnType.DATE: pa.date32(),
    ColumnType.TIME: pa.time64("us"),
    ColumnType.TIMESTAMP: pa.timestamp("us"),
}


@dataclass(frozen=True)
class Typed:
    """A column that is expected: its type and all its cells. `arrow` replaces the usual Arrow type of the type."""

    type: ColumnType
    cells: Cells
    arrow: Any = None

    def array(self) -> Any:
        """Returns the cells as an Arrow array."""
        return pa.array(self.cells, self.arrow if self.arrow is not None else ARROW[self.type])


Table = dict[str, Typed]


def ints(*cells: int | None) -> Typed:
    """A column of whole numbers."""
    return Typed(ColumnType.INTEGER, list(cells))


def nums(*cells: float | None) -> Typed:
    """A column of numbers with fractions."""
    return Typed(ColumnType.NUMBER, [None if cell is None else float(cell) for cell in cells])


def texts(*cells: str | None) -> Typed:
    """A column of texts."""
    return Typed(ColumnType.STRING, list(cells))


def bools(*cells: bool | None) -> Typed:
    """A column of truth values."""
    return Typed(ColumnType.BOOLEAN, list(cells))


def of(kind: ColumnType, cells: Iterable[Any], arrow: Any = None) -> Typed:
    """A column of any type."""
    return Typed(kind, list(cells), arrow)


@dataclass(frozen=True)
class Refused:
    """A refusal that is right, and why. `match` is a pattern of its message."""

    match: str
    because: str


@dataclass(frozen=True)
class Answers:
    """What three questions about a table have for an answer: a count, a sum, and sums by group."""

    rows: int
    total: object
    groups: Mapping[object, tuple[int, object]]


@dataclass(frozen=True)
class Case:
    """A file and its table, or its refusal.

    `answers` are stated by hand; without them, DuckDB computes them from the table. `warns` is a pattern that one of
    the warnings must have, and `because` the reason if a column is text although people may expect more. A case is
    `quick` if `make test` reads it.
    """

    name: str
    content: Content
    expected: Table | Refused
    filename: str = "data.csv"
    options: ReadingOptions = field(default_factory=ReadingOptions)
    answers: Answers | None = None
    warns: str = ""
    because: str = ""
    quick: bool = True

    def write(self, folder: Path) -> Path:
        """Writes the file into the folder, and returns its path."""
        path = folder / self.filename
        if isinstance(self.content, bytes):
            path.write_bytes(self.content)
        else:
            self.content(path)
        return path
