"""The forms of numbers: plain, with thousands, a decimal comma, a currency, a percent sign or parentheses.

See docs/decisions/0029.
"""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

import pyarrow as pa
from pyarrow import compute

from raylane_common.wire.names import ColumnType
from raylane_worker.data.column_types.cells import text_scalar
from raylane_worker.data.column_types.form import Form

if TYPE_CHECKING:
    from collections.abc import Iterator

_SPACES: Final = " \u00a0\u2009\u202f"
# Zeros at the beginning and a plus sign are lost in a number, and make a code.
PLAIN_INTEGER: Final = "-?(?:0|[1-9][0-9]{0,18})"
_WHOLE: Final = "(?:0|[1-9][0-9]*)"
_EXPONENT: Final = "(?:[eE][-+]?[0-9]+)?"
_INFINITE: Final = "[iI]nf(?:inity)?|INF"
PLAIN_NUMBER: Final = rf"-?(?:(?:{_WHOLE}?\.[0-9]+|{_WHOLE}\.?){_EXPONENT}|{_INFINITE})"
# A code like 1E5, unless other cells of the column show that it holds fractions.
_CODE: Final = r"^-?[0-9]+[eE][0-9]+$"
# A float holds every whole number of up to 15 digits.
_LONG: Final = r"^-?[0-9]{16,}$"
_ANY_NUMBER: Final = r"[-+]?[0-9]+(?:\.[0-9]*)?(?:[eE][-+]?[0-9]+)?|[-+]?\.[0-9]+(?:[eE][-+]?[0-9]+)?"
_CURRENCIES: Final = (
    "USD|EUR|GBP|JPY|CHF|CAD|AUD|NZD|CNY|INR|SEK|NOK|DKK|PLN|CZK|HUF|BRL|MXN|ZAR|KRW|SGD|HKD|TRY|Rs|kr|zł"
)
_AFFIX: Final = rf"[$€£¥₹₩₽₺₴฿]|US\$|{_CURRENCIES}"
_DECORATED: Final = re.compile(
    rf"-?\(?-?(?P<before>{_AFFIX})?[{_SPACES}]?-?(?P<number>[0-9.,'\u2019{_SPACES}]*[0-9])[{_SPACES}]?(?P<after>{_AFFIX}|%)?\)?-?"
)
_POINT, _COMMA = ".", ","
_MINUS, _NOTHING = text_scalar("-"), text_scalar("")
_THOUSANDS: Final = {"": "", _COMMA: ",", _POINT: r"\.", " ": f"[{_SPACES}]", "'": "['\u2019]"}


class Marks(NamedTuple):
    """The decimal mark, and what separates thousands; '' if nothing does."""

    decimal: str
    thousands: str


_MARKS: Final = [
    Marks(decimal, thousands)
    for decimal in (_POINT, _COMMA)
    for thousands in ("", _COMMA, _POINT, " ", "'")
    if thousands != decimal
]


def integer_form() -> Form:
    """Returns the form of whole numbers that every reader reads alike."""
    return Form(ColumnType.INTEGER, PLAIN_INTEGER, lambda cells: cells.cast(pa.int64()))


def said_integer_form() -> Form:
    """Returns the form of whole numbers if the user says that they are."""
    return Form(ColumnType.INTEGER, "[-+]?[0-9]+", lambda cells: _without_plus(cells).cast(pa.int64()))


def said_number_form() -> Form:
    """Returns the form of numbers if the user says that they are."""
    pattern = f"{_ANY_NUMBER}|[-+]?(?:{_INFINITE})"
    return Form(ColumnType.NUMBER, pattern, lambda cells: _without_plus(cells).cast(pa.float64()))


def number_forms(cells: list[str]) -> Iterator[Form]:
    """Yields the forms of numbers that these cells of a column may have."""
    yield Form(ColumnType.NUMBER, PLAIN_NUMBER, _plain, mark=_POINT)
    first = _DECORATED.fullmatch(cells[0]) if cells else None
    if first is None:
        return
    before, after = first["before"] or "", first["after"] or ""
    for marks in _MARKS:
        if (
            marks == (_POINT, "")
            and not before
            and not after
            and "(" not in "".join(cells)
            and not _trailing_minus(cells)
        ):
            continue
        yield _decorated_form(marks, before, after)


def holds(cells: pa.Array, mark: str) -> bool:
    """Returns whether a cell has the mark, so that it matters what it means."""
    return bool(compute.any(compute.match_substring(cells, mark), min_count=0).as_py())


def _trailing_minus(cells: list[str]) -> bool:
    return any(cell.endswith("-") for cell in cells)


def _decorated_form(marks: Marks, before: str, after: str) -> Form:
    decimal, separator = re.escape(marks.decimal), _THOUSANDS[marks.thousands]
    grouped = f"|[1-9][0-9]{{0,2}}(?:{separator}[0-9]{{3}})+" if separator else ""
    number = f"(?:(?:0{grouped}|[1-9][0-9]*)(?:{decimal}[0-9]+)?|{decimal}[0-9]+)"
    space = f"[{_SPACES}]?"
    start = f"{re.escape(before)}{space}" if before else ""
    end = f"{space}{re.escape(after)}" if after else ""
    bare = f"{start}{number}{end}"
    signed = f"-{bare}|{start}-{number}{end}" if before else f"-{bare}"
    pattern = rf"{bare}|{signed}|\({bare}\)|{bare}-"
    return Form(
        ColumnType.NUMBER,
        pattern,
        partial(_decorated, marks, before, after),
        _written(marks, before, after),
        marks.decimal,
    )


def _written(marks: Marks, before: str, after: str) -> str:
    parts = []
    if marks.decimal == _COMMA:
        parts.append("decimal comma")
    if marks.thousands:
        parts.append(f"thousands '{marks.thousands}'")
    if after == "%":
        parts.append("percent")
    elif before or after:
        parts.append(f"currency {before or after}")
    return ", ".join(parts) or "parentheses or a minus at the end for negative numbers"


def _decorated(marks: Marks, before: str, after: str, cells: pa.Array) -> pa.Array:
    """Returns the numbers: whole ones as int64, others as float64."""
    is_negative = compute.match_substring_regex(cells, "[-(]")
    drop = "|".join(re.escape(each) for each in (before, after) if each)
    drop = (
        f"[-(){_SPACES}]"
        + (f"|{drop}" if drop else "")
        + (f"|{_THOUSANDS[marks.thousands]}" if marks.thousands else "")
    )
    digits = compute.replace_substring_regex(cells, drop, "")
    if marks.decimal == _COMMA:
        digits = compute.replace_substring(digits, _COMMA, _POINT)
    signed = compute.binary_join_element_wise(compute.if_else(is_negative, _MINUS, _NOTHING), digits, _NOTHING)
    if compute.any(compute.match_substring(digits, _POINT), min_count=0).as_py():
        return _as_float(signed)
    return signed.cast(pa.int64())


def _plain(cells: pa.Array) -> pa.Array:
    """Returns the numbers as float64. Raises `pa.ArrowInvalid` if a whole number is too long for it."""
    return _as_float(cells)


def _as_float(cells: pa.Array) -> pa.Array:
    if compute.any(compute.match_substring_regex(cells, _LONG), min_count=0).as_py():
        raise pa.ArrowInvalid("a whole number has more digits than a float holds")
    return cells.cast(pa.float64())


def _without_plus(cells: pa.Array) -> pa.Array:
    return compute.replace_substring_regex(cells, r"^\+", "")


def has_code(cells: pa.Array) -> bool:
    """Returns whether a cell looks like 1E5, which may be a number or a code."""
    return bool(compute.any(compute.match_substring_regex(cells, _CODE), min_count=0).as_py())


def has_fraction(cells: pa.Array) -> bool:
    """Returns whether a cell has a decimal point, or an exponent with a sign."""
    return bool(compute.any(compute.match_substring_regex(cells, r"\.|[eE][-+]"), min_count=0).as_py())


def has_digits(cells: pa.Array) -> bool:
    """Returns whether a cell has a digit; words for infinity have none."""
    return bool(compute.any(compute.match_substring_regex(cells, "[0-9]"), min_count=0).as_py())
