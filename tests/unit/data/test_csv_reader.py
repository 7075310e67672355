"""A CSV is read as its text says, or refused: pyarrow alone forgives quotes that merge records."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raylane_common.errors import InvalidFile
from raylane_common.wire.reading import Reading, ReadingOptions
from raylane_worker.data.readers import open_batches, plain
from raylane_worker.data.readers.csv_escapes import KeptEscapes
from raylane_worker.data.readers.csv_quotes import QuoteCheck
from raylane_worker.data.readers.rows import HEAD_BYTES, has_spaced_cells
from raylane_worker.data.sniff import sniff

if TYPE_CHECKING:
    from pathlib import Path

ROWS = st.lists(st.lists(st.text('a,"\n\r \\', max_size=5), min_size=2, max_size=2), min_size=1, max_size=5)


def rows_of(path: Path, reading: Reading) -> tuple[list[tuple[str, ...]], list[str]]:
    with open_batches(path, reading) as batches:
        rows = [row for batch in batches for row in zip(*[each.to_pylist() for each in batch.columns], strict=True)]
        return rows, batches.warnings


def is_regular(text: str, chunk: int, escape: str = "") -> bool:
    check = QuoteCheck(io.BytesIO(text.encode()), Reading(escape=escape))
    while check.readinto(memoryview(bytearray(chunk))):
        pass
    return check.is_regular


@given(text=st.text('a,"\n', max_size=30), chunk=st.integers(1, 8))
def test_regular_quotes_are_those_that_a_strict_reader_takes(text: str, chunk: int) -> None:
    assert is_regular(text, chunk) == is_regular(text, 1000)
    if is_regular(text, chunk):
        list(csv.reader(io.StringIO(text, newline=""), strict=True))


@given(rows=ROWS, chunk=st.integers(1, 8), escape=st.sampled_from(["", "\\"]))
def test_what_a_writer_writes_has_regular_quotes(rows: list[list[str]], chunk: int, escape: str) -> None:
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, escapechar=escape or None, doublequote=not escape)
    writer.writerows(rows)
    assert is_regular(text.getvalue(), chunk, escape)


@pytest.mark.parametrize(
    ("late", "problem"),
    [
        ('7,"abc\n8,"def"\n9,"ghi"\n', "begins on line 25002 has text after the quote"),
        ('7,"abc\n8,def\n', "a quote that opens on line 25002 is never closed"),
        ('"7,abc\n8,def\n', "a quote that opens on line 25002 is never closed"),
        ('7,"say \\"hi\\""\n', "use --escape"),
        ("7,8,9\n", "line 25002 has 3 cells"),
    ],
)
def test_a_flaw_behind_the_head_is_refused_with_its_line(tmp_path: Path, late: str, problem: str) -> None:
    path = tmp_path / "file"
    path.write_text("a,b\n" + "1,some text\n" * 25_000 + late)
    assert path.stat().st_size > HEAD_BYTES
    reading = sniff(path, ReadingOptions()).reading
    with pytest.raises(InvalidFile, match=problem):
        rows_of(path, reading)


@pytest.mark.parametrize(
    ("late", "row"), [('7,5" pipe\n', ("7", '5" pipe')), ('7,"x\n,""y"""\n', ("7", 'x\n,"y"')), ("7\n", ("7", ""))]
)
def test_an_unusual_row_behind_the_head_is_read(tmp_path: Path, late: str, row: tuple[str, ...]) -> None:
    path = tmp_path / "file"
    path.write_text("a,b\n" + "1,some text\n" * 25_000 + late + "8,end\n")
    rows, _ = rows_of(path, sniff(path, ReadingOptions()).reading)
    assert (len(rows), rows[-2:]) == (25_002, [row, ("8", "end")])


REGULAR = f"1,{'some text ' * 200}\n" * 4500  # 8.6 MiB


@pytest.mark.parametrize("below", ["", REGULAR], ids=["small", "large"])
@pytest.mark.parametrize("first", ["1,x\n", "1\n"], ids=["pyarrow", "Python's reader"])
@pytest.mark.parametrize(
    ("flaw", "cell"),
    [
        ('7,5" pipe\n', '5" pipe'),
        ('7,"5"" pipe"\n', '5" pipe'),
        ('7,"a ""b"" c"\n', 'a "b" c'),
        ('7,"5" pipe"\n', None),
        ('7,"a "b" c"\n', None),
        ('7,"Bob" Smith\n', None),
        ('7,"abc\n8,def",9\n', None),
        ('7,"say \\"hi\\" now"\n', None),
        ('7,"a \\",\\" b"\n', None),
    ],
)
def test_quotes_inside_cells_lose_nothing(tmp_path: Path, flaw: str, cell: str | None, first: str, below: str) -> None:
    path = tmp_path / "file"
    path.write_text(f"a,b\n{first}{flaw}{below}")
    # The user names the quote, so that the flaw decides nothing but how it is read itself.
    reading = sniff(path, ReadingOptions(delimiter=",", quote='"', escape="")).reading
    if cell is None:
        with pytest.raises(InvalidFile, match=r"line 3 (?=.*--escape).*--quote"):
            rows_of(path, reading)
    else:
        assert rows_of(path, reading)[0][1] == ("7", cell)


@pytest.mark.parametrize(
    ("lines", "is_spaced"),
    [
        (["a, b\n", "1, 2\n"], True),
        (["a, b\n", "1,2\n"], False),
        (['"a", "b"\n', '"1, 2", "3"\n'], True),
        (["x\n", '"Smith, Ann"\n', '"Jan 5, 2024"\n'], False),
        (["x,y\n", '"Smith, Ann",1\n', '"Smith, Bob",2\n'], False),
    ],
)
def test_only_spaces_after_delimiters_between_cells_belong_to_them(lines: list[str], is_spaced: bool) -> None:
    fields: dict[str, str | int] = {"delimiter": ",", "quote": '"', "escape": ""}
    assert has_spaced_cells(lines, fields) is is_spaced


@pytest.mark.parametrize("chunk", [1, 3, 1000])
def test_an_escape_that_escapes_nothing_is_kept(chunk: int) -> None:
    text = rb'\N,C:\new\\x,"say \"hi\" \,' + b"\\\n\\t\\"
    kept = io.BufferedReader(KeptEscapes(io.BytesIO(text), Reading(escape="\\").model_dump()), chunk).read()
    assert kept == rb'\\N,C:\\new\\x,"say \"hi\" \,' + b"\\\n\\\\t\\\\"


def test_markers_and_paths_of_mysql_are_read_beside_escaped_quotes(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text('id,path\n1,"C:\\\\new \\"x\\""\n2,\\N\n3,"D:\\new"\n')
    reading = sniff(path, ReadingOptions()).reading
    assert reading.escape == "\\"
    assert [row[1] for row in rows_of(path, reading)[0]] == ['C:\\new "x"', "\\N", "D:\\new"]


def test_tabs_that_mysql_writes_as_two_characters_are_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("id\tt\n1\ta\\tb\n2\t\\N\n")
    found = sniff(path, ReadingOptions())
    assert [row[1] for row in rows_of(path, found.reading)[0]] == ["a\\tb", "\\N"]
    assert "what other backslashes mean, such as \\t, is not replaced" in found.warnings[0]


@pytest.mark.parametrize("first", ["1,x\n", "1\n"], ids=["pyarrow", "Python's reader"])
def test_names_that_are_repeated_between_the_rows_are_left_out_with_a_warning(tmp_path: Path, first: str) -> None:
    path = tmp_path / "file"
    path.write_text(f'a,b\n{first}a,"two\nlines"\n\na,b\n2,y\na,b\n')
    rows, warnings = rows_of(path, sniff(path, ReadingOptions()).reading)
    assert rows == [("1", first[2:-1]), ("a", "two\nlines"), ("2", "y")]
    assert "2 rows repeat the names of the columns and are left out: line 6, 8" in warnings[-1]


@pytest.mark.parametrize("odd", ["#N/A,1,2", "#DIV/0!,1,2", "#FF0000,1,2"])
def test_a_row_that_begins_like_a_comment_is_not_lost(tmp_path: Path, odd: str) -> None:
    path = tmp_path / "file"
    path.write_text(f"a,b,c\n5,1,2\n{odd}\n# a comment\n6,1,2\n7,1,2\n")
    rows, warnings = rows_of(path, sniff(path, ReadingOptions()).reading)
    assert rows == [("5", "1", "2"), tuple(odd.split(",")), ("6", "1", "2"), ("7", "1", "2")]
    assert warnings == ["1 line that begins with '#' is left out as a comment, first line 4"]


def test_cells_of_several_lines_in_a_drawn_table_are_told(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("| id | city |\n|----|------|\n| 1  | Bad  |\n|    | Ems  |\n| 2  | Ulm  |\n")
    rows, warnings = rows_of(path, sniff(path, ReadingOptions()).reading)
    assert len(rows) == 3
    assert warnings[1].startswith("1 row has no value in the first column, first line 4; database clients write")


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_blank_lines_between_the_values_of_the_only_column_are_a_warning(tmp_path: Path, end: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(end.join(["id", "", "1", "", '""', "", "", "3", "", "", ""]).encode())
    rows, warnings = rows_of(path, sniff(path, ReadingOptions()).reading)
    assert rows == [("1",), ("",), ("3",)]
    assert warnings[0].startswith("4 blank lines between the rows are left out")


@pytest.mark.parametrize("delimiter", [",", "¬"])
def test_a_header_or_a_record_may_be_longer_than_the_head(tmp_path: Path, delimiter: str) -> None:
    path = tmp_path / "file"
    names = [f"a_rather_long_name_of_a_column_{number}" for number in range(9000)]
    cells = [*["1"] * 8999, "x" * 2_000_000]
    path.write_text(f"{delimiter.join(names)}\n{delimiter.join(cells)}\n")
    reading = sniff(path, ReadingOptions(delimiter=delimiter)).reading
    with open_batches(path, reading) as batches:
        assert list(batches.names) == names
        (batch,) = list(batches)
    assert [column[0].as_py() for column in batch.columns] == cells


def test_a_header_and_records_may_be_longer_than_a_block(tmp_path: Path) -> None:
    path = tmp_path / "file"
    names = [f"a_rather_long_name_of_a_column_{number}_{'x' * 500}" for number in range(3000)]
    cells = [["1"] * 3000, [*["2"] * 2999, "x" * 3_000_000], ["3"] * 3000]
    path.write_text("".join(",".join(row) + "\n" for row in (names, *cells)))
    rows, _ = rows_of(path, sniff(path, ReadingOptions()).reading)
    assert rows == [tuple(row) for row in cells]


def test_a_long_line_of_ascii_beside_an_accent_takes_linear_time(tmp_path: Path) -> None:
    # A pattern that looked for lines with accents tried every start in the long line: hours for a cell of 900 KB.
    path = tmp_path / "file"
    path.write_bytes(b"a,b\n1," + b"x" * 900_000 + b"\n2,caf\xe9\n")
    found = sniff(path, ReadingOptions())
    assert found.reading.encoding == "cp1252"
    assert rows_of(path, found.reading)[0][1] == ("2", "café")


@pytest.mark.parametrize("size", [0, 1, 2, 3, 100])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_byte_order_mark_at_the_beginning_of_a_line_belongs_to_a_joined_file(
    monkeypatch: pytest.MonkeyPatch, size: int, encoding: str
) -> None:
    monkeypatch.setattr(plain, "_CHUNK_BYTES", size or plain._CHUNK_BYTES)
    data = "\ufeffa\nb\ufeff\n\ufeffa\r\ufeffc\n\ufeff".encode("utf-16-le" if encoding == "utf-16" else "utf-8")
    text = io.BufferedReader(plain.Utf8(io.BytesIO(data), encoding)).read().decode()
    assert text == "a\nb\ufeff\na\rc\n"


def test_records_of_joined_json_lines_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b'\xef\xbb\xbf{"a":1}\n' * 2)
    reading = sniff(tmp_path / "file", ReadingOptions()).reading
    with open_batches(tmp_path / "file", reading) as batches:
        assert pa.Table.from_batches(batches).to_pydict() == {"c0": [1, 1]}
