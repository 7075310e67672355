"""A table that is written in any dialect is read back as the same table, with its types."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from raylane_common.errors import RaylaneError
from raylane_common.wire.names import ColumnType, Compression
from raylane_common.wire.reading import NULL_MARKERS, ReadingOptions
from raylane_worker.data.prepare import read_file
from tests.corpus.files.check import Outcome, as_ray_reads, judge
from tests.corpus.files.dialect import Dialect, Quoting
from tests.corpus.files.model import Case, Typed
from tests.helpers.profiles import by_profile

if TYPE_CHECKING:
    from collections.abc import Callable

    from hypothesis.strategies import SearchStrategy

DELIMITERS: Final = [",", ";", "\t", "|"]
EXAMPLES: Final = by_profile(fast=15, ci=40, deep=200)
FEWER_EXAMPLES: Final = by_profile(fast=10, ci=12, deep=200)
# A letter before it keeps a text from being a number, a date or a marker.
LETTER: Final = st.sampled_from("qxzÄé")
# Letters of cp1252, among them what dialects give a meaning to.
ANY_TEXT: Final = st.text(st.sampled_from("ab Zß€éñ1.,;|\t\n\r\"'\\#/-:$%()=+"), max_size=12)
WORDS: Final = st.text(st.sampled_from("abcdeÄéß 19-"), max_size=12)


@dataclass(frozen=True)
class Style:
    """How the values of one column are written."""

    type: ColumnType
    values: SearchStrategy[Any]
    write: Callable[[Any, str], str]
    """Takes the value and the decimal mark."""


def _fraction(value: float, mark: str) -> str:
    return f"{value:.3f}".replace(".", mark)


def _grouped(value: float, mark: str) -> str:
    text = f"{value:,.2f}"
    return text if mark == "." else text.translate({ord(","): ".", ord("."): ","})


def _style(kind: ColumnType, values: SearchStrategy[Any], code: str) -> Style:
    return Style(kind, values, lambda value, mark: value.strftime(code))


DAYS: Final = st.dates(date(1900, 1, 1), date(2100, 1, 1))
MOMENTS: Final = st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1)).map(
    lambda one: one.replace(microsecond=0, fold=0)
)
TIMES: Final = st.times().map(lambda one: one.replace(microsecond=0, fold=0))
FRACTIONS: Final = st.integers(-(10**9), 10**9).map(lambda one: (2 * one + 1) / 2)
STYLES: Final = {
    "integers": Style(ColumnType.INTEGER, st.integers(-(10**12), 10**12), lambda value, mark: str(value)),
    "fractions": Style(ColumnType.NUMBER, FRACTIONS, _fraction),
    "amounts": Style(ColumnType.NUMBER, FRACTIONS, _grouped),
    "euros": Style(ColumnType.NUMBER, FRACTIONS, lambda value, mark: f"{_grouped(value, mark)} €"),
    "truth values": Style(ColumnType.BOOLEAN, st.booleans(), lambda value, mark: str(value)),
    "dates": _style(ColumnType.DATE, DAYS, "%Y-%m-%d"),
    "day.month.year": _style(ColumnType.DATE, DAYS, "%d.%m.%Y"),
    "month/day/year": _style(ColumnType.DATE, DAYS, "%m/%d/%Y"),
    "moments": _style(ColumnType.TIMESTAMP, MOMENTS, "%Y-%m-%d %H:%M:%S"),
    "times": _style(ColumnType.TIME, TIMES, "%H:%M:%S"),
}


@st.composite
def columns(draw: st.DrawFn, texts: SearchStrategy[str]) -> dict[str, tuple[Style, list[Any]]]:
    """A table of 2 to 6 columns and 3 to 8 rows, with missing values. Its first column has numbers only."""
    rows = draw(st.integers(3, 8))
    text = Style(ColumnType.STRING, st.builds(str.__add__, LETTER, texts), lambda value, mark: str(value))
    table: dict[str, tuple[Style, list[Any]]] = {}
    kinds = draw(st.lists(st.sampled_from([*STYLES, "texts", "texts"]), min_size=1, max_size=5))
    for place, kind in enumerate(["integers", *kinds]):
        style = STYLES.get(kind, text)
        values = st.none() | style.values if place else style.values
        cells = draw(st.lists(values, min_size=rows, max_size=rows))
        if kind in ("day.month.year", "month/day/year"):
            cells[0] = date(2024, 1, 31)  # decides between day and month
        elif place:
            cells[0] = cells[0] if cells[0] is not None else draw(style.values)
        if kind == "fractions":
            # With groups of three digits alone, a mark may be of decimals or of thousands.
            cells[0] = 12345.678
        table[f"{draw(LETTER)}{draw(WORDS).strip()}{place}"] = (style, cells)
    return table


@st.composite
def dialects(draw: st.DrawFn, encodings: list[str]) -> Dialect:
    """A way to write a CSV."""
    return Dialect(
        delimiter=draw(st.sampled_from(DELIMITERS)),
        quoting=draw(st.sampled_from([Quoting.NEEDED, Quoting.ALL])),
        quote=draw(st.sampled_from("\"'")),
        escape=draw(st.sampled_from(["", "", "\\"])),
        line_end=draw(st.sampled_from(["\n", "\r\n", "\r"])),
        last_line_ends=draw(st.booleans()),
        encoding=draw(st.sampled_from(encodings)),
        compression=draw(st.sampled_from([None, None, *Compression])),
    )


def case(
    table: dict[str, tuple[Style, list[Any]]], dialect: Dialect, marker: str, mark: str, options: ReadingOptions
) -> Case:
    """The file of a table."""
    written = [
        [marker if cell is None else style.write(cell, mark) for cell in cells] for style, cells in table.values()
    ]
    rows = [list(row) for row in zip(*written, strict=True)]
    has_header = options.header_line != 0
    names = [" ".join(name.split()) if has_header else f"column_{place}" for place, name in enumerate(table, 1)]
    expected = {name: Typed(style.type, cells) for name, (style, cells) in zip(names, table.values(), strict=True)}
    assume(len(expected) == len(table))
    content = dialect.write([list(table), *rows] if has_header else rows)
    return Case("random", content, expected, options=options)


def verdict_of(written: Case) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        return judge(written, Path(folder))


@settings(max_examples=FEWER_EXAMPLES)
@given(
    table=columns(ANY_TEXT),
    dialect=dialects(["utf-8", "utf-8-sig", "utf-16", "cp1252"]),
    marker=st.sampled_from(NULL_MARKERS),
    mark=st.sampled_from(".,"),
    has_header=st.booleans(),
)
def test_a_table_in_a_stated_dialect_is_the_same_table(
    table: dict[str, tuple[Style, list[Any]]], dialect: Dialect, marker: str, mark: str, *, has_header: bool
) -> None:
    said = ReadingOptions(
        delimiter=dialect.delimiter,
        quote=dialect.quote,
        escape=dialect.escape,
        encoding="utf-8" if dialect.encoding == "utf-8-sig" else dialect.encoding,
        decimal=mark,
        header_line=int(has_header),
    )
    verdict = verdict_of(case(table, dialect, marker, mark, said))
    assert verdict.outcome is Outcome.RIGHT, verdict.why


@settings(max_examples=EXAMPLES)
@given(
    table=columns(WORDS),
    dialect=dialects(["utf-8", "utf-8-sig", "utf-16"]),
    marker=st.sampled_from(["", "NA", "NULL", "null", "n/a", "-"]),
    is_german=st.booleans(),
)
def test_a_table_in_an_unknown_dialect_is_the_same_table(
    table: dict[str, tuple[Style, list[Any]]], dialect: Dialect, marker: str, *, is_german: bool
) -> None:
    """With words as texts and a header, nothing is left to doubt."""
    assume(not is_german or dialect.delimiter != ",")
    plain = replace(dialect, quote='"', escape="")
    verdict = verdict_of(case(table, plain, marker, "," if is_german else ".", ReadingOptions()))
    assert verdict.outcome is Outcome.RIGHT, verdict.why


@settings(max_examples=FEWER_EXAMPLES)
@given(table=columns(WORDS), dialect=dialects(["utf-8"]), data=st.data())
def test_what_the_user_says_wins(
    table: dict[str, tuple[Style, list[Any]]], dialect: Dialect, data: st.DataObject
) -> None:
    name = data.draw(st.sampled_from(list(table)))
    said = ReadingOptions(
        delimiter=dialect.delimiter,
        quote=dialect.quote,
        escape=dialect.escape,
        header_line=1,
        types={" ".join(name.split()): ColumnType.STRING},
    )
    written = case(table, dialect, "NULL", ".", said)
    style, cells = table[name]
    texts = Typed(ColumnType.STRING, [None if cell is None else style.write(cell, ".") for cell in cells])
    expected = written.expected
    assert isinstance(expected, dict)
    verdict = verdict_of(replace(written, expected=expected | {" ".join(name.split()): texts}))
    assert verdict.outcome is Outcome.RIGHT, verdict.why


@settings(max_examples=FEWER_EXAMPLES)
@given(data=st.binary(max_size=200) | ANY_TEXT.map(str.encode), said=st.builds(ReadingOptions))
def test_any_bytes_and_options_are_a_table_or_a_typed_error(data: bytes, said: ReadingOptions) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path, copy = Path(folder, "file"), Path(folder, "copy")
        path.write_bytes(data)
        try:
            content = read_file(path, "file.csv", said, copy_to=copy)
        except RaylaneError:
            return
        found = as_ray_reads(path, content, copy)
        assert found.num_rows == content.rows
        assert found.column_names == [column.name for column in content.columns]
