"""Parses the conditions after "where". Each value is read as the type of its column."""

from __future__ import annotations

from contextlib import suppress
from datetime import date, datetime, time
from decimal import Decimal, InvalidOperation
from math import isinf
from typing import TYPE_CHECKING, Final

from raylane_common.errors import TypeMismatch
from raylane_common.wire.sources import Column, ColumnType
from raylane_worker.generation.template.held import has_decimals, scale_of
from raylane_worker.generation.template.question import Comparison, Condition, Value
from raylane_worker.generation.template.tokens import split_tokens

if TYPE_CHECKING:
    from raylane_worker.generation.template.name_cursor import NameCursor
    from raylane_worker.generation.template.tokens import Token

# A longer phrase comes before its own beginning: "greater than or equal to" before "greater than".
_COMPARISONS: Final = (
    (">=|≥|at least|greater than or equal to|more than or equal to", Comparison.GREATER_EQUAL),
    ("<=|≤|at most|less than or equal to", Comparison.LESS_EQUAL),
    ("!=|<>|≠", Comparison.UNEQUAL),
    (">|greater than|more than|larger than|higher than|bigger than|above|over|exceeds|after", Comparison.GREATER),
    ("<|less than|fewer than|smaller than|lower than|below|under|before", Comparison.LESS),
    ("=|==|equals|equal to", Comparison.EQUAL),
    ("contains", Comparison.CONTAINS),
    ("in|one of", Comparison.IN),
    ("between", Comparison.BETWEEN),
    ("not missing|not null|not empty", Comparison.PRESENT),
    ("missing|null|empty", Comparison.MISSING),
)
_IS: Final = "is|are|was"
_ORDERING: Final = frozenset(
    {
        Comparison.GREATER,
        Comparison.GREATER_EQUAL,
        Comparison.LESS,
        Comparison.LESS_EQUAL,
        Comparison.BETWEEN,
    }
)
# Not accepted as text without quotes, because they more likely belong to a sentence that was not understood.
_NOT_TEXT: Final = (
    "and|or|not|no|by|per|for|where|in|from|of|is|are|was|be|to|than|the|a|an|each|between|contains|like"
    "|null|missing|none|empty|except|without|with"
)
_BOOLEANS: Final = {"true": True, "yes": True, "false": False, "no": False}
# The range of Arrow's int64, and the digits of its decimals of 128 bits: the types of exact numbers.
_INT64: Final = (-(2**63), 2**63 - 1)
_DECIMAL_DIGITS: Final = 38


def parse_conditions(cursor: NameCursor) -> tuple[Condition, ...]:
    """Takes one or more conditions, joined by "and".

    Raises `NotUnderstood`, `UnknownColumn`, `AmbiguousColumn`, and `TypeMismatch` for a value of another type.
    """
    found = [_parse_condition(cursor)]
    while cursor.take("and"):
        found.append(_parse_condition(cursor))
    return tuple(found)


def _parse_condition(cursor: NameCursor) -> Condition:
    column = cursor.take_column()
    has_is = cursor.take(_IS)
    comparison = next((one for phrases, one in _COMPARISONS if cursor.take(phrases)), None)
    if comparison is None:
        if cursor.is_next("not"):
            cursor.refuse("negations are not understood; compare with != or say 'is not missing'")
        if not has_is:
            cursor.refuse("compare with =, !=, >, >=, <, <=, contains, in, between, or say 'is missing'")
        comparison = Comparison.EQUAL
    if comparison in (Comparison.MISSING, Comparison.PRESENT):
        return Condition(column, comparison)
    _check_comparison(column, comparison)
    match comparison:
        case Comparison.BETWEEN:
            low = _parse_value(cursor, column)
            cursor.expect("and")
            high = _parse_value(cursor, column)
            if _is_reversed(low, high):
                raise _mismatch(column, f"cannot be between {low} and {high}; write the smaller bound first")
            return Condition(column, comparison, (low, high))
        case Comparison.IN:
            return Condition(column, comparison, _parse_values(cursor, column))
        case _:
            return Condition(column, comparison, (_parse_value(cursor, column),))


def _is_reversed(low: Value, high: Value) -> bool:
    if isinstance(low, date) and isinstance(high, date):
        first = low if isinstance(low, datetime) else datetime.combine(low, time.min)
        return first > (high if isinstance(high, datetime) else datetime.combine(high, time.max))
    if isinstance(low, str) and isinstance(high, str):
        return low > high  # only times of day are ordered as text
    numbers = int | float | Decimal
    return isinstance(low, numbers) and isinstance(high, numbers) and low > high


def _check_comparison(column: Column, comparison: Comparison) -> None:
    if column.type is ColumnType.OTHER:
        raise _mismatch(column, "can only be compared with 'is missing'")
    if comparison in _ORDERING and column.type in (ColumnType.STRING, ColumnType.BOOLEAN):
        raise _mismatch(column, f"has no order, so {str(comparison)!r} does not apply; compare it with = or !=")
    if comparison is Comparison.CONTAINS and column.type is not ColumnType.STRING:
        raise _mismatch(column, "is not text, so 'contains' does not apply")


def _parse_values(cursor: NameCursor, column: Column) -> tuple[Value, ...]:
    bracket = cursor.take("(")
    found = _parse_list_item(cursor, column)
    while cursor.take(", or|,|or"):
        found += _parse_list_item(cursor, column)
    if bracket:
        cursor.expect(")")
    return tuple(dict.fromkeys(found))


def _parse_list_item(cursor: NameCursor, column: Column) -> list[Value]:
    """Takes one value. Reads 100,200 also as two values, since a list may be written without spaces."""
    token = None if cursor.at_end else cursor.tokens[cursor.position]
    if token is not None and token.is_number and "," in token.text and cursor.choose(2):
        cursor.take_token()
        parts = split_tokens(token.text.replace(",", " "))
        return [_to_value(part, column) for part in parts]
    return [_parse_value(cursor, column)]


def _parse_value(cursor: NameCursor, column: Column) -> Value:
    is_not_text = cursor.is_at_column() or cursor.is_next(_NOT_TEXT)
    token = cursor.take_token()
    if token.quoted or token.is_number or token.is_date or column.type not in (ColumnType.STRING, ColumnType.OTHER):
        return _to_value(token, column)
    if is_not_text or not token.is_word:
        cursor.position -= 1
        cursor.refuse("put a text value between quotes")
    if cursor.at_end and _may_belong_to(cursor.prompt.ending, token) and cursor.choose(2):
        return token.text + cursor.prompt.ending[0]
    return token.text


def _may_belong_to(ending: str, token: Token) -> bool:
    """Returns whether the sign after the last word may be a part of it, as in "Jr." or "Yahoo!"."""
    return ending.startswith("!") or (ending.startswith(".") and not (token.is_lower and len(token.text) > 3))


def _to_value(token: Token, column: Column) -> Value:
    match column.type:
        case ColumnType.INTEGER | ColumnType.NUMBER:
            return _to_number(token, column)
        case ColumnType.BOOLEAN:
            if (truth := _BOOLEANS.get(token.text.casefold())) is not None:
                return truth
            raise _mismatch(column, f"is true or false, not {token.text!r}")
        case ColumnType.DATE:
            return _to_time(token, column).date()
        case ColumnType.TIME:
            return _to_clock(token, column)
        case ColumnType.TIMESTAMP:
            found = _to_time(token, column)
            return found.date() if len(token.text) == len("2020-01-31") else found
        case _:
            return token.text


def _to_number(token: Token, column: Column) -> int | float | Decimal:
    if not token.is_number:
        raise _mismatch(
            column, f"is a number and cannot be compared with {token.text!r}; write digits only, as in 1500.5"
        )
    scale = scale_of(column)
    if scale is None and set(token.text) & set(".eE"):
        number = float(token.number)
        if isinf(number):
            raise _mismatch(column, f"cannot hold {token.text!r}")
        return number
    try:
        exact = Decimal(token.number)
    except InvalidOperation:  # an exponent that no decimal has
        raise _mismatch(column, f"cannot hold {token.text!r}") from None
    digits = _DECIMAL_DIGITS - (scale or 0) if has_decimals(column) else None
    if not (_INT64[0] <= exact <= _INT64[1] if digits is None else abs(exact) < 10**digits):
        most = "64 bits" if digits is None else f"{digits} digits{' before the point' if scale else ''}"
        raise _mismatch(column, f"cannot hold a number of more than {most}")
    return int(exact) if exact == exact.to_integral_value() else exact


def _to_time(token: Token, column: Column) -> datetime:
    if _is_moment(token):
        with suppress(ValueError):
            found = datetime.fromisoformat(token.text)
            if column.type is ColumnType.TIMESTAMP or found.time() == time():
                return found
    wanted = "2020-01-31"
    if column.type is ColumnType.TIMESTAMP:
        wanted += " for the whole day or '2020-01-31 12:00:00', without a time zone"
    raise _mismatch(column, f"is a {column.type}; write it like {wanted}, not {token.text!r}")


def _to_clock(token: Token, column: Column) -> str:
    """Returns a time of day as the text that the script compares."""
    if _is_moment(token):
        text = token.text
        with suppress(ValueError):
            return time.fromisoformat(f"0{text}" if text[1] == ":" else text).isoformat()
    raise _mismatch(column, f"is a time of day; write it like 10:30 or 10:30:00, not {token.text!r}")


def _is_moment(token: Token) -> bool:
    """Returns whether the token is a date or a time as it may be written without quotes, and so without a time zone."""
    return token.is_date or (token.quoted and [one.is_date for one in split_tokens(token.text)] == [True])


def _mismatch(column: Column, problem: str) -> TypeMismatch:
    return TypeMismatch(
        f"column {column.name!r} {problem}",
        details={"column": column.name, "type": str(column.type), "native_type": column.native_type},
    )
