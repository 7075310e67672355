"""The tables of the dialects as workbooks, JSON, Parquet and Arrow."""

from __future__ import annotations

import gzip
import io
import json
from datetime import date, datetime, time
from typing import TYPE_CHECKING

import pyarrow as pa
import xlsxwriter
from pyarrow import ipc, parquet

from tests.corpus.files.case import BOOLEAN, DATE, INTEGER, NUMBER, STRING, TIME, TIMESTAMP, Case, Cell, Table
from tests.corpus.files.dialects import TABLES

if TYPE_CHECKING:
    from collections.abc import Iterator

_ARROW = {
    INTEGER: pa.int64(),
    NUMBER: pa.float64(),
    STRING: pa.string(),
    BOOLEAN: pa.bool_(),
    DATE: pa.date32(),
    TIME: pa.time64("us"),
    TIMESTAMP: pa.timestamp("us"),
}
_FORMATS = {date: "yyyy-mm-dd", time: "hh:mm:ss", datetime: "yyyy-mm-dd hh:mm:ss"}


def cases() -> Iterator[Case]:
    """Yields each table in each format."""
    for name, table in TABLES.items():
        yield Case(f"{name}, workbook", _workbook(table), table)
        yield Case(f"{name}, workbook with a title", _workbook(table, title="Report", first_row=3), table)
        yield Case(f"{name}, second sheet", _workbook(table, before="Empty"), table, {"sheet": "Data"})
        yield Case(f"{name}, JSON lines", _json_lines(table), table)
        yield Case(f"{name}, JSON lines in gzip", gzip.compress(_json_lines(table)), table)
        records = [_record(table, row) for row in table.rows]
        yield Case(f"{name}, JSON", json.dumps(records, indent=1).encode(), table)
        yield Case(f"{name}, JSON in an object", json.dumps({"data": records}).encode(), table)
        arrow = _arrow(table)
        written = io.BytesIO()
        parquet.write_table(arrow, written, row_group_size=7)
        yield Case(f"{name}, Parquet", written.getvalue(), table)
        for kind, new in (("file", ipc.new_file), ("stream", ipc.new_stream)):
            written = io.BytesIO()
            with new(written, arrow.schema) as writer:
                writer.write(arrow)
            yield Case(f"{name}, Arrow {kind}", written.getvalue(), table)
    nested = b'[{"id": 1, "at": {"city": "Oslo", "zip": "0010"}}, {"id": 2, "at": {"city": "Rome"}, "x": 1.5}]'
    columns = [("id", INTEGER), ("at.city", STRING), ("at.zip", STRING), ("x", NUMBER)]
    yield Case("nested JSON", nested, Table(columns, [(1, "Oslo", "0010", None), (2, "Rome", None, 1.5)]))
    yield Case("JSON of two types", b'[{"a": 1}, {"a": "x"}]', Table([("a", STRING)], [("1",), ("x",)]))
    yield Case(
        "JSON of long ids", b'[{"a": 12345678901234567890}]', Table([("a", STRING)], [("12345678901234567890",)])
    )


def _record(table: Table, row: object) -> dict[str, object]:
    cells = zip(table.names, row, strict=True)  # type: ignore[call-overload]  # a row of the table
    return {name: str(cell) if isinstance(cell, date | time) else cell for name, cell in cells}


def _json_lines(table: Table) -> bytes:
    return "".join(json.dumps(_record(table, row), ensure_ascii=False) + "\n" for row in table.rows).encode()


def _arrow(table: Table) -> pa.Table:
    columns = list(zip(*table.rows, strict=True))
    arrays = [pa.array(cells, _ARROW[kind]) for cells, (_, kind) in zip(columns, table.columns, strict=True)]
    return pa.table(arrays, names=table.names)


def _workbook(table: Table, *, title: str = "", first_row: int = 0, before: str = "") -> bytes:
    written = io.BytesIO()
    with xlsxwriter.Workbook(written, {"in_memory": True}) as book:
        if before:
            book.add_worksheet(before)
        sheet = book.add_worksheet("Data")
        formats = {kind: book.add_format({"num_format": text}) for kind, text in _FORMATS.items()}
        if title:
            sheet.write_string(0, 0, title)
        sheet.write_row(first_row, 0, table.names)
        for row, cells in enumerate(table.rows, start=first_row + 1):
            for column, cell in enumerate(cells):
                _write(sheet, row, column, cell, formats)
    return written.getvalue()


def _write(
    sheet: xlsxwriter.worksheet.Worksheet, row: int, column: int, cell: Cell, formats: dict[type, object]
) -> None:
    match cell:
        case None:
            return
        case bool():
            sheet.write_boolean(row, column, cell)
        case int() | float():
            sheet.write_number(row, column, cell)
        case str():
            sheet.write_string(row, column, cell)
        case _:
            sheet.write_datetime(row, column, cell, formats[type(cell)])
