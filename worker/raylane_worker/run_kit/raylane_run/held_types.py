"""What is known of the frames that `read` gave: the types of their columns, and how many rows they had.

A column of pandas without values does not say its type, and an index does not say whether it numbers rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import pyarrow as pa

# By name. None if columns of this name have several types.
_TYPES: Final[dict[str, pa.DataType | None]] = {}
_LENGTHS: Final[list[int]] = []
_SMALL: Final = 1000


def remember(schema: pa.Schema, rows: int) -> None:
    """Remembers the types of the columns of a source, and how many rows it has."""
    _LENGTHS.append(rows)
    for field in schema:
        _TYPES[field.name] = field.type if _TYPES.get(field.name, field.type) == field.type else None


def held_type(name: str) -> pa.DataType | None:
    """Returns the type of the columns of this name in all sources that were read; None if it is not known."""
    return _TYPES.get(name)


def may_number_rows(lowest: int, highest: int) -> bool:
    """Returns whether these may be numbers of rows of what was read, also one after the other. True if nothing was.

    Small numbers may be those of a frame that was made of it, such as one with a row for each column.
    """
    return lowest >= 0 and (not _LENGTHS or highest < max(_SMALL, sum(_LENGTHS)))


def forget() -> None:
    """Forgets all types and rows."""
    _TYPES.clear()
    _LENGTHS.clear()
