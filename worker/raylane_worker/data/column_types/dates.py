"""The forms of dates, of moments (dates with a time), and of times. See docs/decisions/0029."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

import pyarrow as pa
from pyarrow import compute

from raylane_common.wire.names import ColumnType
from raylane_worker.data.column_types.cells import NO_TEXT, number_scalar, text_scalar
from raylane_worker.data.column_types.form import Form

if TYPE_CHECKING:
    from collections.abc import Iterator

_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH_NAME: Final = (
    "(?P<name>[Jj]an(?:uary)?|[Ff]eb(?:ruary)?|[Mm]ar(?:ch)?|[Aa]pr(?:il)?|[Mm]ay|[Jj]une?|[Jj]uly?|[Aa]ug(?:ust)?|"
    r"[Ss]ept?(?:ember)?|[Oo]ct(?:ober)?|[Nn]ov(?:ember)?|[Dd]ec(?:ember)?|JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC)\.?"
)
_YEAR, _SHORT_YEAR = "(?P<year>[0-9]{4})", "(?P<year>[0-9]{2})"
_MONTH, _DAY = "(?P<month>[0-9]{1,2})", "(?P<day>[0-9]{1,2})"
_WEEKDAY: Final = "(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*,? )?"
_TIME: Final = (
    r"(?P<hour>[0-9]{1,2}):(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2})(?:[.,](?P<fraction>[0-9]{1,6})0*)?)?"
    "(?: ?(?P<half>[AaPp])\\.?[Mm]\\.?)?"
)
_ZONE: Final = " ?(?P<zone>Z|UTC|GMT|[-+][0-9]{2}(?::?[0-9]{2})?)"
# The century of a year with two digits is that of POSIX.
_FIRST_YEAR_OF_1900S: Final = number_scalar(69, pa.int8())
_NOTHING, _DASH, _SPACE, _COLON, _DOT = (text_scalar(each) for each in ("", "-", " ", ":", "."))
_OLD, _NEW, _EPOCH, _A, _P, _ZERO_TEXT = (text_scalar(each) for each in ("19", "20", "1970-01-01", "a", "p", "0"))
_ZERO, _ONE, _TWELVE = (number_scalar(each, pa.int8()) for each in (0, 1, 12))
_NAMES: Final = {"ymd": "year{0}month{0}day", "dmy": "day{0}month{0}year", "mdy": "month{0}day{0}year"}


def _dates() -> Iterator[tuple[str, str, str]]:
    """Yields the pattern of each style of dates, what it is called, and its order if another one looks alike."""
    for separator, sign in (("-", "-"), ("/", "/"), (r"\.", ".")):
        written = "" if sign == "-" else _NAMES["ymd"].format(sign)
        yield f"{_YEAR}{separator}{_MONTH}{separator}{_DAY}", written, "ymd"
    for separator, sign in (("/", "/"), ("-", "-"), (r"\.", "."), (r"\. ", ". "), (" ", " ")):
        for year in (_YEAR, _SHORT_YEAR):
            yield f"{_DAY}{separator}{_MONTH}{separator}{year}", _NAMES["dmy"].format(sign), "dmy"
            if sign in "/-":
                yield f"{_MONTH}{separator}{_DAY}{separator}{year}", _NAMES["mdy"].format(sign), "mdy"
    yield f"{_SHORT_YEAR}-{_MONTH}-{_DAY}", _NAMES["ymd"].format("-"), "ymd"
    for year in (_YEAR, _SHORT_YEAR):
        yield f"{_WEEKDAY}{_DAY}(?:st|nd|rd|th)?[ -]{_MONTH_NAME},?[ -]{year}", "day month-name year", "dmy"
    yield f"{_WEEKDAY}{_MONTH_NAME} {_DAY}(?:st|nd|rd|th)?,? {_YEAR}", "month-name day year", "mdy"
    yield f"{_YEAR}[ -]{_MONTH_NAME}[ -]{_DAY}", "year month-name day", "ymd"


def date_forms() -> Iterator[Form]:
    """Yields all forms of dates, then those of moments without and with a time zone. ISO is the first of each."""
    styles = list(_dates())
    for pattern, written, order in styles:
        yield Form(ColumnType.DATE, pattern, partial(_to_dates, pattern), written, order)
    for pattern_of_clock, has_zone in ((f"(?:,?[ T]{_TIME})?", False), (f",?[ T]{_TIME}{_ZONE}", True)):
        for date, written, order in styles:
            pattern = f"{date}{pattern_of_clock}"
            yield Form(ColumnType.TIMESTAMP, pattern, partial(_to_moments, pattern, has_zone), written, order)


def time_form() -> Form:
    """Returns the form of times of a day."""
    return Form(ColumnType.TIME, _TIME, partial(_to_times, _TIME))


def _to_dates(pattern: str, cells: pa.Array) -> pa.Array:
    return _iso_dates(compute.extract_regex(cells, f"^{pattern}$"), pattern).cast(pa.date32())


def _to_moments(pattern: str, has_zone: bool, cells: pa.Array) -> pa.Array:
    parts = compute.extract_regex(cells, f"^{pattern}$")
    text = compute.binary_join_element_wise(_iso_dates(parts, pattern), _clock(parts), _SPACE)
    if not has_zone:
        return text.cast(pa.timestamp("us"))
    zoned = compute.binary_join_element_wise(text, _offset(_part(parts, "zone")), _NOTHING)
    return zoned.cast(pa.timestamp("us", "UTC"))


def _to_times(pattern: str, cells: pa.Array) -> pa.Array:
    # Arrow cannot convert text to times of a day without a date.
    clock = _clock(compute.extract_regex(cells, f"^{pattern}$"))
    return compute.binary_join_element_wise(_EPOCH, clock, _SPACE).cast(pa.timestamp("us")).cast(pa.time64("us"))


def _iso_dates(parts: pa.Array, pattern: str) -> pa.Array:
    year = _part(parts, "year")
    if _SHORT_YEAR in pattern:
        is_old = compute.greater_equal(year.cast(pa.int8()), _FIRST_YEAR_OF_1900S)
        year = compute.binary_join_element_wise(compute.if_else(is_old, _OLD, _NEW), year, _NOTHING)
    month = _month_number(_part(parts, "name")) if "<name>" in pattern else _two(_part(parts, "month"))
    return compute.binary_join_element_wise(year, month, _two(_part(parts, "day")), _DASH)


def _month_number(names: pa.Array) -> pa.Array:
    short = compute.utf8_slice_codeunits(compute.utf8_lower(names), 0, 3)
    for number, name in enumerate(_MONTHS, start=1):
        short = compute.replace_substring(short, name, f"{number:02d}")
    return short


def _clock(parts: pa.Array) -> pa.Array:
    """Returns the times as HH:MM:SS.ffffff; midnight if there is none. Raises `pa.ArrowInvalid` for 13 PM."""
    hour, minute, second = (_part(parts, name) for name in ("hour", "minute", "second"))
    half = compute.utf8_lower(_part(parts, "half"))
    if compute.any(compute.not_equal(half, _NOTHING), min_count=0).as_py():
        hour = _hour_of_24(hour, half)
    fraction = compute.utf8_rpad(_part(parts, "fraction"), 6, "0")
    whole = compute.binary_join_element_wise(_two(hour), _two(minute), _two(second), _COLON)
    return compute.binary_join_element_wise(whole, fraction, _DOT)


def _hour_of_24(hour: pa.Array, half: pa.Array) -> pa.Array:
    number = compute.if_else(compute.equal(hour, _NOTHING), _ZERO_TEXT, hour).cast(pa.int8())
    has_half = compute.not_equal(half, _NOTHING)
    is_wrong = compute.and_(has_half, compute.or_(compute.less(number, _ONE), compute.greater(number, _TWELVE)))
    if compute.any(is_wrong, min_count=0).as_py():
        raise pa.ArrowInvalid("an hour with AM or PM is from 1 to 12")
    is_twelve = compute.equal(number, _TWELVE)
    morning = compute.if_else(is_twelve, _ZERO, number)
    evening = compute.if_else(is_twelve, number, compute.add(number, _TWELVE))
    found = compute.if_else(compute.equal(half, _P), evening, compute.if_else(compute.equal(half, _A), morning, number))
    return found.cast(pa.string())


def _offset(zone: pa.Array) -> pa.Array:
    """Returns the zones as ±HH:MM."""
    named = compute.replace_substring_regex(zone, "^(?:Z|UTC|GMT)$", "+00:00")
    short = compute.replace_substring_regex(named, "^([-+][0-9]{2})$", r"\1:00")
    return compute.replace_substring_regex(short, "^([-+][0-9]{2})([0-9]{2})$", r"\1:\2")


def _part(parts: pa.Array, name: str) -> pa.Array:
    """Returns a part of the cells; '' where it is left out, and null where the cell is missing."""
    index = parts.type.get_field_index(name)
    if index < 0:
        return pa.repeat(_NOTHING, len(parts))
    found = parts.field(index)
    return compute.if_else(parts.is_valid(), found, NO_TEXT)


def _two(digits: pa.Array) -> pa.Array:
    return compute.utf8_lpad(digits, 2, "0")
