"""Text of Hive's and OpenX's JSON SerDes: one object in each line, with keys of any case."""

from __future__ import annotations

import decimal
import json
import math
import re
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from .hive_types import HiveType, Kind
from .text_values import sized, to_date, to_decimal, to_timestamp

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .description import Table

OPENX: Final = "openx_json"
_OFFSET: Final = re.compile(r"(.*\d)(Z|[+-]\d{2}:?\d{2})", re.ASCII)
_SHOWN_CHARACTERS: Final = 60


class _Number(str):
    """A number as the file writes it, so that no digit is lost."""

    __slots__ = ()


def _no_number(text: str) -> None:
    raise ValueError(f"{text} is not JSON")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key occurs twice")
    return found


_DECODER: Final = json.JSONDecoder(
    parse_float=_Number, parse_int=_Number, parse_constant=_no_number, object_pairs_hook=_unique, strict=False
)


def read_objects(lines: pa.Array, first: int, table: Table, wanted: Mapping[str, HiveType]) -> dict[str, pa.Array]:
    """Returns the wanted columns; a missing key is null. `first` is the number of the first line.

    Raises `ValueError` for a line that is not an object, and for a value that does not have its column's type.
    """
    keys = {name: table.keys.get(name, name) for name in wanted}
    columns: dict[str, list[Any]] = {name: [] for name in wanted}
    for number, line in enumerate(lines.to_pylist(), first):
        row = _row(line, number, table)
        for name, hive in wanted.items():
            value = row.get(keys[name])
            try:
                columns[name].append(None if value is None else _value(value, hive))
            except (ValueError, LookupError, ArithmeticError):
                shown = _text(value)[:_SHOWN_CHARACTERS]
                problem = f"line {number} has {shown} in column {name}, which is not of type {hive.name}"
                raise ValueError(problem) from None
    found = {name: pa.array(columns[name], hive.arrow) for name, hive in wanted.items()}
    texts = {name: sized(found[name], hive) for name, hive in wanted.items() if hive.kind is Kind.TEXT}
    return found | texts


def _row(line: str, number: int, table: Table) -> dict[str, Any]:
    """Returns the object of a line, with its keys as the catalog spells them."""
    text = line.strip()
    if not text and table.serde == OPENX:
        return {}
    try:
        found = _DECODER.decode(text)
        if not isinstance(found, dict):
            raise ValueError("it is not an object")
        return _spelled(found, table)
    except (ValueError, RecursionError) as error:
        if table.ignores_bad_lines:
            return {}
        problem = str(error).partition(":")[0]
        shown = text[:_SHOWN_CHARACTERS]
        raise ValueError(f"line {number} is not one JSON object ({problem}): {shown!r}") from None


def _spelled(found: dict[str, Any], table: Table) -> dict[str, Any]:
    mapped = set(table.keys.values())
    row: dict[str, Any] = {}
    for key, value in found.items():
        name = key if key in mapped else key.lower()
        if table.dots_in_keys:
            name = name.replace(".", "_")
        if name in row:
            raise ValueError(f"the key {name} occurs twice")
        row[name] = value
    return row


def _value(value: Any, hive: HiveType) -> Any:
    """Returns a value as pyarrow takes it. Raises `ValueError` for one that does not have the type."""
    match hive.kind:
        case Kind.TEXT:
            return _text(value)
        case Kind.NESTED if isinstance(value, dict | list):
            return to_json(value)
        case Kind.BOOLEAN:
            return value if isinstance(value, bool) else {"true": True, "false": False}[_plain(value).lower()]
        case Kind.INTEGER:
            number = int(_plain(value))
            return number if -(2 ** (hive.size - 1)) <= number < 2 ** (hive.size - 1) else _bad()
        case Kind.FLOAT:
            return _float(_plain(value), hive.size)
        case Kind.DECIMAL:
            return to_decimal(decimal.Decimal(_plain(value)), hive.arrow)
        case Kind.DATE:
            return to_date(_day(value)) or _bad()
        case Kind.TIMESTAMP:
            return _timestamp(_day(value))
        case _:
            return _bad()


def _plain(value: Any) -> str:
    """Returns the text of a number, or a text that may hold one. Raises `ValueError` for anything else."""
    if not isinstance(value, str) or "_" in value or not value.isascii():
        raise ValueError
    return value.strip()


def _day(value: Any) -> str:
    # A bare number may count days, seconds or milliseconds.
    return value if isinstance(value, str) and not isinstance(value, _Number) else _bad()


def _timestamp(text: str) -> datetime:
    match = _OFFSET.fullmatch(text.strip()) if ":" in text else None
    moment = to_timestamp(match[1] if match else text)
    if moment is None:
        raise ValueError
    if match is None:
        return moment
    offset = datetime.fromisoformat(f"2000-01-01T00:00:00{match[2]}").utcoffset()
    return moment - offset if offset else moment


def _float(text: str, bits: int) -> float:
    number = float(text)
    return float(pa.scalar(number, pa.float32()).as_py()) if bits == 32 else number


def _bad() -> Any:
    raise ValueError


def _text(value: Any) -> str:
    """Returns the JSON of a value, with numbers as the file writes them. A text or a number is written as it is."""
    return str(value) if isinstance(value, str) else to_json(value)


def to_json(value: Any) -> str:
    """Returns the value as JSON without spaces, as Hive prints a nested value."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case _Number() | int() | decimal.Decimal():
            return str(value)
        case float():
            return repr(value) if math.isfinite(value) else f'"{value}"'
        case dict():
            return "{" + ",".join(f"{to_json(str(key))}:{to_json(one)}" for key, one in value.items()) + "}"
        case list() | tuple():
            return "[" + ",".join(map(to_json, value)) + "]"
        case datetime():
            naive = value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value
            return json.dumps(naive.isoformat(" "))
        case date():
            return json.dumps(value.isoformat())
        case str():
            return json.dumps(value, ensure_ascii=False)
        case _:
            raise ValueError(f"a {type(value).__name__} in a nested value cannot be written as JSON")
