"""What misleads in a workbook is a warning, and an Arrow file is refused only for its own errors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pytest
from pyarrow import ipc

from raylane_common.wire.reading import ReadingOptions
from raylane_worker.data.readers import open_batches
from raylane_worker.data.sniff import sniff
from tests.corpus.files.workbooks import ods, xlsx
from tests.unit.data.test_readers import read, workbook

if TYPE_CHECKING:
    from pathlib import Path

    from xlsxwriter.workbook import Workbook


def test_names_in_two_rows_and_merged_cells_are_warnings(tmp_path: Path) -> None:
    def fill(book: Workbook) -> None:
        sheet = book.add_worksheet("S")
        for number, cells in enumerate([["region", "amount"], ["", "€"], ["North", 1], ["", 3], ["South", 5]]):
            sheet.write_row(number, 1, cells)
        sheet.merge_range("B1:B2", "region")
        sheet.merge_range("B3:B4", "North")

    _, rows, warnings = read(tmp_path, workbook(fill))
    assert rows[1:3] == [("North", "1"), (None, "3")]
    assert "row 2 seems to hold units or more names" in warnings
    assert "cells of several rows are merged: B3:B4; only the first" in warnings


def _column(*cells: object) -> bytes:
    def fill(book: Workbook) -> None:
        sheet = book.add_worksheet("S")
        for number, cell in enumerate(("score", *cells)):
            if isinstance(cell, str) and cell.startswith("#"):
                sheet.write_formula(number, 1, "=NA()", None, cell)
            else:
                sheet.write(number, 1, cell)

    return workbook(fill)


@pytest.mark.parametrize("cell", ["#N/A", "#DIV/0!"])
def test_a_row_of_a_workbook_whose_only_value_is_an_error_is_a_row(tmp_path: Path, cell: str) -> None:
    _, rows, warnings = read(tmp_path, _column(1, cell, 3, cell))
    assert rows == [(1,), (None,), (3,), (None,)]
    assert "errors such as #N/A count as missing values: B3 and 1 more" in warnings
    assert "blank" not in warnings


def test_a_row_with_nothing_but_the_text_of_an_error_is_a_row(tmp_path: Path) -> None:
    data = workbook(lambda book: book.add_worksheet().write_column(0, 0, ["score", 1, "#N/A", 3]))
    assert read(tmp_path, data)[1] == [(1,), (None,), (3,)]


def test_blank_rows_between_the_values_of_the_only_column_of_a_workbook_are_a_warning(tmp_path: Path) -> None:
    _, rows, warnings = read(tmp_path, _column(1, None, " ", 3, None))
    assert rows == [(1,), (3,)]
    assert warnings == "2 blank rows between the others are left out, first row 3; write missing values as NA"


def test_blank_rows_of_a_workbook_that_may_hold_errors_are_a_warning(tmp_path: Path) -> None:
    table: list[list[object]] = [["a", "b"], [1, "x"], [None, None], [2, "y"]]
    assert "1 blank row between the others is left out, first row 3" in read(tmp_path, ods(table))[2]
    assert read(tmp_path, xlsx({"S": table}))[2] == ""


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["country", 2019, 2020], ["country", "2019", "2020"]),
        (["country", "2018", 2019, 2020, "note"], ["country", "2018", "2019", "2020", "note"]),
        ([None, 2019, 2020], ["", "2019", "2020"]),
        (["country", 2019, 2019], None),
        (["country", 2019, 7], None),
        (["country", 2019.5, 2020], None),
        (["country", True, 2020], None),
    ],
)
def test_years_beside_other_names_are_names_of_a_workbook(
    tmp_path: Path, names: list[object], expected: list[str] | None
) -> None:
    data = xlsx({"S": [names, ["France", *range(1, len(names))], ["Spain", *range(3, len(names) + 2)]]})
    types, rows, warnings = read(tmp_path, data)
    if expected is None:
        assert (len(rows), "row 1 seems to be data" in warnings) == (3, True)
    else:
        assert ([*types], rows[0][:2], warnings) == (expected, ("France", 1), "")


@pytest.mark.parametrize("kind", ["file", "stream"])
def test_an_error_while_the_rows_are_used_is_not_one_of_the_arrow_file(tmp_path: Path, kind: str) -> None:
    table = pa.table({"a": [1]})
    with (ipc.new_file if kind == "file" else ipc.new_stream)(tmp_path / "file", table.schema) as writer:
        writer.write(table)
    reading = sniff(tmp_path / "file", ReadingOptions()).reading
    with pytest.raises(OSError, match="no space"), open_batches(tmp_path / "file", reading):
        raise OSError("no space")
