"""An upload whose write to S3 fails, through a worker of its own."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from raylane import Producer
from raylane_common.errors import StorageRejected
from raylane_common.requests import Lane
from raylane_common.settings import Settings
from raylane_worker.app import run
from raylane_worker.embedded import ACCESS_KEY_ID, REGION, SECRET_ACCESS_KEY

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from raylane_worker.embedded import EmbeddedMoto, EmbeddedValkey


async def test_an_upload_that_cannot_be_written_fails_and_leaves_no_source(
    redis: Redis, valkey: EmbeddedValkey, moto: EmbeddedMoto
) -> None:
    settings = Settings.model_validate(
        {
            "redis": {"url": valkey.url},
            "aws": {
                "endpoint_url": moto.url,
                "region": REGION,
                "access_key_id": ACCESS_KEY_ID,
                "secret_access_key": SECRET_ACCESS_KEY,
            },
            "storage": {"bucket": "nobody-made-this", "create_bucket": False},
        }
    )
    ready, stop = asyncio.Event(), asyncio.Event()
    working = asyncio.create_task(run(settings, [Lane.UPLOAD], ready=ready, stop=stop))
    try:
        async with Producer(redis_url=valkey.url) as producer:
            uploading = await producer.upload_bytes("a\n1\n", filename="a.csv", session_id="s")
            with pytest.raises(StorageRejected, match="nobody-made-this"):
                await uploading.result(60)
            assert await producer.sources("s") == []
            (entry,) = await producer.history("s")
            assert entry.status == "failed"
    finally:
        stop.set()
        await working
