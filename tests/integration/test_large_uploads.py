"""Uploads that go straight to S3: with a real queue, a real worker and S3 over HTTP."""

from __future__ import annotations

import asyncio
import random
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from raylane import Producer
from raylane_common.settings import Settings
from raylane_common.wire.base import Lane
from raylane_worker.app import run
from tests.helpers.aws import aws_settings, own_bucket, s3

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from redis.asyncio import Redis

    from raylane.transfer.progress import UploadProgress
    from raylane_common.settings import StorageSettings
    from raylane_worker.embedded import EmbeddedMoto, EmbeddedValkey

PART_BYTES = 5 * 1024 * 1024


def csv_of(size_bytes: int, seed: int = 0) -> bytes:
    """Rows of the same length, different in each part and with each seed."""
    chance = random.Random(seed)
    rows = b"".join(b"%09d,%s\n" % (number, chance.randbytes(25).hex().encode()) for number in range(size_bytes // 60))
    return b"id,value\n" + rows


DATA = csv_of(12 * 1024 * 1024)


class Door:
    """A producer, a running worker, and the bucket that it writes to."""

    def __init__(self, producer: Producer, bucket: str, url: str) -> None:
        self.producer = producer
        self.bucket = bucket
        self.url = url

    async def objects(self) -> dict[str, bytes]:
        """Returns all objects of the bucket by key."""
        async with s3(self.url) as client:
            found = await client.list_objects_v2(Bucket=self.bucket)
            return {
                each["Key"]: await (await client.get_object(Bucket=self.bucket, Key=each["Key"]))["Body"].read()
                for each in found.get("Contents", ())
            }

    async def uploads(self) -> list[str]:
        """Returns the keys of the uploads in parts that are neither complete nor aborted."""
        async with s3(self.url) as client:
            found = await client.list_multipart_uploads(Bucket=self.bucket)
            return [each["Key"] for each in found.get("Uploads", ())]


@asynccontextmanager
async def open_door(
    valkey: EmbeddedValkey, s3_url: str, storage: StorageSettings, **uploads: Any
) -> AsyncIterator[Door]:
    settings = Settings.model_validate(
        {
            "redis": {"url": valkey.url},
            "aws": aws_settings(s3_url),
            "storage": storage,
            "uploads": {"part_bytes": PART_BYTES} | uploads,
        }
    )
    ready, stop = asyncio.Event(), asyncio.Event()
    working = asyncio.create_task(run(settings, [Lane.UPLOAD], ready=ready, stop=stop))
    try:
        await asyncio.wait({working, asyncio.create_task(ready.wait())}, return_when=asyncio.FIRST_COMPLETED)
        async with Producer(settings) as producer:
            yield Door(producer, storage.bucket, s3_url)
    finally:
        stop.set()
        await working


@pytest.fixture
async def door(valkey: EmbeddedValkey, moto: EmbeddedMoto, redis: Redis) -> AsyncIterator[Door]:
    async with open_door(valkey, moto.url, own_bucket()) as opened:
        yield opened


async def test_a_file_beyond_the_limit_of_redis_arrives_byte_for_byte(door: Door, tmp_path: Path) -> None:
    (tmp_path / "large.csv").write_bytes(DATA)
    told: list[UploadProgress] = []
    upload = await door.producer.upload(tmp_path / "large.csv", session_id="ada", progress=told.append)
    result = await upload.result(timeout_s=30)
    assert result.bytes == len(DATA)
    assert result.rows == DATA.count(b"\n") - 1
    assert (await door.objects())["sessions/ada/csv/large.csv"] == DATA
    assert [key for key in await door.objects() if key.startswith("transfers/")] == []
    assert await door.uploads() == []
    [source] = await door.producer.sources("ada")
    assert source.name == "large.csv"
    assert told[-1] == (len(DATA), len(DATA), 0)
    assert [entry.what for entry in await door.producer.history("ada")] == ["large.csv"]
