"""Workbooks: xlsx of Excel, ods of LibreOffice, and xls of Excel before 2007."""

from __future__ import annotations

import io
from datetime import date, datetime, time
from typing import TYPE_CHECKING, Any, Final
from xml.sax.saxutils import escape

import xlsxwriter

from raylane_common.wire.reading import ReadingOptions
from raylane_common.wire.sources import ColumnType
from tests.corpus.files.dialect import archive
from tests.corpus.files.model import Case, Refused, Table, Typed, bools, ints, nums, of, texts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_KINDS = ColumnType
_DAYS: Final = [date(2024, 1, 5), date(2024, 1, 6), date(1999, 12, 31)]
# Cells of a column, and what they must be.
_COLUMNS: Final[dict[str, tuple[list[Any], Typed]]] = {
    "whole numbers": ([1, 2, 3], ints(1, 2, 3)),
    "fractions": ([1.5, 2, -3.25], nums(1.5, 2, -3.25)),
    "texts": (["a", "b", "ü 😀"], texts("a", "b", "ü 😀")),
    "texts of digits": (["00501", "02134", "7"], texts("00501", "02134", "7")),
    "numbers as texts": (["1", "2", "3"], ints(1, 2, 3)),
    "truth values": ([True, False, True], bools(True, False, True)),
    "dates": (_DAYS, of(_KINDS.DATE, _DAYS)),
    "points in time": (
        [datetime(2024, 1, 5, 10, 30), datetime(2024, 1, 6), datetime(2024, 1, 7, 23, 59, 59)],
        of(_KINDS.TIMESTAMP, [datetime(2024, 1, 5, 10, 30), datetime(2024, 1, 6), datetime(2024, 1, 7, 23, 59, 59)]),
    ),
    "times of day": ([time(10, 30), time(11, 45), time(0)], of(_KINDS.TIME, [time(10, 30), time(11, 45), time(0)])),
    "missing numbers": ([1, None, 3], ints(1, None, 3)),
    "missing texts": (["a", None, "c"], texts("a", None, "c")),
    "markers": (["a", "NA", "n/a"], texts("a", None, None)),
    "numbers and markers": ([1, "-", 3], ints(1, None, 3)),
    "numbers and words": ([1, "many", 3], texts("1", "many", "3")),
    "newlines": (["a\nb", 'c"d', "e,f"], texts("a\nb", 'c"d', "e,f")),
    "15 digits": ([123456789012345, 1, 2], ints(123456789012345, 1, 2)),
    "small fractions": ([0.1, 0.2, 1e-5], nums(0.1, 0.2, 1e-5)),
    "nothing": ([None, None, None], texts(None, None, None)),
}
Rows = list[list[Any]]
FORMATS: Final = {date: "yyyy-mm-dd", datetime: "yyyy-mm-dd hh:mm:ss", time: "hh:mm:ss"}


def xlsx(sheets: Mapping[str, Rows], change: Callable[[Any, Any], None] | None = None) -> bytes:
    """Returns a workbook. `change` gets the workbook and its first sheet at the end."""
    file = io.BytesIO()
    with xlsxwriter.Workbook(file, {"in_memory": True}) as book:
        formats = {kind: book.add_format({"num_format": code}) for kind, code in FORMATS.items()}
        for name, rows in sheets.items():
            sheet = book.add_worksheet(name)
            for i, row in enumerate(rows):
                for j, cell in enumerate(row):
                    _write(sheet, i, j, cell, formats)
        if change is not None:
            change(book, book.worksheets()[0])
    return file.getvalue()


def _write(sheet: Any, row: int, column: int, cell: Any, formats: dict[type, Any]) -> None:
    if cell is None:
        return
    if isinstance(cell, str):
        sheet.write_string(row, column, cell)
    elif type(cell) in formats:
        sheet.write_datetime(row, column, cell, formats[type(cell)])
    else:
        sheet.write(row, column, cell)


def ods(rows: Rows) -> bytes:
    """Returns a workbook of LibreOffice with one sheet."""
    lines = "".join(f"<table:table-row>{''.join(map(_ods_cell, row))}</table:table-row>" for row in rows)
    names = " ".join(
        f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"' for name in ("office", "table", "text")
    )
    content = (
        f'<?xml version="1.0" encoding="UTF-8"?><office:document-content {names}><office:body><office:spreadsheet>'
        f'<table:table table:name="Sheet1">{lines}</table:table>'
        "</office:spreadsheet></office:body></office:document-content>"
    )
    kind = b"application/vnd.oasis.opendocument.spreadsheet"
    manifest = (
        '<manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0">'
        f'<manifest:file-entry manifest:full-path="/" manifest:media-type="{kind.decode()}"/>'
        '<manifest:file-entry manifest:full-path="content.xml" manifest:media-type="text/xml"/></manifest:manifest>'
    )
    return archive({"mimetype": kind, "content.xml": content.encode(), "META-INF/manifest.xml": manifest.encode()})


def _ods_cell(cell: Any) -> str:
    match cell:
        case None:
            return "<table:table-cell/>"
        case bool():
            kind = f'office:value-type="boolean" office:boolean-value="{str(cell).lower()}"'
        case int() | float():
            kind = f'office:value-type="float" office:value="{cell!r}"'
        case date():
            kind = f'office:value-type="date" office:date-value="{cell.isoformat()}"'
        case time():
            kind = f'office:value-type="time" office:time-value="PT{cell:%H}H{cell:%M}M{cell:%S}S"'
        case _:
            kind = 'office:value-type="string"'
    lines = "".join(f"<text:p>{line}</text:p>" for line in escape(str(cell)).split("\n"))
    return f"<table:table-cell {kind}>{lines}</table:table-cell>"


def cases() -> Iterator[Case]:
    """Yields the cases."""
    for name, (cells, expected) in _COLUMNS.items():
        rows: Rows = [["id", "x"], *([i, cell] for i, cell in enumerate(cells, 1))]
        table: Table = {"id": ints(1, 2, 3), "x": expected}
        yield Case(f"xlsx: {name}", xlsx({"Sheet1": rows}), table, "data.xlsx")
        yield Case(f"ods: {name}", ods(rows), table, "data.ods", quick=False)
        titled: Rows = [["Report for January", None], [None, None], *rows]
        yield Case(f"xlsx below a title: {name}", xlsx({"Sheet1": titled}), table, "data.xlsx", quick=False)
    yield from _sheets()
    yield from _layouts()


def _sheets() -> Iterator[Case]:
    rows: Rows = [["a", "b"], [1, "x"], [2, "y"]]
    others: Rows = [["c"], [7]]
    two = {"First": rows, "Second": others}
    table = {"a": ints(1, 2), "b": texts("x", "y")}
    yield Case("xlsx: the first of two sheets", xlsx(two), table, "data.xlsx", warns="Second|sheet")
    yield Case("xlsx: a sheet by name", xlsx(two), {"c": ints(7)}, "data.xlsx", options=ReadingOptions(sheet="Second"))
    yield Case(
        "xlsx: no such sheet",
        xlsx(two),
        Refused("Third", "there is none"),
        "data.xlsx",
        options=ReadingOptions(sheet="Third"),
    )
    yield Case("xlsx: an empty sheet", xlsx({"Sheet1": []}), Refused("sheet|empty", "no header"), "data.xlsx")
    yield Case(
        "xlsx: an empty first sheet",
        xlsx({"Empty": [], "Data": rows}),
        Refused("Empty.*--sheet", "which sheet?"),
        "data.xlsx",
    )
    yield Case("xlsx named .csv", xlsx({"S": rows}), table, "data.csv")
    yield Case("xlsx named .xlsm", xlsx({"S": rows}), table, "data.xlsm")
    yield Case("xlsx without extension", xlsx({"S": rows}), table, "data")
    yield Case(
        "xlsx: a type is stated",
        xlsx({"S": rows}),
        table | {"a": texts("1", "2")},
        "data.xlsx",
        options=ReadingOptions(types={"a": ColumnType.STRING}),
    )
    yield Case(
        "xlsx: a header line is stated",
        xlsx({"S": [["x", "y"], *rows]}),
        table,
        "data.xlsx",
        options=ReadingOptions(header_line=2),
    )
    yield Case(
        "xlsx: no header is stated",
        xlsx({"S": [["x", "y"], ["z", "w"]]}),
        {"column_1": texts("x", "z"), "column_2": texts("y", "w")},
        "data.xlsx",
        options=ReadingOptions(header_line=0),
    )


def _layouts() -> Iterator[Case]:
    rows: Rows = [["a", "b"], [1, 10], [2, 20]]
    table = {"a": ints(1, 2), "b": ints(10, 20)}
    yield Case(
        "xlsx: a merged title",
        xlsx(
            {"S": [[None, None], [None, None], *rows]},
            lambda book, sheet: sheet.merge_range(0, 0, 0, 1, "Sales", book.add_format()),
        ),
        table,
        "data.xlsx",
    )
    yield Case("xlsx: formulas", xlsx({"S": [["a", "b"], [1, None], [2, None]]}, _formulas), table, "data.xlsx")
    yield Case("xlsx: starts at C3", xlsx({"S": [[], [], *[[None, None, *row] for row in rows]]}), table, "data.xlsx")
    yield Case("xlsx: an empty row between", xlsx({"S": [rows[0], rows[1], [], rows[2]]}), table, "data.xlsx")
    yield Case(
        "xlsx: only numbers",
        xlsx({"S": [[1, 10], [2, 20]]}),
        {"column_1": ints(1, 2), "column_2": ints(10, 20)},
        "data.xlsx",
        warns="header",
    )
    yield Case(
        "xlsx: one name twice",
        xlsx({"S": [["a", "a"], [1, 2]]}),
        {"a": ints(1), "a_2": ints(2)},
        "data.xlsx",
        warns="a_2",
    )
    yield Case(
        "xlsx: an empty name",
        xlsx({"S": [["a", None, "c"], [1, 2, 3]]}),
        {"a": ints(1), "column_2": ints(2), "c": ints(3)},
        "data.xlsx",
        warns="column_2",
    )
    yield Case(
        "xlsx: years as names",
        xlsx({"S": [["name", 2019, 2020], ["a", 1, 2]]}),
        {"name": texts("a"), "2019": ints(1), "2020": ints(2)},
        "data.xlsx",
        options=ReadingOptions(header_line=1),
    )
    yield Case(
        "xlsx: percents",
        xlsx(
            {"S": [["p"], [None]]},
            lambda book, sheet: sheet.write(1, 0, 0.125, book.add_format({"num_format": "0.0%"})),
        ),
        {"p": nums(0.125)},
        "data.xlsx",
    )
    yield Case(
        "xlsx: currencies",
        xlsx(
            {"S": [["p"], [None]]},
            lambda book, sheet: sheet.write(1, 0, 1234.5, book.add_format({"num_format": "$#,##0.00"})),
        ),
        {"p": nums(1234.5)},
        "data.xlsx",
    )
    yield Case(
        "xlsx: one error",
        xlsx(
            {"S": [["a", "b"], [1, None], [2, 20]]},
            lambda book, sheet: sheet.write_formula(1, 1, "=1/0", None, "#DIV/0!"),
        ),
        {"a": ints(1, 2), "b": ints(None, 20)},
        "data.xlsx",
        warns="#DIV/0!|error",
    )
    yield Case(
        "xlsx: a total below",
        xlsx({"S": [["name", "n"], ["a", 1], ["b", 2], ["Total", 3]]}),
        {"name": texts("a", "b", "Total"), "n": ints(1, 2, 3)},
        "data.xlsx",
    )
    yield Case("xlsx: days since 1904", _since_1904(), {"d": of(_KINDS.DATE, [date(2024, 1, 5)])}, "data.xlsx")


def _formulas(book: Any, sheet: Any) -> None:
    sheet.write_formula(1, 1, "=A2*10", None, 10)
    sheet.write_formula(2, 1, "=A3*10", None, 20)


def _since_1904() -> bytes:
    file = io.BytesIO()
    with xlsxwriter.Workbook(file, {"in_memory": True, "date_1904": True}) as book:
        sheet = book.add_worksheet("S")
        sheet.write(0, 0, "d")
        sheet.write_datetime(1, 0, datetime(2024, 1, 5), book.add_format({"num_format": "yyyy-mm-dd"}))
    return file.getvalue()
