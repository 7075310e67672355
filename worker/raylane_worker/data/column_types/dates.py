"""Dates, times and timestamps in the styles that people and programs write. See docs/decisions/0029."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from itertools import product
from typing import Final

import pyarrow as pa
from pyarrow import compute

from raylane_worker.data.arrow_texts import texts
from raylane_worker.data.column_types.cells import by_distinct, cast, is_any, numbers
from raylane_worker.data.column_types.forms import Form, Misfit

_MONTHS: Final = (
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
    "jan",
    "feb",
    "mar",
    "apr",
    "may",
    "jun",
    "jul",
    "aug",
    "sep",
    "oct",
    "nov",
    "dec",
    "sept",
)
_MONTH_NUMBERS: Final = (*range(1, 13), *range(1, 13), 9)
_WEEKDAYS: Final = "Mon|Tue|Wed|Thu|Fri|Sat|Sun"
_NAMES: Final = {"ymd": "year{0}month{0}day", "dmy": "day{0}month{0}year", "mdy": "month{0}day{0}year"}
# POSIX: 69 to 99 are years of the last century.
_PIVOT: Final = "two-digit years from 1969 to 2068"
_MANY_DAYS: Final = 10
# A cell that may be a date has a digit and no more characters than this.
_LONGEST: Final = 60


@dataclass(frozen=True)
class Style:
    """The order of the parts and what is between them; "month" for a month's name. A time has no order.

    `zone` and `am_pm` say that each time has a zone, or AM or PM.
    """

    order: str
    separator: str = ""
    long_year: bool = True
    am_pm: bool = False
    zone: bool = False

    @cached_property
    def pattern(self) -> str:
        """A regex with a group for each part."""
        time = r"(?P<H>[0-9]{1,2}):(?P<M>[0-9]{2})(?::(?P<S>[0-9]{2})(?:[.,](?P<f>[0-9]{1,9}))?)?"
        time += r" ?(?P<p>[AaPp])\.?[Mm]\.?" if self.am_pm else "(?P<p>)"
        time += (
            r" ?(?P<z>Z|UTC|GMT|(?:UTC|GMT)?[+-][0-9]{2}(?::?[0-9]{2})?|(?:UTC|GMT)[+-][0-9](?::[0-9]{2})?)"
            if self.zone
            else "(?P<z>)"
        )
        if not self.order:
            return rf"^ *{time} *$"
        year = f"(?P<y>[0-9]{{{4 if self.long_year else 2}}})"
        if self.separator == "month":
            month, gap = r"(?P<m>[A-Za-z]{3,9})\.?", "(?:, ?|[ /-])"
            weekday = rf"(?:(?:{_WEEKDAYS})[a-z]*,? )?"
            day = "(?P<d>[0-9]{1,2})(?:st|nd|rd|th)?"
        else:
            month, gap, weekday, day = "(?P<m>[0-9]{1,2})", re.escape(self.separator), "", "(?P<d>[0-9]{1,2})"
        date = gap.join({"y": year, "m": month, "d": day}[part] for part in self.order)
        optional = "" if self.zone or self.am_pm else "?"
        return rf"^ *{weekday}{date}(?:(?:[T ]|, ) *{time}){optional} *$"

    @cached_property
    def matcher(self) -> re.Pattern[str]:
        """The same regex for one text."""
        return re.compile(self.pattern)

    def has_signs_in(self, cell: str) -> bool:
        """Returns whether the text has the separators. To compile the regexes of all styles would take long."""
        if self.separator == "month":
            return any(character.isalpha() for character in cell)
        needs_time = not self.order or self.zone or self.am_pm
        return self.separator in cell and (not needs_time or ":" in cell) and (not self.am_pm or "m" in cell.lower())

    @property
    def written(self) -> str | None:
        """How people would call it; None for what every program writes."""
        if not self.order:
            return "with AM and PM" if self.am_pm else None
        text = "dates with the month's name" if self.separator == "month" else _NAMES[self.order].format(self.separator)
        parts = [] if text == "year-month-day" else [text]
        parts += [] if self.long_year else [_PIVOT]
        parts += ["with AM and PM"] if self.am_pm else []
        parts += ["time zones as UTC"] if self.zone else []
        return ", ".join(parts) or None


def _styles() -> tuple[Style, ...]:
    dates = [("ymd", "-"), ("ymd", "/"), ("ymd", "."), ("ymd", "month")]
    dates += [(order, separator) for order in ("dmy", "mdy") for separator in ("-", "/", ".", "month")]
    flags = tuple(product((True, False), (False, True), (False, True)))
    found = [
        Style(order, separator, *each)
        for order, separator in dates
        for each in flags
        if each[0] or (order, separator) != ("ymd", "month")  # nobody writes 24-Jan-05 for 2024
    ]
    return (*found, Style(""), Style("", am_pm=True))


STYLES: Final = _styles()
ISO: Final = Style("ymd", "-")
_ISO_ZONE: Final = Style("ymd", "-", zone=True)


@cache
def _month_names() -> tuple[pa.StringArray, pa.StringArray]:
    return texts(_MONTHS), texts([str(number) for number in _MONTH_NUMBERS])


def _iso(cells: pa.StringArray, style: Style) -> pa.StringArray:
    """Returns the cells, which have no null, as `2024-01-31 10:30:00.000000000`; with a zone, `Z` or `+01:00` follows.

    Raises `Misfit`.
    """
    found = compute.extract_regex(cells, pattern=style.pattern)
    if found.null_count:
        raise Misfit
    part = dict(zip([one.name for one in found.type], found.flatten(), strict=True))
    day = texts(["1970-01-01"])[0]
    if style.order:
        year, month = part["y"], part["m"]
        if style.separator == "month":
            names, digits = _month_names()
            month = digits.take(compute.index_in(compute.utf8_lower(month), value_set=names))
        if not style.long_year:
            century = compute.if_else(compute.greater_equal(year, texts(["69"])[0]), *texts(["19", "20"]))
            year = compute.binary_join_element_wise(century, year, _NOTHING)
        day = compute.binary_join_element_wise(year, _two(month), _two(part["d"]), texts(["-"])[0])
    hour = _hour(part) if style.am_pm else part["H"]
    clock = compute.binary_join_element_wise(_two(hour), _two(part["M"]), _two(part["S"]), texts([":"])[0])
    fraction = compute.utf8_rpad(part["f"], width=9, padding="0")
    joined = [compute.binary_join_element_wise(day, clock, texts([" "])[0]), fraction, texts(["."])[0]]
    moment = compute.binary_join_element_wise(*joined)
    if moment.null_count:  # such as `5 Maj 2024`, whose month has no number
        raise Misfit
    if not style.zone:
        return moment
    return compute.binary_join_element_wise(moment, by_distinct(part["z"], _zone), _NOTHING)


_NOTHING: Final = texts([""])[0]


def _two(digits: pa.StringArray) -> pa.StringArray:
    return compute.utf8_lpad(digits, width=2, padding="0")


def _hour(part: dict[str, pa.StringArray]) -> pa.StringArray:
    """Returns the hours from 0 to 23. Raises `Misfit` for 0 and 13 before AM or PM."""
    hours = compute.cast(part["H"], pa.int64())
    zero, twelve = numbers([0, 12], pa.int64())
    if is_any(compute.or_(compute.less_equal(hours, zero), compute.greater(hours, twelve))):
        raise Misfit
    hours = compute.if_else(compute.equal(hours, twelve), zero, hours)
    is_pm = compute.match_substring_regex(part["p"], "[Pp]")
    return compute.cast(compute.if_else(is_pm, compute.add(hours, twelve), hours), pa.string())


def _zone(zone: pa.StringArray) -> pa.StringArray:
    zone = compute.replace_substring_regex(zone, pattern="^(?:UTC|GMT)$", replacement="Z")
    # As in GMT+5:30.
    zone = compute.replace_substring_regex(zone, pattern="^(?:UTC|GMT)", replacement="")
    zone = compute.replace_substring_regex(zone, pattern="^([+-])([0-9])(:|$)", replacement=r"\10\2\3")
    zone = compute.replace_substring_regex(zone, pattern=r"^([+-]\d\d)$", replacement=r"\1:00")
    return compute.replace_substring_regex(zone, pattern=r"^([+-]\d\d)(\d\d)$", replacement=r"\1:\2")


@dataclass(frozen=True)
class Moments:
    """Dates, times or timestamps of one style."""

    style: Style
    type: pa.DataType

    @property
    def written(self) -> str | None:
        return self.style.written

    def convert(self, cells: pa.StringArray) -> pa.Array:
        if self.style in (ISO, _ISO_ZONE) and (fast := self._as_arrow_reads(cells)) is not None:
            return fast
        return by_distinct(cells, self._convert)

    def _as_arrow_reads(self, cells: pa.StringArray) -> pa.Array | None:
        """Arrow reads the usual style itself, but also hours without minutes, which have 13 characters."""
        if is_any(compute.equal(compute.binary_length(cells), _HOUR_ONLY)):
            return None
        try:
            return cast(cells, self.type)
        except pa.ArrowInvalid:
            return None

    def _convert(self, cells: pa.StringArray) -> pa.Array:
        present = cells.is_valid()
        known = compute.if_else(present, cells, self._filler(cells))
        if known.null_count:  # no cell has a value
            return pa.nulls(len(cells), self.type)
        if self.type == pa.date32() and is_any(compute.match_substring(known, ":")):
            raise Misfit
        values = _cast(_iso(known, self.style), self.type)
        return compute.if_else(present, values, pa.nulls(1, self.type)[0])

    @staticmethod
    def _filler(cells: pa.StringArray) -> pa.Scalar:
        present = cells.drop_null()
        return present[0] if len(present) else pa.nulls(1, pa.string())[0]


# Where they are in `2024-01-31 10:30:00.000000000`.
_NANOSECONDS: Final = (26, 29)
_NO_NANOSECONDS: Final = texts(["000"])[0]
_HOUR_ONLY: Final = numbers([13], pa.int32())[0]


def _cast(iso: pa.StringArray, arrow_type: pa.DataType) -> pa.Array:
    """Returns the moments. Raises `Misfit` for 30 February, 25 o'clock, or what the type cannot hold."""
    try:
        if pa.types.is_timestamp(arrow_type) and arrow_type.unit == "ns":
            return cast(iso, arrow_type)
        if is_any(compute.not_equal(compute.utf8_slice_codeunits(iso, *_NANOSECONDS), _NO_NANOSECONDS)):
            raise Misfit
        cut = compute.utf8_replace_slice(iso, *_NANOSECONDS, "")
        zone = arrow_type.tz if pa.types.is_timestamp(arrow_type) else None
        return compute.cast(cast(cut, pa.timestamp("us", zone)), arrow_type)
    except pa.ArrowInvalid as error:
        raise Misfit from error


@dataclass
class _Seen:
    """What is known of the cells in one style."""

    has_time: bool = False
    has_fraction: bool = False
    is_fine: bool = False
    has_one_digit: bool = False
    days: set[int] = field(default_factory=set)

    def see_short_year(self, cells: pa.StringArray, values: pa.Array, style: Style) -> None:
        """Takes cells into account that may be version numbers. There are 31 days at most."""
        gap = re.escape(style.separator)
        self.has_one_digit |= is_any(compute.match_substring_regex(cells, f"(?:^ *|{gap})[0-9](?:{gap}|[T, ]|$)"))
        self.days |= set(compute.unique(compute.day(values)).to_pylist())


@dataclass
class AllMoments:
    """What is known of the dates and times of a column, in each style that is still possible."""

    styles: dict[Style, _Seen] | None = None
    differs: bool = False
    examples: tuple[str, ...] = ()

    @property
    def is_possible(self) -> bool:
        return self.styles is None or bool(self.styles)

    def see(self, cells: pa.StringArray) -> None:
        """Takes different cells without null into account."""
        if not len(cells) or not self.is_possible:
            return
        if self.styles is None:
            first = cells[0].as_py()
            self.styles = {style: _Seen() for style in possible_styles(first)}
        values: dict[Style, pa.Array] = {}
        for style, seen in tuple(self.styles.items()):
            try:
                iso = _iso(cells, style)
                values[style] = _cast(iso, pa.timestamp("ns" if _is_fine(iso) else "us", "UTC" if style.zone else None))
            except Misfit:
                del self.styles[style]
                continue
            seen.is_fine |= _is_fine(iso)
            seen.has_fraction |= is_any(compute.match_substring_regex(iso, r"\.[0-9]*[1-9]"))
            seen.has_time |= not style.order or is_any(compute.match_substring(cells, ":"))
            if not style.long_year and style.separator != "month":
                seen.see_short_year(cells, values[style], style)
        first_values = next(iter(values.values()), None)
        is_first = any(not one.equals(first_values) for one in values.values()) and not self.differs
        self.differs |= is_first
        if is_first or not self.examples:
            self.examples = tuple(cells.slice(0, 2).to_pylist())

    def orders(self) -> set[str]:
        """Returns the orders that are still possible."""
        return {style.order for style in self.styles or ()}

    def orders_of_numbers(self) -> list[str]:
        """Returns the possible orders, if months are numbers and a year of four digits does not come first.

        Dates that are written otherwise have an order that everybody knows.
        """
        styles = [style for style in self.styles or () if style.order and style.separator != "month"]
        return list(dict.fromkeys(style.order for style in styles if style.order != "ymd" or not style.long_year))

    @property
    def has_dots(self) -> bool:
        """Whether dots separate day, month and year."""
        return {style.separator for style in self.styles or ()} == {"."}

    def may_be_versions(self, style: Style) -> bool:
        """Returns whether the cells may be version numbers as well: `23.1.2`, `22.04.1`, `1.26.14`.

        Nobody writes dates of the American order with dots, and those of other orders may have months of one digit.
        """
        seen = (self.styles or {})[style]
        return not self.are_surely_dates(style) and (seen.has_one_digit or style.order == "mdy")

    def are_surely_dates(self, style: Style) -> bool:
        """Returns whether the cells are no version numbers, whatever other cells there are.

        Dates such as `1.2.24` have as many days as no list of versions has.
        """
        seen = (self.styles or {})[style]
        if style.long_year or style.separator == "month" or (style.order != "ymd" and style.separator != "."):
            return True
        return seen.has_time or (style.order == "dmy" and len(seen.days) >= _MANY_DAYS)

    def form(self, order: str | None) -> Moments | None:
        """Returns how the cells are read, or None if several orders are possible that give different dates.

        `order` decides then, if it is one of them.
        """
        styles = self.styles or {}
        if self.differs and len(self.orders()) > 1:
            styles = {style: seen for style, seen in styles.items() if style.order == order}
        style = next((one for one in styles if one.order == order), next(iter(styles), None))
        return self._form(style, styles[style]) if style else None

    @staticmethod
    def _form(style: Style, seen: _Seen) -> Moments:
        if not style.order:
            # As text, in which runs compare times, whole seconds are written without a fraction.
            fraction = pa.time64("ns" if seen.is_fine else "us")
            return Moments(style, fraction if seen.has_fraction else pa.time32("s"))
        if not seen.has_time:
            return Moments(style, pa.date32())
        return Moments(style, pa.timestamp("ns" if seen.is_fine else "us", "UTC" if style.zone else None))


def as_timestamps(form: Form) -> Form:
    """Returns the form with dates as timestamps at midnight."""
    if isinstance(form, Moments) and form.type == pa.date32():
        return replace(form, type=pa.timestamp("us"))
    return form


def _is_fine(iso: pa.StringArray) -> bool:
    """Returns whether a moment needs nanoseconds."""
    return is_any(compute.match_substring_regex(iso, r"\.[0-9]{6}(?:[1-9][0-9]{2}|0[1-9][0-9]|00[1-9])"))


def possible_styles(cell: str) -> tuple[Style, ...]:
    """Returns the styles in which a text may be a moment, if its day and its month exist."""
    if len(cell) > _LONGEST or not any(character.isdigit() for character in cell):
        return ()
    return tuple(style for style in STYLES if style.has_signs_in(cell) and style.matcher.match(cell))
