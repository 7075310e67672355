from __future__ import annotations

import hashlib
import json
import time
import uuid
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from raylane_common.errors import (
    CatalogUnavailable,
    InvalidFile,
    InvalidRequest,
    QueueUnavailable,
    SourceReplaced,
    StorageRejected,
    StorageUnavailable,
    TableNotFound,
    UnsupportedFormat,
)
from raylane_common.ray.client import RayClient
from raylane_common.redis.connection import connect
from raylane_common.redis.source_store import SourceStore
from raylane_common.settings import GenerationSettings, RedisSettings, Settings
from raylane_common.wire.jobs import JobRecord, JobStatus, NewJob, Progress
from raylane_common.wire.names import Engine
from raylane_common.wire.reading import SerDe, TableReading
from raylane_common.wire.sources import Column, ColumnType, FileSource, Partition, TableSource
from raylane_common.wire.tables import (
    DatabasesResult,
    DeselectedTablesResult,
    DeselectTablesRequest,
    ListDatabasesRequest,
    ListTablesRequest,
    SelectedTablesResult,
    SelectTablesRequest,
    TableRef,
    TablesResult,
)
from raylane_common.wire.upload import (
    PreviewRequest,
    PreviewResult,
    PurgeRequest,
    PurgeResult,
    UploadRequest,
    UploadResult,
)
from raylane_worker.context import CurrentSettings, JobContext, Resources
from raylane_worker.first_use import catalog_of, storage_of
from raylane_worker.handlers.tables import tables
from raylane_worker.handlers.upload import upload
from raylane_worker.run_kit import source_file
from raylane_worker.run_slots import RunSlots
from raylane_worker.runs.tables import registered_partitions
from tests.helpers.aws import aws_settings, closed, glue, own_bucket, s3
from tests.helpers.glue_tables import PARQUET, PARQUET_SERDE, definition, descriptor
from tests.helpers.staged_port import StagedPort

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from redis.asyncio import Redis

    from raylane_common.settings import StorageSettings
    from raylane_common.wire.kinds import Request
    from raylane_worker.embedded import EmbeddedMoto, EmbeddedValkey

DATA = b'name,amount\n"one\nline",1\nb,2\nc,3\nd,4\ne,5\nf,6\n'


class Harness:
    """The resources of one worker, and jobs of one session that use them."""

    def __init__(self, resources: Resources) -> None:
        self.resources = resources
        self.port = StagedPort(b"")

    def job(self, request: Request, *, body: bytes = b"", id: str = "job1") -> JobContext:
        new = NewJob(request=request, session_id="s1", id=id)
        self.port = StagedPort(body)
        record = JobRecord(
            id=new.id,
            v=1,
            kind=new.kind,
            lane=new.lane,
            session_id=new.session_id,
            status=JobStatus.RUNNING,
            enqueued_at=int(time.time() * 1000),
        )
        return JobContext(record, self.port, self.resources)

    async def sources(self) -> list[str]:
        return [source.name for source in await self.resources.sources.all("s1")]


@asynccontextmanager
async def open_harness(redis: Redis, url: str, bucket: StorageSettings | None = None) -> AsyncIterator[Harness]:
    settings = Settings(storage=bucket or own_bucket(), aws=aws_settings(url))
    async with AsyncExitStack() as stack:
        ray = await stack.enter_async_context(RayClient(settings.ray))
        storage = await stack.enter_async_context(storage_of(settings))
        await storage.get()  # creates the bucket, as the check at start-up does
        yield Harness(
            Resources(
                settings=settings,
                storage=storage,
                catalog=await stack.enter_async_context(catalog_of(settings)),
                ray=ray,
                sources=SourceStore(redis),
                run_slots=RunSlots(ray),
            )
        )


@pytest.fixture
async def harness(redis: Redis, moto: EmbeddedMoto) -> AsyncIterator[Harness]:
    async with open_harness(redis, moto.url) as opened:
        yield opened


def request_for(data: bytes, filename: str = "data.csv", **changes: Any) -> UploadRequest:
    fields = {"filename": filename, "size_bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    return UploadRequest.model_validate(fields | changes)


async def uploaded(request: UploadRequest, ctx: JobContext) -> UploadResult:
    result = await upload(request, ctx)
    assert isinstance(result, UploadResult)
    return result


async def stored(moto: EmbeddedMoto, harness: Harness) -> dict[str, bytes]:
    async with s3(moto.url) as client:
        bucket = harness.resources.settings.storage.bucket
        listed = (await client.list_objects_v2(Bucket=bucket)).get("Contents", [])
        keys = [found["Key"] for found in listed]
        return {key: await (await client.get_object(Bucket=bucket, Key=key))["Body"].read() for key in keys}


async def test_an_upload_is_stored_and_becomes_a_source(harness: Harness, moto: EmbeddedMoto) -> None:
    job = harness.job(request_for(DATA), body=DATA)
    result = await uploaded(request_for(DATA), job)
    key = "sessions/s1/csv/data.csv"
    assert await stored(moto, harness) == {key: DATA}
    assert result.bucket == harness.resources.settings.storage.bucket
    assert (result.key, result.bytes, result.rows) == (key, len(DATA), 6)
    assert result.s3_uri == f"s3://{result.bucket}/{key}"
    assert result.preview == (("one\nline", "1"), ("b", "2"), ("c", "3"), ("d", "4"), ("e", "5"))
    assert [column.type for column in result.columns] == [ColumnType.STRING, ColumnType.INTEGER]
    (source,) = await harness.resources.sources.all("s1")
    assert source == FileSource(
        filename="data.csv",
        s3_uri=result.s3_uri,
        size_bytes=len(DATA),
        rows=6,
        columns=result.columns,
        enqueued_ms=job.record.enqueued_at,
        job_id="job1",
    )
    assert harness.port.stages == ["reading", "storing"]


async def test_a_real_file_is_profiled(harness: Harness, weather: Path) -> None:
    data = weather.read_bytes()
    result = await uploaded(request_for(data, weather.name), harness.job(request_for(data), body=data))
    assert (result.rows, result.warnings) == (1461, ())
    assert {column.name: column.type for column in result.columns} == {
        "date": ColumnType.DATE,
        "precipitation": ColumnType.NUMBER,
        "temp_max": ColumnType.NUMBER,
        "temp_min": ColumnType.NUMBER,
        "wind": ColumnType.NUMBER,
        "weather": ColumnType.STRING,
    }


@pytest.mark.parametrize("share_samples", [False, True])
async def test_a_profile_keeps_frequent_texts_only_if_samples_may_be_shared(
    harness: Harness, share_samples: bool
) -> None:
    generation = GenerationSettings(share_samples=share_samples)
    settings = harness.resources.settings.model_copy(update={"generation": generation})
    sharing = Harness(replace(harness.resources, settings=settings))
    data = b"name\nAda\nAda\nBob\n"
    result = await uploaded(request_for(data), sharing.job(request_for(data), body=data))
    assert result.columns[0].profile is not None
    assert [one.value for one in result.columns[0].profile.top] == (["Ada", "Bob"] if share_samples else [])


async def test_a_preview_says_what_would_be_read_and_stores_nothing(harness: Harness, moto: EmbeddedMoto) -> None:
    request = PreviewRequest.model_validate(request_for(DATA).model_dump(exclude={"action"}))
    result = await upload(request, harness.job(request, body=DATA))
    assert isinstance(result, PreviewResult)
    assert (result.filename, result.bytes, result.rows, result.reasons) == ("data.csv", len(DATA), 6, ())
    assert result.preview[1] == ("b", "2")
    assert await stored(moto, harness) == {}
    assert await harness.sources() == []


async def test_the_same_upload_again_changes_nothing(harness: Harness, moto: EmbeddedMoto) -> None:
    job = harness.job(request_for(DATA), body=DATA)
    first = await uploaded(request_for(DATA), job)
    before = await harness.resources.sources.all("s1")
    assert await uploaded(request_for(DATA), job) == first
    assert await harness.resources.sources.all("s1") == before
    assert await stored(moto, harness) == {first.key: DATA}


async def test_a_session_keeps_several_uploads_and_the_newest_of_one_name(harness: Harness) -> None:
    for filename, data, job_id in (("a.csv", DATA, "j1"), ("b.csv", DATA, "j2"), ("a.csv", b"x\n1\n", "j3")):
        await uploaded(request_for(data, filename), harness.job(request_for(data), body=data, id=job_id))
    assert [(source.name, source.job_id) for source in await harness.resources.sources.all("s1")] == [
        ("a.csv", "j3"),
        ("b.csv", "j2"),
    ]


async def test_an_odd_filename_keeps_its_name_in_the_key(harness: Harness, moto: EmbeddedMoto) -> None:
    filename = "50% off, DES=+1 #é 日本.csv"
    result = await uploaded(request_for(DATA, filename), harness.job(request_for(DATA), body=DATA))
    assert await stored(moto, harness) == {f"sessions/s1/csv/{filename}": DATA}
    assert await harness.sources() == [filename]
    assert result.s3_uri == f"s3://{result.bucket}/sessions/s1/csv/{filename}"
    (source,) = await harness.resources.sources.all("s1")
    assert isinstance(source, FileSource)
    assert source.readable_location.endswith("/50%25%20off,%20DES=+1%20%23%C3%A9%20%E6%97%A5%E6%9C%AC.csv")


@pytest.mark.parametrize(
    ("data", "changes", "error", "expected"),
    [
        (DATA, {"size_bytes": 1}, InvalidRequest, "size_bytes"),
        (DATA, {"sha256": "0" * 64}, InvalidRequest, "sha256"),
        (b"a,b\n1,2,3\n", {}, InvalidFile, "line 2"),
    ],
)
async def test_bytes_that_are_no_csv_or_do_not_match_the_request_are_not_stored(
    harness: Harness, moto: EmbeddedMoto, data: bytes, changes: dict[str, Any], error: type[Exception], expected: str
) -> None:
    request = request_for(data, **changes)
    with pytest.raises(error, match=expected):
        await uploaded(request, harness.job(request, body=data))
    assert await harness.sources() == []
    assert await stored(moto, harness) == {}


async def test_an_upload_without_a_bucket_leaves_no_source(redis: Redis, moto: EmbeddedMoto) -> None:
    async with open_harness(redis, moto.url, own_bucket(create=False)) as harness:
        with pytest.raises(StorageRejected, match="NoSuchBucket"):
            await uploaded(request_for(DATA), harness.job(request_for(DATA), body=DATA))
        assert await harness.sources() == []


async def test_an_upload_without_s3_leaves_no_source(redis: Redis) -> None:
    async with open_harness(redis, closed(), own_bucket(create=False)) as harness:
        with pytest.raises(StorageUnavailable):
            await uploaded(request_for(DATA), harness.job(request_for(DATA), body=DATA))
        assert await harness.sources() == []


async def test_an_upload_whose_source_cannot_be_written_is_an_error(
    redis: Redis, valkey: EmbeddedValkey, moto: EmbeddedMoto
) -> None:
    await redis.acl_setuser("writes-no-hash", enabled=True, nopass=True, keys=["*"], commands=["+@all", "-hset"])
    client = connect(RedisSettings.model_validate({"url": valkey.url, "username": "writes-no-hash", "password": "-"}))
    try:
        async with open_harness(client, moto.url) as harness:
            with pytest.raises(QueueUnavailable, match="no permission to store sources"):
                await uploaded(request_for(DATA), harness.job(request_for(DATA), body=DATA))
    finally:
        await client.aclose()
        await redis.acl_deluser("writes-no-hash")


@pytest.fixture
async def database(moto: EmbeddedMoto) -> str:
    """Creates a database with the parquet tables t0 … t19 and the Avro table avro."""
    name = f"db_{uuid.uuid4().hex}"
    async with glue(moto.url) as client:
        await client.create_database(DatabaseInput={"Name": name})
        for table, classification in [(f"t{number}", "parquet") for number in range(20)] + [("avro", "avro")]:
            await client.create_table(
                DatabaseName=name,
                TableInput={
                    "Name": table,
                    "Parameters": {"classification": classification},
                    "StorageDescriptor": {"Location": f"s3://lake/{table}", "Columns": [{"Name": "id", "Type": "int"}]},
                },
            )
    return name


def selection(database: str, *names: str) -> SelectTablesRequest:
    return SelectTablesRequest(tables=tuple(TableRef(database=database, table=name) for name in names))


async def test_databases_and_tables_are_listed(harness: Harness, database: str) -> None:
    found = await tables(ListDatabasesRequest(), harness.job(ListDatabasesRequest()))
    assert isinstance(found, DatabasesResult)
    assert database in found.databases
    request = ListTablesRequest(database=database)
    listed = await tables(request, harness.job(request))
    assert isinstance(listed, TablesResult)
    assert {summary.table: summary.supported for summary in listed.tables} == {
        **{f"t{number}": True for number in range(20)},
        "avro": False,
    }


async def test_selected_tables_become_sources_in_the_order_of_the_request(harness: Harness, database: str) -> None:
    names = [f"t{number}" for number in reversed(range(20))]
    request = selection(database, *names, "t3")
    result = await tables(request, harness.job(request))
    assert isinstance(result, SelectedTablesResult)
    assert [source.name for source in result.sources] == [f"{database}.{name}" for name in names]
    assert await harness.resources.sources.all("s1") == sorted(result.sources, key=lambda source: source.name)
    assert harness.port.stages == ["resolving"]


async def test_one_missing_table_leaves_nothing_selected(harness: Harness, database: str) -> None:
    request = selection(database, "t1", "none", "t2", "nope")
    with pytest.raises(TableNotFound, match=f"{database}.none, {database}.nope") as caught:
        await tables(request, harness.job(request))
    assert caught.value.details == {"missing": [f"{database}.none", f"{database}.nope"]}
    assert await harness.sources() == []


async def test_one_unsupported_table_leaves_nothing_selected_and_is_named(harness: Harness, database: str) -> None:
    request = selection(database, "t1", "avro", "t2")
    with pytest.raises(UnsupportedFormat, match=f"table {database}.avro cannot be read: it has classification avro"):
        await tables(request, harness.job(request))
    assert await harness.sources() == []


async def test_a_failed_selection_keeps_what_was_selected_before(harness: Harness, database: str) -> None:
    request = selection(database, "t1")
    await tables(request, harness.job(request))
    request = selection(database, "t2", "none")
    with pytest.raises(TableNotFound):
        await tables(request, harness.job(request))
    assert await harness.sources() == [f"{database}.t1"]


async def test_deselected_tables_leave_the_session_all_or_none(harness: Harness, database: str) -> None:
    request = selection(database, "t1", "t2", "t3")
    await tables(request, harness.job(request))
    refs = {name: TableRef(database=database, table=name) for name in ("t1", "t2", "t9")}
    wrong = DeselectTablesRequest(tables=(refs["t1"], refs["t9"]))
    with pytest.raises(TableNotFound, match=rf"the session has no tables {database}\.t9") as caught:
        await tables(wrong, harness.job(wrong))
    assert caught.value.details == {"missing": [f"{database}.t9"]}
    assert len(await harness.sources()) == 3
    right = DeselectTablesRequest(tables=(refs["t1"], refs["t2"], refs["t1"]))
    job = harness.job(right)
    result = await tables(right, job)
    assert result == DeselectedTablesResult(tables=(refs["t1"], refs["t2"]))
    assert await harness.sources() == [f"{database}.t3"]
    # The worker died before the result was stored.
    again = replace(job, record=job.record.model_copy(update={"progress": Progress(stage="deselecting")}))
    assert await tables(right, again) == result


async def test_a_job_asks_for_the_partitions_that_are_registered_when_it_begins(
    harness: Harness, database: str, moto: EmbeddedMoto
) -> None:
    keyed: Any = {"Name": "keyed"} | definition(
        input_format=PARQUET, serde=PARQUET_SERDE, location="s3://lake/keyed/", partitions={"year": "int"}
    )
    request = selection(database, "keyed", "t1")
    async with glue(moto.url) as client:
        await client.create_table(DatabaseName=database, TableInput=keyed)
        result = await tables(request, harness.job(request))
        assert isinstance(result, SelectedTablesResult)
        sources = [source for source in result.sources if isinstance(source, TableSource)]
        partition: Any = {"Values": ["2020"], "StorageDescriptor": descriptor("s3://lake/keyed/2020/")}
        await client.create_partition(DatabaseName=database, TableName="keyed", PartitionInput=partition)
    assert await registered_partitions(sources, harness.job(request)) == {
        f"{database}.keyed": (Partition(values=("2020",), location="2020/"),)
    }
    [text] = source_file(sources, {}, Engine.LOCAL, small=True).values()
    assert [one["name"] for one in json.loads(text)["sources"]] == [source.name for source in sources]


async def test_two_tables_at_one_location_are_refused_since_code_could_not_tell_them_apart(harness: Harness) -> None:
    one = TableSource(
        database="d",
        table="a",
        location="s3://lake/a/",
        reading=TableReading(serde=SerDe.PARQUET),
        columns=(Column(name="id", type=ColumnType.INTEGER, native_type="int"),),
        job_id="j",
    )
    with pytest.raises(InvalidRequest, match=r"d\.a and d\.b are both at s3://lake/a/; deselect one"):
        await registered_partitions([one, one.model_copy(update={"table": "b"})], harness.job(ListDatabasesRequest()))


async def test_a_catalog_that_is_down_is_an_error(redis: Redis) -> None:
    async with open_harness(redis, closed(), own_bucket(create=False)) as harness:
        request = selection("d", *(f"t{number}" for number in range(20)))
        with pytest.raises(CatalogUnavailable):
            await tables(request, harness.job(request))
        assert await harness.sources() == []


async def test_a_purge_removes_the_sources_and_the_objects_of_the_session(harness: Harness, moto: EmbeddedMoto) -> None:
    await upload(request_for(DATA), harness.job(request_for(DATA), body=DATA))
    restored = await harness.resources.sources.all("s1")
    result = await upload(PurgeRequest(), harness.job(PurgeRequest()))
    assert result == PurgeResult(sources=1, objects=1, bytes=len(DATA), uploads=0)
    assert await harness.sources() == []
    assert await stored(moto, harness) == {}
    with pytest.raises(SourceReplaced, match=r"data\.csv was purged by job"):
        await harness.resources.sources.put("s1", restored)
    again = await upload(PurgeRequest(), harness.job(PurgeRequest()))
    assert again == PurgeResult(sources=0, objects=0, bytes=0, uploads=0)
    await upload(request_for(DATA), harness.job(request_for(DATA), body=DATA, id="job2"))
    assert await harness.sources() == ["data.csv"]


async def test_a_job_keeps_the_bucket_with_which_its_attempt_began(redis: Redis, moto: EmbeddedMoto) -> None:
    first, second = own_bucket(), own_bucket()
    async with open_harness(redis, moto.url, first) as harness, s3(moto.url) as client:
        await client.create_bucket(Bucket=second.bucket)
        current = CurrentSettings(harness.resources.settings)
        resources = replace(harness.resources, current=current)
        harness.resources = resources.now()
        earlier = harness.job(request_for(DATA), body=DATA)
        storage = first.model_copy(update={"bucket": second.bucket, "allowed_buckets": (first.bucket,)})
        current.settings = current.settings.model_copy(update={"storage": storage})
        harness.resources = resources.now()
        later = harness.job(request_for(DATA, "later.csv"), body=DATA)
        later_result = await upload(request_for(DATA, "later.csv"), later)
        assert isinstance(later_result, UploadResult)
        assert later_result.bucket == second.bucket
        earlier_result = await upload(request_for(DATA), earlier)
        assert isinstance(earlier_result, UploadResult)
        assert earlier_result.bucket == first.bucket
        uris = [source.s3_uri for source in await resources.sources.all("s1") if isinstance(source, FileSource)]
        assert uris == [earlier_result.s3_uri, later_result.s3_uri]
        assert await upload(PurgeRequest(), harness.job(PurgeRequest())) == PurgeResult(
            sources=2, objects=2, bytes=2 * len(DATA), uploads=0
        )
