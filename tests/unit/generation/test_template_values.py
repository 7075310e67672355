"""Numbers and times that are written in prompts about columns of these types."""

from __future__ import annotations

import pytest

from raylane_common.errors import TypeMismatch
from raylane_common.wire.sources import ColumnType
from raylane_worker.generation.template.generator import write
from tests.unit.generation.schemas import column, csv_source

TIMES = csv_source(
    columns=(
        column("at", ColumnType.TIME, "time64[us]"),
        column("moment", ColumnType.TIMESTAMP, "timestamp[us]"),
        column("n", ColumnType.INTEGER, "int64"),
        column("wei", ColumnType.INTEGER, "decimal128(38, 0)"),
        column("price", ColumnType.NUMBER, "decimal128(38, 2)"),
    )
)


@pytest.mark.parametrize(
    ("condition", "problem"),
    [
        ("at > 25:00", "is a time of day; write it like 10:30 or 10:30:00, not '25:00'"),
        ("at > '10:30+02:00'", "is a time of day"),
        ("at > 10", "is a time of day"),
        ("at > '103000'", "is a time of day"),
        ("at > 2020-01-01", "is a time of day"),
        ("at between 11:00 and 10:30", "write the smaller bound first"),
        ("moment > 10:30", "is a timestamp; write it like 2020-01-31 for the whole day"),
        ("moment = '20200131'", "is a timestamp"),
        ("moment > '2020-01-31 10:00+02:00'", "without a time zone"),
        ("n between 2.5 and 1.5", "write the smaller bound first"),
        ("n > 1e30", "cannot hold a number of more than 64 bits"),
        ("n > 9223372036854775807.5", "cannot hold a number of more than 64 bits"),
        ("n > 1e9999999999999999999", "cannot hold"),
        ("wei > 1e38", "cannot hold a number of more than 38 digits"),
        ("price > 1e36", "cannot hold a number of more than 36 digits before the point"),
    ],
)
def test_a_value_that_would_be_compared_as_another_one_is_refused(condition: str, problem: str) -> None:
    with pytest.raises(TypeMismatch) as raised:
        write(f"count where {condition}", [TIMES])
    assert problem in raised.value.message


def test_a_reading_says_numbers_and_times_as_they_were_written() -> None:
    said = write("count where n > 2.50 and at between 9:05 and 10:30:00.5 and wei > 1e30", [TIMES]).interpreted_as
    assert "'n' > 2.50 and 'at' is between '09:05:00' and '10:30:00.500000'" in said
    assert "'wei' > 1000000000000000000000000000000" in said
    assert (
        "'price' = 99999999999999999999.990"
        in write("count where price = 99999999999999999999.990", [TIMES]).interpreted_as
    )
