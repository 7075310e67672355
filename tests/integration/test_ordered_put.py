"""The bytes below a key are those of the upload that was enqueued last, whoever writes last."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from itertools import permutations
from typing import TYPE_CHECKING

import pytest

from raylane_common.errors import StorageUnavailable
from raylane_worker.data.storage.ordered_put import Order, Superseded, in_order
from tests.helpers.aws import s3
from tests.helpers.small_s3 import SmallS3, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from types_aiobotocore_s3 import S3Client

    from raylane_worker.data.storage.ordered_put import Condition
    from raylane_worker.embedded import EmbeddedMoto

OLDER, NEWER, NEWEST = Order(1, "c"), Order(2, "b"), Order(10, "a")
DATA = {OLDER: b"older", NEWER: b"newer", NEWEST: b"newest"}


@asynccontextmanager
async def small() -> AsyncIterator[tuple[SmallS3, S3Client]]:
    server = SmallS3()
    async with serving(server.handle) as url, s3(url) as client:
        yield server, client


async def put(client: S3Client, order: Order, data: bytes | None = None, bucket: str = "b") -> None:
    async def write(condition: Condition) -> None:
        body = DATA[order] if data is None else data
        await client.put_object(Bucket=bucket, Key="k", Body=body, Metadata=order.metadata, **condition)

    await in_order(client, bucket, "k", order, write)


@pytest.mark.parametrize("orders", list(permutations((OLDER, NEWER, NEWEST))))
async def test_in_whatever_order_they_write_the_newest_upload_wins(orders: tuple[Order, ...]) -> None:
    async with small() as (server, client):
        newest = orders[0]
        for order in orders:
            if order >= newest:
                await put(client, order)
                newest = order
            else:
                with pytest.raises(Superseded) as caught:
                    await put(client, order)
                assert caught.value.newer == newest
        assert server.objects["b/k"].data == b"newest"


async def test_an_older_upload_that_was_about_to_write_does_not_replace_a_newer_one() -> None:
    async with small() as (server, client):
        await put(client, OLDER, b"first")
        waits, may_write = asyncio.Event(), asyncio.Event()

        async def hold_the_second_put(method: str, _: str) -> None:
            if method == "PUT" and server.asked.count("PUT b/k") == 3:  # refused, then looked, then this one
                waits.set()
                await may_write.wait()

        server.before = hold_the_second_put
        older = asyncio.create_task(put(client, NEWER))
        await waits.wait()
        await put(client, NEWEST)
        may_write.set()
        with pytest.raises(Superseded):
            await older
        assert server.objects["b/k"].data == b"newest"


async def test_a_new_object_costs_one_request() -> None:
    async with small() as (server, client):
        await put(client, NEWER)
        assert server.asked == ["PUT b/k"]


async def test_a_job_writes_again_what_its_earlier_attempt_wrote() -> None:
    async with small() as (server, client):
        await put(client, NEWER)
        await put(client, Order(NEWER.enqueued_us - 1, NEWER.job_id), b"the same job, after its history was removed")
        assert server.objects["b/k"].data.startswith(b"the same job")


async def test_an_object_of_another_program_is_replaced() -> None:
    async with small() as (server, client):
        await client.put_object(Bucket="b", Key="k", Body=b"foreign", Metadata={"raylane-order": "9" * 40})
        await put(client, OLDER)
        assert server.objects["b/k"].data == b"older"


async def test_an_object_that_is_deleted_meanwhile_is_written() -> None:
    async with small() as (server, client):
        await put(client, OLDER)

        async def delete_after_the_look(method: str, place: str) -> None:
            if method == "HEAD":
                server.objects.pop(place, None)

        server.after = delete_after_the_look
        await put(client, NEWER)
        assert server.objects["b/k"].data == b"newer"


async def test_writers_without_end_are_an_error_that_is_tried_again() -> None:
    async with small() as (server, client):

        async def change(_: str, place: str) -> None:
            await asyncio.sleep(0)
            server.objects[place] = server.objects[place].__class__(b"x", f'"{len(server.asked)}"', {})

        await put(client, OLDER)
        server.before = change
        with pytest.raises(StorageUnavailable):
            await put(client, NEWER)


async def test_moto_checks_the_same_conditions(moto: EmbeddedMoto) -> None:
    async with s3(moto.url) as client:
        await client.create_bucket(Bucket="conditions")
        await put(client, NEWER, bucket="conditions")
        with pytest.raises(Superseded):
            await put(client, OLDER, bucket="conditions")
        await put(client, NEWEST, bucket="conditions")
        found = await client.get_object(Bucket="conditions", Key="k")
        assert await found["Body"].read() == b"newest"
