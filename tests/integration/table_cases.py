"""Tables of the Glue catalog of every kind, their objects, and what Hive and Athena say of them."""

from __future__ import annotations

import bz2
import gzip
import io
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.orc as orc
import pyarrow.parquet as pq

from tests.helpers.glue_tables import (
    HIVE_JSON,
    LAZY,
    OPEN_CSV,
    OPENX_JSON,
    ORC,
    ORC_SERDE,
    PARQUET,
    PARQUET_SERDE,
    definition,
    descriptor,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BUCKET, ELSEWHERE = "lake-of-tables", "another-lake"


@dataclass
class Case:
    """A table, its objects by key below it, its registered partitions, and its rows or what the error says."""

    entry: dict[str, Any]
    objects: dict[str, bytes]
    rows: list[list[Any]] | str
    partitions: dict[tuple[str, ...], str] = field(default_factory=dict)
    elsewhere: dict[str, bytes] = field(default_factory=dict)
    narrow: tuple[str, ...] = ()


def parquet(**columns: Any) -> bytes:
    return _written(pq.write_table, pa.table(columns))


def int96(**columns: Any) -> bytes:
    def write(table: pa.Table, file: io.BytesIO) -> None:
        pq.write_table(table, file, use_deprecated_int96_timestamps=True)

    return _written(write, pa.table(columns))


def orc_file(**columns: Any) -> bytes:
    return _written(orc.write_table, pa.table(columns))


def _written(write: Callable[[pa.Table, io.BytesIO], None], table: pa.Table) -> bytes:
    file = io.BytesIO()
    write(table, file)
    return file.getvalue()


def lazy(columns: dict[str, str], options: dict[str, str] | None = None, **more: Any) -> dict[str, Any]:
    return definition(serde=LAZY, columns=columns, options={"field.delim": ","} | (options or {}), **more)


def parquets(columns: dict[str, str], **more: Any) -> dict[str, Any]:
    return definition(input_format=PARQUET, serde=PARQUET_SERDE, columns=columns, **more)


def cases() -> Iterator[tuple[str, Case]]:
    yield from _lazy_cases()
    yield from _open_csv_cases()
    yield from _json_cases()
    yield from _columnar_cases()
    yield from _partition_cases()
    yield from _place_cases()


def _lazy_cases() -> Iterator[tuple[str, Case]]:
    numbers = {"s": "string", "n": "bigint", "t": "tinyint", "x": "double", "m": "decimal(5,2)", "b": "boolean"}
    yield (
        "bad_numbers",
        Case(
            lazy(numbers),
            {
                "a": b"a,1,1,1.5,1.005,TRUE\nNA,-,128,n/a,99999,yes\n,,,,,\n",
                "b": b"\\N,\\N,\\N,\\N,\\N,\\N\n 9, 9,12.7,1e3,-1,false\n",
            },
            [
                ["a", 1, 1, 1.5, Decimal("1.01"), True],
                ["NA", None, None, None, None, None],
                ["", None, None, None, None, None],
                [None, None, None, None, None, None],
                [" 9", 9, 12, 1000.0, Decimal("-1.00"), False],
            ],
        ),
    )
    yield (
        "numbers_that_are_none",
        Case(
            lazy({"x": "double", "y": "float"}),
            {"a": b"NaN,1\n-0.0,NaN\n-Infinity,0.5\n"},
            [[None, 1.0], [0.0, None], [float("-inf"), 0.5]],
        ),
    )
    yield (
        "ragged_rows",
        Case(
            lazy({"a": "string", "b": "int"}),
            {"a": b"x\ny,1,more,and more\n\nz,2"},
            [["x", None], ["y", 1], ["", None], ["z", 2]],
        ),
    )
    yield (
        "literal_quotes",
        Case(lazy({"a": "string", "b": "string"}), {"a": b'"x,y",1\n""\n'}, [['"x', 'y"'], ['""', None]]),
    )
    yield (
        "headers_of_two_lines",
        Case(
            lazy({"a": "string", "b": "int"}, parameters={"skip.header.line.count": "2"}),
            {"a": b"\xef\xbb\xbftitle\r\nA,B\r\nx,1\r\n", "b": b"title\nA,B\ny,2", "c": b"title\n"},
            [["x", 1], ["y", 2]],
        ),
    )
    yield (
        "a_header_that_is_not_declared",
        Case(lazy({"a": "string", "b": "int"}), {"a": b"a,b\nx,1\n"}, [["a", None], ["x", 1]]),
    )
    yield (
        "control_a_and_own_null",
        Case(
            definition(columns={"a": "string", "b": "int"}, options={"serialization.null.format": ""}),
            {"a": "ä\x011\n\x012\n\\N\x013".encode()},
            [["ä", 1], [None, 2], ["\\N", 3]],
        ),
    )
    yield (
        "escaped_delimiters",
        Case(
            lazy({"a": "string", "b": "string"}, {"escape.delim": "\\"}),
            {"a": b"a\\,b,c\n\\N,x\\\\y\n"},
            [["a,b", "c"], [None, "x\\y"]],
        ),
    )
    yield (
        "compressed_text",
        Case(
            lazy({"a": "int"}),
            {"a.gz": gzip.compress(b"1\n") + gzip.compress(b"2\n"), "b.bz2": bz2.compress(b"3\n"), "c": b"4\n"},
            [[1], [2], [3], [4]],
        ),
    )
    days = {"d": "date", "t": "timestamp"}
    yield (
        "dates_and_timestamps",
        Case(
            lazy(days),
            {
                "a": b"2020-01-05,2020-01-05 10:00:00.123456789\n2020-02-30,2020-01-05\n",
                "b": b"01/05/2020,2020-01-05 10:00:00Z\n",
            },
            [
                [date(2020, 1, 5), datetime(2020, 1, 5, 10, 0, 0, 123456)],
                [None, datetime(2020, 1, 5)],
                [None, None],
            ],
        ),
    )
    latin = {"serialization.encoding": "ISO-8859-1"}
    yield "latin_1", Case(lazy({"a": "varchar(3)", "b": "char(4)"}, latin), {"a": b"\xe4bcd,xy \n"}, [["äbc", "xy"]])
    yield "not_utf_8", Case(lazy({"a": "string"}), {"a": b"ok\n\xe4\n"}, "line 2 is not UTF-8 text")
    yield (
        "only_hidden_files",
        Case(lazy({"a": "int"}), {"_SUCCESS": b"", "_x/a": b"1\n", ".b": b"2\n", "empty": b""}, []),
    )
    yield "no_files", Case(lazy({"a": "int"}), {}, [])


def _open_csv_cases() -> Iterator[tuple[str, Case]]:
    columns = {"s": "string", "n": "bigint", "d": "date", "t": "timestamp"}
    yield (
        "open_csv",
        Case(
            definition(serde=OPEN_CSV, columns=columns),
            {"a": b'"x, y","1","18262","1577836800000"\n"say ""hi""",,,\nC:\\dir,"2",2020-01-01,2020-01-01 00:00:00\n'},
            [
                ["x, y", 1, date(2020, 1, 1), datetime(2020, 1, 1)],
                ['say "hi"', None, None, None],
                ["C:dir", 2, date(2020, 1, 1), datetime(2020, 1, 1)],
            ],
        ),
    )
    own = {"separatorChar": ";", "quoteChar": "'", "escapeChar": "\\"}
    yield (
        "open_csv_of_other_characters",
        Case(
            definition(serde=OPEN_CSV, columns={"a": "string", "b": "int"}, options=own),
            {"a": b"'x;y';1\n'it\\'s';2\n"},
            [["x;y", 1], ["it's", 2]],
        ),
    )
    one = definition(serde=OPEN_CSV, columns={"a": "string", "b": "int"})
    yield (
        "open_csv_with_a_bad_number",
        Case(one, {"a": b"x,1\ny,1.5\n"}, "line 2 has '1.5' in column b, which is not of type int"),
    )
    yield "open_csv_with_a_line_break", Case(one, {"a": b'"x\ny",1\n'}, "line 1 opens a quote")


def _json_cases() -> Iterator[tuple[str, Case]]:
    columns = {"id": "bigint", "name": "string", "tags": "array<string>", "day": "date"}
    yield (
        "json_keys_of_any_case",
        Case(
            definition(serde=OPENX_JSON, columns=columns),
            {
                "a": b'{"ID": 1, "Name": "x", "tags": ["a", 1.50]}\n{"id": "2", "name": 1.50, "DAY": "2020-01-01"}\n',
                "b": b'{"name": null}\n',
            },
            [[1, "x", '["a",1.50]', None], [2, "1.50", None, date(2020, 1, 1)], [None, None, None, None]],
        ),
    )
    json = definition(serde=HIVE_JSON, columns={"id": "bigint"})
    yield "json_array", Case(json, {"a": b'[{"id": 1}, {"id": 2}]\n'}, "line 1 is not one JSON object")
    yield "bad_json", Case(json, {"a": b'{"id": 1}\n{"id": \n'}, "line 2 is not one JSON object")
    yield "json_fraction_in_bigint", Case(json, {"a": b'{"id": 1.5}\n'}, "line 1 has 1.5 in column id")
    mapped = {"mapping.ts": "timestamp", "ignore.malformed.json": "true", "dots.in.keys": "true"}
    yield (
        "json_options",
        Case(
            definition(serde=OPENX_JSON, columns={"ts": "string", "a_b": "int"}, options=mapped),
            {"a": b'{"timestamp": "t", "a.b": 1}\nnonsense\n\n'},
            [["t", 1], [None, None], [None, None]],
        ),
    )


def _columnar_cases() -> Iterator[tuple[str, Case]]:
    yield (
        "parquet_of_several_schemas",
        Case(
            parquets({"id": "bigint", "region": "string", "price": "double", "more": "decimal(10,2)"}),
            {
                "a": parquet(ID=pa.array([1], pa.int32()), Region=["x"]),
                "b": parquet(region=["y"], price=pa.array([2], pa.int32()), id=[2], extra=[9]),
                "c": parquet(more=pa.array([Decimal("1.5")], pa.decimal128(9, 1)), price=[None]),
            },
            [[1, "x", None, None], [2, "y", 2.0, None], [None, None, None, Decimal("1.50")]],
        ),
    )
    kinds = {"d": "date", "t": "timestamp", "tags": "array<int>", "m": "map<string,int>", "s": "struct<a:int>"}
    values: dict[str, Any] = {
        "d": [date(2020, 1, 1)],
        "t": pa.array([datetime(2500, 1, 1, 10)], pa.timestamp("us", "UTC")),
        "tags": [[1, None]],
        "m": pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int32())),
        "s": [{"a": 1}],
    }
    rows = [[date(2020, 1, 1), datetime(2500, 1, 1, 10), "[1,null]", '{"k":1}', '{"a":1}']]
    yield "parquet_kinds", Case(parquets(kinds), {"a.parquet": parquet(**values)}, rows)
    early = datetime(2020, 1, 1, 10)
    nanoseconds = pa.array([early], pa.timestamp("ns"))
    yield (
        "parquet_timestamps",
        Case(parquets({"t": "timestamp"}), {"a": int96(t=[early]), "b": parquet(t=nanoseconds)}, [[early], [early]]),
    )
    yield (
        "parquet_of_another_type",
        Case(parquets({"id": "bigint"}), {"a": parquet(id=["1"])}, "column id is string, but the catalog says bigint"),
    )
    yield (
        "parquet_of_two_cases",
        Case(parquets({"id": "bigint"}), {"a": parquet(id=[1], ID=[2])}, "the columns id and ID are one column"),
    )
    orcs = definition(input_format=ORC, serde=ORC_SERDE, columns={"id": "bigint", "name": "string", "more": "int"})
    yield (
        "orc",
        Case(
            orcs,
            {"a": orc_file(ID=[1], name=["x"]), "b": orc_file(_col0=[2], _col1=["y"])},
            [[1, "x", None], [2, "y", None]],
        ),
    )
    delta = {"a": parquet(id=[1]), "_delta_log/0.json": b"{}"}
    yield "an_undeclared_delta_table", Case(parquets({"id": "bigint"}), delta, "is a Delta table")


def _partition_cases() -> Iterator[tuple[str, Case]]:
    keys = {"year": "int", "day": "date", "code": "string"}
    yield (
        "registered_partitions",
        Case(
            parquets({"id": "bigint"}, partitions=keys),
            {
                "year=2020/day=2020-05-01/code=01/a": parquet(id=[1]),
                "2021/x/b": parquet(id=[2]),
                "year=2022/day=2022-01-01/code=1/c": parquet(id=[4]),
                "year=2023/d": parquet(id=[8]),
            },
            [[1, 2020, date(2020, 5, 1), "01"], [2, 2021, date(2021, 1, 1), "x"], [16, None, None, None]],
            partitions={
                ("2020", "2020-05-01", "01"): "year=2020/day=2020-05-01/code=01",
                ("2021", "2021-01-01", "x"): "2021/x/",
                ("__HIVE_DEFAULT_PARTITION__",) * 3: f"s3://{ELSEWHERE}/nulls/",
                ("2030", "2030-01-01", "y"): "year=2030/",
            },
            elsewhere={"nulls/part": parquet(id=[16])},
        ),
    )
    yield (
        "no_registered_partition",
        Case(lazy({"a": "int"}, partitions={"year": "int"}), {"year=2020/a": b"1\n"}, []),
    )
    yield (
        "a_partition_of_fewer_columns",
        Case(
            lazy({"a": "int", "b": "int"}, partitions={"year": "int"}),
            {"y1/a": b"1,7\n", "y2/a": b"2,8\n"},
            [[1, None, 1], [2, 8, 2]],
            partitions={("1",): "y1", ("2",): "y2"},
            narrow=("1",),
        ),
    )
    yield (
        "a_partition_value_of_another_type",
        Case(
            lazy({"a": "int"}, partitions={"y": "int"}),
            {"x/a": b"1\n"},
            "which is not of type int",
            partitions={("x",): "x"},
        ),
    )


def _place_cases() -> Iterator[tuple[str, Case]]:
    yield (
        "nested_directories",
        Case(lazy({"a": "int"}), {"x/y/a": b"2\n", "b": b"1\n", "x/_tmp/a": b"9\n", "ä #%/c": b"3\n"}, [[1], [2], [3]]),
    )


def partition_entry(name: str, case: Case, values: tuple[str, ...], place: str) -> dict[str, Any]:
    """Returns a partition as the catalog has it."""
    location = place if "://" in place else f"s3://{BUCKET}/{name}/{place}"
    of_table = case.entry["StorageDescriptor"]
    columns = {one["Name"]: one["Type"] for one in of_table["Columns"]}
    if values == case.narrow:
        columns = dict([*columns.items()][:-1])
    serde = of_table["SerdeInfo"]
    found = descriptor(location, of_table["InputFormat"], serde["SerializationLibrary"], serde["Parameters"], columns)
    return {"Values": list(values), "StorageDescriptor": found}
