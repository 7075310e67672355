"""Rows of an answer as CSV and Parquet: the same whether the answer holds them itself or a file has them."""

from __future__ import annotations

import csv
import io
import json
import math
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raylane.answers.arrow_table import parquet_bytes
from raylane.answers.csv_text import csv_header, csv_lines
from raylane.answers.parquet_rows import ParquetRows
from raylane_common.errors import InvalidAnswer
from raylane_common.wire.answer import AnswerColumn, AnswerFile, AnswerTable
from raylane_worker.run_kit.raylane_run.answer_columns import arrow_rows
from raylane_worker.run_kit.raylane_run.answer_files import write_rows
from tests.helpers.profiles import by_profile

if TYPE_CHECKING:
    from pydantic import JsonValue

ZONES = ("UTC", "Europe/Berlin", "America/St_Johns", "+05:30", "-03:00")
INT64 = st.integers(-(2**63), 2**63 - 1)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
DECIMAL = st.decimals(allow_nan=False, allow_infinity=False, places=3, min_value=-(10**15), max_value=10**15)


def some(values: st.SearchStrategy[Any], kind: pa.DataType) -> st.SearchStrategy[pa.Array]:
    return st.lists(st.none() | values, min_size=3, max_size=3).map(lambda found: pa.array(found, kind))


def counted(kind: pa.DataType) -> st.SearchStrategy[pa.Array]:
    """Any numbers as times, near and far."""
    near = st.integers(-(10**10), 10**10)
    width = pa.int32() if kind.bit_width == 32 else pa.int64()
    return some(near if width == pa.int64() else st.integers(0, 86_399), width).map(lambda found: found.view(kind))


FLAT = st.one_of(
    some(INT64, pa.int64()),
    some(st.integers(0, 2**64 - 1), pa.uint64()),
    some(st.floats(), pa.float64()),
    some(st.floats(width=32), pa.float32()),
    some(DECIMAL, pa.decimal128(30, 3)),
    some(st.integers(-(10**37), 10**37).map(Decimal), pa.decimal128(38, 0)),
    some(st.booleans(), pa.bool_()),
    some(TEXT, pa.string()),
    some(st.binary(max_size=5), pa.binary()),
    some(st.dates(), pa.date32()),
    some(st.times(), pa.time64("us")),
    counted(pa.time32("s")),
    counted(pa.time64("ns")).filter(lambda found: all(0 <= (each.value or 0) < 86_400 * 10**9 for each in found)),
    *(counted(pa.timestamp(unit)) for unit in ("s", "ms", "us", "ns")),
    *(counted(pa.timestamp("us", zone)) for zone in ZONES),
    counted(pa.duration("ms")),
)
NESTED = st.one_of(
    some(st.lists(st.none() | INT64, max_size=3), pa.list_(pa.int64())),
    some(
        st.fixed_dictionaries({"a": INT64, "b": st.lists(st.floats(), max_size=2)}),
        pa.struct([("a", pa.int64()), ("b", pa.list_(pa.float64()))]),
    ),
    some(
        st.lists(st.tuples(TEXT, st.none() | st.dates()), max_size=2, unique_by=lambda pair: pair[0]),
        pa.map_(pa.string(), pa.date32()),
    ),
    some(st.lists(st.lists(st.datetimes(), max_size=2), max_size=2), pa.list_(pa.list_(pa.timestamp("us")))),
)


def written(arrow: pa.Table) -> tuple[AnswerTable, bytes]:
    """The table as a run gives it: with all its rows, and as the file of a long one."""
    rows, stream = arrow_rows(arrow), io.BytesIO()
    write_rows(rows, "parquet", stream)
    columns = tuple(AnswerColumn.model_validate(column.described) for column in rows.columns)
    cells = json.loads(json.dumps(list(rows.cells())))
    return AnswerTable.model_validate({"columns": columns, "rows": cells, "total_rows": rows.total}), stream.getvalue()


def read(parquet: bytes, table: AnswerTable) -> list[Any]:
    described = AnswerFile(name="table-1.parquet", rows=table.total_rows, columns=table.columns)
    return [row for batch in ParquetRows(io.BytesIO(parquet), described).batches() for row in batch]


def table_of(arrays: list[pa.Array]) -> pa.Table:
    return pa.table({f"c{number}": array for number, array in enumerate(arrays)})


@settings(max_examples=by_profile(fast=10, ci=40, deep=5000))
@given(st.lists(FLAT | NESTED, min_size=1, max_size=4).map(table_of))
def test_a_file_has_the_cells_that_the_answer_would_hold(arrow: pa.Table) -> None:
    table, parquet = written(arrow)
    assert json.dumps(read(parquet, table)) == json.dumps(table.rows)
    assert csv_lines(read(parquet, table)) == csv_lines(table.rows)


@settings(max_examples=by_profile(fast=10, ci=40, deep=5000))
@given(st.lists(FLAT | NESTED, min_size=1, max_size=4).map(table_of))
def test_rows_of_the_answer_keep_their_cells_as_parquet(arrow: pa.Table) -> None:
    table, _ = written(arrow)
    assert json.dumps(read(parquet_bytes(table), table)) == json.dumps(table.rows)


def test_parquet_of_the_answer_has_the_types_of_the_run() -> None:
    arrow = pa.table(
        {
            "i": pa.array([1, None], pa.int32()),
            "f": [1.5, math.inf],
            "d": [Decimal("1.50"), None],
            "b": [True, None],
            "t": ["a", None],
            "day": [date(2024, 1, 31), None],
            "at": [time(10, 30, 0, 5), None],
            "ts": pa.array([datetime(2024, 1, 31, 10), None], pa.timestamp("us")),
            "ns": pa.array([1, None], pa.timestamp("ns")),
            "zone": pa.array([datetime(2024, 7, 1, 10), None], pa.timestamp("us", "Europe/Berlin")),
            "for": [timedelta(seconds=1.5), None],
            "x": [b"\x00\xff", None],
        }
    )
    table, _ = written(arrow)
    found = pq.read_table(io.BytesIO(parquet_bytes(table)))
    assert found.schema.types == arrow.schema.types
    assert found.to_pydict() == arrow.to_pydict()


def test_what_no_type_can_hold_is_text() -> None:
    columns = [
        ("date", "date32[day]"),
        ("integer", "int64"),
        ("decimal", "decimal128(5, 2)"),
        ("decimal", ""),
        ("nested", "list<item: int64>"),
    ]
    cells = [["+012024-01-31", "9" * 50, "Infinity", "-Infinity", [1, {"a": None}]]]
    table = AnswerTable.model_validate(
        {
            "columns": [{"name": kind + native[:1], "type": kind, "native_type": native} for kind, native in columns],
            "rows": cells,
            "total_rows": 1,
        }
    )
    assert pq.read_table(io.BytesIO(parquet_bytes(table))).to_pylist() == [
        {
            "dated": "+012024-01-31",
            "integeri": "9" * 50,
            "decimald": "Infinity",
            "decimal": "-Infinity",
            "nestedl": '[1,{"a":null}]',
        }
    ]


@given(st.lists(st.lists(TEXT, min_size=2, max_size=2), max_size=5))
def test_any_text_comes_back_from_the_csv(rows: list[list[str]]) -> None:
    text = (csv_header(["a", "b,c"]) + csv_lines(rows)).decode()
    assert list(csv.reader(io.StringIO(text, newline=""))) == [["a", "b,c"], *rows]


def test_a_row_of_one_empty_cell_is_no_empty_line() -> None:
    assert csv_header(["a"]) + csv_lines([[None], ["x"], [""]]) == b'a\n""\nx\n""\n'


def test_cells_of_all_types_in_csv() -> None:
    cells: list[JsonValue] = [
        True,
        12,
        "9007199254740993",
        0.1,
        "Infinity",
        None,
        'say "hi"',
        "a\rb",
        {"k": [1, None]},
        "ä",
    ]
    line = 'true,12,9007199254740993,0.1,Infinity,,"say ""hi""","a\rb","{""k"":[1,null]}",ä\n'
    assert csv_lines([cells]).decode() == line


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "0 bytes"),
        (b"PAR1 is not enough for one, PAR1", ""),
        (b"other", "other"),
        (b"cut", ""),
    ],
)
def test_a_file_that_the_answer_does_not_describe_is_an_error(content: bytes, problem: str) -> None:
    table, parquet = written(pa.table({"a": ["x" * 1000] * 3}))
    if content == b"other":
        _, content = written(pa.table({"other": [1]}))
    if content == b"cut":
        content = parquet[:100] + bytes(len(parquet) - 200) + parquet[-100:]
    with pytest.raises(InvalidAnswer, match=rf"table-1\.parquet is not the Parquet file.*{problem}"):
        read(content, table)


@given(st.data())
def test_any_damage_to_a_file_is_told_or_changes_only_cells(data: st.DataObject) -> None:
    table, parquet = written(pa.table({"ä": [1, 2, 3] * 50, "b": [["x"], None, []] * 50}))
    damaged = bytearray(parquet)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        found = read(bytes(damaged), table)
    except InvalidAnswer:
        return
    csv_lines(found)


def test_a_file_with_fewer_rows_than_the_answer_says_is_an_error() -> None:
    table, parquet = written(pa.table({"a": [1, 2]}))
    with pytest.raises(InvalidAnswer, match="it has 2 rows"):
        read(parquet, table.model_copy(update={"total_rows": 3}))


def test_batches_are_small_whatever_the_file_says() -> None:
    _, parquet = written(pa.table({"a": list(range(100_000))}))
    described = AnswerFile(name="t", rows=100_000, columns=(AnswerColumn(name="a", type="integer"),))
    sizes = [len(batch) for batch in ParquetRows(io.BytesIO(parquet), described).batches()]
    assert sum(sizes) == 100_000
    assert max(sizes) <= 16 * 1024
