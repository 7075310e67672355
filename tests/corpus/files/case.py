"""A file of the corpus, and the table that it means."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, time
from typing import TYPE_CHECKING, Any

from raylane_common.wire.names import ColumnType

if TYPE_CHECKING:
    from collections.abc import Sequence

Cell = None | bool | int | float | str | date | datetime | time
INTEGER, NUMBER, STRING = ColumnType.INTEGER, ColumnType.NUMBER, ColumnType.STRING
BOOLEAN, DATE, TIME, TIMESTAMP = ColumnType.BOOLEAN, ColumnType.DATE, ColumnType.TIME, ColumnType.TIMESTAMP


@dataclass(frozen=True)
class Table:
    """Names and types of columns, and the rows that a reader must return."""

    columns: Sequence[tuple[str, ColumnType]]
    rows: Sequence[Sequence[Cell]]

    @property
    def names(self) -> list[str]:
        """The names of the columns."""
        return [name for name, _ in self.columns]


@dataclass(frozen=True)
class Case:
    """A file, what a user says about it, and what it means.

    A file without a `table` has to be refused with a message that holds `refused`. `warned` is a part of a warning that
    has to come with the table.
    """

    name: str
    data: bytes
    table: Table | None = None
    said: dict[str, Any] = field(default_factory=dict)
    refused: str = ""
    warned: str = ""


def text(*rows: str) -> bytes:
    """Returns the rows as lines of UTF-8."""
    return "".join(f"{row}\n" for row in rows).encode()
