"""Files that Ray cannot read as they are, what their owners ask, and the answers."""

from __future__ import annotations

import gzip
import io

import xlsxwriter


def other_files() -> dict[str, tuple[bytes, dict[str, list[list[object]]]]]:
    """Files that Ray cannot read, and what their owners ask."""
    written = io.BytesIO()
    with xlsxwriter.Workbook(written, {"in_memory": True}) as book:
        sheet = book.add_worksheet()
        for number, row in enumerate(
            (["Report"], [], ["region", "amount"], ["north", 1.5], ["south", 2], ["north", 4])
        ):
            sheet.write_row(number, 0, row)
    german = (
        "stadt;preis;tag;ab\nKöln;1.234,50;31.01.2024;10:30\nMünchen;2,25;01.02.2024;9:05\nKöln;;01.02.2024;10:30\n"
    )
    big = 9 * 10**18
    return {
        "report.xlsx": (written.getvalue(), {"sum of amount by region": [["north", 5.5], ["south", 2]]}),
        "export.csv.gz": (
            gzip.compress(german.encode("cp1252")),
            {
                "sum of preis by stadt": [["Köln", 1234.5], ["München", 2.25]],
                "count rows where tag >= 2024-02-01": [[2]],
                "count rows by ab": [["09:05:00", 1], ["10:30:00", 2]],
                "count rows where ab >= 10:30": [[2]],
                "count rows where preis > 2.25": [[1]],
                "count rows where ab = '9:05'": [[1]],
            },
        ),
        "events.jsonl": (
            b'{"user": {"id": "007"}, "n": 1}\n{"user": {"id": "008"}, "n": 2}\n{"n": 4}\n',
            {"sum of n by user.id": [["007", 1], ["008", 2], [None, 4]]},
        ),
        "wei.csv": (
            f"x\n{big}\n{big}\n".encode(),
            {"sum and mean of x": [[2 * big, float(big)]], "count where x > 5.5": [[2]]},
        ),
    }
