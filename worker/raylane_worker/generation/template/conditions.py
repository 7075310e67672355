"""Parses the conditions after "where". Each value is read as the type of its column."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final

from raylane_common.errors import TypeMismatch
from raylane_common.wire.sources import Column, ColumnType
from raylane_worker.generation.template.question import Comparison, Condition, Value

if TYPE_CHECKING:
    from raylane_worker.generation.template.cursor import TokenCursor
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
# The range of Arrow's int64, the type of integer columns.
_INT64: Final = range(-(2**63), 2**63)


def parse_conditions(cursor: TokenCursor) -> tuple[Condition, ...]:
    """Takes one or more conditions, joined by "and".

    Raises `NotUnderstood`, `UnknownColumn`, `AmbiguousColumn`, and `TypeMismatch` for a value of another type.
    """
    found = [_parse_condition(cursor)]
    while cursor.take("and"):
        found.append(_parse_condition(cursor))
    return tuple(found)


def _parse_condition(cursor: TokenCursor) -> Condition:
    column = cursor.take_column()
    has_is = cursor.take(_IS)
    if cursor.is_next("not"):
        cursor.refuse("negations are not understood; compare with !=")
    comparison = next((one for phrases, one in _COMPARISONS if cursor.take(phrases)), None)
    if comparison is None:
        if not has_is:
            cursor.refuse("compare with =, !=, >, >=, <, <=, contains, in, between, or say 'is missing'")
        comparison = Comparison.EQUAL
    if comparison is Comparison.MISSING:
        return Condition(column, comparison)
    _check_comparison(column, comparison)
    match comparison:
        case Comparison.BETWEEN:
            low = _parse_value(cursor, column, comparison)
            cursor.expect("and")
            return Condition(column, comparison, (low, _parse_value(cursor, column, comparison)))
        case Comparison.IN:
            return Condition(column, comparison, _parse_values(cursor, column))
        case _:
            return Condition(column, comparison, (_parse_value(cursor, column, comparison),))


def _check_comparison(column: Column, comparison: Comparison) -> None:
    if column.type is ColumnType.OTHER:
        raise _mismatch(column, "can only be compared with 'is missing'")
    if comparison in _ORDERING and column.type in (ColumnType.STRING, ColumnType.BOOLEAN):
        raise _mismatch(column, f"has no order, so {str(comparison)!r} does not apply; compare it with = or !=")
    if comparison is Comparison.CONTAINS and column.type is not ColumnType.STRING:
        raise _mismatch(column, "is not text, so 'contains' does not apply")


def _parse_values(cursor: TokenCursor, column: Column) -> tuple[Value, ...]:
    bracket = cursor.take("(")
    found = [_parse_value(cursor, column, Comparison.IN)]
    while cursor.take(", or|,|or"):
        found.append(_parse_value(cursor, column, Comparison.IN))
    if bracket:
        cursor.expect(")")
    return tuple(dict.fromkeys(found))


def _parse_value(cursor: TokenCursor, column: Column, comparison: Comparison) -> Value:
    is_not_text = cursor.is_at_column() or cursor.is_next(_NOT_TEXT)
    token = cursor.take_token()
    match column.type:
        case ColumnType.INTEGER | ColumnType.NUMBER:
            return _to_number(token, column)
        case ColumnType.BOOLEAN:
            if (truth := _BOOLEANS.get(token.text.casefold())) is not None:
                return truth
            raise _mismatch(column, f"is true or false, not {token.text!r}")
        case ColumnType.DATE:
            return _to_time(token, column).date()
        case ColumnType.TIMESTAMP:
            exact = comparison in (Comparison.EQUAL, Comparison.UNEQUAL, Comparison.IN)
            if exact and len(token.text) == len("2020-01-31"):
                raise _mismatch(column, f"holds times, and {token.text!r} would mean midnight only; use 'between'")
            return _to_time(token, column)
        case _:
            if token.quoted or token.is_number or token.is_date:
                return token.text
            if is_not_text or not token.is_word:
                cursor.position -= 1
                cursor.refuse("put a text value between quotes")
            return token.text


def _to_number(token: Token, column: Column) -> int | float:
    if not token.is_number:
        raise _mismatch(column, f"is a number and cannot be compared with {token.text!r}")
    if set(token.text) & set(".eE"):
        number = float(token.text)
        if number in (float("inf"), float("-inf")):
            raise _mismatch(column, f"cannot hold {token.text!r}")
        return number
    if len(token.text) > 20 or int(token.text) not in _INT64:
        raise _mismatch(column, "cannot hold a number of more than 64 bits")
    return int(token.text)


def _to_time(token: Token, column: Column) -> datetime:
    if token.is_date or token.quoted:
        try:
            found = datetime.fromisoformat(token.text)
        except ValueError:
            pass
        else:
            if found.tzinfo is None and (column.type is ColumnType.TIMESTAMP or found.time() == datetime.min.time()):
                return found
    wanted = "2020-01-31" if column.type is ColumnType.DATE else "'2020-01-31 12:00:00', without a time zone"
    raise _mismatch(column, f"is a {column.type}; write it like {wanted}, not {token.text!r}")


def _mismatch(column: Column, problem: str) -> TypeMismatch:
    return TypeMismatch(
        f"column {column.name!r} {problem}",
        details={"column": column.name, "type": str(column.type), "native_type": column.native_type},
    )
