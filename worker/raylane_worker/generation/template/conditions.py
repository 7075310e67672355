"""Reads the conditions after "where", each value as its column's type."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final

from raylane_common.errors import TypeMismatch
from raylane_common.wire.sources import Column, ColumnType
from raylane_worker.generation.template.intent import Comparison, Condition, Value
from raylane_worker.generation.template.vocabulary import is_wordlike

if TYPE_CHECKING:
    from raylane_worker.generation.template.cursor import Cursor
    from raylane_worker.generation.template.vocabulary import Word

# Longer phrases go before their beginnings: "greater than or equal to" before "greater than".
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
# Not taken for a text without quotes, since they more likely belong to a sentence that was not understood.
_NO_TEXT: Final = (
    "and|or|not|no|by|per|for|where|in|from|of|is|are|was|be|to|than|the|a|an|each|between|contains|like"
    "|null|missing|none|empty|except|without|with"
)
_TRUTH: Final = {"true": True, "yes": True, "false": False, "no": False}
_INT64: Final = range(-(2**63), 2**63)


def read_conditions(cursor: Cursor) -> tuple[Condition, ...]:
    """One condition or more, joined by "and".

    Raises `NotUnderstood`, `UnknownColumn`, `AmbiguousColumn`, and `TypeMismatch` for a value of another type.
    """
    found = [_condition(cursor)]
    while cursor.take("and"):
        found.append(_condition(cursor))
    return tuple(found)


def _condition(cursor: Cursor) -> Condition:
    column = cursor.column()
    said_is = cursor.take(_IS)
    if cursor.ahead("not"):
        cursor.stuck("negations are not understood; compare with !=")
    comparison = next((one for phrases, one in _COMPARISONS if cursor.take(phrases)), None)
    if comparison is None:
        if not said_is:
            cursor.stuck("compare with =, !=, >, >=, <, <=, contains, in, between, or say 'is missing'")
        comparison = Comparison.EQUAL
    if comparison is Comparison.MISSING:
        return Condition(column, comparison)
    _check_comparison(column, comparison)
    match comparison:
        case Comparison.BETWEEN:
            low = _value(cursor, column, comparison)
            cursor.expect("and")
            return Condition(column, comparison, (low, _value(cursor, column, comparison)))
        case Comparison.IN:
            return Condition(column, comparison, _values(cursor, column))
        case _:
            return Condition(column, comparison, (_value(cursor, column, comparison),))


def _check_comparison(column: Column, comparison: Comparison) -> None:
    if column.type is ColumnType.OTHER:
        raise _mismatch(column, "can only be compared with 'is missing'")
    if comparison in _ORDERING and column.type in (ColumnType.STRING, ColumnType.BOOLEAN):
        raise _mismatch(column, f"has no order for {str(comparison)!r}; compare it with = or !=")
    if comparison is Comparison.CONTAINS and column.type is not ColumnType.STRING:
        raise _mismatch(column, "cannot be searched with 'contains'; only text can")


def _values(cursor: Cursor, column: Column) -> tuple[Value, ...]:
    bracket = cursor.take("(")
    found = [_value(cursor, column, Comparison.IN)]
    while cursor.take(", or|,|or"):
        found.append(_value(cursor, column, Comparison.IN))
    if bracket:
        cursor.expect(")")
    return tuple(dict.fromkeys(found))


def _value(cursor: Cursor, column: Column, comparison: Comparison) -> Value:
    is_no_text = cursor.names_column() or cursor.ahead(_NO_TEXT)
    word = cursor.next_word()
    match column.type:
        case ColumnType.INTEGER | ColumnType.NUMBER:
            return _number(word, column)
        case ColumnType.BOOLEAN:
            if (truth := _TRUTH.get(word.text.casefold())) is not None:
                return truth
            raise _mismatch(column, f"is true or false, not {word.text!r}")
        case ColumnType.DATE:
            return _time(word, column).date()
        case ColumnType.TIMESTAMP:
            exact = comparison in (Comparison.EQUAL, Comparison.UNEQUAL, Comparison.IN)
            if exact and len(word.text) == len("2020-01-31"):
                raise _mismatch(column, f"holds times; {word.text!r} would only mean midnight, so use 'between'")
            return _time(word, column)
        case _:
            if word.quoted or word.is_number or word.is_date:
                return word.text
            if is_no_text or not is_wordlike(word):
                cursor.position -= 1
                cursor.stuck("put a text value between quotes")
            return word.text


def _number(word: Word, column: Column) -> int | float:
    if not word.is_number:
        raise _mismatch(column, f"is a number and cannot be compared with {word.text!r}")
    if set(word.text) & set(".eE"):
        number = float(word.text)
        if number in (float("inf"), float("-inf")):
            raise _mismatch(column, f"cannot hold {word.text!r}")
        return number
    if len(word.text) > 20 or int(word.text) not in _INT64:
        raise _mismatch(column, "cannot hold a number of more than 64 bits")
    return int(word.text)


def _time(word: Word, column: Column) -> datetime:
    if word.is_date or word.quoted:
        try:
            found = datetime.fromisoformat(word.text)
        except ValueError:
            pass
        else:
            if found.tzinfo is None and (column.type is ColumnType.TIMESTAMP or found.time() == datetime.min.time()):
                return found
    wanted = "2020-01-31" if column.type is ColumnType.DATE else "'2020-01-31 12:00:00', without a time zone"
    raise _mismatch(column, f"is a {column.type}; write it like {wanted}, not {word.text!r}")


def _mismatch(column: Column, problem: str) -> TypeMismatch:
    return TypeMismatch(
        f"column {column.name!r} {problem}",
        details={"column": column.name, "type": str(column.type), "native_type": column.native_type},
    )
