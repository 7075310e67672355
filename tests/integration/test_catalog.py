from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest

from raylane_common.errors import CatalogRejected, CatalogUnavailable, TableNotFound, UnsupportedFormat
from raylane_common.settings import AwsSettings
from raylane_common.wire.sources import ColumnType, TableFormat
from raylane_common.wire.tables import TableRef
from raylane_worker.data.catalog import Catalog
from tests.helpers.aws import answering, aws_settings, closed, glue, paging, silent

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from raylane_common.wire.sources import TableSource
    from raylane_worker.embedded import EmbeddedMoto

TEXT = "org.apache.hadoop.mapred.TextInputFormat"
PARQUET = "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat"
LAZY = "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe"
OPEN_CSV = "org.apache.hadoop.hive.serde2.OpenCSVSerde"
PARQUET_SERDE = "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"
OPENX_JSON = "org.openx.data.jsonserde.JsonSerDe"


def definition(
    *,
    location: str | None = "s3://lake/sales/orders/",
    input_format: str | None = TEXT,
    serde: str | None = LAZY,
    options: dict[str, str] | None = None,
    parameters: dict[str, str] | None = None,
    columns: dict[str, str] | None = None,
    partitions: dict[str, str] | None = None,
    table_type: str = "EXTERNAL_TABLE",
) -> dict[str, Any]:
    """Returns a table definition as a crawler or Athena writes it."""
    serde_info = {"SerializationLibrary": serde, "Parameters": options or {}}
    descriptor = {
        "Columns": [{"Name": name, "Type": kind} for name, kind in (columns or {"id": "bigint"}).items()],
        "Location": location,
        "InputFormat": input_format,
        "SerdeInfo": {name: value for name, value in serde_info.items() if value is not None},
    }
    return {
        "TableType": table_type,
        "Parameters": parameters or {},
        "PartitionKeys": [{"Name": name, "Type": kind} for name, kind in (partitions or {}).items()],
        "StorageDescriptor": {name: value for name, value in descriptor.items() if value is not None},
    }


class Database:
    """The database of one test, and the catalog that reads it."""

    def __init__(self, name: str, catalog: Catalog, url: str) -> None:
        self.name = name
        self.catalog = catalog
        self._url = url

    async def add(self, table: str, entry: dict[str, Any]) -> None:
        named: Any = {"Name": table} | entry
        async with glue(self._url) as client:
            await client.create_table(DatabaseName=self.name, TableInput=named)

    async def resolve(self, entry: dict[str, Any]) -> TableSource:
        await self.add("orders", entry)
        return await self.catalog.resolve(TableRef(database=self.name, table="orders"), "job1")


@pytest.fixture
async def database(moto: EmbeddedMoto) -> AsyncIterator[Database]:
    name = f"db_{uuid.uuid4().hex}"
    async with glue(moto.url) as client:
        await client.create_database(DatabaseInput={"Name": name})
    async with Catalog(aws_settings(moto.url)) as catalog:
        yield Database(name, catalog, moto.url)


async def test_every_page_of_tables_is_read() -> None:
    pages = [{"TableList": [{"Name": f"t{number}", "DatabaseName": "d"}]} for number in (2, 3, 1)]
    async with paging(pages) as url, Catalog(aws_settings(url)) as catalog:
        assert [summary.table for summary in await catalog.tables("d")] == ["t1", "t2", "t3"]


async def test_every_page_of_databases_is_read() -> None:
    pages = [{"DatabaseList": [{"Name": name}]} for name in "bca"]
    async with paging(pages) as url, Catalog(aws_settings(url)) as catalog:
        assert await catalog.databases() == ("a", "b", "c")


async def test_more_than_a_hundred_tables_are_listed(moto: EmbeddedMoto, database: Database) -> None:
    names = [f"t{number:03}" for number in range(120)]
    async with glue(moto.url) as client:
        for name in names:
            await client.create_table(DatabaseName=database.name, TableInput={"Name": name})
    assert [summary.table for summary in await database.catalog.tables(database.name)] == names
    assert database.name in await database.catalog.databases()


async def test_a_crawled_csv_table(database: Database) -> None:
    source = await database.resolve(
        definition(
            columns={"id": "bigint", "price": "decimal(10,2)", "name": "varchar(20)"},
            partitions={"year": "int", "day": "string"},
            options={"field.delim": "\t"},
            parameters={"classification": "csv", "skip.header.line.count": "1", "sizeKey": "1234"},
        )
    )
    assert (source.database, source.table, source.name) == (database.name, "orders", f"{database.name}.orders")
    assert (source.format, source.delimiter, source.has_header) == (TableFormat.CSV, "\t", True)
    assert (source.location, source.size_bytes, source.job_id) == ("s3://lake/sales/orders/", 1234, "job1")
    assert [(column.name, column.type, column.native_type) for column in source.columns] == [
        ("id", ColumnType.INTEGER, "bigint"),
        ("price", ColumnType.NUMBER, "decimal(10,2)"),
        ("name", ColumnType.STRING, "varchar(20)"),
    ]
    assert [(column.name, column.type) for column in source.partition_keys] == [
        ("year", ColumnType.INTEGER),
        ("day", ColumnType.STRING),
    ]


@pytest.mark.parametrize(
    ("entry", "wanted"),
    [
        (definition(input_format=PARQUET, serde=PARQUET_SERDE), TableFormat.PARQUET),
        (definition(input_format=None, serde=None, parameters={"classification": "parquet"}), TableFormat.PARQUET),
        (definition(serde=OPENX_JSON, parameters={"classification": "json"}), TableFormat.JSON),
        (definition(serde="org.apache.hive.hcatalog.data.JsonSerDe"), TableFormat.JSON),
        (definition(serde=OPEN_CSV), TableFormat.CSV),
        (definition(serde=None, parameters={"classification": "CSV"}), TableFormat.CSV),
    ],
)
async def test_the_format_is_what_the_catalog_says(
    database: Database, entry: dict[str, Any], wanted: TableFormat
) -> None:
    assert (await database.resolve(entry)).format is wanted


@pytest.mark.parametrize(
    ("serde", "options", "delimiter"),
    [
        (LAZY, {"field.delim": ","}, ","),
        (LAZY, {"field.delim": "\\t"}, "\t"),
        (LAZY, {"field.delim": "|", "serialization.format": "1"}, "|"),
        (LAZY, {"serialization.format": "1"}, "\x01"),
        (LAZY, {"serialization.format": ";"}, ";"),
        (LAZY, {}, "\x01"),
        (OPEN_CSV, {}, ","),
        (OPEN_CSV, {"separatorChar": ";", "quoteChar": '"'}, ";"),
        (None, {}, ","),
    ],
)
async def test_the_field_separator_comes_from_the_serde(
    database: Database, serde: str | None, options: dict[str, str], delimiter: str
) -> None:
    source = await database.resolve(
        definition(serde=serde, options=options, parameters={} if serde else {"classification": "csv"})
    )
    assert (source.delimiter, source.has_header) == (delimiter, False)


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (definition(input_format="org.apache.hadoop.hive.ql.io.orc.OrcInputFormat", serde=None), "OrcInputFormat"),
        (definition(input_format=None, serde="org.apache.hadoop.hive.serde2.avro.AvroSerDe"), "AvroSerDe"),
        (definition(serde="org.apache.hadoop.hive.serde2.RegexSerDe"), "RegexSerDe"),
        (definition(serde=None, input_format=None, parameters={"classification": "UNKNOWN"}), "UNKNOWN"),
        (definition(serde=None, input_format=None), "does not say which format"),
        (definition(serde=None), "does not say which format"),
        (definition(input_format=PARQUET), "does not say which format"),
        (definition(table_type="VIRTUAL_VIEW", location=None), "is a view"),
        (definition(location=None), "has no location"),
        (definition(location="hdfs://namenode/orders"), "hdfs://namenode/orders"),
        (
            definition(
                serde=PARQUET_SERDE,
                input_format="org.apache.hadoop.hive.ql.io.SymlinkTextInputFormat",
            ),
            "SymlinkTextInputFormat",
        ),
        (definition(serde=None, input_format=None, parameters={"table_type": "ICEBERG"}), "ICEBERG"),
        (
            definition(
                serde=PARQUET_SERDE,
                input_format=PARQUET,
                parameters={"spark.sql.sources.provider": "delta"},
            ),
            "delta",
        ),
        (definition(options={"field.delim": "||"}), "'||'"),
        (definition(options={"field.delim": "é"}), "'é'"),
        (definition(serde=OPEN_CSV, options={"quoteChar": "'"}), "quote character"),
        (definition(parameters={"skip.header.line.count": "2"}), "more than one header line"),
        (definition(parameters={"skip.footer.line.count": "1"}), "footer"),
    ],
)
async def test_a_table_that_ray_cannot_read_is_refused_and_listed_with_the_reason(
    database: Database, entry: dict[str, Any], expected: str
) -> None:
    with pytest.raises(UnsupportedFormat) as caught:
        await database.resolve(entry)
    assert expected in caught.value.message
    assert caught.value.details == {"table": f"{database.name}.orders"}
    (summary,) = await database.catalog.tables(database.name)
    assert (summary.supported, summary.reason) == (False, caught.value.message)


async def test_a_listing_shows_columns_and_location(database: Database) -> None:
    await database.add("b", definition(partitions={"day": "date"}))
    await database.add("a", definition(location=None))
    first, second = await database.catalog.tables(database.name)
    assert (first.table, first.supported, first.location) == ("a", False, None)
    assert (second.table, second.supported, second.location) == ("b", True, "s3://lake/sales/orders/")
    assert [column.type for column in second.columns + second.partition_keys] == [ColumnType.INTEGER, ColumnType.DATE]


@pytest.mark.parametrize(
    ("location", "normal"),
    [
        ("s3://lake/orders", "s3://lake/orders/"),
        ("s3a://lake/orders///", "s3://lake/orders/"),
        ("s3n://lake/a=b/c", "s3://lake/a=b/c/"),
        ("s3://lake", "s3://lake/"),
        ("s3://lake/my orders/", "s3://lake/my%20orders/"),
        ("s3://lake//a//b//", "s3://lake/a//b/"),
    ],
)
async def test_a_location_is_an_s3_prefix_that_arrow_reads(database: Database, location: str, normal: str) -> None:
    assert (await database.resolve(definition(location=location))).location == normal


async def test_a_location_of_slashes_that_is_none_is_refused_at_once(database: Database) -> None:
    with pytest.raises(UnsupportedFormat, match="not on S3"):
        await database.resolve(definition(location=f"s3://lake{'/' * 5000}\n"))


async def test_hive_types_become_column_types(database: Database) -> None:
    meanings = {
        ColumnType.INTEGER: ["tinyint", "smallint", "int", "bigint"],
        ColumnType.NUMBER: ["float", "double", "decimal(38,0)", "DECIMAL"],
        ColumnType.STRING: ["string", "char(3)", "varchar(10)"],
        ColumnType.BOOLEAN: ["boolean"],
        ColumnType.DATE: ["date"],
        ColumnType.TIMESTAMP: ["timestamp", "timestamp with local time zone"],
        ColumnType.OTHER: ["binary", "array<int>", "map<string,int>", "struct<a:int,b:string>", "interval"],
    }
    columns = {name: f"c{number}" for number, name in enumerate(name for names in meanings.values() for name in names)}
    source = await database.resolve(definition(columns={column: hive for hive, column in columns.items()}))
    found = {column.native_type: column.type for column in source.columns}
    assert found == {name: meaning for meaning, names in meanings.items() for name in names}


@pytest.mark.parametrize("parameters", [{}, {"sizeKey": "many"}, {"sizeKey": "-1"}])
async def test_a_size_that_the_catalog_does_not_know_is_none(database: Database, parameters: dict[str, str]) -> None:
    assert (await database.resolve(definition(parameters=parameters))).size_bytes is None


async def test_missing_tables_and_databases_are_named(database: Database) -> None:
    with pytest.raises(TableNotFound, match=f"table {database.name}.none") as caught:
        await database.catalog.resolve(TableRef(database=database.name, table="none"), "job1")
    assert caught.value.details == {"missing": [f"{database.name}.none"]}
    with pytest.raises(TableNotFound, match="nowhere"):
        await database.catalog.resolve(TableRef(database="nowhere", table="none"), "job1")
    with pytest.raises(TableNotFound, match="database nowhere") as caught:
        await database.catalog.tables("nowhere")
    assert caught.value.details == {"missing": ["nowhere"]}


async def test_an_empty_database_has_no_tables(database: Database) -> None:
    assert await database.catalog.tables(database.name) == ()


async def test_a_closed_port_is_unavailable() -> None:
    async with Catalog(aws_settings(closed())) as catalog:
        with pytest.raises(CatalogUnavailable, match="RAYLANE_AWS__ENDPOINT_URL"):
            await catalog.databases()


async def test_a_server_that_never_answers_is_unavailable() -> None:
    async with (
        silent() as url,
        Catalog(aws_settings(url, connect_timeout_s=0.2, read_timeout_s=0.2)) as catalog,
    ):
        with pytest.raises(CatalogUnavailable):
            await catalog.resolve(TableRef(database="d", table="t"), "job1")


@pytest.mark.parametrize(
    ("code", "status", "error", "expected"),
    [
        ("AccessDeniedException", "400 Bad Request", CatalogRejected, "role or user"),
        ("UnrecognizedClientException", "400 Bad Request", CatalogRejected, "RAYLANE_AWS__ACCESS_KEY_ID"),
        ("ThrottlingException", "400 Bad Request", CatalogUnavailable, "try again later"),
        ("InternalServiceException", "500 Internal Server Error", CatalogUnavailable, "try again later"),
    ],
)
async def test_a_refusal_says_what_to_do(code: str, status: str, error: type[Exception], expected: str) -> None:
    async with (
        answering(status, f'{{"__type": "{code}", "message": "no"}}') as url,
        Catalog(aws_settings(url)) as catalog,
    ):
        with pytest.raises(error, match=f"{code}.*{expected}"):
            await catalog.tables("d")


async def test_a_missing_region_names_the_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_REGION", raising=False)
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    with pytest.raises(CatalogRejected, match="RAYLANE_AWS__REGION"):
        await Catalog(AwsSettings(endpoint_url=closed())).__aenter__()
