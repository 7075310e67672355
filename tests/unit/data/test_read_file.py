"""A file becomes typed columns, a profile, warnings, and a prepared copy if Ray would read it differently."""

from __future__ import annotations

import csv
import io
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Literal

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from raylane_common.errors import InvalidFile, InvalidRequest, RaylaneError
from raylane_common.wire.reading import ReadingOptions
from raylane_common.wire.sources import ColumnType
from raylane_worker.data.prepare import read_file
from raylane_worker.data.prepare.names import unique_names
from raylane_worker.data.prepare.preview import PREVIEW_CELL_CHARACTERS
from tests.corpus.files import GROUPS, quick_cases
from tests.corpus.files.check import Outcome, judge

if TYPE_CHECKING:
    from collections.abc import Sequence

    from raylane_worker.data.file_content import FileContent

CELL = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\ufeff"), max_size=12),
    st.text(st.sampled_from('a,"\n\r; é'), max_size=12),
    st.sampled_from(["", "NA", "1", "-2.5", "1e9", "true", "2024-01-31", "2024-01-31 10:00:00", "12:30:00", "00501"]),
)
TABLES = st.integers(2, 6).flatmap(
    lambda width: st.lists(st.lists(CELL, min_size=width, max_size=width), min_size=1, max_size=9)
)


@pytest.mark.parametrize("group", GROUPS)
def test_files_of_the_corpus_are_read_right(group: str, tmp_path: Path) -> None:
    verdicts = {case.name: judge(case, tmp_path) for case in quick_cases(group)}
    assert len(verdicts) > 0
    assert {name: one.why for name, one in verdicts.items() if one.outcome is not Outcome.RIGHT} == {}


def content(data: bytes, **said: Any) -> tuple[FileContent, pa.Table | None]:
    """Returns what is read, and the prepared copy."""
    with TemporaryDirectory() as directory:
        path, copy = Path(directory, "file"), Path(directory, "copy")
        path.write_bytes(data)
        found = read_file(path, "file.csv", ReadingOptions(**said), copy_to=copy)
        assert copy.exists() == bool(found.reasons)
        return found, parquet.read_table(copy) if found.reasons else None


def written(table: Sequence[Sequence[str]], quoting: Literal[0, 1] = csv.QUOTE_ALL) -> bytes:
    text = io.StringIO()
    csv.writer(text, quoting=quoting).writerows(table)
    return text.getvalue().encode()


@given(table=TABLES.filter(lambda table: any(name.strip() for name in table[0]) and table[0] not in table[1:]))
def test_no_cell_is_lost_whatever_it_holds(table: list[list[str]]) -> None:
    found, _ = content(written(table), delimiter=",", quote='"', escape="", header_line=1, null_markers=())
    header, *records = table
    kept = [place for place, name in enumerate(header) if name.strip() or any(row[place].strip() for row in records)]
    assert len(found.columns) == len(kept)
    assert found.rows == len(records)
    assert found.preview == tuple(tuple(row[place] for place in kept) for row in records[:5])


@given(data=st.one_of(st.binary(max_size=300), st.text('a1,"\n\r\té;', max_size=60).map(str.encode)))
def test_any_bytes_are_a_table_or_a_typed_error(data: bytes) -> None:
    try:
        found, _ = content(data)
    except RaylaneError as error:
        assert error.message
    else:
        assert len(found.preview) == min(found.rows, 5)


@pytest.mark.parametrize("encoding", ["idna", "punycode", "undefined", "unicode_escape", "utf-7", "utf-16", "utf-32"])
def test_any_encoding_that_a_user_names_fits_or_is_refused(encoding: str) -> None:
    try:
        content(b"a,b\n1,x\n2,y\n", encoding=encoding)
    except RaylaneError as error:
        assert "encoding" in error.message or "file is empty" in error.message


@pytest.mark.parametrize("marker", ["-999", "0", "1.5", "2020-01-01"])
def test_a_value_that_the_user_calls_missing_is_missing(marker: str) -> None:
    others = {"2020-01-01": ["2021-05-06"], "1.5": ["2.5", "7"]}.get(marker, ["3", "7"])
    found, _ = content(
        "\n".join(["a,b", *(f"{cell},x" for cell in [*others, marker, *others])]).encode(), null_markers=(marker,)
    )
    assert found.columns[0].type != "string"
    assert found.columns[0].profile is not None
    assert found.columns[0].profile.nulls == 1


def test_reading_imports_no_pandas_though_it_is_installed(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"a;t;z;n;d\nNA;2020-01-01 10:00:00;02134;12345678901234567891;1,5\nx;;2134;1;2,5\nX ;;;;\n")
    code = (
        "import sys; from pathlib import Path; from raylane_common.wire.reading import ReadingOptions; "
        "from raylane_worker.data.prepare import read_file; "
        f"found = read_file(Path({str(path)!r}), 'a.csv', ReadingOptions(), copy_to=Path({str(tmp_path / 'c')!r})); "
        "print(len(found.reasons), 'pandas' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["1", "False"]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b",b\n1,2\n", "renamed columns: 'column_1' (number 1, without a name)"),
        (b"a,b,a\n1,2,3\n", "renamed columns: 'a_2' (number 3, 'a')"),
        (b"a,b\n", "no rows"),
        (b"a,b\nNA,\nx,1\nNA,NA\nnull,2\n", "in column 'a' these words count as missing values: 'NA' (2), 'null' (1)"),
        (b"region\nNorth\nnorth\nSouth\n", "differ only in case or in spaces around them, such as 'North' and 'north'"),
        (b"region\nNorth\nNorth \n", "such as 'North' and 'North '"),
        (b"x\n" + b"1\n" * 20 + b"many\n", "holds 'many' among cells of type integer; use --null"),
        (
            b"d\n" + b"2024-01-02\n" * 20 + b"31.12.2024\n",
            "holds '31.12.2024' among cells of type date; use --null",
        ),
        (b"d\n01/02/2024\n03/04/2024\n", "use --date-order dmy or mdy"),
        (b"d\n01/02/03\n03/04/05\n", "use --date-order ymd, dmy or mdy"),
        (b"born\n25/11/63\n2/1/70\n", "30 to 68 are read as 2030 to 2068, and its last date is 2063-11-25"),
        (b"a;v\nx;1.234\ny;5.678\n", "the points of '1.234' and '5.678' are taken for decimal marks"),
        (
            b"a;lat;v\nx;52.123;1,5\ny;48.567;2,5\n",
            "the points of '52.123' and '48.567' are taken to separate thousands",
        ),
        (b"a,v\nx,1\nTotal: Account,1\n", "'Total: Account' in column 'a' seems to mean"),
        (b"a,v\nx,1\nSumme,1\n", "'Summe' in column 'a' seems to mean"),
        (b"a,v,w\nx,1.5,2\ny,2.5,3\nz,3,1\n,7,6\n", "row 4, the last one, seems to be the sum"),
        (b'zip,n\n="00123",1\n', "a spreadsheet wrote a formula"),
        (b"a,v\nx,1\na,v\ny,2\n", "1 row repeats the names of the columns and is left out: line 3"),
        (b"\xef\xbb\xbfa,v\nx,1\n" * 2, "1 row repeats the names of the columns and is left out: line 3"),
        (b'\xef\xbb\xbf"a","v"\r\nx,1\r\n' * 2, "1 row repeats the names of the columns and is left out: line 3"),
    ],
)
def test_a_flaw_that_does_not_prevent_reading_is_a_warning(data: bytes, expected: str) -> None:
    (warning,) = content(data)[0].warnings
    assert expected in warning


def test_years_of_two_digits_before_2030_are_no_doubt() -> None:
    assert content(b"born\n25/11/29\n2/1/70\n")[0].warnings == ()


@pytest.mark.parametrize(
    "data",
    [
        b"a,b; c\n1,2\n",
        b"n,x\n0,0.50\n-3,1e-7\n1234567890123456789,\n100,0.25\n",
        b"region,n\nNorth,1\nSouth,2\n",
    ],
)
def test_a_clean_file_has_no_warnings_and_needs_no_copy(data: bytes) -> None:
    found, copy = content(data)
    assert (found.warnings, found.reasons, copy) == ((), (), None)


def test_a_file_that_ray_reads_right_has_the_types_of_rays_reader() -> None:
    found, _ = content(b"a,b,t\n1,x,2024-01-31 10:00:00\n2,y,2024-01-31 10:00:00\n")
    assert [(column.type, column.native_type) for column in found.columns] == [
        (ColumnType.INTEGER, "int64"),
        (ColumnType.STRING, "string"),
        (ColumnType.TIMESTAMP, "timestamp[s]"),
    ]


@pytest.mark.parametrize("data", [b"a, b\n1, 2\n3, 4\n", b"a, b, c\n1, true, 0.5\n2, , 1\n", b'a, "b"\n1,2\n3,4\n'])
def test_names_that_ray_would_read_with_their_spaces_are_a_reason_for_a_copy(data: bytes) -> None:
    found, copy = content(data)
    names = [column.name for column in found.columns]
    assert copy is not None
    assert copy.column_names == names == ["a", "b", "c"][: len(names)]
    assert "Ray would name column 'b' ' " in found.reasons[0]


def test_a_prepared_copy_says_why_and_how_cells_were_written() -> None:
    found, copy = content("name;price;day\nA;€ 1.234,50;31.01.2024\nB;€ 2,00;05.02.2024\n".encode())
    assert found.reasons == ("the delimiter is ';'",)
    assert [column.written for column in found.columns] == [
        None,
        "decimal comma, thousands '.', currency €",
        "day.month.year",
    ]
    assert copy is not None
    assert copy.column("price").to_pylist() == [1234.5, 2.0]


def test_a_profile_has_what_is_known_of_a_column() -> None:
    found, _ = content(b"n,t\n1,ab\n2,abc\n2,\n5,ab\n")
    number, text = (column.profile for column in found.columns)
    assert number is not None
    assert number.model_dump(exclude_defaults=True) == {
        "nulls": 0,
        "distinct": 3,
        "min": 1,
        "max": 5,
        "mean": 2.5,
        "magnitude": 10.0,
        "order": "ascending",
    }
    assert text is not None
    assert (text.nulls, text.distinct, text.longest, text.min, text.top) == (1, 2, 3, None, ())


def test_long_cells_are_cut_in_the_preview() -> None:
    ((cell,),) = content(b"a\n" + b"x" * 200_000 + b"\n")[0].preview
    assert len(cell) == PREVIEW_CELL_CHARACTERS
    assert cell.endswith("x…")


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["a", "a", "a"], ["a", "a_2", "a_3"]),
        (["a", "a", "a_2"], ["a", "a_3", "a_2"]),
        (["", "", "column_1"], ["column_1_2", "column_2", "column_1"]),
        ([" a ", "b\nc"], ["a", "b c"]),
    ],
)
def test_names_are_unique_and_not_empty(names: list[str], expected: list[str]) -> None:
    assert unique_names(names) == expected


@given(st.lists(st.sampled_from(["", "a", "a_2", "a_3", "column_1", "column_2", " "]), max_size=8))
def test_any_names_become_unique(names: list[str]) -> None:
    found = unique_names(names)
    assert len(set(found)) == len(names)
    assert all(found)


@pytest.mark.parametrize(
    ("said", "error", "problem"),
    [
        ({"types": {"e": "string"}}, InvalidRequest, "the file has no column 'e'; it has 'a', 'b'"),
        ({"decimal": ","}, InvalidRequest, "reading.decimal: is ',', but column 'c' is not written so: its numbers"),
        ({"date_order": "mdy"}, InvalidRequest, "reading.date_order: is 'mdy', but column 'd' is not written so: its"),
        ({"types": {"a": "integer"}}, InvalidFile, "types.a: row 2 (line 3) holds 'x', which is not of type"),
    ],
)
def test_what_a_user_says_that_does_not_fit_is_refused_with_its_place(
    said: dict[str, Any], error: type[RaylaneError], problem: str
) -> None:
    with pytest.raises(error) as raised:
        content(b"a,b,c,d\n1,2,1.5,31/12/2024\nx,3,2.5,01/02/2024\n", **said)
    assert problem in raised.value.message


@pytest.mark.parametrize(
    ("data", "place"),
    [
        (b"a,b\n\n\n1,2\nx,3\n", "row 2 (line 5)"),
        (b"Sales 2024\n\na,b\n1,2\nx,3\n", "row 2 (line 5)"),
        (b'"a\nname",b\n1,2\nx,3\n', "row 2 (line 4)"),
        (b'a,b\r\n1,"2\r\n3"\r\nx,3\r\n', "row 2 (line 4)"),
        (b"a,b\n1,2\n# checked\nx,3\n", "row 2 (line 4)"),
        (b"a,b\n1,2\na,b\nx,3\n", "row 2 (line 4)"),
    ],
)
def test_the_line_of_a_cell_that_does_not_fit_counts_what_is_no_row(data: bytes, place: str) -> None:
    name = "a name" if b"name" in data else "a"
    with pytest.raises(InvalidFile) as raised:
        content(data, types={name: "integer"})
    assert f"{place} holds 'x'" in raised.value.message
    assert raised.value.details["line"] == int(place[-2])


def test_a_cell_that_does_not_fit_in_a_file_without_lines_has_only_a_row() -> None:
    file = io.BytesIO()
    parquet.write_table(pa.table({"a": ["1", "x"]}), file)
    with pytest.raises(InvalidFile, match="row 2 holds 'x'") as raised:
        content(file.getvalue(), types={"a": "integer"})
    assert raised.value.details == {"column": "a", "row": 2}
