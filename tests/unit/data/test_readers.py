"""Workbooks, JSON, Parquet and Arrow are read with the types that they have."""

from __future__ import annotations

import io
from datetime import date, datetime, time
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
import xlsxwriter
from pyarrow import ipc, parquet

from raylane_common.errors import InvalidFile, InvalidRequest
from raylane_common.wire.reading import FileFormat, Reading, ReadingOptions
from raylane_worker.data.readers import open_batches
from raylane_worker.data.sniff import sniff

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from xlsxwriter.workbook import Workbook


JSON_WITH_LATE_FIELDS = [(1, None, None), (None, 2, None), (4, None, 3)]


def read(tmp_path: Path, data: str | bytes, **said: Any) -> tuple[dict[str, str], list[tuple[object, ...]], str]:
    """Returns the names and types, the rows, and all warnings as one text."""
    path = tmp_path / "file"
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    found = sniff(path, ReadingOptions(**said))
    with open_batches(path, found.reading) as opened:
        table = pa.Table.from_batches(list(opened))
        types = dict(zip(opened.names, map(str, table.schema.types), strict=True))
    rows = list(zip(*[column.to_pylist() for column in table.columns], strict=True))
    return types, rows, " ".join([*found.warnings, *opened.warnings])


def workbook(fill: Callable[[Workbook], None]) -> bytes:
    data = io.BytesIO()
    with xlsxwriter.Workbook(data, {"in_memory": True}) as book:
        fill(book)
    return data.getvalue()


@pytest.mark.parametrize(
    ("text", "types", "rows"),
    [
        (
            '[{"a":1,"b":{"c":2,"d":{"e":1}}},{"a":2.5,"z":"00501"}]',
            {"a": "double", "b.c": "int64", "b.d": "string", "z": "string"},
            [(1.0, 2, '{"e": 1}', None), (2.5, None, None, "00501")],
        ),
        ('{"a":1}\n\n{"a":"x","l":[1,2]}\n', {"a": "string", "l": "string"}, [("1", None), ("x", "[1, 2]")]),
        ('[{"id":12345678901234567890},{"id":1}]', {"id": "string"}, [("12345678901234567890",), ("1",)]),
        ('[{"id":1234567890123456789},{"id":2}]', {"id": "int64"}, [(1234567890123456789,), (2,)]),
        ('[{"id":1234567890123456789},{"id":1.5}]', {"id": "string"}, [("1234567890123456789",), ("1.5",)]),
        ('[{"a":NaN},{"a":1}]', {"a": "int64"}, [(None,), (1,)]),
        ('{"data":[{"a":1},{"a":2}],"n":2}', {"a": "int64"}, [(1,), (2,)]),
        ('{\n "a": 1,\n "b": "x"\n}', {"a": "int64", "b": "string"}, [(1, "x")]),
        (
            '[{"a":true,"b":null,"c":""},{"a":false,"c":"x\\ny"}]',
            {"a": "bool", "b": "string", "c": "string"},
            [(True, None, ""), (False, None, "x\ny")],
        ),
        ('{"a":1}\r\n{"a":2}\r\n', {"a": "int64"}, [(1,), (2,)]),
        ('\ufeff[{"é":"日本"}]', {"é": "string"}, [("日本",)]),
        ('[{"a":1e400},{"a":1}]', {"a": "string"}, [("1e400",), ("1",)]),
        ('[{"a":Infinity},{"a":1.5}]', {"a": "double"}, [(float("inf"),), (1.5,)]),
        ('[{"a":[]},{"a":[1]}]', {"a": "string"}, [("[]",), ("[1]",)]),
        ('[{},{"a":{}},{"a":{"b":1}}]', {"a.b": "int64"}, [(None,), (None,), (1,)]),
        ('[{"a":1},{"b":2},{"c":3,"a":4}]', {"a": "int64", "b": "int64", "c": "int64"}, JSON_WITH_LATE_FIELDS),
        ('{\n "a": 1\n}\n{\n "a": 2\n}\n', {"a": "int64"}, [(1,), (2,)]),
        (f'{{"a":"{"x" * 300_000}"}}\n{{"a":"y"}}\n', {"a": "string"}, [("x" * 300_000,), ("y",)]),
        ('[{"a":true},{"a":"x\\u0000"}]', {"a": "string"}, [("true",), ("x\0",)]),
    ],
)
def test_json_keeps_its_types(tmp_path: Path, text: str, types: dict[str, str], rows: list[tuple[object, ...]]) -> None:
    assert read(tmp_path, text)[:2] == (types, rows)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('[{"a":1,"a":2}]', "record 1 is not JSON: an object has the field 'a' twice"),
        ('{"a":1}\n{"a":\n', "line 2 is not JSON"),
        ('[{"a":1},\n\n{"a":x}]', "record 2 is not JSON: Expecting value (line 3)"),
        ("[1,2]", "record 1 is not an object with fields"),
        ('{"id":{"0":1,"1":2},"n":{"0":3,"1":4}}', "perhaps columns; write an array of records"),
        ('{"columns":["a"],"index":[0],"data":[[1]]}', "perhaps columns; write an array of records"),
        ('{"a":[1,2],"b":[3,4]}', "perhaps columns; write an array of records"),
        ("[" * 100_000, "nested too deeply"),
        ('{"a":1}\n{"a":' + "[" * 100_000, "line 2 is not JSON: its arrays and objects are nested too deeply"),
        ('[{"a":' + "1" * 5000 + "}]", "a number has more than 4,300 digits"),
        ('{"a":1}\n{"a":"' + "x" * 17_000_000 + '"}\n', "record 2 is longer than 16 MiB"),
        ('{"a":1}\n{"a":2}\n' + "x" * 300_000 + "\n" + "x" * 17_000_000, "line 3 is not JSON"),
        ('{"a":1}\n{"a":2}\n{"a":"' + "x" * 17_000_000 + '"}\n', "line 3 is longer than 16 MiB"),
        ('[{"a":"' + "x" * 17_000_000 + '"}]', "record 1 is longer than 16 MiB"),
        ('{"a":1}x', "after record 1 there is no object"),
        ("[]", "no records with fields"),
        ('[{"a":1},{"a":2}', "after record 2 there is neither ',' nor ']'"),
        ('[{"a":1}]\n[{"a":2}]', "more text after the end of the array"),
        ('{"a":[{"x":1}],"b":[{"y":1}]}', "several arrays of records ('a', 'b')"),
    ],
)
def test_json_that_is_no_table_is_refused_with_its_place(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(InvalidFile) as raised:
        read(tmp_path, text)
    assert problem in raised.value.message


@pytest.mark.parametrize(
    ("text", "rows", "warning"),
    [
        ('{"data":[{"a":1}],"page":1,"next":null}', [(1,)], "those in 'data'; what is in 'page', 'next' is left out"),
        ('{"a":1,"tags":["x"]}', [(1, '["x"]')], "a single record, so the table has one row"),
        ('[{"a":"\\ud83d"},{"a":"\\ud83d\\ude00"}]', [("\ufffd",), ("😀",)], "halves of characters"),
    ],
)
def test_json_that_is_read_in_part_says_so(
    tmp_path: Path, text: str, rows: list[tuple[object, ...]], warning: str
) -> None:
    _, found, warnings = read(tmp_path, text)
    assert found == rows
    assert warning in warnings


def test_many_short_records_in_an_array_take_linear_time(tmp_path: Path) -> None:
    # Copying the rest of the text for each record took minutes.
    text = "[" + ",".join(f'{{"n":{number}}}' for number in range(200_000)) + "]"
    path = tmp_path / "file"
    path.write_text(text)
    with open_batches(path, Reading(format=FileFormat.JSON)) as opened:
        assert sum(batch.num_rows for batch in opened) == 200_000


def test_a_record_may_be_cut_anywhere_by_the_reader(tmp_path: Path) -> None:
    long = "x" * 700_000
    text = "[" + ", \n".join(f'{{"n": {number}, "t": "{long}"}}' for number in range(5)) + "]"
    _, rows, _ = read(tmp_path, text)
    assert rows == [(number, long) for number in range(5)]


def _sales(book: Workbook) -> None:
    sheet = book.add_worksheet("Sales")
    day, hour, moment = (book.add_format({"num_format": text}) for text in ("yyyy-mm-dd", "hh:mm", "yyyy-mm-dd hh:mm"))
    sheet.merge_range("A1:E1", "Sales 2024")
    sheet.write_row(2, 0, ["id", "day", "amount", "ok", "zip", "at", "moment", "broken"])
    for index in range(2):
        row = 3 + index
        sheet.write_number(row, 0, index)
        sheet.write_datetime(row, 1, datetime(2024, 1, 1 + index), day)
        sheet.write_number(row, 2, 1.5 * index)
        sheet.write_boolean(row, 3, bool(index))
        sheet.write_string(row, 4, f"0050{index}")
        sheet.write_datetime(row, 5, time(10, 30 + index), hour)
        sheet.write_datetime(row, 6, datetime(2024, 1, 1, 10, 30 + index), moment)
        sheet.write_formula(row, 7, "=A1/0", None, "#DIV/0!")
    book.add_worksheet("Other")


def test_a_sheet_is_read_below_its_title_with_the_types_of_its_cells(tmp_path: Path) -> None:
    types, rows, warnings = read(tmp_path, workbook(_sales))
    assert types == {
        "id": "int64",
        "day": "date32[day]",
        "amount": "double",
        "ok": "bool",
        "zip": "string",
        "at": "time64[us]",
        "moment": "timestamp[us]",
        "broken": "string",
    }
    first = (0, date(2024, 1, 1), 0.0, False, "00500", time(10, 30), datetime(2024, 1, 1, 10, 30), None)
    assert rows[0] == first
    assert "only sheet 'Sales' is read; the workbook has 'Sales', 'Other'" in warnings
    assert "row 3, and what is above, such as 'Sales 2024', is left out" in warnings


def test_a_table_may_begin_anywhere_in_a_sheet(tmp_path: Path) -> None:
    def fill(book: Workbook) -> None:
        sheet = book.add_worksheet()
        for number, row in enumerate((["a", "b"], [1, "x"], ["n/a", 2.5])):
            sheet.write_row(3 + number, 2, row)

    assert read(tmp_path, workbook(fill))[:2] == ({"a": "string", "b": "string"}, [("1", "x"), ("n/a", "2.5")])


def test_a_sheet_without_a_header_loses_no_row(tmp_path: Path) -> None:
    def fill(book: Workbook) -> None:
        sheet = book.add_worksheet()
        sheet.write_row(0, 0, [1, "a"])
        sheet.write_row(1, 0, [2, "b"])

    path = tmp_path / "file"
    path.write_bytes(workbook(fill))
    found = sniff(path, ReadingOptions())
    with open_batches(path, found.reading) as opened:
        assert list(opened.names) == ["", ""]
        assert sum(batch.num_rows for batch in opened) == 2
    assert "--header-line 1" in found.warnings[0]


@pytest.mark.parametrize(
    ("said", "error", "problem"),
    [
        ({"sheet": "Other"}, InvalidFile, "sheet 'Other' is empty"),
        ({"sheet": "Nope"}, InvalidRequest, "there is no sheet 'Nope'; the workbook has 'Sales', 'Other'"),
        ({"header_line": 2}, InvalidRequest, "is 2, and this row of the sheet is empty"),
        ({"delimiter": ";"}, InvalidRequest, "reading.delimiter: does not fit, because the file is workbook"),
    ],
)
def test_a_sheet_that_cannot_be_read_is_refused(
    tmp_path: Path, said: dict[str, Any], error: type[Exception], problem: str
) -> None:
    with pytest.raises(error, match=problem.replace(".", r"\.")):
        read(tmp_path, workbook(_sales), **said)


def test_parquet_and_arrow_keep_their_types(tmp_path: Path) -> None:
    table = pa.table({"a": pa.array(["x", "y"]).dictionary_encode(), "b": pa.array([[1], None])})
    expected = ({"a": "string", "b": "list<element: int64>"}, [("x", [1]), ("y", None)], "")
    parquet.write_table(table, tmp_path / "table")
    data = (tmp_path / "table").read_bytes()
    assert read(tmp_path, data) == expected
    with pytest.raises(InvalidFile, match="the Parquet file cannot be read"):
        read(tmp_path, data[:-10])
    for new in (ipc.new_file, ipc.new_stream):
        packed = io.BytesIO()
        with new(packed, table.schema) as writer:
            writer.write(table)
        types, rows, _ = read(tmp_path, packed.getvalue())
        assert (types["a"], rows) == ("string", expected[1])
        with pytest.raises(InvalidFile, match="the Arrow file"):
            read(tmp_path, packed.getvalue()[: len(packed.getvalue()) // 2])
