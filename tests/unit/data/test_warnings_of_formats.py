"""What misleads in a workbook is a warning, and an Arrow file is refused only for its own errors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pytest
from pyarrow import ipc

from raylane_common.wire.reading import ReadingOptions
from raylane_worker.data.readers import open_batches
from raylane_worker.data.sniff import sniff
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


@pytest.mark.parametrize("kind", ["file", "stream"])
def test_an_error_while_the_rows_are_used_is_not_one_of_the_arrow_file(tmp_path: Path, kind: str) -> None:
    table = pa.table({"a": [1]})
    with (ipc.new_file if kind == "file" else ipc.new_stream)(tmp_path / "file", table.schema) as writer:
        writer.write(table)
    reading = sniff(tmp_path / "file", ReadingOptions()).reading
    with pytest.raises(OSError, match="no space"), open_batches(tmp_path / "file", reading):
        raise OSError("no space")
