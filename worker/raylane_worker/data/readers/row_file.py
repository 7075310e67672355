"""Writes rows of Python values to a file, and notes what kinds of values each column has.

It imports only Python's own modules, because the process that reads workbooks starts for each of them.
"""

from __future__ import annotations

from datetime import date, datetime, time
from typing import TYPE_CHECKING, Any, BinaryIO, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

Value = None | bool | int | float | str | date | datetime | time

_INT64: Final = range(-(2**63), 2**63)
# A float holds every whole number up to here.
EXACT: Final = range(-(2**53), 2**53 + 1)


class Digits(str):
    """The text of a number that no float holds."""

    __slots__ = ()


class RowFile:
    """Rows in a file, as a CSV in which only a missing value is empty and has no quotes.

    `kinds` are those of the values of each column. `parts` says where the rows of each width begin: a row has the
    columns of those before it, and may add some. `has_broken_text` says whether a text was no valid Unicode.
    """

    def __init__(self, file: BinaryIO, *, booleans: tuple[str, str] = ("true", "false")) -> None:
        """Writes to `file`, from its beginning. `booleans` are the texts of true and false."""
        self._file = file
        self._true, self._false = booleans
        self.kinds: list[set[str]] = []
        self.parts: list[tuple[int, int]] = []
        self.has_broken_text = False

    def add(self, row: Sequence[Value]) -> None:
        """Adds a row, which has at least as many values as the row before it."""
        if len(row) > len(self.kinds) or not self.parts:
            self.kinds += [set() for _ in range(len(row) - len(self.kinds))]
            self.parts.append((self._file.tell(), len(row)))
        cells = []
        for kinds, value in zip(self.kinds, row, strict=True):
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

    def summary(self) -> dict[str, Any]:
        """Writes all rows out. Returns `kinds` and `parts` as JSON can hold them."""
        self._file.flush()
        return {"kinds": [sorted(kinds) for kinds in self.kinds], "parts": self.parts}

    def _text(self, value: Value) -> str:
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


def _kind(value: Value) -> str:
    """Returns the name of the value's type, which for a whole number depends on its size."""
    match value:
        case Digits():
            return "digits"
        case str():
            return "str"
        case bool():
            return "bool"
        case int():
            return "int" if value in EXACT else "long" if value in _INT64 else "longer"
        case datetime():
            return "datetime"
        case _:
            return type(value).__name__
