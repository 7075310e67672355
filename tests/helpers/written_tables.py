"""Random tables as people write them: each column has one type and one style. What decides a style is in row 1."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
from hypothesis import strategies as st

from raylane_common.wire.names import ColumnType
from tests.corpus.files.model import Typed

if TYPE_CHECKING:
    from collections.abc import Callable

    from hypothesis.strategies import SearchStrategy

# A letter before it keeps a text from being a number, a date or a marker.
LETTER: Final = st.sampled_from("qxzÄé")
# Letters of cp1252, among them what dialects give a meaning to.
ANY_TEXT: Final = st.text(st.sampled_from("ab Zß€éñ1.,;|\t\n\r\"'\\#/-:$%()=+"), max_size=12)
WORDS: Final = st.text(st.sampled_from("abcdeÄéß 19-"), max_size=12)
# 1969 to 2068 have years of two digits.
_DAYS: Final = st.dates(date(1970, 1, 1), date(2060, 12, 31))
_MOMENTS: Final = st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1)).map(
    lambda one: one.replace(microsecond=0, fold=0)
)
_TIMES: Final = st.times().map(lambda one: one.replace(microsecond=0, fold=0))
_MINUTES: Final = _MOMENTS.map(lambda one: one.replace(second=0))
_FRACTIONS: Final = st.integers(-(10**9), 10**9).map(lambda one: (2 * one + 1) / 2)


@dataclass(frozen=True)
class Style:
    """How the values of one column are written."""

    type: ColumnType
    values: SearchStrategy[Any]
    write: Callable[[Any, str], str]
    """Takes the value and the decimal mark."""
    first: Any = None
    """A value that decides what the others leave open."""
    arrow: Any = None


def _fraction(value: float, mark: str) -> str:
    return f"{value:.3f}".replace(".", mark)


def _grouped(value: float, mark: str, group: str | None = None) -> str:
    text = f"{value:,.2f}"
    return text.translate({ord(","): group or (".", ",")[mark == "."], ord("."): mark})


def _grouped_whole(value: int, mark: str) -> str:
    return f"{value:,}".replace(",", (".", ",")[mark == "."])


def _in_parentheses(value: float, mark: str) -> str:
    return f"({_grouped(-value, mark)})" if value < 0 else _grouped(value, mark)


def _with_currency(value: float, mark: str) -> str:
    return f"${_grouped(value, mark)}" if mark == "." else f"{_grouped(value, mark)} kr"


def _dated(kind: ColumnType, values: SearchStrategy[Any], code: str, first: Any = None) -> Style:
    return Style(kind, values, lambda value, mark: value.strftime(code), first)


def _texts(pattern: str) -> Style:
    return Style(ColumnType.STRING, st.from_regex(pattern, fullmatch=True), lambda value, mark: str(value))


_DATE: Final = date(2024, 1, 31)
_MOMENT: Final = datetime(2024, 1, 31, 13, 45, 30)
_MINUTE: Final = datetime(2024, 1, 31, 13, 45)
_INTEGERS: Final = st.integers(-(10**12), 10**12)
STYLES: Final[dict[str, Style]] = {
    "integers": Style(ColumnType.INTEGER, _INTEGERS, lambda value, mark: str(value)),
    # With groups of three digits alone, a mark may be of decimals or of thousands.
    "fractions": Style(ColumnType.NUMBER, _FRACTIONS, _fraction, 12345.678),
    "amounts": Style(ColumnType.NUMBER, _FRACTIONS, _grouped),
    "amounts with spaces": Style(ColumnType.NUMBER, _FRACTIONS, lambda value, mark: _grouped(value, mark, "\u00a0")),
    "amounts with apostrophes": Style(ColumnType.NUMBER, _FRACTIONS, lambda value, mark: _grouped(value, mark, "'")),
    "whole amounts": Style(ColumnType.INTEGER, _INTEGERS, _grouped_whole, 1234567),
    "euros": Style(ColumnType.NUMBER, _FRACTIONS, lambda value, mark: f"{_grouped(value, mark)} €"),
    "currency": Style(ColumnType.NUMBER, _FRACTIONS, _with_currency),
    "percent": Style(ColumnType.NUMBER, _FRACTIONS, lambda value, mark: f"{_grouped(value, mark)}%"),
    "parentheses": Style(ColumnType.NUMBER, _FRACTIONS, _in_parentheses, 1.5),
    "ids": _texts(r"[1-9][0-9]{19,23}"),
    "codes": _texts(r"0[0-9]{2,6}"),
    "codes with E": _texts(r"[1-9]E[1-9]"),
    "telephones": _texts(r"\+[1-9][0-9]{6,10}"),
    "true": Style(ColumnType.BOOLEAN, st.booleans(), lambda value, mark: str(value).lower()),
    "True": Style(ColumnType.BOOLEAN, st.booleans(), lambda value, mark: str(value)),
    "TRUE": Style(ColumnType.BOOLEAN, st.booleans(), lambda value, mark: str(value).upper()),
    "2024-01-31": _dated(ColumnType.DATE, _DAYS, "%Y-%m-%d"),
    "2024/01/31": _dated(ColumnType.DATE, _DAYS, "%Y/%m/%d"),
    "31.01.2024": _dated(ColumnType.DATE, _DAYS, "%d.%m.%Y", _DATE),
    "31-01-99": _dated(ColumnType.DATE, _DAYS, "%d-%m-%y", date(1999, 1, 31)),
    "01/31/2024": _dated(ColumnType.DATE, _DAYS, "%m/%d/%Y", _DATE),
    "31 Jan 2024": _dated(ColumnType.DATE, _DAYS, "%d %b %Y"),
    "January 31, 2024": _dated(ColumnType.DATE, _DAYS, "%B %d, %Y", _DATE),
    "2024-01-31 13:45:30": _dated(ColumnType.TIMESTAMP, _MOMENTS, "%Y-%m-%d %H:%M:%S", _MOMENT),
    "2024-01-31T13:45:30": _dated(ColumnType.TIMESTAMP, _MOMENTS, "%Y-%m-%dT%H:%M:%S", _MOMENT),
    "31.01.2024 13:45": _dated(ColumnType.TIMESTAMP, _MINUTES, "%d.%m.%Y %H:%M", _MINUTE),
    "01/31/2024 01:45 PM": _dated(ColumnType.TIMESTAMP, _MINUTES, "%m/%d/%Y %I:%M %p", _MINUTE),
    "2024-01-31T13:45:30Z": Style(
        ColumnType.TIMESTAMP,
        _MOMENTS.map(lambda one: one.replace(tzinfo=UTC)),
        lambda value, mark: value.strftime("%Y-%m-%dT%H:%M:%SZ"),
        arrow=pa.timestamp("us", "UTC"),
    ),
    "13:45:30": _dated(ColumnType.TIME, _TIMES, "%H:%M:%S"),
    "13:45": _dated(ColumnType.TIME, _TIMES.map(lambda one: one.replace(second=0)), "%H:%M"),
    "01:45:30 PM": _dated(ColumnType.TIME, _TIMES, "%I:%M:%S %p"),
}


@dataclass(frozen=True)
class Column:
    """The values of a column, of which None is missing, and how they are written."""

    style: Style
    values: list[Any]

    def written(self, marker: str, mark: str) -> list[str]:
        """Returns the cells, with `marker` for what is missing, and the decimal mark `mark`."""
        return [marker if value is None else self.style.write(value, mark) for value in self.values]

    @property
    def expected(self) -> Typed:
        return Typed(self.style.type, self.values, self.style.arrow)


@st.composite
def tables(draw: st.DrawFn, texts: SearchStrategy[str]) -> dict[str, Column]:
    """A table of 2 to 6 columns and 3 to 8 rows, with missing values. Its first column has numbers only."""
    rows = draw(st.integers(3, 8))
    text = Style(ColumnType.STRING, st.builds(str.__add__, LETTER, texts), lambda value, mark: str(value))
    table: dict[str, Column] = {}
    kinds = draw(st.lists(st.sampled_from([*STYLES, *["texts"] * 5]), min_size=1, max_size=5))
    for place, kind in enumerate(["integers", *kinds]):
        style = STYLES.get(kind, text)
        cells = draw(st.lists(st.none() | style.values if place else style.values, min_size=rows, max_size=rows))
        if style.first is not None:
            cells[0] = style.first
        elif cells[0] is None:
            cells[0] = draw(style.values)
        name = " ".join(f"{draw(LETTER)}{draw(WORDS).strip()}{place}".split())
        table[name] = Column(style, cells)
    return table
