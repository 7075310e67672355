"""Downloads through a broken network: the file arrives whole, or not at all."""

from __future__ import annotations

import asyncio
import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from raylane.transfer import received
from raylane_common.errors import AnswerFileGone, StorageRejected, StorageUnavailable
from raylane_common.wire.base import JobKind
from tests.helpers.answered import answered, delete, key_of, put
from tests.helpers.aws import own_bucket
from tests.helpers.door import open_door
from tests.helpers.get_proxy import Get, GetProxy
from tests.helpers.profiles import by_profile, seed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path
    from random import Random

    from redis.asyncio import Redis

    from raylane import DownloadProgress
    from raylane_worker.embedded import EmbeddedMoto
    from tests.faults.server import Server
    from tests.helpers.door import Door

DATA = os.urandom(4 * 1024 * 1024 + 5)
NAME = "table-1.parquet"
HALF = len(DATA) // 2
# These end with the whole file.
PASSING = [fault for fault in Get if fault is not Get.DAMAGED]


@asynccontextmanager
async def through_proxy(server: Server, moto: EmbeddedMoto, **uploads: Any) -> AsyncIterator[tuple[Door, GetProxy]]:
    """Producers reach S3 by the proxy, and workers directly."""
    async with (
        GetProxy(moto.url).serve() as proxy,
        open_door(server.url, moto.url, own_bucket(), public_url=proxy.url, **uploads) as door,
    ):
        yield door, proxy


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """Where there is an older file."""
    (tmp_path / "x").write_bytes(b"old")
    return tmp_path / "x"


def is_as_before(target: Path) -> None:
    assert target.read_bytes() == b"old"
    assert list(target.parent.glob(".raylane*")) == []


async def test_a_download_continues_where_it_broke(
    server: Server, redis: Redis, moto: EmbeddedMoto, target: Path
) -> None:
    async with through_proxy(server, moto, idle_timeout_s=0.5) as (door, proxy):
        job_id = await answered(door, redis, {NAME: DATA})
        proxy.faults = [Get.CUT, Get.BUSY, Get.SILENT, Get.STALL, Get.EXPIRED, Get.SHORT]
        reports: list[DownloadProgress] = []
        await door.producer.download(job_id, NAME, target, progress=reports.append)
        assert target.read_bytes() == DATA
        starts = [int(each.removeprefix("bytes=").removesuffix("-") or 0) for each in proxy.ranges]
        assert starts == sorted(starts)
        assert starts[:2] == [0, HALF], "everything that has arrived is kept"
        assert starts[-1] > HALF
        assert [each.received_bytes for each in reports] == sorted({each.received_bytes for each in reports})
        assert reports[-1] == (len(DATA), len(DATA))
        assert {each.headers.get("Authorization") for each in proxy.received} == {None}
        assert {each.headers["Accept-Encoding"] for each in proxy.received} == {"identity"}
        assert len({each.headers["If-Match"] for each in proxy.received}) == 1
        assert sum(job.kind == JobKind.UPLOAD for job in await door.producer.operator.jobs()) == 2, "signed again once"


@pytest.mark.parametrize("number", range(by_profile(fast=1, ci=3, deep=60)))
async def test_faults_in_any_order_end_with_the_whole_file(
    server: Server, redis: Redis, moto: EmbeddedMoto, target: Path, chance: Random, number: int
) -> None:
    chance.seed(f"{seed()} {number}")
    faults = chance.choices(PASSING, k=6)
    # Three refusals in a row are an error.
    faults = [fault for at, fault in enumerate(faults) if at % 3 or fault not in (Get.EXPIRED, Get.MOVED, Get.OTHER)]
    async with through_proxy(server, moto, idle_timeout_s=0.3) as (door, proxy):
        job_id = await answered(door, redis, {NAME: DATA})
        proxy.faults = [Get.CUT, *faults]
        try:
            await door.producer.download(job_id, NAME, target)
        except StorageRejected:
            is_as_before(target)
        else:
            assert target.read_bytes() == DATA


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Get.BUSY, StorageUnavailable),
        (Get.SILENT, StorageUnavailable),
        (Get.DAMAGED, StorageUnavailable),
        (Get.EXPIRED, StorageRejected),
        (Get.MOVED, StorageRejected),
        (Get.LONGER, StorageRejected),
        (Get.MISPLACED, StorageRejected),
        (Get.OTHER, StorageRejected),
    ],
)
async def test_a_fault_that_stays_ends_the_download_and_leaves_the_old_file(
    server: Server, redis: Redis, moto: EmbeddedMoto, target: Path, fault: Get, error: type[Exception]
) -> None:
    async with through_proxy(server, moto, idle_timeout_s=0.1, give_up_s=0.2) as (door, proxy):
        job_id = await answered(door, redis, {NAME: DATA})
        proxy.faults = [fault] * 100
        with pytest.raises(error, match=NAME) as raised:
            await door.producer.download(job_id, NAME, target)
        assert "X-Amz-Signature" not in str(raised.value)
        is_as_before(target)


async def test_addresses_that_expire_meanwhile_are_signed_again(
    server: Server, redis: Redis, moto: EmbeddedMoto, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("raylane.transfer.receiving._USED_FRACTION", 0.0)
    async with through_proxy(server, moto) as (door, proxy):
        job_id = await answered(door, redis, {NAME: DATA})
        proxy.faults = [Get.CUT, Get.CUT]
        await door.producer.download(job_id, NAME, target)
        assert target.read_bytes() == DATA
        jobs = await door.producer.operator.jobs()
        assert sum(job.kind == JobKind.UPLOAD for job in jobs) == 1 + 3


async def changed_meanwhile(
    server: Server, redis: Redis, moto: EmbeddedMoto, target: Path, change: Callable[[Door, str], Awaitable[None]]
) -> None:
    async with through_proxy(server, moto) as (door, proxy):
        job_id = await answered(door, redis, {NAME: DATA})

        async def before(number: int) -> None:
            if number == 2:
                await change(door, key_of(job_id, NAME))

        proxy.faults, proxy.before = [Get.CUT], before
        await door.producer.download(job_id, NAME, target)


async def test_a_file_that_is_replaced_meanwhile_is_never_mixed(
    server: Server, redis: Redis, moto: EmbeddedMoto, target: Path
) -> None:
    async def replace(door: Door, key: str) -> None:
        await put(door, key, DATA[::-1])

    with pytest.raises(AnswerFileGone, match="replaced while it was downloaded; download it again"):
        await changed_meanwhile(server, redis, moto, target, replace)
    is_as_before(target)


async def test_a_file_that_is_deleted_meanwhile_is_an_error(
    server: Server, redis: Redis, moto: EmbeddedMoto, target: Path
) -> None:
    with pytest.raises(AnswerFileGone, match="deleted"):
        await changed_meanwhile(server, redis, moto, target, delete)
    is_as_before(target)


@pytest.mark.parametrize("named", [False, True])
async def test_a_cancelled_download_leaves_the_old_file_and_nothing_beside_it(
    server: Server, redis: Redis, moto: EmbeddedMoto, target: Path, named: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if named:
        monkeypatch.setattr(received, "_OWN_FILES", "/there is no such directory")
    async with through_proxy(server, moto) as (door, proxy):
        job_id = await answered(door, redis, {NAME: DATA})
        proxy.faults = [Get.STALL]
        arrived = asyncio.Event()
        downloading = asyncio.create_task(
            door.producer.download(job_id, NAME, target, progress=lambda _: arrived.set())
        )
        await arrived.wait()
        assert (list(target.parent.glob(".raylane*")) != []) == named
        downloading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await downloading
        is_as_before(target)
