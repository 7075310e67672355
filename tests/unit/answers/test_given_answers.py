"""What scripts give to `raylane_run.answer`, and what is stored of it: long, empty, odd and hostile data."""

from __future__ import annotations

import json
import math
from collections import namedtuple
from datetime import date
from decimal import Decimal
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from raylane_worker.run_kit.raylane_run import held_types
from tests.helpers.answers import Given, file, table, types, value


@pytest.fixture
def given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Given:
    """An answer that is written below `tmp_path`."""
    return Given(tmp_path, monkeypatch)


def test_a_table_of_a_million_rows_is_whole_in_its_file(given: Given) -> None:
    given.answer.table(pd.DataFrame({"i": range(1_000_001), "t": "text"}), title="Long")
    found = table(given.read())

    assert (found.title, found.total_rows, len(found.rows)) == ("Long", 1_000_001, 1000)
    assert found.rows[999] == (999, "text")
    assert found.file is not None
    assert (found.file.name, found.file.rows, found.file.columns) == ("table-1.parquet", 1_000_001, found.columns)
    written = pq.read_table(given.directory / "table-1.parquet")
    assert written.column("i").to_pylist() == list(range(1_000_001))
    assert (given.directory / "answer.json").stat().st_size < 30_000


def test_a_table_without_rows_keeps_its_columns(given: Given) -> None:
    given.answer.table(pd.DataFrame({"i": pd.Series([], dtype="int64"), "t": pd.Series([], dtype=object)}))
    given.answer.table(pa.schema([("a", pa.float64())]).empty_table())
    given.answer.table([])
    found = given.read()

    assert (table(found).total_rows, table(found).rows, types(table(found).columns)) == (0, (), ["integer", "string"])
    assert types(table(found, 1).columns) == ["number"]
    assert table(found, 2).rows == ()
    assert found.is_empty


def test_rows_that_would_be_too_many_bytes_are_in_the_file(given: Given) -> None:
    given.answer.table(pd.DataFrame({"t": ["x" * 10_000_000, "short"]}))
    given.answer.table(pd.DataFrame({"t": ["x" * 10_000] * 500}))
    given.answer.table(pd.DataFrame({"t": ["x" * 1000] * 20}))
    given.answer.table(pd.DataFrame({"t": ["x" * 30_000] * 3}))
    found = given.read()

    assert [len(table(found, at).rows) for at in range(4)] == [0, 52, 20, 3]
    assert pq.read_table(given.directory / "table-1.parquet").column("t")[0].as_py() == "x" * 10_000_000
    assert given.directory.joinpath("answer.json").stat().st_size < 1_100_000


def test_hostile_text_stays_what_it_is_in_the_record_and_does_nothing_on_the_terminal(
    given: Given, capsys: pytest.CaptureFixture[str]
) -> None:
    texts = ["\x1b[2J\x1b]0;owned\x07", "a\u202eb", "n\x00l", "line\r\nbreak", "\u2028", "é字👍", "\t", "\x9b31m"]
    given.answer.table(pd.DataFrame({"\x1b[31mname": texts}), title="\x1b[1mtitle")
    given.answer.value("\x1b[1m", texts[0], unit="\x1b")
    given.answer.note("\x1b[1mnote")
    found = given.read()

    assert [row[0] for row in table(found).rows] == texts
    assert (table(found).columns[0].name, value(found, 1).value) == ("\x1b[31mname", texts[0])
    printed = capsys.readouterr().out
    assert all(one == "\n" or one.isprintable() for one in printed)
    assert len(printed.splitlines()) == len(texts) + 5


def test_half_a_character_is_replaced(given: Given) -> None:
    frame = pd.DataFrame({0: pd.Series(["a\ud800", "\udc00", "\ud83d\udc4d"], dtype=object)})
    frame.columns = pd.Index(["t\ud800"], dtype=object)
    given.answer.table(frame)
    given.answer.table(pd.DataFrame({"t": pd.Series(["a\ud800"], dtype="string[python]")}))
    given.answer.value("v\ud800", {"k\ud800": ["\ud800"]})
    given.answer.note("\ud800")
    found = given.read()

    assert table(found).columns[0].name == "t\ufffd"
    assert [row[0] for row in table(found).rows] == ["a\ufffd", "\ufffd", "👍"]
    assert table(found, 1).rows == (("a\ufffd",),)
    assert (value(found, 2).name, value(found, 2).value) == ("v\ufffd", {"k\ufffd": ["\ufffd"]})


def test_bytes_that_are_no_text_are_replaced(given: Given) -> None:
    broken = pa.array([b"a\xff", b"ok"], pa.binary()).view(pa.string())
    given.answer.table(pa.table({"t": broken}))

    assert table(given.read()).rows == (("a\ufffd",), ("ok",))


def test_numbers_keep_all_their_digits(given: Given) -> None:
    frame = pd.DataFrame(
        {
            "id": [12345678901234567890, 2**53 + 1, -5],
            "odd": [math.nan, math.inf, -0.0],
            "price": [Decimal("1.50"), Decimal("-0.001"), None],
            "huge": [10**100, 1, None],
            "mixed": [1, 2.5, None],
        }
    )
    frame["id"] = frame["id"].astype(object)
    given.answer.table(frame)
    found = table(given.read())

    assert types(found.columns) == ["integer", "number", "decimal", "integer", "number"]
    assert found.rows == (
        ("12345678901234567890", None, "1.500", str(10**100), 1.0),
        (str(2**53 + 1), "Infinity", "-0.001", 1, 2.5),
        (-5, 0.0, None, None, None),
    )
    assert math.copysign(1, float(str(found.rows[2][1]))) == 1


def test_a_decimal_without_fractions_is_an_integer(given: Given) -> None:
    given.answer.table(pa.table({"sum": pa.array([Decimal(10**20)], pa.decimal128(38, 0))}))
    given.answer.table(pd.DataFrame({"sum": [Decimal(3), None]}))
    given.answer.value("sum", Decimal(4))
    found = given.read()

    assert (types(table(found).columns), table(found).rows) == (["integer"], ((str(10**20),),))
    assert (types(table(found, 1).columns), table(found, 1).rows) == (["integer"], ((3,), (None,)))
    assert (value(found, 2).value_type, value(found, 2).value) == ("integer", 4)


def test_the_levels_of_an_index_become_columns_if_they_say_something(given: Given) -> None:
    frame = pd.DataFrame({"k": ["a", "b", "a"], "j": [1, 2, 3], "v": [1, 2, 3]})
    given.answer.table(frame.groupby("k")["v"].sum())
    given.answer.table(frame.groupby(["k", "j"]).agg({"v": ["sum", "mean"]}))
    given.answer.table(frame[frame["v"] > 1])
    given.answer.table(frame["v"].describe())
    given.answer.table(frame["k"].value_counts())
    given.answer.table(frame.set_index("v", drop=False))
    found = given.read()

    names = [[column.name for column in table(found, at).columns] for at in range(6)]
    assert names == [
        ["k", "v"],
        ["k", "j", "v_sum", "v_mean"],
        ["k", "j", "v"],
        ["index", "v"],
        ["k", "count"],
        ["v", "k", "j", "v_2"],
    ]


def test_an_index_of_integers_is_a_column_if_its_values_are_keys(given: Given, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held_types, "_LENGTHS", [1000, 500, 0])  # three sources were read
    sales, counts = pd.Series({2020: 5, 2021: 7}), pd.Series([1, 1, 2, 5]).value_counts()
    frame = pd.DataFrame({"v": [3, 1, 2]})
    keyed = [sales, counts, sales.to_frame("v"), frame.groupby([2020, 2021, 2021]).sum(), frame.set_axis([-1, 0, 1])]
    numbered = [frame, frame["v"].sort_values(), frame[frame["v"] > 1], frame.set_axis([7, 1499, 7]), sales[:0]]
    for data in [*keyed, *numbered]:
        given.answer.table(data)
    given.answer.chart("bar", sales.rename("v"), x="index", y="v")
    found = given.read()
    first = [table(found, at).columns[0].name for at in range(len(keyed + numbered))]
    assert first == ["index"] * len(keyed) + ["v", "v", "v", "v", "value"]
    assert table(found, 0).rows == ((2020, 5), (2021, 7))


def test_the_rows_of_a_frame_that_was_made_of_few_rows_have_no_numbers(
    given: Given, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(held_types, "_LENGTHS", [0])
    missing = pd.DataFrame(columns=["a", "b", "c"]).isna().sum().rename_axis("column").reset_index(name="missing")
    given.answer.table(missing)
    given.answer.table(missing[1:])
    found = given.read()
    assert [column.name for at in range(2) for column in table(found, at).columns] == ["column", "missing"] * 2


def test_columns_of_one_name_get_numbers(given: Given) -> None:
    frame = pd.concat([pd.DataFrame({"a": [1], "a_2": [2]}), pd.DataFrame({"a": [3]})], axis=1)
    given.answer.table(frame)
    given.answer.table(pd.DataFrame([[1, 2]], columns=[0, (1, "b")]))

    found = given.read()
    assert [column.name for column in table(found).columns] == ["a", "a_2", "a_3"]
    assert [column.name for column in table(found, 1).columns] == ["0", "1_b"]


Row = namedtuple("Row", ["a", "b"])


@pytest.mark.parametrize(
    "rows",
    [
        pd.DataFrame({"a": [1, 2], "b": ["x", None]}),
        [{"a": 1, "b": "x"}, {"a": 2}],
        ({"a": 1, "b": "x"}, {"a": 2, "b": None}),
        {"a": [1, 2], "b": ["x", None]},
        {"a": np.array([1, 2]), "b": ("x", None)},
        [Row(1, "x"), Row(2, None)],
        pa.table({"a": [1, 2], "b": ["x", None]}),
        pa.RecordBatch.from_pydict({"a": [1, 2], "b": ["x", None]}),
        pa.RecordBatchReader.from_batches(
            pa.schema([("a", pa.int64()), ("b", pa.string())]),
            [pa.RecordBatch.from_pydict({"a": [1, 2], "b": ["x", None]})],
        ),
    ],
    ids=lambda rows: type(rows).__name__,
)
def test_rows_of_any_kind_are_one_table(given: Given, rows: object) -> None:
    given.answer.table(rows)

    found = table(given.read())
    assert [(column.name, column.type) for column in found.columns] == [("a", "integer"), ("b", "string")]
    assert found.rows == ((1, "x"), (2, None))


def test_one_row_and_one_column_are_tables_too(given: Given) -> None:
    given.answer.table({"mean(x)": 1.5, "count()": 2})
    given.answer.table([3, 4])
    given.answer.table(np.array([0.5]))
    given.answer.table(pd.Series([1], name="s"))
    given.answer.table(pd.Index(["a"], name="i"))
    found = given.read()

    assert table(found).rows == ((1.5, 2),)
    shown = [([column.name for column in table(found, at).columns], table(found, at).rows) for at in range(1, 5)]
    assert shown == [
        (["value"], ((3,), (4,))),
        (["value"], ((0.5,),)),
        (["s"], ((1,),)),
        (["i"], (("a",),)),
    ]


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        (5, "a int does not hold rows; give a DataFrame"),
        ("text", "a str does not hold rows"),
        (None, "a NoneType does not hold rows"),
        ([[1, 2]], "the columns of these rows have no names"),
        (pd.DataFrame({"k": [1]}).groupby("k"), "call count"),
    ],
)
def test_what_holds_no_rows_is_refused_with_the_way_out(given: Given, rows: object, problem: str) -> None:
    with pytest.raises(TypeError, match=problem):
        given.answer.table(rows)


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        ({"a": [1], "b": [1, 2]}, "different lengths"),
        (pd.DataFrame(), "there are no columns"),
        ({}, "there are no columns"),
        (pd.DataFrame(np.zeros((1, 5001))), "5,001 columns; an answer has at most 5,000"),
        (pd.DataFrame({"deep": [json.loads("[" * 25 + "]" * 25)]}), "'deep' are nested 2. deep"),
        (pa.table({"deep": pa.array([None], reduce(lambda kind, _: pa.list_(kind), range(25), pa.int8()))}), "25 deep"),
    ],
)
def test_rows_that_no_answer_holds_are_refused_with_the_way_out(given: Given, rows: object, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        given.answer.table(rows)


def test_types_that_parquet_does_not_have_are_written_as_text(given: Given) -> None:
    frame = pd.DataFrame({"when": pd.period_range("2024-01", periods=1200, freq="M"), "n": range(1200)})
    frame["part"] = pd.cut(frame["n"], 3)
    frame["mixed"] = pd.Series([1, "a", 2.5, None] * 300, dtype=object)
    frame["took"] = pd.to_timedelta(frame["n"], unit="h")
    given.answer.table(frame)
    found = table(given.read())

    assert types(found.columns) == ["string", "integer", "string", "string", "duration"]
    assert found.rows[0] == ("2024-01", 0, "(-1.199, 399.667]", "1", 0.0)
    written = pq.read_table(given.directory / "table-1.parquet")
    assert written.num_rows == 1200
    assert written.column("mixed")[:4].to_pylist() == ["1", "a", "2.5", None]
    assert written.column("took")[1].as_py().total_seconds() == 3600


def test_files_have_all_rows_in_each_format(given: Given) -> None:
    frame = pd.DataFrame(
        {
            "i": [1, 2**60, 3],
            "x": [1.5, None, math.inf],
            "t": ["a", None, 'q"uo,te\n'],
            "d": pd.to_datetime(["2024-01-31", None, "2024-02-01"]).astype("datetime64[s]"),
            "n": [[1], None, {"a": None}],
            "b": [b"\xff", None, b""],
        }
    )
    for name in ("all.parquet", "all rows.csv", "all.json"):
        given.answer.file(frame, name)
    found = given.read()

    assert [(file(found, at).name, file(found, at).rows) for at in range(3)] == [
        ("all.parquet", 3),
        ("all rows.csv", 3),
        ("all.json", 3),
    ]
    parquet = pq.read_table(given.directory / "all.parquet")
    assert parquet.column("d").to_pylist() == [date(2024, 1, 31), None, date(2024, 2, 1)]
    assert parquet.column("b").to_pylist() == [b"\xff", None, b""]
    assert json.loads((given.directory / "all.json").read_text("utf-8"))[1:] == [
        {"i": str(2**60), "x": None, "t": None, "d": None, "n": None, "b": None},
        {"i": 3, "x": "Infinity", "t": 'q"uo,te\n', "d": "2024-02-01", "n": {"a": None}, "b": ""},
    ]
    csv = pyarrow.csv.read_csv(
        given.directory / "all rows.csv",
        parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True),
        convert_options=pyarrow.csv.ConvertOptions(strings_can_be_null=True, quoted_strings_can_be_null=False),
    )
    assert csv.to_pylist()[0] == {"i": 1, "x": 1.5, "t": "a", "d": date(2024, 1, 31), "n": "[1]", "b": "/w=="}
    assert csv.column("t").to_pylist() == ["a", None, 'q"uo,te\n']


def test_files_without_rows_can_be_read(given: Given) -> None:
    empty = pd.DataFrame({"a": pd.Series([], dtype="int64")})
    for name in ("e.parquet", "e.csv", "e.json"):
        given.answer.file(empty, name)

    assert given.read().is_empty
    assert pq.read_table(given.directory / "e.parquet").num_rows == 0
    assert (given.directory / "e.csv").read_text() == '"a"\n'
    assert json.loads((given.directory / "e.json").read_text()) == []


@pytest.mark.parametrize(
    "name",
    [
        "a/b.csv",
        "../a.csv",
        "..csv",
        ".csv",
        "a.xlsx",
        "a",
        "",
        "answer.json",
        "table-1.parquet",
        "a\x00.csv",
        "a\n.csv",
        "s3://b/a.csv",
        "C:\\a.csv",
        " a.csv",
        "x" * 300 + ".csv",
        "\ud800.csv",
        7,
        None,
    ],
    ids=repr,
)
def test_a_file_name_that_is_not_plain_is_refused(given: Given, name: Any) -> None:
    with pytest.raises(ValueError, match=r"file name .*: give a plain name|is taken"):
        given.answer.file(pd.DataFrame({"a": [1]}), name)

    assert list(given.directory.iterdir()) == []


def test_a_file_name_is_given_once(given: Given) -> None:
    given.answer.file({"a": 1}, "a.csv")
    with pytest.raises(ValueError, match=r"file name 'a\.csv' is taken"):
        given.answer.file({"a": 1}, "a.csv")


ODD: dict[str, tuple[Any, str, list[Any]]] = {
    "bytes and text": ([b"a", "b"], "string", ["YQ==", "b"]),
    "numbers of any library": ([np.int64(3), math.nan, np.float32(0.5), 1], "number", [3.0, None, 0.5, 1.0]),
    "moments of NumPy": (
        [np.datetime64("2024-01-01"), np.datetime64("NaT", "D")],
        "timestamp",
        ["2024-01-01T00:00:00", None],
    ),
    "two zones": (
        [pd.Timestamp("2024-01-01", tz="UTC"), pd.Timestamp("2024-01-01", tz="Europe/Berlin")],
        "timestamp",
        ["2024-01-01T00:00:00+00:00", "2023-12-31T23:00:00+00:00"],
    ),
    "decimals that are no numbers": (
        [Decimal("NaN"), Decimal("sNaN"), Decimal("-Infinity"), Decimal("1.5")],
        "decimal",
        [None, None, "-Infinity", "1.5"],
    ),
    "decimals with exponents": ([Decimal("1E+2"), Decimal("1E-2")], "decimal", ["100.00", "0.01"]),
    "decimals beyond all": ([Decimal("1E+1000000"), Decimal(1)], "decimal", ["1E+1000000", "1"]),
    "objects": ([Path("/a"), None], "string", ["/a", None]),
    "sets and tuples": ([{1}, (2, None), Row(3, "x")], "nested", [[1], [2, None], [3, "x"]]),
    "keys that are no text": ([{1: 2, None: 3, date(2024, 1, 1): 4}], "nested", [{"1": 2, "null": 3, "2024-01-01": 4}]),
    "arrays in cells": ([np.array([[1.5], [math.nan]]), []], "nested", [[[1.5], [None]], []]),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_objects_in_a_column(given: Given, name: str) -> None:
    values, kind, cells = ODD[name]
    given.answer.table(pd.DataFrame({"c": pd.Series(values, dtype=object)}))
    found = table(given.read())

    assert (types(found.columns), [row[0] for row in found.rows]) == ([kind], cells)


ARROW: dict[str, tuple[pa.Array, str, list[Any]]] = {
    "views of lists": (pa.array([[1], None, [2, 3]], pa.list_view(pa.int64())), "nested", [[1], None, [2, 3]]),
    "run ends": (pa.RunEndEncodedArray.from_arrays([2, 3], ["a", None]), "string", ["a", "a", None]),
    "tensors": (
        pa.FixedShapeTensorArray.from_numpy_ndarray(np.arange(8).reshape(2, 2, 2)),
        "nested",
        [[[0, 1], [2, 3]], [[4, 5], [6, 7]]],
    ),
    "unions": (
        pa.UnionArray.from_sparse(pa.array([0, 1], pa.int8()), [pa.array([1, 2]), pa.array(["a", "b"])]),
        "string",
        ["1", "b"],
    ),
    "intervals": (pa.array([(1, 2, 3)], pa.month_day_nano_interval()), "nested", [[1, 2, 3]]),
    "UUIDs": (pa.array([b"0" * 16], pa.uuid()), "string", ["30303030-3030-3030-3030-303030303030"]),
    "far dates": (pa.array([2**31 - 1], pa.int32()).view(pa.date32()), "date", ["+5881580-07-11"]),
    "far moments": (
        pa.array([2**40], pa.int64()).view(pa.timestamp("s", "Europe/Berlin")),
        "timestamp",
        ["+036812-02-20T00:36:16+00:00"],
    ),
    "structures without fields": (pa.array([{}, None], pa.struct([])), "nested", [{}, None]),
}


@pytest.mark.parametrize("name", ARROW)
def test_odd_types_of_arrow(given: Given, name: str) -> None:
    values, kind, cells = ARROW[name]
    given.answer.table(pa.table({"c": values}))
    given.answer.file(pa.table({"c": values}), "all.parquet")
    found = table(given.read())

    assert (types(found.columns), [row[0] for row in found.rows]) == ([kind], cells)
    assert pq.read_table(given.directory / "all.parquet").num_rows == len(values)
