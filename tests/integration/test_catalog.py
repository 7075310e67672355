from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest

from raylane_common.errors import (
    CatalogRejected,
    CatalogUnavailable,
    InvalidRequest,
    TableChanged,
    TableNotFound,
    UnsupportedFormat,
)
from raylane_common.settings import AwsSettings
from raylane_common.wire.reading import SerDe, TableReading
from raylane_common.wire.sources import ColumnType, Partition, TableFormat
from raylane_common.wire.tables import ListDatabasesRequest, ListTablesRequest, TableRef
from raylane_worker.data.catalog import Catalog
from tests.helpers.aws import answering, aws_settings, closed, glue, paging, silent
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
    from collections.abc import AsyncIterator, Mapping

    from raylane_common.wire.sources import TableSource
    from raylane_worker.embedded import EmbeddedMoto


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

    async def replace(self, table: str, entry: dict[str, Any]) -> None:
        async with glue(self._url) as client:
            await client.delete_table(DatabaseName=self.name, Name=table)
        await self.add(table, entry)

    async def register(self, places: Mapping[tuple[str, ...], str]) -> None:
        """Registers partitions of the table `orders`: their locations by their values."""
        async with glue(self._url) as client:
            for values, place in places.items():
                partition: Any = {"Values": list(values), "StorageDescriptor": descriptor(place)}
                await client.create_partition(DatabaseName=self.name, TableName="orders", PartitionInput=partition)

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


async def list_tables(catalog: Catalog, database: str, **listing: Any) -> tuple[list[str], str | None]:
    request = ListTablesRequest(database=database, **listing)
    found, cursor = await catalog.tables(database, request)
    return [summary.table for summary in found], cursor


async def test_every_page_of_tables_is_read() -> None:
    pages = [{"TableList": [{"Name": f"t{number}", "DatabaseName": "d"}]} for number in (1, 2, 3)]
    async with paging(pages) as url, Catalog(aws_settings(url)) as catalog:
        assert await list_tables(catalog, "d") == (["t1", "t2", "t3"], None)


async def test_every_page_of_databases_is_read() -> None:
    pages = [{"DatabaseList": [{"Name": name}]} for name in "abc"]
    async with paging(pages) as url, Catalog(aws_settings(url)) as catalog:
        assert await catalog.databases(ListDatabasesRequest()) == (("a", "b", "c"), None)
        assert await catalog.databases(ListDatabasesRequest(pattern="[ac]")) == (("a", "c"), None)


@pytest.mark.parametrize("at_once", [1, 7, 100])
async def test_a_listing_goes_from_page_to_page_and_misses_none(at_once: int) -> None:
    names = [f"t{number:03}" for number in range(30)]
    wanted = [name for name in names if not name.endswith("5")]
    pages = [
        {"TableList": [{"Name": name, "DatabaseName": "d"} for name in names[start : start + at_once]]}
        for start in range(0, len(names), at_once)
    ]
    async with paging(pages) as url, Catalog(aws_settings(url)) as catalog:
        for limit in (1, 9, 100):
            found, cursor = await list_tables(catalog, "d", limit=limit, pattern="T*[!5]")
            assert len(found) == min(limit, len(wanted))
            while cursor is not None:
                page, cursor = await list_tables(catalog, "d", limit=limit, cursor=cursor, pattern="T*[!5]")
                assert len(page) <= limit
                found += page
            assert found == wanted


async def test_tables_of_many_columns_fill_a_page_before_its_limit() -> None:
    columns = [{"Name": f"c{number}", "Type": "int"} for number in range(9_000)]
    tables = [{"Name": name, "DatabaseName": "d", "StorageDescriptor": {"Columns": columns}} for name in "abc"]
    async with paging([{"TableList": tables}]) as url, Catalog(aws_settings(url)) as catalog:
        page, cursor = await list_tables(catalog, "d")
        assert page == ["a", "b"]
        assert await list_tables(catalog, "d", cursor=cursor) == (["c"], None)


@pytest.mark.parametrize("cursor", ["", "x", "W10=", "bnVsbA==", "é"])
async def test_a_cursor_that_no_page_gave_is_refused(cursor: str, database: Database) -> None:
    with pytest.raises(InvalidRequest, match="next_cursor of an earlier page"):
        await list_tables(database.catalog, database.name, cursor=cursor)


async def test_more_than_a_hundred_tables_are_listed(moto: EmbeddedMoto, database: Database) -> None:
    names = [f"t{number:03}" for number in range(120)]
    async with glue(moto.url) as client:
        for name in names:
            await client.create_table(DatabaseName=database.name, TableInput={"Name": name})
    assert await list_tables(database.catalog, database.name, limit=1000) == (names, None)
    page, cursor = await list_tables(database.catalog, database.name)
    assert (page, cursor is None) == (names[:100], False)
    assert await list_tables(database.catalog, database.name, cursor=cursor) == (names[100:], None)
    assert await database.catalog.databases(ListDatabasesRequest(pattern=database.name)) == ((database.name,), None)


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
    assert source.reading == TableReading(serde=SerDe.LAZY_SIMPLE, delimiter="\t", skip_lines=1)
    assert source.format is TableFormat.CSV
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
        (definition(input_format=PARQUET, serde=PARQUET_SERDE), SerDe.PARQUET),
        (definition(input_format=None, serde=None, parameters={"classification": "parquet"}), SerDe.PARQUET),
        (definition(input_format=ORC, serde=ORC_SERDE), SerDe.ORC),
        (definition(input_format=ORC, serde=None), SerDe.ORC),
        (definition(serde=OPENX_JSON, parameters={"classification": "json"}), SerDe.OPENX_JSON),
        (definition(serde=HIVE_JSON), SerDe.HIVE_JSON),
        (definition(serde=None, parameters={"classification": "json"}), SerDe.HIVE_JSON),
        (definition(serde=OPEN_CSV), SerDe.OPEN_CSV),
        (definition(serde=None, parameters={"classification": "CSV"}), SerDe.LAZY_SIMPLE),
    ],
)
async def test_the_format_is_what_the_catalog_says(database: Database, entry: dict[str, Any], wanted: SerDe) -> None:
    assert (await database.resolve(entry)).reading.serde is wanted


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
    assert (source.reading.delimiter, source.reading.skip_lines) == (delimiter, 0)


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
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
        (definition(serde=OPEN_CSV, options={"quoteChar": "''"}), "quote character"),
        (definition(serde=OPEN_CSV, options={"separatorChar": '"'}), "one character for two purposes"),
        (definition(parameters={"skip.header.line.count": "-1"}), "skip.header.line.count=-1"),
        (definition(parameters={"skip.footer.line.count": "1"}), "skip.footer.line.count=1"),
        (definition(parameters={"projection.enabled": "TRUE"}), "partition projection"),
        (definition(parameters={"transactional": "true"}), "is transactional"),
        (definition(options={"line.delim": "|"}), "line separator"),
        (definition(options={"serialization.encoding": "UTF-16"}), "encoding UTF-16"),
        (definition(options={"serialization.encoding": "none"}), "encoding none"),
        (definition(options={"timestamp.formats": "yyyy"}), "timestamp.formats=yyyy"),
        (definition(serde=OPENX_JSON, options={"case.insensitive": "false"}), "case-sensitive"),
        (definition(columns={"a": "array<int>"}), "column a of type array<int>"),
        (definition(columns={"a": "binary"}), "column a of type binary"),
        (definition(serde=PARQUET_SERDE, input_format=PARQUET, columns={"a": "uniontype<int>"}), "uniontype"),
        (definition(serde=PARQUET_SERDE, input_format=PARQUET, columns={"a": "decimal(39,2)"}), "decimal(39,2)"),
        (definition(columns={"a": "int"}, partitions={"A": "int"}), "several columns called a"),
    ],
)
async def test_a_table_that_ray_cannot_read_is_refused_and_listed_with_the_reason(
    database: Database, entry: dict[str, Any], expected: str
) -> None:
    with pytest.raises(UnsupportedFormat) as caught:
        await database.resolve(entry)
    assert expected in caught.value.message
    assert caught.value.details == {"table": f"{database.name}.orders"}
    (summary,), _ = await database.catalog.tables(database.name, ListTablesRequest(database=database.name))
    assert (summary.supported, summary.reason) == (False, caught.value.message)


async def test_a_listing_shows_columns_and_location(database: Database) -> None:
    await database.add("b", definition(partitions={"day": "date"}))
    await database.add("a", definition(location=None))
    (first, second), _ = await database.catalog.tables(database.name, ListTablesRequest(database=database.name))
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
        ColumnType.OTHER: ["binary", "array<int>", "map<string,int>", "struct<a:int,b:string>"],
    }
    columns = {name: f"c{number}" for number, name in enumerate(name for names in meanings.values() for name in names)}
    entry = definition(
        input_format=PARQUET, serde=PARQUET_SERDE, columns={column: hive for hive, column in columns.items()}
    )
    source = await database.resolve(entry)
    found = {column.native_type: column.type for column in source.columns}
    assert found == {name: meaning for meaning, names in meanings.items() for name in names}


@pytest.mark.parametrize("parameters", [{}, {"sizeKey": "many"}, {"sizeKey": "-1"}, {"totalSize": "0"}])
async def test_a_size_that_the_catalog_does_not_know_is_none(database: Database, parameters: dict[str, str]) -> None:
    assert (await database.resolve(definition(parameters=parameters))).size_bytes is None


async def test_missing_tables_and_databases_are_named(database: Database) -> None:
    with pytest.raises(TableNotFound, match=f"table {database.name}.none") as caught:
        await database.catalog.resolve(TableRef(database=database.name, table="none"), "job1")
    assert caught.value.details == {"missing": [f"{database.name}.none"]}
    with pytest.raises(TableNotFound, match="nowhere"):
        await database.catalog.resolve(TableRef(database="nowhere", table="none"), "job1")
    with pytest.raises(TableNotFound, match="database nowhere") as caught:
        await list_tables(database.catalog, "nowhere")
    assert caught.value.details == {"missing": ["nowhere"]}


async def test_an_empty_database_has_no_tables(database: Database) -> None:
    assert await list_tables(database.catalog, database.name) == ([], None)


async def test_a_closed_port_is_unavailable() -> None:
    async with Catalog(aws_settings(closed())) as catalog:
        with pytest.raises(CatalogUnavailable, match="RAYLANE_AWS__ENDPOINT_URL"):
            await catalog.databases(ListDatabasesRequest())


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
            await list_tables(catalog, "d")


async def test_a_missing_region_names_the_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_REGION", raising=False)
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    with pytest.raises(CatalogRejected, match="RAYLANE_AWS__REGION"):
        await Catalog(AwsSettings(endpoint_url=closed())).__aenter__()


async def test_the_partitions_are_those_that_are_registered_now(moto: EmbeddedMoto, database: Database) -> None:
    source = await database.resolve(definition(partitions={"year": "int", "day": "string"}))
    assert await database.catalog.partitions(source) == ()
    places: dict[tuple[str, ...], str] = {
        ("2021", "b"): "s3://lake/sales/orders/2021/b",
        ("2020", "a b"): "s3a://other/x y/",
        ("2020", "01"): "s3://lake/sales/orders/year=2020/",
    }
    await database.register(places)
    assert await database.catalog.partitions(source) == (
        Partition(values=("2020", "01"), location="year=2020/"),
        Partition(values=("2020", "a b"), location="s3://other/x%20y/"),
        Partition(values=("2021", "b"), location="2021/b/"),
    )


async def test_every_page_of_partitions_is_read() -> None:
    table = {"Name": "orders", "DatabaseName": "d"} | definition(partitions={"n": "int"})
    pages = [
        {
            "Table": table,
            "Partitions": [{"Values": [str(n)], "StorageDescriptor": {"Location": f"s3://lake/sales/orders/{n}"}}],
        }
        for n in range(3)
    ]
    async with paging(pages) as url, Catalog(aws_settings(url)) as catalog:
        source = await catalog.resolve(TableRef(database="d", table="orders"), "job1")
        assert [one.location for one in await catalog.partitions(source)] == ["0/", "1/", "2/"]


async def test_more_partitions_than_a_job_can_keep_are_refused(
    monkeypatch: pytest.MonkeyPatch, database: Database
) -> None:
    monkeypatch.setattr("raylane_worker.data.catalog._MAX_PARTITIONS_BYTES", 100)
    source = await database.resolve(definition(partitions={"n": "string"}))
    await database.register({("x" * 10,): "s3://lake/x/"})
    assert len(await database.catalog.partitions(source)) == 1
    await database.register({("y" * 50,): "s3://lake/y/"})
    with pytest.raises(UnsupportedFormat, match="more than 2 registered partitions"):
        await database.catalog.partitions(source)


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"columns": {"id": "bigint", "more": "int"}}, "columns"),
        ({"columns": {"id": "int"}}, "columns"),
        ({"location": "s3://lake/moved/"}, "location"),
        ({"serde": OPEN_CSV}, "format"),
        ({"parameters": {"skip.header.line.count": "1"}}, "format"),
        ({"partitions": {"year": "int"}}, "partition keys"),
    ],
)
async def test_a_table_that_changed_since_its_selection_is_noticed(
    database: Database, changes: dict[str, Any], what: str
) -> None:
    source = await database.resolve(definition())
    assert await database.catalog.partitions(source) == ()
    await database.replace("orders", definition(**changes))
    with pytest.raises(TableChanged, match="select it again") as caught:
        await database.catalog.partitions(source)
    assert (caught.value.details["changed"], caught.value.retryable) == (what, False)


async def test_a_table_that_grew_has_not_changed(database: Database) -> None:
    source = await database.resolve(definition(parameters={"sizeKey": "1"}))
    await database.replace("orders", definition(parameters={"sizeKey": "2", "recordCount": "9"}))
    assert await database.catalog.partitions(source) == ()


async def test_a_link_names_the_table_that_it_links_to() -> None:
    link = {"Name": "l", "DatabaseName": "d", "TargetTable": {"DatabaseName": "shop", "Name": "orders"}}
    async with paging([{"Table": link}]) as url, Catalog(aws_settings(url)) as catalog:
        with pytest.raises(UnsupportedFormat, match=r"link to table shop\.orders"):
            await catalog.resolve(TableRef(database="d", table="l"), "job1")
