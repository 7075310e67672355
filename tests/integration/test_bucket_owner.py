"""Every request about a bucket names the account that must own it, if the settings do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from raylane_worker.data.storage import Storage
from raylane_worker.data.target import Target
from tests.helpers.aws import ORDER, aws_settings, own_bucket, s3
from tests.helpers.door import csv_of, open_door
from tests.helpers.s3_proxy import S3Proxy

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from aiohttp import web
    from redis.asyncio import Redis

    from raylane_worker.embedded import EmbeddedMoto, EmbeddedValkey

OWNER: Final = "123456789012"
HEADER: Final = "x-amz-expected-bucket-owner"
SOURCE_HEADER: Final = "x-amz-source-expected-bucket-owner"
# The arguments in a URL that distinguish the requests of S3.
OPERATION: Final = ("uploads", "uploadId", "partNumber", "delete", "list-type")
DATA: Final = csv_of(1_100_000)
SMALL: Final = b"id,value\n1,2\n"
# Written with a decimal comma, so they have a prepared copy.
CONVERTED: Final = b"id;value\n1;2,5\n2;3,5\n"


def operation(request: web.Request) -> str:
    copied = ["copy"] if "x-amz-copy-source" in request.headers else []
    kind = "bucket" if request.path.strip("/").count("/") == 0 else "object"
    return " ".join([request.method, kind, *(name for name in OPERATION if name in request.query), *copied])


def without_owner(received: Iterable[web.Request]) -> set[str]:
    return {operation(each) for each in received if each.headers.get(HEADER) != OWNER}


async def test_every_request_of_uploads_purges_and_sweeps_names_the_owner(
    valkey: EmbeddedValkey, moto: EmbeddedMoto, redis: Redis, tmp_path: Path
) -> None:
    own = own_bucket()
    storage = own.model_copy(update={"bucket_owner": OWNER, "readable": (own.bucket,)})
    (tmp_path / "large.csv").write_bytes(DATA)
    async with S3Proxy(moto.url).serve() as proxy:
        async with open_door(valkey.url, proxy.url, storage) as door:
            for data, name in ((tmp_path / "large.csv", "large.csv"), (SMALL, "a.csv"), (CONVERTED, "a.csv")):
                job = await door.producer.upload(data, session_id="ada", filename=name)
                await job.result(timeout_s=60)
            async with s3(moto.url) as client:
                await client.put_object(Bucket=own.bucket, Key="lake/a.csv", Body=SMALL)
            in_place = await door.producer.upload(f"s3://{own.bucket}/lake/a.csv", session_id="ada")
            await in_place.result(timeout_s=60)
            await (await door.producer.reset("ada", purge=True)).result(timeout_s=60)
        async with Storage(storage, aws_settings(proxy.url)) as opened, s3(moto.url) as client:
            await opened.transfers.begin("a" * 32)
            await opened.transfers.begin("a" * 32)
            await client.put_object(Bucket=own.bucket, Key="transfers/b", Body=b"left")
            assert await opened.transfers.sweep(-60) == 2
    # A request that creates a bucket cannot name its owner.
    assert without_owner(proxy.received) == {"PUT bucket"}
    assert {operation(each) for each in proxy.received} == {
        "HEAD bucket",
        "PUT bucket",
        "GET bucket uploads",
        "GET bucket list-type",
        "POST bucket delete",
        "HEAD object",
        "GET object",
        "PUT object",
        "DELETE object",
        "POST object uploads",
        "PUT object uploadId partNumber",
        "PUT object uploadId partNumber copy",
        "GET object uploadId",
        "POST object uploadId",
        "DELETE object uploadId",
    }
    copies = [each.headers.get(SOURCE_HEADER) for each in proxy.received if "x-amz-copy-source" in each.headers]
    assert set(copies) == {OWNER}


@pytest.mark.parametrize("owner", [None, OWNER])
async def test_only_the_deployments_own_buckets_must_have_this_owner(moto: EmbeddedMoto, owner: str | None) -> None:
    storage, others, allowed = own_bucket(), own_bucket().bucket, own_bucket().bucket
    storage = storage.model_copy(update={"bucket_owner": owner, "allowed_buckets": (allowed,), "readable": (others,)})
    async with S3Proxy(moto.url).serve() as proxy, s3(moto.url) as client:
        for bucket in (others, allowed):
            await client.create_bucket(Bucket=bucket)
        async with Storage(storage, aws_settings(proxy.url)) as opened:
            for bucket in (storage.bucket, allowed, others):
                await opened.at(bucket).files.size("k")
            await opened.put(Target("k", "text/csv", ORDER), b"x")
    named = {each.path.split("/")[1] for each in proxy.received if HEADER in each.headers}
    assert named == ({storage.bucket, allowed} if owner else set())
