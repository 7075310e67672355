"""Prompts about small files of every kind, with the rows and notes of their answers, written by hand."""

from __future__ import annotations

import io
from dataclasses import dataclass
from datetime import time
from decimal import Decimal
from functools import cache
from itertools import product
from typing import TYPE_CHECKING, Final

import pyarrow as pa
from pyarrow import parquet

from tests.helpers.files import uploaded
from tests.helpers.typed_rows import rows, same
from tests.integration.prepared_cases import FILES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from raylane_common.wire.sources import FileSource
    from tests.helpers.kit import Ran

BUCKET: Final = "hand"

TIMES: Final = """\
at,v
2024-01-30 00:00:00,1
2024-01-30 10:00:00,2
2024-01-31 23:59:59,4
2024-02-01 00:00:00,8
,16
"""
ZONES: Final = """\
at,v
2024-01-31T23:30:00-05:00,1
2024-01-31T23:30:00+00:00,2
"""
PEOPLE: Final = """\
name,sex,n
"O'Neill, Jr.",Female,1
A-1/B,Female,2
Ann,Male,4
US,male,8
,,16
"""
TANKS: Final = """\
tank,level,liters
1,full,10
2,empty,20
3,Empty ,30
4,,40
"""
_TOTALS: Final = {
    "between 2024-01-30 and 2024-01-31": 7,
    "between 2024-01-30 and '2024-01-31 10:00:00'": 3,
    "between '2024-01-30 10:00:00' and 2024-01-30": 2,
    "after 2024-01-31": 8,
    "> 2024-01-30": 12,
    ">= 2024-01-31": 12,
    "before 2024-01-31": 3,
    "<= 2024-01-31": 7,
    "= 2024-01-30": 3,
    "is 2024-01-31": 4,
    "!= 2024-01-31": 11,
    "in (2024-01-30, '2024-02-01 00:00:00')": 11,
    "<= 9999-12-31": 15,
    "after '2024-01-31 00:00:00'": 12,
}
_UNKNOWN: Final = {
    "sex = female": "No value of 'sex' is 'female'; did you mean 'Female'?",
    "sex != FEMALE": "No value of 'sex' is 'FEMALE'; did you mean 'Female'?",
    "sex in (Male, 'female ')": "No value of 'sex' is 'female '; did you mean 'Female'?",
    "name contains oneill": "No value of 'name' contains 'oneill'; did you mean \"O'Neill, Jr.\"?",
    "name = A1B and n > 100": "No value of 'name' is 'A1B'; did you mean 'A-1/B'?",
    "sex = woman": "No value of 'sex' is 'woman'; it has values such as 'Female', 'Male', 'male'.",
}
_OPERATIONS: Final = ("count", "sum of n", "rows", "count by sex", "top 3 by n", "missing values")
_SPELLED: Final = "'sex' also has 'male', spelled differently from 'Male'."
_WORDS: Final = "Not counted as missing in 'level': 'Empty ', 'empty'."


@dataclass(frozen=True)
class Case:
    """A prompt about a file, and the rows and notes of the answer. Without rows there is no answer, only notes."""

    filename: str
    data: bytes
    prompt: str
    rows: list[list[object]] | None
    notes: tuple[str, ...] = ()

    def upload(self) -> tuple[FileSource, dict[str, bytes]]:
        """Returns the source, and its objects by key."""
        return _upload(self.filename, self.data)

    def difference(self, ran: Ran) -> str:
        """Returns what is wrong with what a script gave; "" if nothing is."""
        said = f"{self.filename}: {self.prompt}"
        if ran.answer is None:
            return f"{said}\n{ran.error}"
        found = rows(ran.answer) if ran.answer.items else None
        if ran.answer.notes != self.notes:
            return f"{said}\nthe notes are {ran.answer.notes} instead of {self.notes}"
        if found is None or self.rows is None:
            return "" if found is self.rows else f"{said}\nthe answer is {found} instead of {self.rows}"
        is_right = len(found) == len(self.rows) and all(map(same, found, self.rows))
        return "" if is_right else f"{said}\nthe answer is {found} instead of {self.rows}"


def hand_cases() -> Iterator[Case]:
    """Yields the cases, those of one file one after another."""
    for filename, (data, prompts) in FILES.items():
        for prompt, right in prompts.items():
            yield Case(filename, data, prompt, right)
    for condition, total in _TOTALS.items():
        yield Case("days.csv", TIMES.encode(), f"sum of v where at {condition}", [[total]])
    yield Case("zones.csv", ZONES.encode(), "sum of v where at = 2024-01-31", [[2]])
    yield from _texts()
    for unit in ("s", "ms", "us", "ns"):
        data = times_of(unit)
        yield Case(f"times-{unit}.parquet", data, "count where t = 10:30", [[1]])
        yield Case(f"times-{unit}.parquet", data, "sum of n by t", [["10:30:00", 1], ["11:00:00", 2]])
    for condition, count in {"= 0.1": 1, "> 0.1": 1, "<= 0.1": 1, "in (0.1, 0.5)": 2, "< 1e300": 2}.items():
        yield Case(
            "floats.parquet",
            _parquet(x=pa.array([0.1, 0.5, None], pa.float32())),
            f"count where x {condition}",
            [[count]],
        )
    yield from _decimals()
    doubled = b",total  sum,n,n\nx,1,2,3\n"
    # A name as the file has it, unless it is another column's.
    yield Case("doubled.csv", doubled, "sum of `total  sum` by ''", [["x", 1]])
    yield Case("doubled.csv", doubled, "sum of n", [[2]])
    yield Case("doubled.csv", doubled, "sum of total sum", [[1]])


def _texts() -> Iterator[Case]:
    people, tanks = PEOPLE.encode(), TANKS.encode()
    for operation, (condition, note) in product(_OPERATIONS, _UNKNOWN.items()):
        # The note about the text that there is comes first, since it is the first one of the condition.
        notes = (_SPELLED, note) if "Male," in condition else (note,)
        yield Case("people.csv", people, f"{operation} where {condition}", None, notes)
    yield Case("people.csv", people, "count where sex = Male", [[1]], (_SPELLED,))
    yield Case("people.csv", people, "count where sex = Female and n > 100", [[0]])
    yield Case("people.csv", people, "describe n where n > 100", [["n", 0, *[None] * 7]])
    yield Case("people.csv", people, "missing values", [["name", 1, 20], ["sex", 1, 20], ["n", 0, 0]])
    answers: dict[str, list[object]] = {
        "sum of liters where level is empty": [40],
        "sum of liters where level is missing": [40],
        "sum of liters where level is not missing": [60],
        "missing values in level": ["level", 1, 25],
        "missing values in level where level is not null": ["level", 0, 0],
    }
    for prompt, row in answers.items():
        yield Case("tanks.csv", tanks, prompt, [row], (_WORDS,))


def _decimals() -> Iterator[Case]:
    amounts = pa.array(map(Decimal, ["1.10", "2.50", "99999999999999999999.99"]), pa.decimal128(38, 2))
    data = _parquet(x=pa.concat_arrays([amounts, pa.nulls(1, amounts.type)]))
    counts = {
        "= 99999999999999999999.99": 1,
        "= 1.1": 1,
        "= 1.105": 0,
        "!= 99999999999999999999.99": 2,
        "!= 1.105": 3,
        "> 99999999999999999999.985": 1,
        "> 99999999999999999999.991": 0,
        "< 1.105": 1,
        "<= 1e-30": 0,
        "in (1.10, 2.505, 99999999999999999999.99)": 2,
        "between 1.095 and 99999999999999999999.98": 2,
    }
    for condition, count in counts.items():
        yield Case("decimals.parquet", data, f"count where x {condition}", [[count]])


def times_of(unit: str) -> bytes:
    """Returns a Parquet file with times of a day in this unit."""
    kind = pa.time32(unit) if unit in ("s", "ms") else pa.time64(unit)
    return _parquet(t=pa.array([time(10, 30), time(11)]).cast(kind), n=pa.array([1, 2]))


def _parquet(**columns: pa.Array) -> bytes:
    file = io.BytesIO()
    parquet.write_table(pa.table(columns), file)
    return file.getvalue()


@cache
def _upload(filename: str, data: bytes) -> tuple[FileSource, dict[str, bytes]]:
    return uploaded(filename, data, bucket=BUCKET, session_id="s")
