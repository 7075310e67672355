"""The types of Hive, and the Arrow types that hold their values without loss."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, Final

import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Mapping

_PARAMETERS: Final = re.compile(r"([a-z ]+?)\s*(?:\(\s*(\d+)\s*(?:,\s*(\d+)\s*)?\))?", re.ASCII)
_BITS: Final = {"tinyint": 8, "smallint": 16, "int": 32, "integer": 32, "bigint": 64, "long": 64}
_DECIMAL_PRECISION: Final = 10


class Kind(Enum):
    """The kinds of values that are read in different ways."""

    INTEGER = auto()
    FLOAT = auto()
    DECIMAL = auto()
    TEXT = auto()
    BOOLEAN = auto()
    DATE = auto()
    TIMESTAMP = auto()
    BINARY = auto()
    NESTED = auto()


@dataclass(frozen=True)
class HiveType:
    """A parsed type. `size` is the bits of a number, or the characters of a text; 0 means no limit.

    Integers become int64 and floats float64, so that computing with them does not overflow or lose digits. A nested
    value becomes its JSON text.
    """

    name: str
    kind: Kind
    arrow: pa.DataType
    size: int = 0
    is_padded: bool = False


def parse_type(hive: str) -> HiveType:
    """Returns the type. Raises `ValueError` for one that cannot be read."""
    name = hive.strip().lower()
    if name.startswith(("array<", "map<", "struct<")):
        return HiveType(name, Kind.NESTED, pa.string())
    match = _PARAMETERS.fullmatch(name)
    base, first, second = match.groups() if match else ("", None, None)
    if base in _BITS:
        return HiveType(name, Kind.INTEGER, pa.int64(), _BITS[base])
    match base:
        case "float" | "real":
            return HiveType(name, Kind.FLOAT, pa.float64(), 32)
        case "double" | "double precision":
            return HiveType(name, Kind.FLOAT, pa.float64(), 64)
        case "decimal" | "numeric" | "dec":
            return HiveType(name, Kind.DECIMAL, pa.decimal128(int(first or _DECIMAL_PRECISION), int(second or 0)))
        case "string":
            return HiveType(name, Kind.TEXT, pa.string())
        case "varchar" | "char":
            return HiveType(name, Kind.TEXT, pa.string(), int(first or 0), is_padded=base == "char")
        case "boolean":
            return HiveType(name, Kind.BOOLEAN, pa.bool_())
        case "date":
            return HiveType(name, Kind.DATE, pa.date32())
        case "timestamp" | "timestamp with local time zone":
            return HiveType(name, Kind.TIMESTAMP, pa.timestamp("us"))
        case "binary":
            return HiveType(name, Kind.BINARY, pa.binary())
        case _:
            raise ValueError(f"the type {hive} cannot be read")


def make_rows(columns: Mapping[str, pa.Array], count: int) -> pa.Table:
    """Returns `count` rows of these columns, even if there are none."""
    return pa.table(dict(columns)) if columns else pa.table({"": pa.nulls(count)}).select([])
