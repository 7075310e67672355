"""Numbers as people write them: with a currency, a percent sign, marks between thousands, or a decimal comma."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache
from typing import Final

import pyarrow as pa
from pyarrow import compute

from raylane_worker.data.arrow_texts import texts
from raylane_worker.data.column_types.cells import by_distinct, is_any
from raylane_worker.data.column_types.forms import Form, Misfit
from raylane_worker.data.column_types.plain import PlainNumbers

_SYMBOLS: Final = ("R$", "US$", "CA$", "A$", "$", "€", "£", "¥", "₹", "₽", "₩", "₺", "₪", "฿", "kr", "zł", "Kč")
_CODES: Final = (
    "AED",
    "ARS",
    "AUD",
    "BGN",
    "BRL",
    "CAD",
    "CHF",
    "CLP",
    "CNY",
    "COP",
    "CZK",
    "DKK",
    "EGP",
    "EUR",
    "GBP",
    "HKD",
    "HUF",
    "IDR",
    "ILS",
    "INR",
    "ISK",
    "JPY",
    "KRW",
    "KZT",
    "MAD",
    "MXN",
    "MYR",
    "NGN",
    "NOK",
    "NZD",
    "PEN",
    "PHP",
    "PKR",
    "PLN",
    "RON",
    "RSD",
    "RUB",
    "SAR",
    "SEK",
    "SGD",
    "THB",
    "TRY",
    "TWD",
    "UAH",
    "USD",
    "VND",
    "ZAR",
)
_UNITS: Final = frozenset(("", "%", *_SYMBOLS, *_CODES))
# Prices in these have no three decimals after a comma, so `$1,234` has thousands.
_NEVER_DECIMAL_COMMA: Final = frozenset(("$", "US$", "CA$", "A$", "£", "¥", "₹", "₩", "USD", "GBP", "JPY", "INR"))
_SPACES: Final = " \t\u00a0\u2009\u202f"
# In a regex; the second one is the minus of typographers.
_DASHES: Final = "\\-\u2212"
_PERCENT: Final = "%"
_GROUPS: Final = {"": "", ",": ",", ".": r"\.", " ": f"[{_SPACES}]", "'": "['\u2019]"}
_GROUP_NAMES: Final = {" ": "with spaces", "'": "with apostrophes"}
_SHOWN_VALUES: Final = 2


@dataclass(frozen=True)
class Style:
    """The decimal mark, and what is between thousands."""

    decimal: str
    group: str

    @property
    def number(self) -> str:
        """A regex for the digits."""
        mark, group = re.escape(self.decimal), _GROUPS[self.group]
        whole = "0|[1-9][0-9]*"
        if group:
            whole += f"|[1-9][0-9]{{0,2}}(?:{group}[0-9]{{3}})+"
        if self.group == ",":
            whole += "|[1-9][0-9]?(?:,[0-9]{2})+,[0-9]{3}"  # as in India
        exponent = "(?:[eE][-+]?[0-9]+)?" if self.has_exponents else ""
        return f"(?:(?:{whole})(?:{mark}[0-9]*)?|{mark}[0-9]+){exponent}"

    @property
    def has_exponents(self) -> bool:
        """Whether numbers may end as `1,5E-03` does. With a point these are plain numbers, and they have no groups."""
        return self.decimal == "," and not self.group


STYLES: Final = tuple(
    Style(decimal, group) for decimal in ".," for group in ("", ",", ".", " ", "'") if group != decimal
)
_POINT_GROUPS: Final = Style(",", ".")


@cache
def _pattern(style: Style) -> str:
    space, dash = f"[{_SPACES}]*", f"[{_DASHES}]"
    # A list of all currencies would take a millisecond to compile; they are looked up afterwards.
    unit = f"[^0-9.,'\u2019()+%{_DASHES}{_SPACES}]{{1,3}}"
    return (
        rf"^{space}(?P<open>\(?){space}(?P<sign>[+{_DASHES}]?){space}(?P<before>(?:{unit})?){space}(?P<inner>{dash}?)"
        rf"(?P<number>{style.number}){space}(?P<after>(?:{unit}|%)?){space}(?P<tail>{dash}?)(?P<close>\)?){space}$"
    )


@cache
def _matcher(style: Style) -> re.Pattern[str]:
    return re.compile(_pattern(style))


@dataclass
class _Parts:
    """The parts of different cells, without null."""

    number: pa.StringArray
    unit: pa.StringArray
    in_parentheses: pa.BooleanArray
    has_tail: pa.BooleanArray
    is_negative: pa.BooleanArray

    @classmethod
    def of(cls, cells: pa.StringArray, style: Style) -> _Parts:
        """Raises `Misfit` if a cell is not a number of this style, with at most one unit and one sign."""
        found = compute.extract_regex(cells, pattern=_pattern(style))
        if found.null_count:
            raise Misfit
        names = [one.name for one in found.type]
        part = dict(zip(names, found.flatten(), strict=True))
        unit = compute.binary_join_element_wise(part["before"], part["after"], _EMPTY)
        if not _UNITS.issuperset(compute.unique(unit).to_pylist()):
            raise Misfit
        has = {name: compute.greater(compute.binary_length(part[name]), _NONE) for name in names}
        in_parentheses = has["open"]
        is_plus = compute.starts_with(part["sign"], "+")
        signs = [has["sign"], has["inner"], has["tail"], in_parentheses]
        count = compute.cast(signs[0], pa.int8())
        for one in signs[1:]:
            count = compute.add(count, compute.cast(one, pa.int8()))
        wrong = (
            compute.xor(in_parentheses, has["close"]),
            compute.and_(has["before"], has["after"]),
            compute.greater(count, _ONE),
            compute.and_(is_plus, compute.invert(compute.or_(has["before"], has["after"]))),
        )
        if any(map(is_any, wrong)):
            raise Misfit
        is_negative = compute.and_(compute.equal(count, _ONE), compute.invert(is_plus))
        return cls(part["number"], unit, in_parentheses, has["tail"], is_negative)

    def plain(self, style: Style) -> pa.StringArray:
        """Returns the numbers as programs write them."""
        digits = self.number
        if style.group:
            digits = compute.replace_substring_regex(digits, pattern=_GROUPS[style.group], replacement="")
        if style.decimal == ",":
            digits = compute.replace_substring(digits, pattern=",", replacement=".")
        return compute.binary_join_element_wise(compute.if_else(self.is_negative, _MINUS, _EMPTY), digits, _EMPTY)


_EMPTY, _MINUS = texts(["", "-"])
_NONE: Final = compute.cast(texts(["0"]), pa.int32())[0]
_ONE: Final = compute.cast(texts(["1"]), pa.int8())[0]


@dataclass(frozen=True)
class Decorated:
    """Numbers of one style and one unit. Percent stay as they are written: 12% is 12."""

    style: Style
    inner: Form
    unit: str = ""
    may_have_parentheses: bool = False
    may_have_tail: bool = False
    groups_seen: bool = False

    @property
    def type(self) -> pa.DataType:
        return self.inner.type

    @property
    def written(self) -> str | None:
        parts = (
            (self.style.decimal == ",", "decimal comma"),
            (self.groups_seen, f"thousands {_GROUP_NAMES.get(self.style.group) or repr(self.style.group)}"),
            (self.unit == _PERCENT, "percent (12% is 12)"),
            (self.unit not in ("", _PERCENT), f"currency {self.unit}"),
            (self.may_have_parentheses, "negative numbers in parentheses"),
            (self.may_have_tail, "minus at the end"),
        )
        return ", ".join(text for is_so, text in parts if is_so) or None

    def convert(self, cells: pa.StringArray) -> pa.Array:
        return by_distinct(cells, self._convert)

    def _convert(self, cells: pa.StringArray) -> pa.Array:
        present = cells.drop_null()
        parts = _Parts.of(present, self.style)
        allowed = [self.unit] if self.unit == _PERCENT else [self.unit, ""]
        if not set(compute.unique(parts.unit).to_pylist()) <= set(allowed):
            raise Misfit
        if (is_any(parts.in_parentheses) and not self.may_have_parentheses) or (
            is_any(parts.has_tail) and not self.may_have_tail
        ):
            raise Misfit
        if self.style.group and not self.groups_seen and _has(parts.number, _GROUPS[self.style.group]):
            raise Misfit
        values = self.inner.convert(parts.plain(self.style))
        if not cells.null_count:
            return values
        place = compute.subtract(compute.cumulative_sum(compute.cast(cells.is_valid(), pa.int64())), _ONE_PLACE)
        return values.take(compute.if_else(cells.is_valid(), place, pa.nulls(1, pa.int64())[0]))


_ONE_PLACE: Final = compute.cast(texts(["1"]), pa.int64())[0]


@dataclass
class DecoratedNumbers:
    """What is known of the numbers of a column, in each style that is still possible."""

    plain: dict[Style, PlainNumbers] = field(default_factory=lambda: {style: PlainNumbers() for style in STYLES})
    units: set[str] = field(default_factory=set)
    marks: set[str] = field(default_factory=set)
    groups: set[str] = field(default_factory=set)
    some_without_parentheses: bool = False
    some_with_parentheses: bool = False
    some_without_tail: bool = False
    some_with_tail: bool = False
    examples: tuple[str, ...] = ()

    @property
    def is_possible(self) -> bool:
        return bool(self.plain)

    def see(self, cells: pa.StringArray, plain: PlainNumbers) -> None:
        """Takes different cells without null into account, of which `plain` is known."""
        if not len(cells):
            return
        if not plain.is_possible:
            first = cells[0].as_py()
            for style in tuple(self.plain):
                if _matcher(style).match(first):
                    self._see_style(cells, style)
                else:
                    del self.plain[style]
            return
        if plain.has_infinity:
            self.plain.clear()
            return
        if plain.has_exponent:
            self.plain = {style: known for style, known in self.plain.items() if style.has_exponents}
        # These are numbers in every style, unless a point is not a decimal mark. Looking at them again would be slow.
        self._see_plain(cells, plain)

    def _see_plain(self, cells: pa.StringArray, plain: PlainNumbers) -> None:
        self.units.add("")
        self.some_without_parentheses = self.some_without_tail = True
        for style in tuple(self.plain):
            if style == _POINT_GROUPS and plain.has_point:
                self._see_style(cells, style)
            elif style.decimal == "," and plain.has_point:
                del self.plain[style]
            else:
                self.plain[style].add(plain)
        if plain.has_point:
            self.marks.add(".")
            self._note_examples(cells.filter(compute.match_substring(cells, ".")))

    def _see_style(self, cells: pa.StringArray, style: Style) -> None:
        try:
            parts = _Parts.of(cells, style)
        except Misfit:
            del self.plain[style]
            return
        self.plain[style].see(parts.plain(style))
        if self.plain[style].is_possible:
            self._see_parts(cells, parts)
        else:
            del self.plain[style]

    def _see_parts(self, cells: pa.StringArray, parts: _Parts) -> None:
        self.units |= set(compute.unique(parts.unit).to_pylist())
        self.some_with_parentheses |= is_any(parts.in_parentheses)
        self.some_without_parentheses |= is_any(compute.invert(parts.in_parentheses))
        self.some_with_tail |= is_any(parts.has_tail)
        self.some_without_tail |= is_any(compute.invert(parts.has_tail))
        self.groups |= {group for group, regex in _GROUPS.items() if group and _has(parts.number, regex)}
        self.marks |= {mark for mark in ",." if is_any(compute.match_substring(parts.number, mark))}
        if not self.examples and self.marks:
            self._note_examples(cells.filter(compute.match_substring_regex(parts.number, "[,.]")))

    def _note_examples(self, cells: pa.StringArray) -> None:
        self.examples = self.examples or tuple(cells.slice(0, _SHOWN_VALUES).to_pylist())

    def style(self, file_mark: str | None, *, comma_delimits: bool) -> Style | None:
        """Returns the style, or None if two are possible that give different numbers.

        `file_mark` is the decimal mark of the file, if it is known. With `comma_delimits`, commas separate cells, so
        nobody writes decimals with them.
        """
        first = {style.decimal: style for style in reversed(self.plain)}
        if not self.marks or len(first) == 1:
            return next((style for style in STYLES if style in self.plain), None)
        if file_mark is None and self.marks == {","} and (comma_delimits or self.units & _NEVER_DECIMAL_COMMA):
            return first["."]
        return first.get(file_mark or "")

    @property
    def possible_marks(self) -> list[str]:
        """The decimal marks that the numbers may have; none if they have no marks."""
        return list(dict.fromkeys(style.decimal for style in self.plain)) if self.marks else []

    @property
    def sure_mark(self) -> str | None:
        """The decimal mark that this column alone proves."""
        found = self.possible_marks
        return found[0] if len(found) == 1 else None

    @property
    def may_have_points_for_groups(self) -> bool:
        """Whether points may separate thousands in all cells that have one."""
        return "." in self.marks and _POINT_GROUPS in self.plain

    @property
    def has_odd_units(self) -> bool:
        """Whether two currencies, or percent and other numbers, are mixed, or all numbers are in parentheses."""
        units = self.units - {""}
        mixed = len(units) > 1 or (_PERCENT in units and "" in self.units)
        all_odd = (self.some_with_parentheses and not self.some_without_parentheses) or (
            self.some_with_tail and not self.some_without_tail
        )
        return mixed or all_odd

    def form(self, style: Style) -> Form | None:
        """Returns how numbers of this style are read, or None if they must stay text."""
        inner = self.plain[style].form()
        if inner is None or self.has_odd_units:
            return None
        return Decorated(
            style,
            inner,
            unit=next(iter(self.units - {""}), ""),
            may_have_parentheses=self.some_with_parentheses,
            may_have_tail=self.some_with_tail,
            groups_seen=style.group in self.groups,
        )


def _has(cells: pa.StringArray, regex: str) -> bool:
    return is_any(compute.match_substring_regex(cells, pattern=regex))
