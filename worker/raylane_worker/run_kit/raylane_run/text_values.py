"""Converts columns of text to typed columns, as Hive does."""

from __future__ import annotations

import decimal
import re
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from .hive_types import Kind

if TYPE_CHECKING:
    from collections.abc import Callable

    from .hive_types import HiveType

_INTEGER: Final = r"^[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)$"
_FLOAT: Final = r"^[+-]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?[fFdD]?|NaN|Infinity)$"
_DECIMAL: Final = r"^[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?$"
_DATE: Final = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})(?:[ T].*)?", re.ASCII)
_TIMESTAMP: Final = re.compile(
    r"(\d{4})-(\d{1,2})-(\d{1,2})(?:[ T](\d{1,2}):(\d{1,2}):(\d{1,2})(?:\.(\d{1,9}))?)?", re.ASCII
)
# Arrow reads these, but it would also read time zones.
_PLAIN_TIMESTAMP: Final = r"^[1-9][0-9]{3}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?$"
# An exponent beyond these gives zero, or a number that no decimal of Hive holds.
_CONTEXT: Final = decimal.Context(prec=400, Emax=9999, Emin=-9999, rounding=decimal.ROUND_HALF_UP, traps=[])


def from_text(texts: pa.Array, wanted: HiveType) -> pa.Array:
    """Returns the values of the texts, with null for one that does not have the type, as in LazySimpleSerDe."""
    match wanted.kind:
        case Kind.INTEGER:
            return _integers(texts, wanted.size)
        case Kind.FLOAT:
            return _floats(texts, wanted.size)
        case Kind.DECIMAL:
            return _decimals(texts, wanted.arrow)
        case Kind.BOOLEAN:
            return _booleans(texts)
        case Kind.DATE:
            return _by_distinct(texts, to_date, wanted.arrow)
        case Kind.TIMESTAMP:
            return _timestamps(texts, wanted.arrow)
        case _:
            return sized(texts, wanted)


def sized(texts: pa.Array, wanted: HiveType) -> pa.Array:
    """Returns texts of at most the type's length. Spaces at the end of a `char` do not count, so they are removed."""
    if wanted.size:
        texts = pc.utf8_slice_codeunits(texts, 0, wanted.size)
    return pc.utf8_rtrim(texts, characters=" ") if wanted.is_padded else texts


def to_date(text: str) -> date | None:
    """Returns the day of a date or a timestamp; None if it is neither."""
    match = _DATE.fullmatch(text.strip())
    try:
        return date(*map(int, match.groups())) if match else None
    except ValueError:
        return None


def to_timestamp(text: str) -> datetime | None:
    """Returns the timestamp, to microseconds, or the beginning of the day; None if it is neither."""
    match = _TIMESTAMP.fullmatch(text.strip())
    if match is None:
        return None
    year, month, day, hour, minute, second = (int(part or 0) for part in match.groups()[:6])
    try:
        return datetime(year, month, day, hour, minute, second, int((match[7] or "").ljust(6, "0")[:6]))
    except ValueError:
        return None


def to_decimal(number: decimal.Decimal, wanted: pa.Decimal128Type) -> decimal.Decimal | None:
    """Returns the number rounded half up to the type's scale; None if the type is too small for it."""
    rounded = number.quantize(decimal.Decimal(1).scaleb(-wanted.scale), context=_CONTEXT)
    digits = rounded.adjusted() + 1 + wanted.scale
    return rounded if rounded.is_finite() and (rounded == 0 or digits <= wanted.precision) else None


def in_range(values: pa.Array, bits: int) -> pa.Array:
    """Returns integers with null for those that have more bits."""
    low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    is_above = pc.greater_equal(values, pa.scalar(low, values.type))
    return pc.if_else(pc.and_(is_above, pc.less_equal(values, pa.scalar(high, values.type))), values, None)


def _matching(texts: pa.Array, pattern: str) -> pa.Array:
    trimmed = pc.utf8_trim_whitespace(texts)
    return pc.if_else(pc.match_substring_regex(trimmed, pattern), trimmed, None)


def _cast(texts: pa.Array, wanted: pa.DataType) -> pa.Array | None:
    """Returns the values of texts that Arrow reads, which is ten times faster than the rest; None if it cannot.

    Arrow and Hive differ only in hexadecimal integers and in the words for NaN and infinity.
    """
    try:
        return pc.if_else(pc.equal(texts, ""), None, texts).cast(wanted)
    except pa.ArrowInvalid:
        return None


def _integers(texts: pa.Array, bits: int) -> pa.Array:
    """Returns whole numbers, without their fractions, as Hive does."""
    is_hexadecimal = pc.any(pc.match_substring(texts, "x", ignore_case=True)).as_py()
    values = None if is_hexadecimal else _cast(texts, pa.int64())
    if values is None:
        values = _odd_integers(texts)
    return values if bits == 64 else in_range(values, bits)


def _odd_integers(texts: pa.Array) -> pa.Array:
    whole = pc.replace_substring_regex(_matching(texts, _INTEGER), r"\.[0-9]*$", "")
    digits = pc.replace_substring_regex(whole, r"^\+?(-?)0*([0-9]*)$", r"\1\2")
    digits = pc.replace_substring_regex(digits, r"^-?$", "0")
    # 2^63 has 19 digits.
    digits = pc.if_else(pc.less_equal(pc.utf8_length(digits), 20), digits, None)
    try:
        return digits.cast(pa.int64())
    except pa.ArrowInvalid:  # one of them is beyond 64 bits
        return in_range(digits.cast(pa.decimal128(38, 0)), 64).cast(pa.int64())


def _floats(texts: pa.Array, bits: int) -> pa.Array:
    # A `float` holds other values than a `double`: 0.1 is 0.10000000149011612.
    wanted = pa.float32() if bits == 32 else pa.float64()
    values = _cast(texts, wanted)
    if values is None or not pc.all(pc.is_finite(values)).as_py():
        numbers = pc.replace_substring_regex(_matching(texts, _FLOAT), "^[+]", "")
        values = pc.replace_substring_regex(numbers, "([0-9.])[fFdD]$", r"\1").cast(wanted)
    return values.cast(pa.float64())


def _decimals(texts: pa.Array, wanted: pa.Decimal128Type) -> pa.Array:
    values = _cast(texts, wanted)
    if values is None:
        numbers = _matching(texts, _DECIMAL)
        values = _by_distinct(numbers, lambda text: to_decimal(_CONTEXT.create_decimal(text), wanted), wanted)
    return values


def _booleans(texts: pa.Array) -> pa.Array:
    lower = pc.utf8_lower(texts)
    is_true, is_false = pc.equal(lower, "true"), pc.equal(lower, "false")
    return pc.if_else(pc.or_(is_true, is_false), is_true, None)


def _timestamps(texts: pa.Array, wanted: pa.DataType) -> pa.Array:
    if pc.all(pc.match_substring_regex(texts, _PLAIN_TIMESTAMP), skip_nulls=True).as_py():
        try:
            return texts.cast(wanted)
        except pa.ArrowInvalid:  # such as February 30
            pass
    return _by_distinct(texts, to_timestamp, wanted)


def _by_distinct(texts: pa.Array, parse: Callable[[str], Any], wanted: pa.DataType) -> pa.Array:
    """Parses each different text once."""
    encoded = texts.dictionary_encode()
    values = pa.array([None if text is None else parse(text) for text in encoded.dictionary.to_pylist()], wanted)
    return values.take(encoded.indices)
