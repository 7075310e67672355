from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from raylane_common.errors import UnsupportedFormat
from raylane_worker.data.catalog.entries import check_apart, to_partition, to_source
from tests.helpers.glue_tables import LAZY, OPEN_CSV, PARQUET, PARQUET_SERDE, definition, descriptor

if TYPE_CHECKING:
    from raylane_common.wire.sources import Partition

TABLE: Any = {"Name": "orders", "DatabaseName": "shop"} | definition(
    columns={"a": "int", "b": "int"}, partitions={"n": "int"}, options={"field.delim": ","}
)
SOURCE = to_source(TABLE, "job1")


def registered(value: str, described: dict[str, Any]) -> Partition:
    partition: Any = {"Values": [value], "StorageDescriptor": described}
    return to_partition(partition, TABLE, SOURCE)


@pytest.mark.parametrize(
    ("described", "expected"),
    [
        (descriptor("s3://lake/x", serde=OPEN_CSV), "serde 'open_csv' instead of 'lazy_simple'"),
        (descriptor("s3://lake/x", serde=LAZY, options={"field.delim": ";"}), "delimiter ';' instead of ','"),
        (descriptor("s3://lake/x", PARQUET, PARQUET_SERDE), "serde 'parquet'"),
        (descriptor("s3://lake/x", columns={"b": "int", "a": "int"}), "has the column b int where the table has a int"),
        (descriptor("s3://lake/x", columns={"a": "bigint"}), "has the column a bigint where the table has a int"),
        (descriptor(None), "has no location"),
        (descriptor("hdfs://lake/x"), "not on S3"),
    ],
)
def test_a_partition_that_cannot_be_read_is_named(described: dict[str, Any], expected: str) -> None:
    with pytest.raises(UnsupportedFormat, match=r"partition n=1 of table shop\.orders ") as caught:
        registered("1", described)
    assert expected in caught.value.message


def test_a_partition_without_a_value_for_each_key_is_refused() -> None:
    partition: Any = {"Values": [], "StorageDescriptor": descriptor("s3://lake/x")}
    with pytest.raises(UnsupportedFormat, match="has 0 values for 1 partition key "):
        to_partition(partition, TABLE, SOURCE)


def test_a_partition_inside_another_one_is_refused_since_its_files_would_count_twice() -> None:
    places = {"1": "s3://lake/sales/a/", "3": "s3://lake/sales/a b/", "2": "s3://lake/sales/a/b/"}
    found = {value: registered(value, descriptor(place)) for value, place in places.items()}
    check_apart([found["1"], found["3"]], SOURCE)
    with pytest.raises(UnsupportedFormat, match=r"partition n=2 .* inside that of partition n=1"):
        check_apart(found.values(), SOURCE)


def test_a_text_partition_may_have_fewer_columns_than_its_table() -> None:
    assert registered("1", descriptor("s3://lake/x", columns={"A": "INT"})).width == 1
    assert registered("1", descriptor("s3://lake/x")).width is None
