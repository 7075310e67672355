"""Every form of a table of an answer has the values of its cells: frames, Parquet, and files of long tables."""

from __future__ import annotations

import base64
import io
import json
import math
from datetime import UTC, datetime, time
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings

from raylane import Answer, AnswerColumn, AnswerFile, AnswerTable, AnswerValue, CellType
from raylane.answers.arrow_table import parquet_bytes
from raylane.answers.csv_text import csv_lines
from raylane.answers.parquet_frame import parquet_frame
from raylane.errors import InvalidAnswer
from tests.helpers.profiles import by_profile
from tests.unit.answers.test_exports import read, written
from tests.unit.answers.test_typed_tables import arrow_columns

if TYPE_CHECKING:
    from pydantic import JsonValue

_NS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def described(table: AnswerTable) -> AnswerFile:
    return AnswerFile(name="table-1.parquet", rows=table.total_rows, columns=table.columns)


def counts(series: pd.Series) -> list[int | None]:
    """Moments, days and durations in nanoseconds."""
    zoned = isinstance(series.dtype, pd.DatetimeTZDtype)
    array = (series.dt.tz_convert("UTC").dt.tz_localize(None) if zoned else series).to_numpy()
    unit = _NS[np.datetime_data(array.dtype)[0]]
    return [None if one == -(2**63) else int(one) * unit for one in array.view("int64")]


def moment(cell: str) -> int:
    """A day or a moment within the years 1 to 9999, in nanoseconds."""
    whole, dot, rest = cell.partition(".")
    digits = rest[:9].rstrip("+-:") if dot else ""
    fraction = digits.partition("+")[0].partition("-")[0]
    found = datetime.fromisoformat(whole + rest[len(fraction) :])
    seconds = (found if found.tzinfo else found.replace(tzinfo=UTC)) - _EPOCH
    return (seconds.days * 86_400 + seconds.seconds) * 10**9 + int(fraction.ljust(9, "0"))


def holds(value: Any, cell: JsonValue, kind: CellType) -> bool:
    """Whether a value of a frame is that of the cell."""
    match kind, cell:
        case _, None:
            return value is None or value is pd.NA or value is pd.NaT or (isinstance(value, float) and value != value)
        case CellType.DECIMAL, str():
            return isinstance(value, Decimal) and value == Decimal(cell)
        case CellType.INTEGER, int() | str():
            return not isinstance(value, float) and int(value) == int(cell)
        case CellType.NUMBER, int() | float() | str():
            return bool(value == float(cell))
        case CellType.DURATION, int() | float():
            return bool(value == cell if isinstance(value, float) else value / 10**9 == cell)
        case CellType.BINARY, str():
            return bool(value == base64.b64decode(cell))
        case CellType.TIME, str() if isinstance(value, time):
            return value == time.fromisoformat(cell)
        case ((CellType.DATE | CellType.TIMESTAMP), str()) if not isinstance(value, str):
            return bool(value == moment(cell))
        case _:
            return bool(value == cell)


def check(frame: pd.DataFrame, table: AnswerTable) -> None:
    for index, column in enumerate(table.columns):
        series = frame.iloc[:, index]
        values = counts(series) if series.dtype.kind in "mM" else list(series)
        for value, row in zip(values, table.rows, strict=True):
            assert holds(value, row[index], column.type), (column, row[index], value)


@settings(max_examples=by_profile(fast=30, ci=150, deep=10_000))
@given(arrow_columns())
@example(pa.chunked_array([pa.array([-(2**63)], pa.timestamp("ns"))]))
@example(pa.chunked_array([pa.array(["a", "b"], pa.string_view()), pa.array(["c"], pa.string_view())]))
@example(pa.chunked_array([pa.array([b"a", b"b"], pa.binary_view()), pa.array([b"c"], pa.binary_view())]))
def test_every_form_of_a_table_has_its_values(column: pa.ChunkedArray) -> None:
    table, parquet = written(pa.table({"c": column}))
    frame = table.to_pandas()
    check(frame, table)

    whole = parquet_frame(io.BytesIO(parquet), described(table))
    pd.testing.assert_frame_equal(whole, frame)
    assert csv_lines(read(parquet, table)) == csv_lines(table.rows)

    exported = parquet_bytes(table)
    assert json.dumps(read(exported, table)) == json.dumps(table.rows)
    check(parquet_frame(io.BytesIO(exported), described(table)), table)


@pytest.mark.parametrize("seconds", [1e-9, 5e-7, 1.0000001, 1.5, -0.000000001, 0, 1e12])
def test_a_duration_of_an_answer_is_never_rounded(seconds: float) -> None:
    answer = Answer(items=(AnswerValue(name="lag", value=seconds, value_type=CellType.DURATION),))
    assert counts(answer.to_pandas()["lag"]) == [round(seconds * 10**9)]


def test_what_no_duration_of_pandas_holds_is_in_seconds() -> None:
    found = Answer(items=(AnswerValue(name="lag", value=1e-12, value_type=CellType.DURATION),)).to_pandas()["lag"]
    assert (str(found.dtype), found[0]) == ("float64", 1e-12)


@pytest.mark.parametrize(("unit", "count"), [("ms", 197864750213868667), ("us", 2**62 + 12345), ("ns", -(2**62) - 1)])
def test_a_long_duration_keeps_its_seconds(unit: str, count: int) -> None:
    table, _ = written(pa.table({"c": pa.array([count], pa.int64()).view(pa.duration(unit))}))
    assert math.isclose(table.rows[0][0], count * _NS[unit] / 10**9, rel_tol=0)  # type: ignore[arg-type]
    assert read(parquet_bytes(table), table) == [(table.rows[0][0],)]


def test_finer_durations_than_the_column_says_are_exported_as_they_are() -> None:
    column = AnswerColumn(name="c", type=CellType.DURATION, native_type="duration[s]")
    table = AnswerTable(columns=(column,), rows=((1.5,),), total_rows=1)
    assert read(parquet_bytes(table), table) == [(1.5,)]


@pytest.mark.parametrize(
    "at", ["2085-03-25T01:00:00", "2040-07-01T12:00:00", "1850-07-01T12:00:00", "1943-07-01T12:00"]
)
@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "+05:30", "UTC"])
def test_moments_of_a_file_have_the_clock_of_their_zone_in_every_century(at: str, zone: str) -> None:
    column = pa.array([datetime.fromisoformat(at).replace(tzinfo=UTC), None], pa.timestamp("us", zone))
    table, parquet = written(pa.table({"c": column}))
    assert json.dumps(read(parquet, table)) == json.dumps(table.rows)


@pytest.mark.parametrize("years", [250_000, -250_000])
def test_moments_of_years_without_local_time_are_those_of_utc_in_files_as_well(years: int) -> None:
    column = pa.array([years * 31_556_952 * 10**6], pa.int64()).view(pa.timestamp("us", "Europe/Berlin"))
    table, parquet = written(pa.table({"c": column}))
    assert json.dumps(read(parquet, table)) == json.dumps(table.rows)


def test_a_long_table_may_hold_decimals_of_a_negative_scale() -> None:
    table, parquet = written(pa.table({"c": pa.array([Decimal("12300"), None], pa.decimal256(40, -2))}))
    assert json.dumps(read(parquet, table)) == json.dumps(table.rows) == "[[12300], [null]]"


@pytest.mark.parametrize("zone", [None, "Europe/Berlin"])
def test_whole_seconds_of_a_file_keep_their_type(zone: str | None) -> None:
    table, parquet = written(pa.table({"c": pa.array([1, None], pa.int64()).view(pa.timestamp("s", zone))}))
    pd.testing.assert_frame_equal(parquet_frame(io.BytesIO(parquet), described(table)), table.to_pandas())


@pytest.mark.parametrize("text", ["no JSON", "[" * 100_000])
def test_nested_values_of_a_file_that_are_no_json_are_an_invalid_answer(text: str) -> None:
    column = AnswerColumn(name="c", type=CellType.NESTED, native_type="list<item: int64>")
    table = AnswerTable(columns=(column,), rows=(), total_rows=1)
    parquet = io.BytesIO()
    pq.write_table(pa.table({"c": [text]}), parquet)
    with pytest.raises(InvalidAnswer, match=r"table-1\.parquet is not the Parquet file that the answer describes"):
        parquet_frame(parquet, described(table))
    with pytest.raises(InvalidAnswer, match=r"table-1\.parquet is not the Parquet file that the answer describes"):
        read(parquet.getvalue(), table)


def test_texts_in_a_file_that_should_be_numbers_stay_as_they_are() -> None:
    table = AnswerTable(columns=(AnswerColumn(name="c", type=CellType.INTEGER),), rows=(), total_rows=2)
    parquet = io.BytesIO()
    pq.write_table(pa.table({"c": ["12", "x"]}), parquet)
    assert read(parquet.getvalue(), table) == [("12",), ("x",)]
    assert list(parquet_frame(parquet, described(table))["c"]) == ["12", "x"]


@pytest.mark.parametrize("seconds", [253_402_300_800, -62_135_596_801])
def test_moments_without_a_local_time_stay_texts_that_can_be_looked_at(seconds: int) -> None:
    column = pa.array([0, seconds * 10**6], pa.int64()).view(pa.timestamp("us", "Europe/Berlin"))
    table, parquet = written(pa.table({"c": column}))
    for frame in (table.to_pandas(), parquet_frame(io.BytesIO(parquet), described(table))):
        assert list(frame["c"]) == [row[0] for row in table.rows]
        assert str(frame)
