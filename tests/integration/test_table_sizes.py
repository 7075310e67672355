"""How large a table is, is found out when a job begins, so that a small one is not computed with Ray Data."""

from __future__ import annotations

import time
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from raylane_common.ray.client import RayClient
from raylane_common.redis.source_store import SourceStore
from raylane_common.settings import Settings
from raylane_common.wire.generate import GenerateRequest, GeneratorName
from raylane_common.wire.jobs import JobRecord, JobStatus, NewJob
from raylane_common.wire.names import Engine
from raylane_common.wire.reading import SerDe, TableReading
from raylane_common.wire.sources import Column, ColumnType, Partition, TableSource
from raylane_common.wire.tables import TableRef
from raylane_worker.context import JobContext, Resources
from raylane_worker.data.storage import listed
from raylane_worker.first_use import catalog_of, storage_of
from raylane_worker.handlers.generate import generate
from raylane_worker.run_slots import RunSlots
from raylane_worker.runs import table_sizes
from raylane_worker.runs.table_sizes import table_bytes
from tests.helpers.aws import answering, aws_settings, glue, own_bucket, s3, share_session, silent
from tests.helpers.glue_tables import definition, descriptor
from tests.helpers.staged_port import StagedPort

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from redis.asyncio import Redis

    from raylane_common.wire.generate import Checkpoint
    from raylane_worker.embedded import EmbeddedMoto

KEYS = (Column(name="year", type=ColumnType.INTEGER, native_type="int"),)


@pytest.fixture(autouse=True)
def _shared_session(monkeypatch: pytest.MonkeyPatch) -> None:
    share_session(monkeypatch)


class KeepingPort(StagedPort):
    """Takes what a job without a run writes. Other tests look at it."""

    async def text(self, piece: str) -> None:
        assert piece

    async def checkpoint(self, checkpoint: Checkpoint) -> None:
        assert checkpoint.table_bytes


def table(name: str, serde: SerDe = SerDe.LAZY_SIMPLE, **fields: Any) -> TableSource:
    defaults: dict[str, Any] = {
        "location": f"s3://lake/{name}/",
        "columns": (Column(name="id", type=ColumnType.INTEGER, native_type="bigint"),),
    }
    return TableSource(database="d", table=name, reading=TableReading(serde=serde), job_id="j", **defaults | fields)


def partition(value: int, location: str) -> Partition:
    return Partition(values=(str(value),), location=location)


@asynccontextmanager
async def context(redis: Redis, url: str, **ray: Any) -> AsyncIterator[JobContext]:
    settings = Settings.model_validate({"storage": own_bucket(create=False), "aws": aws_settings(url), "ray": ray})
    request = GenerateRequest(prompt="how many rows", generator=GeneratorName.TEMPLATE)
    new = NewJob(request=request, session_id="s1", id="job1")
    record = JobRecord(
        id=new.id,
        v=1,
        kind=new.kind,
        lane=new.lane,
        session_id=new.session_id,
        status=JobStatus.RUNNING,
        enqueued_at=int(time.time() * 1000),
    )
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(RayClient(settings.ray))
        resources = Resources(
            settings=settings,
            ray=client,
            sources=SourceStore(redis),
            run_slots=RunSlots(client),
            storage=await stack.enter_async_context(storage_of(settings)),
            catalog=await stack.enter_async_context(catalog_of(settings)),
        )
        yield JobContext(record, KeepingPort(b""), resources)


@asynccontextmanager
async def lake(moto: EmbeddedMoto, objects: Mapping[str, int]) -> AsyncIterator[str]:
    """A bucket with objects of these sizes."""
    bucket = own_bucket().bucket
    async with s3(moto.url) as client:
        await client.create_bucket(Bucket=bucket)
        for key, size_bytes in objects.items():
            await client.put_object(Bucket=bucket, Key=key, Body=b"x" * size_bytes)
    yield f"s3://{bucket}"


@pytest.mark.parametrize(
    ("serde", "names", "expected"),
    [
        (SerDe.LAZY_SIMPLE, ["a", "b.csv", "deep/er/c"], 300),
        (SerDe.OPEN_CSV, ["a.csv", "b.csv.gz", "c.CSV.GZ"], 2100),
        (SerDe.HIVE_JSON, ["a.json.zst", "b.json.bz2"], 2000),
        (SerDe.PARQUET, ["a.parquet", "b.snappy.parquet", "c.gz"], 1500),
        (SerDe.ORC, ["a"], 500),
        (SerDe.PARQUET, [], 0),
    ],
)
async def test_a_table_has_the_bytes_of_its_objects_which_grow_if_they_are_packed(
    serde: SerDe, names: list[str], expected: int, redis: Redis, moto: EmbeddedMoto
) -> None:
    objects = {f"t é/{name}": 100 for name in names} | {"t": 7, "t é2/a": 7, "other/a": 7}
    async with lake(moto, objects) as root, context(redis, moto.url) as ctx:
        # What the catalog said when the table was selected is old.
        source = table("t", serde, location=f"{root}/t%20%C3%A9/", size_bytes=1)
        assert await table_bytes([source], {}, ctx) == {"d.t": expected}


async def test_only_registered_partitions_count_wherever_they_are(redis: Redis, moto: EmbeddedMoto) -> None:
    sizes = {"t/year=1/a": 1, "t/year=2/a": 20, "t/year=3/a": 300, "moved/a": 4000, "u/a": 50000}
    async with lake(moto, sizes) as root, lake(moto, {"a": 600_000}) as elsewhere, context(redis, moto.url) as ctx:
        keyed, plain = table("t", location=f"{root}/t/", partition_keys=KEYS), table("u", location=f"{root}/u/")
        places = ["year=1/", "year=3/", f"{root}/moved/", f"{elsewhere}/"]
        registered = [partition(number, place) for number, place in enumerate(places)]
        assert await table_bytes([keyed, plain], {"d.t": registered}, ctx) == {"d.t": 604_301, "d.u": 50_000}
        assert await table_bytes([keyed], {"d.t": []}, ctx) == {"d.t": 0}


async def test_a_table_of_many_partitions_is_listed_once(
    redis: Redis, moto: EmbeddedMoto, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_sizes, "_MAX_LISTED_PARTITIONS", 2)
    monkeypatch.setattr(listed, "_AT_ONCE", 2)
    sizes = {f"t/year={year}/a": 10 for year in range(6)} | {"moved/a": 500}
    async with lake(moto, sizes) as root, context(redis, moto.url) as ctx:
        keyed = table("t", location=f"{root}/t/", partition_keys=KEYS)
        places = [*(f"year={year}/" for year in range(3)), f"{root}/moved/"]
        registered = [partition(number, place) for number, place in enumerate(places)]
        assert await table_bytes([keyed], {"d.t": registered}, ctx) == {"d.t": 560}


@pytest.mark.parametrize("limits", [{"_MAX_OBJECTS": 3}, {"_MAX_OBJECTS": 0}])
async def test_a_table_of_many_files_is_not_small(
    limits: dict[str, int], redis: Redis, moto: EmbeddedMoto, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in limits.items():
        monkeypatch.setattr(table_sizes, name, value)
    async with lake(moto, {f"t/{n}": 1 for n in range(4)}) as root, context(redis, moto.url) as ctx:
        assert await table_bytes([table("t", location=f"{root}/t/", size_bytes=4)], {}, ctx) == {"d.t": None}


async def test_a_table_larger_than_one_process_reads_is_not_small_whatever_the_catalog_said(
    redis: Redis, moto: EmbeddedMoto
) -> None:
    async with (
        lake(moto, {"t/a": 60, "t/b": 60, "u/a": 100}) as root,
        context(redis, moto.url, local_source_bytes=100) as ctx,
    ):
        sources = [table(name, location=f"{root}/{name}/", size_bytes=1) for name in ("t", "u")]
        assert await table_bytes(sources, {}, ctx) == {"d.t": None, "d.u": 100}


@pytest.mark.parametrize("known", [None, 77])
async def test_a_table_that_may_not_be_listed_has_the_size_that_the_catalog_says(
    known: int | None, redis: Redis, moto: EmbeddedMoto
) -> None:
    denied = answering("403 Forbidden", "<Error><Code>AccessDenied</Code><Message>no</Message></Error>")
    async with denied as url, context(redis, url) as ctx:
        assert await table_bytes([table("t", size_bytes=known)], {}, ctx) == {"d.t": known}
    async with context(redis, moto.url) as ctx:
        missing = table("t", location="s3://no-such-bucket-here/t/", size_bytes=known)
        assert await table_bytes([missing], {}, ctx) == {"d.t": known}


async def test_a_listing_that_takes_long_is_given_up(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_sizes, "_LISTING_S", 0.1)
    async with silent() as url, context(redis, url) as ctx:
        tables = [table("t", size_bytes=1), table("u")]
        assert await table_bytes(tables, {}, ctx) == {"d.t": None, "d.u": None}


async def test_a_small_table_of_unknown_size_gets_the_local_engine_and_one_that_has_grown_does_not(
    redis: Redis, moto: EmbeddedMoto
) -> None:
    async with lake(moto, {"t/2020/a": 30}) as root, context(redis, moto.url, local_source_bytes=100) as ctx:
        database = own_bucket().bucket
        entry: Any = {"Name": "t"} | definition(location=f"{root}/t/", partitions={"year": "int"})
        place: Any = {"Values": ["2020"], "StorageDescriptor": descriptor(f"{root}/t/2020/")}
        async with glue(moto.url) as client:
            await client.create_database(DatabaseInput={"Name": database})
            await client.create_table(DatabaseName=database, TableInput=entry)
            await client.create_partition(DatabaseName=database, TableName="t", PartitionInput=place)
        catalog = await ctx.catalog()
        source = await catalog.resolve(TableRef(database=database, table="t"), "j")
        assert source.data_bytes is None
        await ctx.resources.sources.put("s1", [source])
        request = GenerateRequest(prompt="how many rows", generator=GeneratorName.TEMPLATE, keep_sources=True)
        assert (await generate(request, ctx)).engine is Engine.LOCAL
        async with s3(moto.url) as store:
            await store.put_object(Bucket=root.removeprefix("s3://"), Key="t/2020/b", Body=b"x" * 71)
        assert (await generate(request, ctx)).engine is Engine.DISTRIBUTED
