"""Workbooks, JSON, Parquet and Arrow are read with the types that they have."""

from __future__ import annotations

import errno
import io
import tempfile
import zipfile
from contextlib import suppress
from datetime import date, datetime, time
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
import xlsxwriter
from pyarrow import ipc, parquet

from raylane_common.errors import InvalidFile, InvalidRequest
from raylane_common.wire.reading import FileFormat, Reading, ReadingOptions
from raylane_worker.data.prepare import read_file
from raylane_worker.data.readers import open_batches
from raylane_worker.data.readers.refused import Refused
from raylane_worker.data.readers.sheet_xml import hidden_in, negative_in
from raylane_worker.data.sniff import sniff
from tests.helpers.old_workbook import CLOCK, DATE, PLAIN, Cell, compound_file, old_workbook

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
        ('{"a":1}\n{"a":"x"}', [("1",), ("x",)], "columns with values of several types are text: 'a'"),
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


def test_a_single_row_of_numbers_is_data(tmp_path: Path) -> None:
    assert read(tmp_path, workbook(lambda book: book.add_worksheet().write_row(0, 0, [1, 2.5])))[1] == [(1, 2.5)]


def test_a_sheet_with_nothing_but_names_is_a_table_without_rows(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(workbook(lambda book: book.add_worksheet().write_row(0, 0, ["a", "b"])))
    found = read_file(path, "file", ReadingOptions(), copy_to=tmp_path / "copy")
    assert (found.rows, [(one.name, str(one.type)) for one in found.columns]) == (0, [("a", "string"), ("b", "string")])


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
        ({"header_line": 2}, InvalidRequest, "reading.header_line: row 2 of the sheet is empty"),
        ({"delimiter": ";"}, InvalidRequest, "reading.delimiter: does not apply, because the file is a workbook"),
    ],
)
def test_a_sheet_that_cannot_be_read_is_refused(
    tmp_path: Path, said: dict[str, Any], error: type[Exception], problem: str
) -> None:
    with pytest.raises(error, match=problem.replace(".", r"\.")):
        read(tmp_path, workbook(_sales), **said)


@pytest.mark.parametrize("limit", ["memory", "time"])
def test_a_small_workbook_that_asks_for_too_much_ends_only_its_own_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    # The library aborts the process in the first case, and never ends in the second one.
    row = {"memory": '<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>', "time": ENDLESS_ROW}[limit]
    monkeypatch.setattr("raylane_worker.data.readers.workbook._CPU_S", 1)
    data = with_sheet((_HEADER if limit == "memory" else "") + row)
    with pytest.raises(InvalidFile, match="more than 2 GiB of memory" if limit == "memory" else "more than 1 s"):
        read(tmp_path, data)


def test_a_disk_that_fills_up_is_not_the_fault_of_the_workbook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda **_: open("/dev/full", "r+b"))  # noqa: SIM115
    with pytest.raises(OSError, match="No space left") as raised:
        read(tmp_path, workbook(_sales))
    assert raised.value.errno == errno.ENOSPC


def test_a_workbook_that_breaks_its_library_is_refused(tmp_path: Path) -> None:
    good = workbook(_sales)
    for place in range(40, len(good), len(good) // 6):
        damaged = good[:place] + bytes(byte ^ 0x5A for byte in good[place : place + 20]) + good[place + 20 :]
        with suppress(InvalidFile):
            read(tmp_path, damaged)


# The library never ends.
ENDLESS_ROW = '<row r="1"><c r="ZZZZZ99999999999"><v>1</v></c></row>'


def with_sheet(rows: str) -> bytes:
    """Returns a workbook whose only sheet has these rows, as XML."""
    sheet = f'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>{rows}'
    packed = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(workbook(lambda book: book.add_worksheet("S")))) as template,
        zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        for name in template.namelist():
            is_sheet = name == "xl/worksheets/sheet1.xml"
            archive.writestr(name, f"{sheet}</sheetData></worksheet>" if is_sheet else template.read(name))
    return packed.getvalue()


_HEADER = '<row r="1"><c r="A1" t="str"><v>x</v></c><c r="B1" t="str"><v>y</v></c></row>'


@pytest.mark.parametrize("value", ["", "<v></v>", "<v/>"])
def test_a_formula_without_a_stored_value_is_not_a_missing_value(tmp_path: Path, value: str) -> None:
    cells = f'<row r="2"><c r="A2"><f>1+1</f>{value}</c><c r="B2"><f>1+2</f>{value}</c></row>'
    with pytest.raises(InvalidFile, match="the formula in A2 and 1 more has no stored value"):
        read(tmp_path, with_sheet(_HEADER + cells))


def test_errors_and_formulas_are_found_in_elements_with_a_prefix(tmp_path: Path) -> None:
    # As the Open XML SDK writes them.
    path = tmp_path / "file"
    cells = '<x:c r="A2" t="e"><x:v>#N/A</x:v></x:c><x:c r="B2"><x:f>1+1</x:f></x:c>'
    path.write_bytes(with_sheet(cells))
    with pytest.raises(Refused, match="the formula in B2 has no stored value"):
        hidden_in(str(path), "S")
    path.write_bytes(with_sheet(cells.replace("</x:f>", "</x:f><x:v>-2</x:v>")))
    assert hidden_in(str(path), "S")[0] == "cells with errors such as #N/A count as missing values: A2"
    assert list(negative_in(str(path), "S")) == ["B2"]


def test_a_formula_that_gives_an_empty_text_is_missing(tmp_path: Path) -> None:
    cells = '<row r="2"><c r="A2" t="str"><f>""</f><v></v></c><c r="B2"><f>1+2</f><v>3</v></c></row>'
    assert read(tmp_path, with_sheet(_HEADER + cells))[1] == [(None, 3)]


def test_formulas_are_found_in_every_piece_of_a_large_sheet(tmp_path: Path) -> None:
    filler = '<c r="A2"><f>1+1</f><v>2</v></c>'
    rows = "".join(f'<row r="{row}">{filler}<c r="B{row}" t="e"><v>#N/A</v></c></row>' for row in range(2, 40_002))
    path = tmp_path / "file"
    path.write_bytes(with_sheet(_HEADER + rows))
    assert hidden_in(str(path), "S")[0].endswith("count as missing values: B2 and 39,999 more")


def _odd(book: Workbook) -> None:
    sheet = book.add_worksheet()
    duration, day = book.add_format({"num_format": "[h]:mm:ss"}), book.add_format({"num_format": "yyyy-mm-dd"})
    sheet.write_row(0, 1, ["duration", "long", "error", "mixed", "day"])
    for row, mixed in enumerate((True, "a"), start=1):
        sheet.write_number(row, 1, 2.5, duration)
        sheet.write_number(row, 2, 12345678901234567890)
        sheet.write_formula(row, 3, "=1/0", None, "#DIV/0!")
        sheet.write(row, 4, mixed)
        sheet.write_datetime(row, 5, datetime(2024, 1, 5), day)


@pytest.mark.parametrize("date_1904", [False, True])
def test_what_a_workbook_shows_in_another_way_is_a_warning(tmp_path: Path, date_1904: bool) -> None:
    data = io.BytesIO()
    with xlsxwriter.Workbook(data, {"in_memory": True, "date_1904": date_1904}) as book:
        _odd(book)
    types, rows, warnings = read(tmp_path, data.getvalue())
    assert rows[0] == ("60:00:00", 1.234567890123457e19, None, "TRUE", date(2024, 1, 5))
    assert types["long"] == "double"
    assert "cells with errors such as #N/A count as missing values: D2 and 1 more" in warnings
    assert "a workbook keeps only 15 digits of a number: C2 12345678901234569216 and 1 more" in warnings
    assert "a program wrote the formulas, and their stored values may be wrong: D2 and 1 more" in warnings


@pytest.mark.parametrize("date_1904", [False, True])
@pytest.mark.parametrize("number", [-0.5, -1, -400.25])
def test_a_negative_time_is_refused_because_it_would_be_another_time(
    tmp_path: Path, date_1904: bool, number: float
) -> None:
    def fill(value: float) -> bytes:
        data = io.BytesIO()
        with xlsxwriter.Workbook(data, {"in_memory": True, "date_1904": date_1904}) as book:
            sheet = book.add_worksheet()
            clock = book.add_format({"num_format": "hh:mm"})
            sheet.write_row(1, 1, ["n", "at", "left"])
            sheet.write_row(2, 1, [-5])
            sheet.write_number(2, 2, 0.4375, clock)
            sheet.write_formula(2, 3, "=C3-D1", clock, value)
        return data.getvalue()

    with pytest.raises(InvalidFile, match=r"D3 is a negative number .* give the column the format \[h\]:mm:ss"):
        read(tmp_path, fill(number))
    # A difference of equal times, as Excel computes it.
    assert read(tmp_path, fill(-1e-16))[1] == [(-5, time(10, 30), time())]


@pytest.mark.parametrize("from_1904", [False, True])
def test_a_workbook_of_excel_95_is_read_with_a_doubt_about_negative_times(tmp_path: Path, from_1904: bool) -> None:
    names, rows = ["name", "n", "at", "day"], [("Zoë", 1.5, 0.4375, 45_000), ("b", -2, 0.5, 43_538)]
    cells: list[tuple[Cell, ...]] = [(name, (n, PLAIN), (at, CLOCK), (day, DATE)) for name, n, at, day in rows]
    _, found, warnings = read(tmp_path, old_workbook([names, *cells], from_1904=from_1904))
    days = [date(2027, 3, 16), date(2023, 3, 15)] if from_1904 else [date(2023, 3, 15), date(2019, 3, 14)]
    assert found == [("Zoë", 1.5, time(10, 30), days[0]), ("b", -2, time(12), days[1])]
    assert "negative times would be read as other times; if the sheet has some, save the workbook as .xlsx" in warnings


@pytest.mark.parametrize(
    "data", [old_workbook([["name"], ["Ada"]], has_password=True), compound_file("EncryptedPackage", b"")]
)
def test_a_workbook_with_a_password_is_refused_by_name(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(InvalidFile, match="the workbook has a password; save it without one"):
        read(tmp_path, data)


def test_a_duration_keeps_its_sign_and_its_milliseconds(tmp_path: Path) -> None:
    def fill(book: Workbook) -> None:
        sheet = book.add_worksheet()
        sheet.write_row(0, 0, ["lap"])
        for row, number in enumerate((-0.51, 83.5 / 86_400, 0, -1e-16), start=1):
            sheet.write_number(row, 0, number, book.add_format({"num_format": "[h]:mm:ss.00"}))

    assert read(tmp_path, workbook(fill))[1] == [("-12:14:24",), ("0:01:23.500",), ("0:00:00",), ("0:00:00",)]


def test_an_empty_first_sheet_and_a_hidden_one_name_the_others(tmp_path: Path) -> None:
    def fill(book: Workbook) -> None:
        hidden, empty = book.add_worksheet("Hidden"), book.add_worksheet("Empty")
        hidden.write_row(0, 0, ["a", "b"])
        empty.activate()
        hidden.hide()

    with pytest.raises(InvalidFile, match="sheet 'Empty' is empty; name another with --sheet, such as 'Hidden'"):
        read(tmp_path, workbook(fill))
    assert "'Hidden', 'Empty', of which some are hidden" in read(tmp_path, workbook(_hidden))[2]


def _hidden(book: Workbook) -> None:
    hidden, shown = book.add_worksheet("Hidden"), book.add_worksheet("Empty")
    shown.write_row(0, 0, ["a"])
    shown.write_row(1, 0, [1])
    shown.activate()
    hidden.hide()


def test_types_that_ray_and_pandas_do_not_treat_alike_become_plain(tmp_path: Path) -> None:
    text = pa.dictionary(pa.int8(), pa.large_string())
    columns = {
        "wide": pa.array([2**64 - 1, 5], pa.uint64()),
        "half": pa.array([1.5, None], pa.float16()),
        "nested": pa.array([{"a": ["x"]}, None], pa.struct([("a", pa.list_(text))])),
        "uuid": pa.ExtensionArray.from_storage(pa.uuid(), pa.array([b"1" * 16, None], pa.binary(16))),
        "runs": pa.RunEndEncodedArray.from_arrays([2], ["r"]),
    }
    packed = io.BytesIO()
    with ipc.new_file(packed, pa.table(columns).schema) as writer:
        writer.write(pa.table(columns))
    types, rows, _ = read(tmp_path, packed.getvalue())
    assert types == {
        "wide": "decimal128(20, 0)",
        "half": "float",
        "nested": "struct<a: list<item: string>>",
        "uuid": "fixed_size_binary[16]",
        "runs": "string",
    }
    assert rows[0] == (Decimal(2**64 - 1), 1.5, {"a": ["x"]}, b"1" * 16, "r")


@pytest.mark.parametrize("place", ["column", "field"])
def test_parquet_with_python_objects_is_copied_without_them(tmp_path: Path, place: str) -> None:
    # Ray unpickles a column of this type, and a pickle runs code.
    objects = {b"ARROW:extension:name": b"ray.data.arrow_pickled_object", b"ARROW:extension:metadata": b""}
    field = pa.field("x", pa.binary(), metadata=objects)
    schema = pa.schema([field if place == "column" else pa.field("s", pa.struct([field]))])
    parquet.write_table(
        pa.table([pa.array([b"x"] if place == "column" else [{"x": b"x"}])], schema=schema), tmp_path / "a"
    )
    found = read_file(tmp_path / "a", "a.parquet", ReadingOptions(), copy_to=tmp_path / "copy")
    assert found.reasons
    copied = parquet.read_schema(tmp_path / "copy")
    assert "extension" not in copied.to_string(show_field_metadata=True)


@pytest.mark.parametrize("kind", ["parquet", "file", "stream"])
def test_a_file_without_rows_keeps_its_types(tmp_path: Path, kind: str) -> None:
    table = pa.table({"a": pa.array([], pa.int64()), "b": pa.array([], pa.string())})
    packed = io.BytesIO()
    if kind == "parquet":
        parquet.write_table(table, packed)
    else:
        with (ipc.new_file if kind == "file" else ipc.new_stream)(packed, table.schema):
            pass
    assert read(tmp_path, packed.getvalue())[:2] == ({"a": "int64", "b": "string"}, [])


@pytest.mark.parametrize("kind", ["parquet", "file", "stream"])
def test_damaged_columns_are_refused(tmp_path: Path, kind: str) -> None:
    table = pa.table({"a": list(range(500)), "b": [f"text {number}" for number in range(500)]})
    packed = io.BytesIO()
    if kind == "parquet":
        parquet.write_table(table, packed)
    else:
        with (ipc.new_file if kind == "file" else ipc.new_stream)(packed, table.schema) as writer:
            writer.write(table)
    good = packed.getvalue()
    for place in range(8, len(good), len(good) // 60):
        with suppress(InvalidFile):
            read(tmp_path, good[:place] + bytes([good[place] ^ 0xFF]) + good[place + 1 :])


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
