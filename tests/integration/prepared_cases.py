"""Files that are read from a prepared copy, and the answers to prompts about them."""

from __future__ import annotations

import gzip
import io
import json
from datetime import date, time
from typing import Final

import xlsxwriter

Prompts = dict[str, list[list[object]]]

_SALES: Final = [
    ("00501", date(2024, 1, 5), time(10, 30), 1.5, 9_000_000_000_000_000),
    ("02134", date(2024, 1, 6), time(11, 45), 2.5, 2),
    ("00501", None, time(10, 30), None, 9_000_000_000_000_000),
]


def _workbook() -> bytes:
    written = io.BytesIO()
    with xlsxwriter.Workbook(written, {"in_memory": True}) as book:
        day, clock = book.add_format({"num_format": "yyyy-mm-dd"}), book.add_format({"num_format": "hh:mm"})
        sheet = book.add_worksheet("Sales")
        sheet.merge_range("A1:E1", "Sales 2024")
        sheet.write_row(2, 0, ["zip", "day", "at", "amount", "id"])
        for row, (code, when, at, amount, number) in enumerate(_SALES, start=3):
            sheet.write_string(row, 0, code)
            if when is not None:
                sheet.write_datetime(row, 1, when, day)
            sheet.write_datetime(row, 2, at, clock)
            if amount is not None:
                sheet.write_number(row, 3, amount)
            sheet.write_number(row, 4, number)
    return written.getvalue()


_LATIN: Final = """\
Straße;Betrag €;Datum;Anteil;Betrag €;Nummer
Größe;1.234,50;31.01.2024;12,5%;1;9000000000000000000
Höhe;2,00;05.02.2024;50%;2;9000000000000000000
Größe;-3,25;;25%;;2
"""
_LINES: Final = [
    {"name": "Ada", "address": {"city": "Oslo"}, "n": 1, "at": "2024-01-05 10:00:00", "zip": "00501"},
    {"name": "Bob", "address": {"city": "Rome"}, "n": 2.5, "at": "2024-01-06 10:00:00"},
    {"name": "Eve", "tags": ["x"], "n": None, "zip": "00501"},
]
_TIMES: Final = "t,n\n10:30:00,1\n11:45:00,2\n10:30:00,4\n,8\n"
_NUMBERS: Final = """\
n,price,at
2,1.5,2020-01-01 10:00:00
3,2.5,2020-01-01 10:00:00.5
9007199254740993,2.75,2020-01-01 10:00:00
1000000000000000001,1e17,2020-01-02 10:00:00
"""

FILES: Final[dict[str, tuple[bytes, Prompts]]] = {
    "sales.xlsx": (
        _workbook(),
        {
            "how many rows": [[3]],
            "sum of amount by zip": [["00501", 1.5], ["02134", 2.5]],
            "count where zip = 00501": [[2]],
            "count where day >= 2024-01-06": [[1]],
            "count rows by at": [["10:30:00", 2], ["11:45:00", 1]],
            "count where at > 11:00": [[1]],
            "count where at between 10:00 and 10:30": [[2]],
            "missing values in day and amount": [["day", 1, 100 / 3], ["amount", 1, 100 / 3]],
            "max day": [["2024-01-06"]],
            "min and max of at": [["10:30:00", "11:45:00"]],
            "rows where at = 11:45": [["02134", "2024-01-06", "11:45:00", 2.5, 2]],
            "sum of id": [[18_000_000_000_000_002]],
        },
    ),
    "straßen.csv.gz": (
        gzip.compress(_LATIN.encode("cp1252")),
        {
            "sum of `Betrag €` by Straße": [["Größe", 1231.25], ["Höhe", 2]],
            "sum of `Betrag €_2`": [[3]],
            "average Anteil": [[87.5 / 3]],
            "count where Datum = 2024-01-31": [[1]],
            "count where Straße = 'Größe'": [[2]],
            # More than 64 bits have room for.
            "sum of Nummer": [[18_000_000_000_000_000_002]],
            "sum and max of Nummer by Straße": [
                ["Größe", 9_000_000_000_000_000_002, 9_000_000_000_000_000_000],
                ["Höhe", 9_000_000_000_000_000_000, 9_000_000_000_000_000_000],
            ],
            "mean of Nummer": [[6e18]],
            "count where Nummer > 5": [[2]],
            "count rows by Nummer": [[2, 1], [9_000_000_000_000_000_000, 2]],
            "count where Nummer > 2.5": [[2]],
            "count where Nummer in (2, 9000000000000000000, 1.5)": [[3]],
            "count where Anteil between 12.5 and 30": [[2]],
            "bottom 1 by Nummer": [["Größe", -3.25, None, 25, None, 2]],
        },
    ),
    "people.jsonl": (
        "".join(json.dumps(line) + "\n" for line in _LINES).encode(),
        {
            "sum of n by `address.city`": [["Oslo", 1], ["Rome", 2.5], [None, None]],
            "count where zip = 00501": [[2]],
            "count where at >= 2024-01-06": [[1]],
            "count where tags contains 'x'": [[1]],
            "missing values in zip": [["zip", 1, 100 / 3]],
        },
    ),
    "times.csv": (
        _TIMES.encode(),
        {
            "sum of n by t": [["10:30:00", 5], ["11:45:00", 2], [None, 8]],
            "count where t = 10:30:00": [[2]],
            "count where t < 11:00": [[2]],
            "distinct t": [["10:30:00", 2], ["11:45:00", 1], [None, 1]],
            "count where t is missing": [[1]],
            "count where t after 10:30": [[1]],
            "count where t = '9:05:00'": [[0]],
        },
    ),
    # Ray reads it itself. Some numbers are more than a float holds.
    "numbers.csv": (
        _NUMBERS.encode(),
        {
            "count where n > 2.5": [[3]],
            "count where n >= 2.5 and n < 9007199254740993.5": [[2]],
            "count where n <= 2.5": [[1]],
            "count where n < 2.5": [[1]],
            "count where n = 2.5": [[0]],
            "count where n != 2.5": [[4]],
            "count where n between 1.5 and 2": [[1]],
            "count where n between 2.5 and 1e18": [[2]],
            "count where n > 1e18": [[1]],
            "count where n in (2.5, 3)": [[1]],
            "count where n > 16777216": [[2]],
            "count where price > 2.5": [[2]],
            "count where price > .5 and price < 3": [[3]],
            "count where price between 1.5 and 2": [[1]],
            "count where price < 9007199254740993": [[3]],
            "count where price in (1.5, 9007199254740993)": [[1]],
            "count where at = 2020-01-01": [[3]],
            "count where at > '2020-01-01 10:00'": [[2]],
            "count rows by at": [
                ["2020-01-01T10:00:00", 2],
                ["2020-01-01T10:00:00.500000", 1],
                ["2020-01-02T10:00:00", 1],
            ],
        },
    ),
}

# What the briefing of the agents says about times, decimals and prepared copies.
AGENT_SCRIPT: Final = """\
import pyarrow as pa
from raylane_run import read
from ray.data.aggregate import Sum
from ray.data.datatype import DataType
from ray.data.expressions import col, lit

sales = read({uri!r})
sales = sales.with_column("at", col("at").cast(DataType.from_arrow(pa.string())).str.replace_regex(r"\\.0+$", ""))
late = sales.filter(expr=col("at") > lit("10:30:00"))
by_time = late.groupby("at").aggregate(Sum("amount", alias_name="amount"))
for row in by_time.sort("at").take(9):
    print(row["at"], row["amount"])
"""
AGENT_OUTPUT: Final = "11:45:00 2.5\n"
