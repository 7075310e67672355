from __future__ import annotations

import csv
import io
import subprocess
import sys
from typing import TYPE_CHECKING, Literal

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import csv as arrow_csv

from raylane_common.errors import InvalidFile
from raylane_common.wire.sources import ColumnType
from raylane_worker.data.csv_profile import BLOCK_BYTES, MAX_COLUMNS, PREVIEW_CELL_CHARACTERS, profile

if TYPE_CHECKING:
    from collections.abc import Sequence

CELL = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\ufeff"), max_size=12),
    st.text(st.sampled_from('a,"\n\r; é'), max_size=12),
    st.sampled_from(["", "NA", "1", "-2.5", "1e9", "true", "2024-01-31", "2024-01-31 10:00:00", "12:30:00", "00501"]),
)
TABLES = st.integers(1, 6).flatmap(
    lambda width: st.lists(st.lists(CELL, min_size=width, max_size=width), min_size=1, max_size=9)
)


def written(
    table: Sequence[Sequence[str]], *, quoting: Literal[0, 1] = csv.QUOTE_MINIMAL, line_end: str = "\r\n"
) -> bytes:
    text = io.StringIO()
    csv.writer(text, quoting=quoting, lineterminator=line_end).writerows(table)
    return text.getvalue().encode()


def refusal(data: bytes) -> InvalidFile:
    with pytest.raises(InvalidFile) as caught:
        profile(data)
    return caught.value


@pytest.mark.parametrize(("quoting", "line_end"), [(csv.QUOTE_MINIMAL, "\r\n"), (csv.QUOTE_ALL, "\n")])
@given(table=TABLES)
def test_a_profile_describes_what_was_written(quoting: Literal[0, 1], line_end: str, table: list[list[str]]) -> None:
    found = profile(written(table, quoting=quoting, line_end=line_end))
    header, *records = table
    assert [column.name for column in found.columns] == header
    assert found.rows == len(records)
    assert found.preview == tuple(map(tuple, records[:5]))


@given(table=TABLES)
def test_types_are_those_of_the_reader_that_ray_uses(table: list[list[str]]) -> None:
    data = written(table)
    options = arrow_csv.ConvertOptions(strings_can_be_null=True)
    schema = arrow_csv.read_csv(pa.BufferReader(data), convert_options=options).schema
    assert [column.native_type for column in profile(data).columns] == [str(field.type) for field in schema]


@given(data=st.one_of(st.binary(max_size=300), st.text('a1,"\n\r\té;', max_size=60).map(str.encode)))
def test_any_bytes_are_a_profile_or_an_invalid_file(data: bytes) -> None:
    try:
        found = profile(data)
    except InvalidFile as error:
        assert error.message
    else:
        assert found.columns
        assert len(found.preview) == min(found.rows, 5)


def test_a_profile_imports_no_pandas_though_it_is_installed() -> None:
    data = b"a,t,z,n\nNA,2020-01-01 10:00:00,02134,12345678901234567891\nx,,2134,1\nX ,,,\n"
    code = f"import sys; from raylane_worker.data.csv_profile import profile; print(len(profile({data!r}).warnings))"
    ran = subprocess.run(
        [sys.executable, "-c", f"{code}; print('pandas' in sys.modules)"], capture_output=True, text=True, check=True
    )
    assert ran.stdout.split() == ["4", "False"]


def test_every_arrow_type_has_a_column_type() -> None:
    cells = {
        "1": ColumnType.INTEGER,
        "1.5": ColumnType.NUMBER,
        "text": ColumnType.STRING,
        "true": ColumnType.BOOLEAN,
        "2024-01-31": ColumnType.DATE,
        "2024-01-31 10:00:00": ColumnType.TIMESTAMP,
        "2024-01-31T10:00:00.123456789Z": ColumnType.TIMESTAMP,
        "10:00:00": ColumnType.OTHER,
        "": ColumnType.OTHER,
    }
    found = profile(written([list(cells), list(cells)]))
    assert {column.name: column.type for column in found.columns} == cells


def test_a_last_line_without_a_line_break_counts() -> None:
    assert profile(b"a,b\n1,2\n3,4").rows == 2


def test_empty_lines_are_no_rows() -> None:
    assert profile(b"\n\na,b\n1,2\n\n3,4\n\n").rows == 2


def test_long_cells_are_cut_in_the_preview() -> None:
    (record,) = profile(b"a\n" + b"x" * 200_000 + b"\n").preview
    assert len(record[0]) == PREVIEW_CELL_CHARACTERS
    assert record[0].endswith("x…")


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"\xef\xbb\xbfa,b\n1,2\n", "byte order mark"),
        (b",b\n1,2\n", "columns without a name: number 1"),
        (b"a,b,a\n1,2,3\n", "the same name: 'a'"),
        (b" a,b\n1,2\n", "a space, which is part of the name: ' a'"),
        (b"a;b\n1;2\n", "separated by ';'"),
        (b"a\tb\n1\t2\n", "separated by tabs"),
        (b"a,b\n", "no rows"),
        (b"a,b\nNA,\nx,1\nNA,NA\nnull,2\n", "in column 'a' these words count as missing values: 'NA' (2), 'null' (1)"),
        (b"zip\n10001\n02134\n2134\n", "without the zeros at the beginning of cells such as '02134'"),
        (b"x\n1.5\n-007.5\n", "without the zeros at the beginning of cells such as '-007.5'"),
        (b"id\n12345678901234567890\n12345678901234567891\n", "such as '12345678901234567890' are not exact"),
        (b"id,id\n1,00\n2,x\n", "the same name: 'id'"),
        (b"region\nNorth\nnorth\nSouth\n", "differ only in case or in spaces around them, such as 'North' and 'north'"),
        (b"region\nNorth\nNorth \n", "such as 'North' and 'North '"),
    ],
)
def test_a_flaw_that_does_not_prevent_reading_is_a_warning(data: bytes, expected: str) -> None:
    (warning,) = profile(data).warnings
    assert expected in warning


@pytest.mark.parametrize(
    "data",
    [
        b"a,b; c\n1,2\n",
        b"n,x,text\n0,0.50,007\n-0,1e-7,x y\n1234567890123456789,-10000000000000000,\n100,0,\n",
        b"x\n1.5\n12345678901234567000.25\n0.12345678901234567890\n",
    ],
)
def test_a_clean_file_has_no_warnings(data: bytes) -> None:
    assert profile(data).warnings == ()


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", "empty"),
        (b"\n\n", "empty"),
        (b"\xef\xbb\xbf", "empty"),
        (b"a,b", "header never ends"),
        (b'a,"b\n1,2\n', "close every quote"),
        (b'a,b\n1,"2\n3,4\n', "never closed"),
        (b'a,b\n1,"2\n3,4', "never closed"),
        (b"a,b\n1,\x002\n", "line 2 holds a NUL byte"),
        ("a,b\né,2\n".encode("latin-1"), "line 2 is not UTF-8 (byte 0xe9)"),
        ("é,b\n1,2\n".encode("latin-1"), "line 1 is not UTF-8"),
        ("a,b\n1,2\n".encode("utf-16"), "UTF-16; save it as UTF-8"),
        ("a,b\n1,2\n".encode("utf-16-le"), "UTF-16; save it as UTF-8"),
        (b"PK\x03\x04\x14\x00", "Excel"),
        (b"\x1f\x8b\x08\x00", "gzip"),
        (b"a;b\n1,5;2,5\n", "separated by ';'"),
        (b"x" * 200_000 + b"\n1\n", "header cannot be read"),
        (b"," * MAX_COLUMNS + b"\n", "at most 10,000"),
    ],
)
def test_a_file_that_is_no_csv_is_refused_with_the_reason(data: bytes, expected: str) -> None:
    assert expected in refusal(data).message


@pytest.mark.parametrize(
    ("record", "expected"), [("3", "is 1, the header's is 2"), ("3,4,5", "is 3, the header's is 2; quote cells")]
)
def test_the_line_of_a_record_with_another_length_is_named(record: str, expected: str) -> None:
    error = refusal(f'a,b\n1,2\n\n1,"x\ny"\n{record}\n5,6\n'.encode())
    assert error.details == {"line": 6}
    assert f"line 6 {expected}" in error.message


@pytest.mark.parametrize(("first", "later"), [("1", "unknown"), ("1", "1.5"), ("", "text")])
def test_a_column_that_ray_cannot_convert_is_refused(first: str, later: str) -> None:
    record = f"7,{first}\n"
    rows = BLOCK_BYTES // len(record) + 1
    error = refusal(f"id,value\n{record * rows}7,{later}\n".encode())
    assert error.details == {"column": "value", "record": rows + 2}
    assert repr(later) in error.message


@pytest.mark.parametrize("header", ["a", "a,b"])
def test_a_quoted_line_break_on_the_border_of_two_blocks_is_refused(header: str) -> None:
    record = '"' + "line\n" * 20_000 + '"' + ",1" * header.count(",") + "\n"
    assert "line break inside quotes" in refusal(f"{header}\n{record * 20}".encode()).message


def test_a_large_file_is_read_to_its_end() -> None:
    record = b'1,"one, line",nan,Inf\n'
    rows = 2 * BLOCK_BYTES // len(record)
    assert profile(b"a,b,c,d\n" + record * rows).rows == rows


def test_a_record_longer_than_a_block_is_refused() -> None:
    assert "longer than 1 MiB" in refusal(b"a\n" + b"x" * (3 * BLOCK_BYTES) + b"\n").message
