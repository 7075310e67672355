"""Tables of answers as frames of pandas: each column has its type, no value changes, and missing stays missing."""

from __future__ import annotations

import io
import sys
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raylane import Answer, AnswerChart, AnswerColumn, AnswerFile, AnswerTable, AnswerValue, CellType, ChartKind
from raylane.answers.arrow_cells import cells
from raylane.answers.parquet_frame import parquet_frame
from raylane.errors import InvalidAnswer, InvalidRequest, MissingPackage
from tests.helpers.profiles import by_profile

if TYPE_CHECKING:
    from collections.abc import Sequence

NAN = float("nan")
# `str`, and before pandas 3 `object`.
TEXT = str(pd.Series(["a"]).dtype)
COLUMNS: list[tuple[CellType, str, list[Any], str, list[Any]]] = [
    (CellType.INTEGER, "int64", [1, -2, 3], "int64", [1, -2, 3]),
    (CellType.INTEGER, "int8", [1, None, 3], "Int64", [1, pd.NA, 3]),
    (CellType.INTEGER, "int64", [str(2**60), -(2**63), None], "Int64", [2**60, -(2**63), pd.NA]),
    (CellType.INTEGER, "uint64", [1, str(2**64 - 1), None], "object", [1, 2**64 - 1, None]),
    (CellType.NUMBER, "double", [1.5, 2, None], "float64", [1.5, 2.0, NAN]),
    (CellType.NUMBER, "double", ["Infinity", "-Infinity", 0.0], "float64", [np.inf, -np.inf, 0.0]),
    (CellType.DECIMAL, "decimal128(9, 2)", ["1.50", None], "object", [Decimal("1.50"), None]),
    (CellType.BOOLEAN, "bool", [True, False], "bool", [True, False]),
    (CellType.BOOLEAN, "bool", [True, None], "boolean", [True, pd.NA]),
    (CellType.STRING, "string", ["a", "", None, "NA"], TEXT, ["a", "", NAN, "NA"]),
    (CellType.DATE, "date32[day]", ["2024-02-29", None], "datetime64[s]", [pd.Timestamp("2024-02-29"), pd.NaT]),
    (CellType.TIME, "time64[us]", ["10:30:00.000005", None], "object", [time(10, 30, 0, 5), None]),
    (
        *(CellType.TIMESTAMP, "timestamp[us]", ["2024-01-31T10:30:00.000001", None]),
        *("datetime64[us]", [pd.Timestamp("2024-01-31T10:30:00.000001"), pd.NaT]),
    ),
    (
        *(CellType.TIMESTAMP, "timestamp[ns]", ["1969-12-31T23:59:59.999999999"]),
        *("datetime64[ns]", [pd.Timestamp("1969-12-31T23:59:59.999999999")]),
    ),
    (
        *(CellType.TIMESTAMP, "timestamp[ms, tz=Europe/Berlin]", ["2024-07-01T12:00:00+02:00", None]),
        *("datetime64[ms, Europe/Berlin]", [pd.Timestamp("2024-07-01T12:00:00", tz="Europe/Berlin"), pd.NaT]),
    ),
    (
        *(CellType.TIMESTAMP, "", ["2024-07-01T12:00:00+05:30", "2024-07-01T06:30:00+00:00"]),
        *("datetime64[us, UTC]", [pd.Timestamp("2024-07-01T06:30:00", tz=UTC)] * 2),
    ),
    (CellType.DURATION, "duration[ms]", [1.5, -0.001, None], "timedelta64[ms]", [1.5, -0.001, None]),
    (CellType.BINARY, "binary", ["aGk=", None], "object", [b"hi", None]),
    (CellType.NESTED, "list<item: int64>", [[1, 2], None, []], "object", [[1, 2], None, []]),
]


def table_of(*columns: tuple[str, CellType, str, Sequence[Any]]) -> AnswerTable:
    described = tuple(AnswerColumn(name=name, type=kind, native_type=native) for name, kind, native, _ in columns)
    rows = tuple(zip(*(values for *_, values in columns), strict=True))
    return AnswerTable(columns=described, rows=rows, total_rows=len(rows))


@pytest.mark.parametrize(("kind", "native", "values", "dtype", "expected"), COLUMNS)
def test_a_column_has_its_type_and_its_values(
    kind: CellType, native: str, values: list[Any], dtype: str, expected: list[Any]
) -> None:
    found = table_of(("x", kind, native, values)).to_pandas()["x"]
    assert str(found.dtype) == dtype
    if kind is CellType.DURATION:
        expected = [pd.NaT if one is None else pd.Timedelta(timedelta(seconds=one)) for one in expected]
    for one, other in zip(found, expected, strict=True):
        assert (one is other or one == other) or (pd.isna(one) and pd.isna(other)), (one, other)
        assert not (isinstance(other, int) and dtype == "object") or type(one) is int


@pytest.mark.parametrize(
    ("kind", "native", "value", "expected"),
    [
        (CellType.DATE, "date32[day]", "+012024-01-31", np.datetime64("12024-01-31", "s")),
        (CellType.DATE, "date32[day]", "-000044-03-15", np.datetime64("-044-03-15", "s")),
        (CellType.TIMESTAMP, "timestamp[us]", "0001-01-01T00:00:00", np.datetime64("0001-01-01", "us")),
    ],
)
def test_far_days_are_days(kind: CellType, native: str, value: str, expected: np.datetime64) -> None:
    found = table_of(("x", kind, native, [value])).to_pandas()["x"].to_numpy()
    assert (found.dtype, found[0]) == (expected.dtype, expected)


@pytest.mark.parametrize(
    ("kind", "native", "value"),
    [
        (CellType.DATE, "date32[day]", "2024-02-30"),
        (CellType.DATE, "date32[day]", "31.01.2024"),
        (CellType.TIME, "time64[ns]", "10:30:00.000000001"),
        (CellType.TIMESTAMP, "timestamp[ns]", "9999-01-01T00:00:00"),
        (CellType.TIMESTAMP, "timestamp[us]", "2024-01-31 10:30"),
        (CellType.INTEGER, "int64", 1.5),
        (CellType.INTEGER, "int64", True),
        (CellType.INTEGER, "int64", "9" * 5000),
        (CellType.NUMBER, "double", "1e400"),
        (CellType.DECIMAL, "decimal128(9, 2)", 1.5),
        (CellType.BOOLEAN, "bool", 1),
        (CellType.STRING, "string", 7),
        (CellType.BINARY, "binary", "no base64"),
    ],
)
def test_a_cell_that_the_type_cannot_hold_stays_as_it_is(kind: CellType, native: str, value: object) -> None:
    found = table_of(("x", kind, native, [value, None])).to_pandas()["x"]
    assert str(found.dtype) == "object"
    assert list(found) == [value, None]


def test_durations_that_are_too_long_are_seconds() -> None:
    found = table_of(("x", CellType.DURATION, "duration[ns]", [1e12, None])).to_pandas()["x"]
    assert str(found.dtype) == "float64"
    assert found[0] == 1e12


def test_a_table_without_rows_has_its_columns_with_their_types() -> None:
    frame = table_of(
        ("n", CellType.INTEGER, "int64", []), ("t", CellType.TIMESTAMP, "timestamp[us, tz=UTC]", [])
    ).to_pandas()
    assert [str(dtype) for dtype in frame.dtypes] == ["int64", "datetime64[us, UTC]"]
    assert frame.shape == (0, 2)
    assert AnswerTable(columns=(), rows=((),) * 3, total_rows=3).to_pandas().shape == (3, 0)


def test_rows_that_do_not_fit_the_columns_are_refused() -> None:
    columns = (AnswerColumn(name="a", type=CellType.INTEGER), AnswerColumn(name="b", type=CellType.INTEGER))
    table = AnswerTable(columns=columns, rows=((1, 2), (3,)), total_rows=2)
    with pytest.raises(InvalidAnswer, match="row 2 has 1 cell for 2 columns"):
        table.to_pandas()
    assert "3" in str(table._repr_html_())


def test_a_long_table_says_how_to_get_all_rows() -> None:
    table = AnswerTable(columns=(AnswerColumn(name="n", type=CellType.INTEGER),), rows=((1,),), total_rows=25_000)
    with pytest.raises(InvalidRequest, match=r"the answer holds 1 of 25,000 rows; producer\.to_pandas\(job\) gets all"):
        table.to_pandas()
    assert len(table.to_pandas(partial=True)) == 1


def test_an_answer_gives_the_table_that_is_asked_for() -> None:
    first, second = (table_of((name, CellType.INTEGER, "int64", [1])) for name in "ab")
    answer = Answer(items=(AnswerValue(name="n", value=1, value_type=CellType.INTEGER), first, second))
    assert list(answer.to_pandas()) == ["a"]
    assert list(answer.to_pandas(2)) == ["b"]
    for number in (0, 3, -1):
        with pytest.raises(InvalidRequest, match=f"table: there is no table {number}, because the answer has 2 tables"):
            answer.to_pandas(number)


def test_an_answer_of_values_is_one_row() -> None:
    answer = Answer(
        items=(
            AnswerValue(name="rows", value=1461, value_type=CellType.INTEGER),
            AnswerValue(name="first", value="2012-01-01", value_type=CellType.DATE),
        )
    )
    frame = answer.to_pandas()
    assert frame.to_dict("list") == {"rows": [1461], "first": [pd.Timestamp("2012-01-01")]}
    with pytest.raises(InvalidRequest, match="the answer has no table"):
        answer.to_pandas(2)
    with pytest.raises(InvalidRequest, match="the answer has no table"):
        Answer().to_pandas()


def test_a_chart_gives_what_it_shows() -> None:
    columns = (AnswerColumn(name="city", type=CellType.STRING), AnswerColumn(name="mean", type=CellType.NUMBER))
    chart = AnswerChart(kind=ChartKind.BAR, x="city", y="mean", columns=columns, rows=(("Oslo", 3.5),))
    assert chart.to_pandas().to_dict("list") == {"city": ["Oslo"], "mean": [3.5]}


def test_without_pandas_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name == "raylane_common.wire.frames"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingPackage, match=r"pip install 'raylane\[pandas\]'"):
        table_of(("n", CellType.INTEGER, "int64", [1])).to_pandas()


ARROW_TYPES: list[tuple[pa.DataType, CellType, st.SearchStrategy[Any]]] = [
    (pa.int64(), CellType.INTEGER, st.integers(-(2**63), 2**63 - 1)),
    (pa.int8(), CellType.INTEGER, st.integers(-128, 127)),
    (pa.uint64(), CellType.INTEGER, st.integers(0, 2**64 - 1)),
    (pa.float64(), CellType.NUMBER, st.floats()),
    (pa.float32(), CellType.NUMBER, st.floats(width=32)),
    (pa.bool_(), CellType.BOOLEAN, st.booleans()),
    (pa.string(), CellType.STRING, st.text(max_size=5)),
    (pa.large_string(), CellType.STRING, st.text(max_size=5)),
    (pa.dictionary(pa.int32(), pa.string()), CellType.STRING, st.text(max_size=5)),
    (pa.date32(), CellType.DATE, st.dates()),
    (pa.time64("us"), CellType.TIME, st.times()),
    (pa.timestamp("us"), CellType.TIMESTAMP, st.datetimes(min_value=datetime(1, 1, 2))),
    (pa.timestamp("ms", "Europe/Berlin"), CellType.TIMESTAMP, st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1))),
    (pa.duration("ms"), CellType.DURATION, st.integers(-(2**40), 2**40)),
    (pa.decimal128(20, 2), CellType.DECIMAL, st.decimals(-(10**10), 10**10, places=2)),
    (pa.binary(), CellType.BINARY, st.binary(max_size=5)),
    (pa.list_(pa.int64()), CellType.NESTED, st.lists(st.integers(0, 9), max_size=3)),
]


def in_file(columns: dict[str, pa.Array]) -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.table(columns), file, row_group_size=3)
    return file.getvalue()


@settings(max_examples=by_profile(fast=5, ci=15, deep=500))
@given(data=st.data(), rows=st.integers(0, 6))
def test_all_rows_of_a_file_have_the_types_of_the_first_rows(data: st.DataObject, rows: int) -> None:
    arrays, described = {}, []
    for kind, cell_type, values in ARROW_TYPES:
        name = str(kind)
        arrays[name] = pa.array(data.draw(st.lists(st.none() | values, min_size=rows, max_size=rows)), kind)
        native = str(kind.value_type) if isinstance(kind, pa.DictionaryType) else name
        described.append((name, cell_type, native, cells(arrays[name], cell_type)))
    short = table_of(*described)
    file = AnswerFile(name="t.parquet", rows=rows, columns=short.columns)
    pd.testing.assert_frame_equal(parquet_frame(io.BytesIO(in_file(arrays)), file), short.to_pandas())


def test_another_file_than_the_answer_describes_is_refused() -> None:
    described = AnswerFile(name="t.parquet", rows=2, columns=(AnswerColumn(name="x", type=CellType.INTEGER),))
    for content in (in_file({"x": pa.array([1])}), in_file({"y": pa.array([1, 2])}), b"PAR1", b""):
        with pytest.raises(InvalidAnswer, match=r"t\.parquet is not the Parquet file that the answer describes"):
            parquet_frame(io.BytesIO(content), described)


def test_columns_of_one_name_are_both_there() -> None:
    frame = table_of(("x", CellType.INTEGER, "int64", [1]), ("x", CellType.STRING, "string", ["a"])).to_pandas()
    assert frame.iloc[0].tolist() == [1, "a"]
    assert date(2024, 1, 31) == pd.Timestamp("2024-01-31").date()
