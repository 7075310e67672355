"""`read` finds sources by their URI, and its frames have pandas' own rule for what is missing."""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raylane_common.wire.names import Engine
from raylane_common.wire.reading import SerDe, TableReading
from raylane_common.wire.sources import Column, ColumnType, FileSource, TableSource
from raylane_worker.run_kit import source_file
from raylane_worker.run_kit.raylane_run.frames import to_frame
from raylane_worker.run_kit.raylane_run.plain import plain_table
from tests.helpers import frames
from tests.helpers.files import uploaded
from tests.helpers.kit import kit
from tests.integration import missing_value_cases

NAMES = ("sales.csv", "sales 2024.csv", "people.csv")
INT64 = st.integers(-(2**63), 2**63 - 1)


def stored(filename: str, data: bytes) -> tuple[FileSource, dict[str, bytes]]:
    source, objects = uploaded(filename, data, bucket="lake", session_id="s")
    return source, {f"s3://lake/{key}": body for key, body in objects.items()}


def read(filename: str, data: bytes) -> pd.DataFrame:
    source, objects = stored(filename, data)
    with kit(objects, [source]) as package:
        return package.read(source.location)


def table_at(location: str) -> TableSource:
    return TableSource(
        database="d",
        table="t",
        location=location,
        reading=TableReading(serde=SerDe.LAZY_SIMPLE),
        columns=(Column(name="n", type=ColumnType.INTEGER, native_type="bigint"),),
        job_id="j",
    )


def test_code_sees_missing_values_as_pandas_does() -> None:
    frame = read("people.csv", missing_value_cases.PEOPLE.encode())
    names: dict[str, Any] = {"pd": pd, "np": np, "json": json}
    exec(missing_value_cases.function(), names)
    found = list(names["answers"](frame)["answer"])
    right = missing_value_cases.by_pandas()
    wrong = [
        (expression, got, answer)
        for expression, got, answer in zip(missing_value_cases.EXPRESSIONS, found, right, strict=True)
        if not missing_value_cases.same(got, answer)
    ]
    assert wrong == []


def test_nan_is_missing_and_zero_has_one_sign() -> None:
    frame = read("blocks.parquet", missing_value_cases.blocks_as_parquet())
    right = missing_value_cases.nan_by_pandas()
    assert frame["x"].mean() == right["mean"] == 8.5
    assert sorted(frame.groupby("x", dropna=False).size().tolist()) == right["keys"]
    assert frame["n"].sum() == right["exact"]
    assert not np.signbit(frame["zero"]).any()


def test_a_source_is_found_by_its_uri_and_a_table_without_its_last_slash() -> None:
    table = table_at("s3://lake/t/")
    with kit({"s3://lake/t/a": b"1\n\\N\n"}, [table]) as package:
        assert frames.rows(package.read("s3://lake/t/")) == frames.rows(package.read("s3://lake/t")) == [[1], [None]]


@pytest.mark.parametrize(
    ("uri", "problem"),
    [
        ("s3://lake/sessions/s/csv/sale.csv", "the nearest ones are 's3://lake/sessions/s/csv/sales.csv', "),
        ("s3://lake/sessions/s/csv/sales.csv/x", "no source is at 's3://lake/sessions/s/csv/sales.csv/x'; the nearest"),
        ("people.csv", "the nearest ones are 's3://lake/sessions/s/csv/people.csv', "),
        (["s3://lake/sessions/s/csv/people.csv"], "read() takes the URI of one source as a text, not list"),
    ],
)
def test_an_unknown_uri_is_an_error_that_names_the_nearest_ones(uri: Any, problem: str) -> None:
    sources = [stored(name, b"a\n1\n")[0] for name in NAMES]
    with kit({}, sources) as package, pytest.raises(ValueError, match="source") as caught:
        package.read(uri)
    assert problem in str(caught.value)


def test_the_list_of_sources_names_the_original_and_where_its_rows_are() -> None:
    odd, _ = stored("größe.csv", "a;b\n1;2\n".encode("cp1252"))
    [text] = source_file([odd, table_at("s3://lake/t/")], {}, Engine.DISTRIBUTED, small=False).values()
    found = json.loads(text)
    assert (found["engine"], found["small"]) == ("distributed", False)
    assert found["sources"][0] == {
        "kind": "file",
        "uri": "s3://lake/sessions/s/csv/größe.csv",
        "name": "größe.csv",
        "format": "parquet",
        "location": "s3://lake/sessions/s/data/gr%C3%B6%C3%9Fe.csv.parquet",
        "rows": 1,
        "columns": [["a", "int64"], ["b", "int64"]],
    }
    assert (found["sources"][1]["kind"], found["sources"][1]["uri"]) == ("table", "s3://lake/t/")


def test_each_reading_gives_a_frame_of_its_own() -> None:
    source, objects = stored("a.csv", b"n\n1\n2\n")
    with kit(objects, [source]) as package:
        first = package.read(source.location)
        first.loc[0, "n"] = 9
        assert frames.rows(package.read(source.location)) == [[1], [2]]


def test_a_frame_can_be_changed() -> None:
    frame = read("a.csv", b"n,x,t,b,d\n1,0.5,a,true,2020-01-01\n2,,,,\n")
    for name in frame.columns:
        frame.loc[0, name] = frame.loc[1, name]
    assert frames.rows(frame) == [[2, None, None, None, None]] * 2


@given(values=st.lists(st.none() | INT64 | st.integers(-9, 9), max_size=6))
def test_integers_keep_their_values_and_their_sum(values: list[int | None]) -> None:
    column = to_frame(plain_table(pa.table({"n": pa.array(values, pa.int64())})))["n"]
    present = [value for value in values if value is not None]
    assert frames.cells(column) == values
    if column.dtype != "float64" or sum(map(abs, present)) <= 2**53:
        assert column.sum() == sum(present)
    if None not in values and sum(map(abs, present)) < 2**63:
        assert column.dtype == "int64"
    if None in values and sum(map(abs, present)) <= 2**53:
        assert column.dtype == "float64"


@given(data=st.data())
def test_rows_keep_their_order_and_values_over_all_chunks(data: st.DataObject) -> None:
    kinds = {
        "i": (pa.int64(), st.integers(-(2**50), 2**50)),
        "x": (pa.float64(), st.floats(allow_nan=False, width=32)),
        "t": (pa.string(), st.text(max_size=3)),
        "b": (pa.bool_(), st.booleans()),
        "d": (pa.date32(), st.dates()),
        "m": (pa.timestamp("us"), st.datetimes()),
        "c": (pa.time64("us"), st.times()),
        "l": (pa.list_(pa.int64()), st.lists(st.integers(0, 9), max_size=2)),
    }
    count = data.draw(st.integers(0, 12))
    cells = {
        name: data.draw(st.lists(st.none() | values, min_size=count, max_size=count))
        for name, (_, values) in kinds.items()
    }
    table = pa.table({name: pa.array(cells[name], kind) for name, (kind, _) in kinds.items()})
    sizes = data.draw(st.lists(st.integers(1, 5), min_size=1, max_size=3))
    chunks = pa.Table.from_batches(table.to_batches(max_chunksize=min(sizes)), table.schema)
    frame = to_frame(plain_table(chunks))
    assert {name: frames.cells(frame[name]) for name in kinds} == cells


def test_a_parquet_file_of_many_row_groups_is_read_in_order() -> None:
    file = io.BytesIO()
    pq.write_table(pa.table({"n": range(1000)}), file, row_group_size=7)
    assert read("n.parquet", file.getvalue())["n"].tolist() == [*range(1000)]
