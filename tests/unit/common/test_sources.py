from __future__ import annotations

from typing import TYPE_CHECKING

import fakeredis
import pytest
from redis.asyncio import Redis

from raylane_common.errors import QueueUnavailable
from raylane_common.redis.source_store import SourceStore
from raylane_common.wire.reading import SerDe, TableReading
from raylane_common.wire.sources import Column, ColumnType, FileSource, TableSource
from tests.helpers.queue_keys import keys

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

COLUMN = Column(name="x", type=ColumnType.INTEGER, native_type="int64")


def csv(filename: str, job_id: str = "j") -> FileSource:
    return FileSource(
        filename=filename,
        s3_uri=f"s3://b/sessions/s/csv/{filename}",
        size_bytes=3,
        rows=1,
        columns=(COLUMN,),
        job_id=job_id,
    )


def table(name: str) -> TableSource:
    return TableSource(
        database="d",
        table=name,
        location=f"s3://b/{name}/",
        reading=TableReading(serde=SerDe.PARQUET),
        columns=(COLUMN,),
        job_id="j",
    )


@pytest.fixture
async def redis() -> AsyncIterator[Redis]:
    client = fakeredis.FakeAsyncRedis(decode_responses=True)
    yield client
    await client.aclose()


async def test_a_session_holds_many_sources_and_sees_only_its_own(redis: Redis) -> None:
    store = SourceStore(redis)
    await store.put("a", [csv("1.csv"), table("t")])
    await store.put("a", [csv("2.csv")])
    await store.put("b", [csv("other.csv")])
    assert await store.all("a") == [csv("1.csv"), csv("2.csv"), table("t")]
    assert await store.all("b") == [csv("other.csv")]
    assert await store.all("c") == []


async def test_a_file_and_a_table_with_the_same_name_are_two_sources(redis: Redis) -> None:
    store = SourceStore(redis)
    await store.put("a", [csv("d.t"), table("t")])
    assert len(await store.all("a")) == 2


async def test_an_upload_of_the_same_name_replaces_the_older_one(redis: Redis) -> None:
    store = SourceStore(redis)
    await store.put("a", [csv("1.csv", "old")])
    await store.put("a", [csv("1.csv", "new")])
    assert await store.all("a") == [csv("1.csv", "new")]


async def test_clearing_removes_the_snapshot_and_keeps_a_newer_upload(redis: Redis) -> None:
    store = SourceStore(redis)
    snapshot = [csv("1.csv", "old"), csv("2.csv")]
    await store.put("a", snapshot)
    await store.put("a", [csv("1.csv", "new"), csv("3.csv")])
    assert await store.clear("a", snapshot) == 1
    assert await store.all("a") == [csv("1.csv", "new"), csv("3.csv")]
    assert await store.clear("a", snapshot) == 0


async def test_a_snapshot_can_be_put_back(redis: Redis) -> None:
    store = SourceStore(redis)
    snapshot: list[FileSource | TableSource] = [csv("1.csv"), table("t")]
    await store.put("a", snapshot)
    await store.clear("a", snapshot)
    assert await store.all("a") == []
    await store.put("a", snapshot)
    assert await store.all("a") == snapshot


async def test_reset_removes_the_session_and_no_other(redis: Redis) -> None:
    store = SourceStore(redis)
    await store.put("a", [csv("1.csv"), csv("2.csv")])
    await store.put("b", [csv("1.csv")])
    assert await store.reset("a") == 2
    assert await store.all("a") == []
    assert await store.all("b") == [csv("1.csv")]


def test_code_names_the_uploaded_file_and_arrow_gets_an_encoded_location() -> None:
    plain, odd = csv("DES=+1,2.csv"), csv("my data 100%.csv")
    assert plain.readable_location == plain.location == "s3://b/sessions/s/csv/DES=+1,2.csv"
    assert odd.location == odd.s3_uri == "s3://b/sessions/s/csv/my data 100%.csv"
    assert odd.readable_location == "s3://b/sessions/s/csv/my%20data%20100%25.csv"


async def test_sources_expire(redis: Redis) -> None:
    await SourceStore(redis).put("a", [csv("1.csv")])
    assert await redis.ttl(keys.session_sources("a")) > 29 * 24 * 3600


async def test_an_unreachable_store_is_an_error_and_never_an_empty_session() -> None:
    gone = Redis.from_url("redis://127.0.0.1:1/0", decode_responses=True)
    try:
        with pytest.raises(QueueUnavailable, match="read sources"):
            await SourceStore(gone).all("a")
    finally:
        await gone.aclose()
