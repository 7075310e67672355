"""A table that is written in any dialect is read back as the same table, with its types."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import assume, given, reject, settings
from hypothesis import strategies as st

from raylane_common.errors import RaylaneError
from raylane_common.wire.names import ColumnType, Compression
from raylane_common.wire.reading import NULL_MARKERS, ReadingOptions
from raylane_worker.data.prepare import read_file
from tests.corpus.files.check import Outcome, as_the_kit_reads, judge
from tests.corpus.files.dialect import Dialect, Quoting
from tests.corpus.files.model import Case, Typed
from tests.helpers.profiles import by_profile
from tests.helpers.written_tables import ANY_TEXT, WORDS, Column, tables

if TYPE_CHECKING:
    from tests.corpus.files.check import Verdict

DELIMITERS: Final = [",", ";", "\t", "|"]
EXAMPLES: Final = by_profile(fast=15, ci=30, deep=2000)
FEWER_EXAMPLES: Final = by_profile(fast=10, ci=12, deep=2000)
pytestmark = pytest.mark.timeout(by_profile(fast=120, ci=120, deep=3600))
# What exports write above a table, with a blank line below it or without.
TITLES: Final = ["", "Sales report\n", "Sales report\n\n", "\n", "# exported 2024-01-05\n", "Report\nof 2024\n\n"]
UNKNOWN_MARKERS: Final = ["", "NA", "NULL", "null", "n/a", "-"]


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
    table: dict[str, Column],
    dialect: Dialect,
    marker: str,
    mark: str,
    options: ReadingOptions,
    *,
    has_header: bool = True,
    above: str = "",
    trails: bool = False,
) -> Case:
    """The file of a table, with the text `above` it, and with a delimiter at the end of each line if it `trails`."""
    rows = [list(row) for row in zip(*(column.written(marker, mark) for column in table.values()), strict=True)]
    names = list(table) if has_header else [f"column_{place}" for place in range(1, len(table) + 1)]
    lines = [list(table), *rows] if has_header else rows
    text = above.replace("\n", dialect.line_end) + dialect.text([[*line, ""] for line in lines] if trails else lines)
    expected = {name: column.expected for name, column in zip(names, table.values(), strict=True)}
    try:
        return Case("random", dialect.encode(text), expected, options=options)
    except UnicodeEncodeError:
        reject()


def verdict_of(written: Case) -> Verdict:
    with tempfile.TemporaryDirectory() as folder:
        return judge(written, Path(folder))


def stated(dialect: Dialect, mark: str, *, has_header: bool) -> ReadingOptions:
    """All that a user can say about a dialect."""
    return ReadingOptions(
        delimiter=dialect.delimiter,
        quote=dialect.quote,
        escape=dialect.escape,
        encoding="utf-8" if dialect.encoding == "utf-8-sig" else dialect.encoding,
        decimal="," if mark == "," else ".",
        header_line=int(has_header),
    )


@settings(max_examples=FEWER_EXAMPLES)
@given(
    table=tables(ANY_TEXT),
    dialect=dialects(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32", "cp1252", "latin-1"]),
    marker=st.sampled_from(NULL_MARKERS),
    mark=st.sampled_from(".,"),
    has_header=st.booleans(),
)
def test_a_table_in_a_stated_dialect_is_the_same_table(
    table: dict[str, Column], dialect: Dialect, marker: str, mark: str, *, has_header: bool
) -> None:
    said = stated(dialect, mark, has_header=has_header)
    verdict = verdict_of(case(table, dialect, marker, mark, said, has_header=has_header))
    assert verdict.outcome is Outcome.RIGHT, verdict.why


@settings(max_examples=EXAMPLES)
@given(
    table=tables(WORDS),
    dialect=dialects(["utf-8", "utf-8-sig", "utf-16", "utf-32"]),
    marker=st.sampled_from(UNKNOWN_MARKERS),
    mark=st.sampled_from(".,"),
    above=st.sampled_from(TITLES),
    trails=st.booleans(),
)
def test_a_table_in_an_unknown_dialect_is_the_same_table(
    table: dict[str, Column], dialect: Dialect, marker: str, mark: str, above: str, *, trails: bool
) -> None:
    """With words as texts and a header, nothing is left to doubt."""
    assume(mark == "." or dialect.delimiter != ",")
    plain = replace(dialect, quote='"', escape="")
    verdict = verdict_of(case(table, plain, marker, mark, ReadingOptions(), above=above, trails=trails))
    assert verdict.outcome is Outcome.RIGHT, verdict.why


@settings(max_examples=FEWER_EXAMPLES)
@given(
    table=tables(ANY_TEXT),
    dialect=dialects(["utf-8", "utf-16", "cp1252", "latin-1", "utf-16-le"]),
    marker=st.sampled_from(NULL_MARKERS),
    mark=st.sampled_from(".,"),
    has_header=st.booleans(),
    above=st.sampled_from(TITLES),
)
def test_whatever_is_read_otherwise_is_a_warning(
    table: dict[str, Column], dialect: Dialect, marker: str, mark: str, above: str, *, has_header: bool
) -> None:
    # Nothing shows that a backslash before a backslash is an escape.
    assume(not (dialect.escape and marker == "\\N"))
    written = case(table, dialect, marker, mark, ReadingOptions(), has_header=has_header, above=above)
    verdict = verdict_of(written)
    assert verdict.outcome is not Outcome.WRONG or verdict.warnings, verdict.why


@settings(max_examples=FEWER_EXAMPLES)
@given(table=tables(WORDS), dialect=dialects(["utf-8"]), data=st.data())
def test_what_the_user_says_wins(table: dict[str, Column], dialect: Dialect, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(list(table)))
    said = ReadingOptions(
        delimiter=dialect.delimiter,
        quote=dialect.quote,
        escape=dialect.escape,
        header_line=1,
        types={name: ColumnType.STRING},
    )
    written = case(table, dialect, "NULL", ".", said)
    texts = Typed(ColumnType.STRING, [None if text == "NULL" else text for text in table[name].written("NULL", ".")])
    assert isinstance(written.expected, dict)
    verdict = verdict_of(replace(written, expected=written.expected | {name: texts}))
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
        found = as_the_kit_reads(path, content, copy)
        assert found.num_rows == content.rows
        assert found.column_names == [column.name for column in content.columns]
