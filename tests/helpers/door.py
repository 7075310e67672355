"""A producer and a worker that take uploads, on a real queue and on S3 over HTTP."""

from __future__ import annotations

import asyncio
import random
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from raylane import Producer
from raylane_common.settings import Settings
from raylane_common.wire.base import Lane
from raylane_worker.app import run
from tests.helpers.aws import aws_settings, s3

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from raylane_common.settings import StorageSettings

# The smallest that S3 allows.
PART_BYTES = 5 * 1024 * 1024


def csv_of(size_bytes: int, seed: int = 0) -> bytes:
    """Rows of the same length, different in each part and with each seed. They are long, and so few and soon read."""
    chance = random.Random(seed)
    count = size_bytes // 600
    rows = b"".join(b"%09d,%s\n" % (number, chance.randbytes(295).hex().encode()[:589]) for number in range(count))
    return b"id,value\n" + rows


class Door:
    """A producer, a running worker, and the bucket that it writes to."""

    def __init__(self, producer: Producer, settings: Settings) -> None:
        self.producer = producer
        self.settings = settings
        self.bucket = settings.storage.bucket
        self.storage = (settings.storage, settings.aws)
        self.url = settings.aws.endpoint_url or ""

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
    redis_url: str,
    s3_url: str,
    storage: StorageSettings,
    *,
    public_url: str | None = None,
    sessions: dict[str, int] | None = None,
    **uploads: Any,
) -> AsyncIterator[Door]:
    settings = Settings.model_validate(
        {
            "redis": {"url": redis_url},
            "aws": aws_settings(s3_url, public_endpoint_url=public_url),
            "storage": storage,
            "sessions": sessions or {},
            "uploads": {"staged_bytes": 1024**2, "part_bytes": PART_BYTES} | uploads,
        }
    )
    ready, stop = asyncio.Event(), asyncio.Event()
    working = asyncio.create_task(run(settings, [Lane.UPLOAD], ready=ready, stop=stop))
    try:
        await asyncio.wait({working, asyncio.create_task(ready.wait())}, return_when=asyncio.FIRST_COMPLETED)
        async with Producer(settings) as producer:
            yield Door(producer, settings)
    finally:
        stop.set()
        await working
