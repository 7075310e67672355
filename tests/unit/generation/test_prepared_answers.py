"""Prompts about files that are read from a prepared copy, answered by the double of Ray."""

from __future__ import annotations

import io
from datetime import time

import pyarrow as pa
import pytest
from pyarrow import parquet

from raylane_common.errors import TypeMismatch
from raylane_common.wire.sources import ColumnType, FileSource, PreparedCopy, readable_uri
from raylane_worker.generation.template.generator import write
from raylane_worker.generation.verify import verify
from raylane_worker.runs.run import is_small
from tests.helpers.files import uploaded
from tests.helpers.printed import same, table
from tests.helpers.ray_double import run_script
from tests.integration.prepared_cases import FILES
from tests.unit.generation.schemas import column, csv_source

TIMES = csv_source(
    columns=(
        column("at", ColumnType.TIME, "time64[us]"),
        column("moment", ColumnType.TIMESTAMP, "timestamp[us]"),
        column("n", ColumnType.INTEGER, "int64"),
        column("wei", ColumnType.INTEGER, "decimal128(38, 0)"),
    )
)


@pytest.mark.parametrize("filename", FILES)
def test_a_prepared_copy_answers_prompts_with_the_names_of_the_file(filename: str) -> None:
    data, prompts = FILES[filename]
    source, objects = uploaded(filename, data, bucket="b", session_id="s")
    files = {readable_uri(f"s3://b/{key}"): stored for key, stored in objects.items()}
    wrong = []
    for prompt, rows in prompts.items():
        printed = table(answer(prompt, source, files))
        if len(printed) != len(rows) or not all(all(map(same, *pair)) for pair in zip(printed, rows, strict=True)):
            wrong.append((prompt, printed, rows))
    assert wrong == []


def answer(prompt: str, source: FileSource, files: dict[str, bytes]) -> str:
    code = write(prompt, [source], small=True).code
    assert verify(code, [source]) == []
    return run_script(code, files)


def test_a_column_may_be_called_as_it_is_in_the_file() -> None:
    source, objects = uploaded("a.csv", b",total  sum,n,n\nx,1,2,3\n", bucket="b", session_id="s")
    assert [column.name for column in source.columns] == ["column_1", "total sum", "n", "n_2"]
    files = {readable_uri(f"s3://b/{key}"): stored for key, stored in objects.items()}
    assert table(answer("sum of `total  sum` by ''", source, files)) == [["x", "1"]]
    # The name that another column has is that column's.
    assert table(answer("sum of n", source, files)) == [["2"]]
    assert table(answer("sum of total sum", source, files)) == [["1"]]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_times_of_any_unit_are_compared_alike(unit: str) -> None:
    kind = pa.time32(unit) if unit in ("s", "ms") else pa.time64(unit)
    written = io.BytesIO()
    parquet.write_table(pa.table({"t": pa.array([time(10, 30), time(11)]).cast(kind), "n": [1, 2]}), written)
    source, objects = uploaded("a.parquet", written.getvalue(), bucket="b", session_id="s")
    files = {readable_uri(f"s3://b/{key}"): stored for key, stored in objects.items()}
    assert table(answer("count where t = 10:30", source, files)) == [["1"]]
    assert table(answer("sum of n by t", source, files)) == [["10:30:00", "1"], ["11:00:00", "2"]]


def test_a_fraction_is_compared_as_a_column_of_32_bits_holds_it() -> None:
    written = io.BytesIO()
    parquet.write_table(pa.table({"x": pa.array([0.1, 0.5, None], pa.float32())}), written)
    source, objects = uploaded("a.parquet", written.getvalue(), bucket="b", session_id="s")
    files = {readable_uri(f"s3://b/{key}"): stored for key, stored in objects.items()}
    counts = {"= 0.1": "1", "> 0.1": "1", "<= 0.1": "1", "in (0.1, 0.5)": "2", "< 1e300": "2"}
    assert {said: table(answer(f"count where x {said}", source, files))[0][0] for said in counts} == counts


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


@pytest.mark.parametrize(
    ("size_bytes", "copy_bytes", "rows", "is_small_file"),
    [(1000, 0, 1, True), (1000, 1001, 1, False), (100, 900, 1000, False), (1001, 10, 1, False)],
    ids=["small", "larger copy", "many rows", "larger file"],
)
def test_a_file_is_small_only_if_what_a_run_reads_is(
    size_bytes: int, copy_bytes: int, rows: int, is_small_file: bool
) -> None:
    copy = PreparedCopy(s3_uri="s3://b/k.parquet", size_bytes=copy_bytes, reasons=("compressed",))
    source = TIMES.model_copy(update={"size_bytes": size_bytes, "rows": rows, "prepared": copy if copy_bytes else None})
    assert is_small([source], 1000) is is_small_file
