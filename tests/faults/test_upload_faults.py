"""Uploads through a broken network: the object arrives whole, or the upload ends with an error and leaves nothing."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from raylane_common.errors import StagedBodyMissing, StorageRejected, StorageUnavailable
from tests.helpers.aws import own_bucket
from tests.helpers.door import PART_BYTES, csv_of, open_door
from tests.helpers.profiles import by_profile, seed
from tests.helpers.s3_proxy import Fault, S3Proxy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path
    from random import Random

    from raylane.transfer.progress import UploadProgress
    from raylane_worker.embedded import EmbeddedMoto
    from tests.faults.server import Server
    from tests.helpers.door import Door

DATA = csv_of(PART_BYTES + 500_000)
LAST = 2


@asynccontextmanager
async def through_proxy(server: Server, moto: EmbeddedMoto, **uploads: Any) -> AsyncIterator[tuple[Door, S3Proxy]]:
    """Producers reach S3 by the proxy, and workers directly."""
    async with (
        S3Proxy(moto.url).serve() as proxy,
        open_door(server.url, moto.url, own_bucket(), public_url=proxy.url, **uploads) as door,
    ):
        yield door, proxy


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    (tmp_path / "x.csv").write_bytes(DATA)
    return tmp_path / "x.csv"


async def is_whole(door: Door) -> None:
    objects = await door.objects()
    assert objects.pop("sessions/s/csv/x.csv") == DATA
    assert [key for key in objects if "/data/" not in key] == []
    assert await door.uploads() == []


async def nothing_is_registered(door: Door) -> None:
    assert [key for key in await door.objects() if key.startswith("sessions/")] == []
    assert await door.producer.sources("s") == []


async def test_parts_that_fail_in_every_way_are_sent_again(server: Server, moto: EmbeddedMoto, path: Path) -> None:
    async with through_proxy(server, moto, idle_timeout_s=0.5) as (door, proxy):
        proxy.faults = {
            1: [Fault.RESET, Fault.BUSY, Fault.EXPIRED, Fault.DAMAGE],
            LAST: [Fault.STALL, Fault.BROKEN, Fault.DAMAGE_UNNOTICED, Fault.LOSE_ANSWER],
        }
        reports: list[UploadProgress] = []
        upload = await door.producer.upload(path, session_id="s", progress=reports.append)
        assert (await upload.result(timeout_s=60)).bytes == len(DATA)
        await is_whole(door)
        assert reports[-1].sent_bytes == len(DATA), "a failed try does not count"
        assert sorted(proxy.parts) == [1, LAST, LAST, LAST]
        assert proxy.authorizations == [], "the address is all that S3 gets"
        assert proxy.faults == {1: [], LAST: []}


@pytest.mark.parametrize("number", range(by_profile(fast=1, ci=1, deep=20)))
async def test_faults_in_any_order_leave_the_object_whole(
    server: Server, moto: EmbeddedMoto, path: Path, chance: Random, number: int
) -> None:
    chance.seed(f"{seed()} {number}")
    passing = [fault for fault in Fault if fault not in (Fault.LOSE, Fault.EXPIRED)]
    async with through_proxy(server, moto, idle_timeout_s=0.5) as (door, proxy):
        proxy.faults = {part: [*chance.choices(passing, k=3), Fault.EXPIRED] for part in range(1, LAST + 1)}
        upload = await door.producer.upload(path, session_id="s")
        await upload.result(timeout_s=60)
        await is_whole(door)


async def test_a_part_that_s3_loses_ends_the_job_with_an_error(server: Server, moto: EmbeddedMoto, path: Path) -> None:
    async with through_proxy(server, moto) as (door, proxy):
        proxy.faults = {LAST: [Fault.LOSE]}
        upload = await door.producer.upload(path, session_id="s")
        with pytest.raises(StagedBodyMissing):
            await upload.result(timeout_s=60)
        await nothing_is_registered(door)
        assert await door.uploads() == []


@pytest.mark.parametrize(
    ("fault", "error"), [(Fault.BUSY, StorageUnavailable), (Fault.EXPIRED, StorageRejected)], ids=["busy", "refused"]
)
async def test_a_part_that_always_fails_ends_the_upload_and_the_next_one_continues(
    server: Server, moto: EmbeddedMoto, path: Path, fault: Fault, error: type[Exception]
) -> None:
    async with through_proxy(server, moto, give_up_s=0.2, parts_at_once=1) as (door, proxy):
        proxy.faults = {2: [fault] * 100}
        with pytest.raises(error, match="part 2 of the upload") as raised:
            await door.producer.upload(path, session_id="s")
        assert "X-Amz-Signature" not in str(raised.value)
        await nothing_is_registered(door)
        assert proxy.parts == [1]
        proxy.faults = {}
        reports: list[UploadProgress] = []
        upload = await door.producer.upload(path, session_id="s", progress=reports.append)
        await upload.result(timeout_s=60)
        await is_whole(door)
        assert proxy.parts == [1, LAST], "only what was missing"
        assert reports[-1].resumed_bytes == PART_BYTES


async def test_a_part_that_changed_since_is_sent_again(server: Server, moto: EmbeddedMoto, path: Path) -> None:
    async with through_proxy(server, moto, give_up_s=0.2, parts_at_once=1) as (door, proxy):
        proxy.faults = {LAST: [Fault.BUSY] * 100}
        with pytest.raises(StorageUnavailable):
            await door.producer.upload(path, session_id="s")
        changed = bytearray(DATA)
        changed[2_000_000] ^= 1
        path.write_bytes(changed)
        proxy.faults, proxy.parts = {}, []
        await (await door.producer.upload(path, session_id="s")).result(timeout_s=60)
        assert proxy.parts == [1, LAST]
        assert (await door.objects())["sessions/s/csv/x.csv"] == changed


async def test_addresses_that_expire_while_parts_are_sent_are_signed_again(
    server: Server, moto: EmbeddedMoto, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("raylane.transfer.addresses._USED_FRACTION", 0.0)
    async with through_proxy(server, moto) as (door, _):
        await (await door.producer.upload(path, session_id="s")).result(timeout_s=60)
        await is_whole(door)
        jobs = await door.producer.operator.jobs()
        assert len(jobs) >= 2 + LAST


async def test_two_uploads_of_the_same_file_at_once_both_succeed(
    server: Server, moto: EmbeddedMoto, path: Path
) -> None:
    async with through_proxy(server, moto) as (door, _):
        uploads = await asyncio.gather(*(door.producer.upload(path, session_id="s") for _ in range(2)))
        results = [await upload.result(timeout_s=60) for upload in uploads]
        assert [result.bytes for result in results] == [len(DATA)] * 2
        await is_whole(door)
