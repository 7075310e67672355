"""Numbers as programs write them: digits, a point, an exponent. See docs/decisions/0029."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import ClassVar, Final

import pyarrow as pa
from pyarrow import compute

from raylane_worker.data.column_types.cells import cast, distinct, is_any, numbers
from raylane_worker.data.column_types.forms import Form, Misfit

# A float holds every number of 15 digits. With a point, a text of 16 characters has no more.
LONG_CHARACTERS: Final = 16
# Below it a float has fewer digits.
_SMALLEST_NORMAL: Final = numbers([2.2250738585072014e-308], pa.float64())[0]
_DECIMAL_DIGITS: Final = 38
# A sum of ten billion decimals of 28 digits has 38; beyond that Arrow's sum overflows silently.
_MAX_DIGITS: Final = 28
# Not `NaN`, which is a missing value, and not `1e400`, which no float holds.
_INFINITE: Final = "^-?(?i:inf|infinity)$"
_LEADING_ZERO: Final = r"^-?0[0-9xX]"
# Codes such as `1E5`, and ids of 19 and more digits, look like numbers.
_CODE_LIKE: Final = r"^-?[0-9]+(?:[eE][0-9]+)$|^-?[0-9]{19,}$"


def decimals(scale: int) -> pa.DataType:
    """Returns the type of exact numbers with `scale` digits after the point.

    With fewer digits than 38, Ray rounds the mean inside of a standard deviation and is silently wrong; with 38 it
    raises an error instead.
    """
    return pa.decimal128(_DECIMAL_DIGITS, scale)


@dataclass(frozen=True)
class Integers:
    """`-?(0|[1-9][0-9]*)` of 64 bits."""

    type: ClassVar[pa.DataType] = pa.int64()
    written: ClassVar[str | None] = None

    def convert(self, cells: pa.StringArray) -> pa.Array:
        values = _cast(cells, pa.int64())
        _refuse_leading_zeros(cells)
        return values


@dataclass(frozen=True)
class Floats:
    """Numbers that a float of 64 bits holds: written with as many digits, it is the same text. Also `inf`.

    `has_point` says that a cell of the column has a decimal point, so `1E5` is not a code and 20 digits are not an id.
    """

    has_point: bool
    type: ClassVar[pa.DataType] = pa.float64()
    written: ClassVar[str | None] = None

    def convert(self, cells: pa.StringArray) -> pa.Array:
        values = _floats(cells)
        if not self.has_point and is_any(compute.match_substring_regex(cells, _CODE_LIKE)):
            raise Misfit
        if _is_changed(cells, values):
            raise Misfit
        return values


@dataclass(frozen=True)
class Decimals:
    """Numbers with more digits than a float holds; at most `scale` after the point."""

    scale: int
    written: ClassVar[str | None] = None

    @property
    def type(self) -> pa.DataType:
        return decimals(self.scale)

    def convert(self, cells: pa.StringArray) -> pa.Array:
        _floats(cells)
        if is_any(compute.match_substring_regex(cells, "[a-zA-Z]")):
            raise Misfit
        return _cast(cells, self.type)


@dataclass(frozen=True)
class Wide:
    """Integers of 64 bits as exact numbers of 38 digits, because their sum needs more than 64 bits."""

    form: Form

    @property
    def type(self) -> pa.DataType:
        return decimals(0)

    @property
    def written(self) -> str | None:
        return self.form.written

    def convert(self, cells: pa.StringArray) -> pa.Array:
        return compute.cast(self.form.convert(cells), self.type)


@dataclass(frozen=True)
class AnyNumbers:
    """What a user may mean who says that a column holds numbers: also `007`, `+5` and `1E5`."""

    type: pa.DataType
    written: ClassVar[str | None] = None

    def convert(self, cells: pa.StringArray) -> pa.Array:
        cells = compute.replace_substring_regex(cells, pattern=r"^\+", replacement="")
        if is_any(compute.match_substring_regex(cells, "[xX]")):
            raise Misfit
        values = _cast(cells, self.type)
        if pa.types.is_floating(self.type) and is_any(compute.invert(compute.is_finite(values))):
            raise Misfit
        return values


@dataclass
class PlainNumbers:
    """What is known of the numbers of a column. Everything it knows is true of a set of cells, in any order."""

    is_possible: bool = True
    has_point: bool = False
    has_exponent: bool = False
    has_infinity: bool = False
    has_digits: bool = False
    has_code_like: bool = False
    beyond_int64: bool = False
    is_changed: bool = False
    digits_before: int = 0
    digits_after: int = 0

    def see(self, cells: pa.StringArray) -> None:
        """Takes cells without null into account."""
        if not self.is_possible or not len(cells):
            return
        try:
            self._see(cells)
        except Misfit:
            self.is_possible = False

    def add(self, other: PlainNumbers) -> None:
        """Takes into account what is known of other cells."""
        self.is_possible &= other.is_possible
        self.has_point |= other.has_point
        self.has_exponent |= other.has_exponent
        self.has_infinity |= other.has_infinity
        self.has_digits |= other.has_digits
        self.has_code_like |= other.has_code_like
        self.beyond_int64 |= other.beyond_int64
        self.is_changed |= other.is_changed
        self.digits_before = max(self.digits_before, other.digits_before)
        self.digits_after = max(self.digits_after, other.digits_after)

    @property
    def has_fraction(self) -> bool:
        """Whether a cell is not written as an integer."""
        return self.has_point or self.has_exponent or self.has_infinity

    def form(self) -> Form | None:
        """Returns how the numbers are read, or None if they must stay text."""
        if not self.is_possible or not self.has_digits:
            return None
        if not self.has_fraction:
            return None if self.beyond_int64 else Integers()
        if self.has_code_like and not self.has_point:
            return None
        if not self.is_changed:
            return Floats(self.has_point)
        if self.has_exponent or self.has_infinity or self.digits_before + self.digits_after > _MAX_DIGITS:
            return None
        return Decimals(self.digits_after)

    def _see(self, cells: pa.StringArray) -> None:
        if self._see_integers(cells):
            return
        is_infinite = compute.match_substring_regex(cells, _INFINITE)
        if is_any(is_infinite):
            self.has_infinity = True
            cells = cells.filter(compute.invert(is_infinite))
            if not len(cells):
                return
        self.has_digits = True
        values = _floats(cells)
        has_point = compute.match_substring(cells, ".")
        has_exponent = compute.match_substring_regex(cells, "[eE]")
        self.has_point |= is_any(has_point)
        self.has_exponent |= is_any(has_exponent)
        self.has_code_like |= is_any(compute.match_substring_regex(cells, _CODE_LIKE))
        self.is_changed |= _is_changed(cells, values)
        whole = cells.filter(compute.invert(compute.or_(has_point, has_exponent)))
        self.beyond_int64 |= _is_beyond(whole)
        plain = compute.replace_substring_regex(cells, pattern=r"^-|[eE].*$", replacement="")
        point, length = compute.find_substring(plain, "."), compute.binary_length(plain)
        is_zero = compute.starts_with(plain, "0.")
        before = compute.if_else(has_point, compute.if_else(is_zero, _ZERO, point), length)
        after = compute.if_else(has_point, compute.subtract(compute.subtract(length, point), _ONE), _ZERO)
        self.digits_before = max(self.digits_before, compute.max(before).as_py())
        self.digits_after = max(self.digits_after, compute.max(after).as_py())

    def _see_integers(self, cells: pa.StringArray) -> bool:
        """Takes cells into account if all of them are integers of 64 bits; otherwise returns False."""
        try:
            values = _cast(cells, pa.int64())
        except Misfit:
            return False
        _refuse_leading_zeros(cells)
        self.has_digits = True
        digits = compute.max(compute.binary_length(cells)).as_py()
        self.digits_before = max(self.digits_before, digits)
        if digits >= LONG_CHARACTERS:
            self.has_code_like |= is_any(compute.match_substring_regex(cells, _CODE_LIKE))
            self.is_changed |= _is_changed(cells, compute.cast(values, pa.float64(), safe=False))
        return True


_ZERO, _ONE = numbers([0, 1], pa.int32())


def _cast(cells: pa.StringArray, arrow_type: pa.DataType) -> pa.Array:
    try:
        return cast(cells, arrow_type)
    except pa.ArrowInvalid as error:
        raise Misfit from error


def _is_beyond(cells: pa.StringArray) -> bool:
    try:
        _cast(cells, pa.int64())
    except Misfit:
        return True
    return False


def _floats(cells: pa.StringArray) -> pa.Array:
    values = _cast(cells, pa.float64())
    if is_any(compute.starts_with(cells, "+")):
        raise Misfit
    odd = cells.filter(compute.invert(compute.is_finite(values)))
    if len(odd) and is_any(compute.invert(compute.match_substring_regex(odd, _INFINITE))):
        raise Misfit
    _refuse_leading_zeros(cells)
    return values


def _refuse_leading_zeros(cells: pa.StringArray) -> None:
    zeros = cells.filter(compute.or_(compute.starts_with(cells, "0"), compute.starts_with(cells, "-0")))
    if len(zeros) and is_any(compute.match_substring_regex(zeros, _LEADING_ZERO)):
        raise Misfit


def _is_changed(cells: pa.StringArray, values: pa.Array) -> bool:
    """Returns whether a float is another number than its text: printed with as many digits, it looks different."""
    is_long = compute.greater_equal(compute.binary_length(cells), _LONG)
    doubtful = compute.or_(is_long, compute.less(compute.abs(values), _SMALLEST_NORMAL))
    if not is_any(doubtful):
        return False
    shown = compute.cast(values, pa.string())
    doubtful = compute.and_(doubtful, compute.not_equal(shown, cells))
    return any(is_other(text) for text in distinct(cells.filter(doubtful)).to_pylist())


_LONG: Final = numbers([LONG_CHARACTERS], pa.int32())[0]


def is_other(text: str) -> bool:
    """Returns whether a number is another one as a float, printed with as many digits."""
    mantissa, _, exponent = text.lower().partition("e")
    digits = mantissa.lstrip("-")
    after = len(digits.partition(".")[2])
    if exponent:
        shown = f"{float(text):.{len(digits.replace('.', '').lstrip('0')) - 1 if digits.strip('0.') else 0}e}"
    else:
        shown = f"{float(text):.{after}f}"
    return Decimal(shown) != Decimal(text)
