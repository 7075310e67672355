"""The types of the columns that `read` gave as frames. A column of pandas without values does not say its type."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import pyarrow as pa

# By name. None if columns of this name have several types.
_TYPES: Final[dict[str, pa.DataType | None]] = {}


def remember(schema: pa.Schema) -> None:
    """Remembers the types of the columns of a source."""
    for field in schema:
        _TYPES[field.name] = field.type if _TYPES.get(field.name, field.type) == field.type else None


def held_type(name: str) -> pa.DataType | None:
    """Returns the type of the columns of this name in all sources that were read; None if it is not known."""
    return _TYPES.get(name)


def forget() -> None:
    """Forgets all types."""
    _TYPES.clear()
