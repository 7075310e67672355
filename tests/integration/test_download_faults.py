"""Downloads through a broken network: the file arrives whole, or not at all."""

from __future__ import annotations

import asyncio
import os
import sys
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from raylane.transfer import received
from raylane.transfer.download import receive
from raylane_common.errors import AnswerFileGone, StorageRejected, StorageUnavailable
from raylane_common.settings import UploadSettings
from raylane_common.wire.upload import SignedFilesResult
from raylane_worker.data.storage import Storage
from tests.helpers import receiver
from tests.helpers.aws import aws_settings, own_bucket, s3, share_session
from tests.helpers.get_proxy import Get, GetProxy
from tests.helpers.profiles import by_profile, seed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from types_aiobotocore_s3 import S3Client

    from raylane import DownloadProgress
    from raylane_common.wire.upload import FileUrl
    from raylane_worker.embedded import EmbeddedMoto

DATA = os.urandom(2 * 1024 * 1024 + 5)
NAME = "it's.parquet"
KEY = f"sessions/ada/runs/rl-1/{NAME}"
HALF = len(DATA) // 2
# These end with the whole file.
PASSING = [fault for fault in Get if fault is not Get.DAMAGED]


class Shelf:
    """A file on S3, which producers reach by a proxy."""

    def __init__(self, storage: Storage, client: S3Client, proxy: GetProxy) -> None:
        self.proxy = proxy
        self.addresses: list[str] = []
        self._storage = storage
        self._client = client

    async def put(self, data: bytes) -> None:
        await self._client.put_object(Bucket=self._storage.bucket, Key=KEY, Body=data)

    async def delete(self) -> None:
        await self._client.delete_object(Bucket=self._storage.bucket, Key=KEY)

    async def sign(self) -> FileUrl:
        file = await self._storage.downloads.sign(NAME, KEY, 3600)
        if file is None:
            raise AnswerFileGone("deleted")
        return file

    async def download(
        self, to: object, progress: Callable[[DownloadProgress], None] | None = None, **uploads: Any
    ) -> None:
        settings = UploadSettings.model_validate(uploads)

        async def sign() -> SignedFilesResult:
            file = await self.sign()
            self.addresses.append(file.url)
            return SignedFilesResult(files=(file,), valid_s=settings.url_ttl_s)

        await receive(to, NAME, sign, settings, progress)


@pytest.fixture
async def shelf(moto: EmbeddedMoto, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Shelf]:
    share_session(monkeypatch)
    async with GetProxy(moto.url).serve() as proxy, s3(moto.url) as client:
        aws = aws_settings(moto.url, public_endpoint_url=proxy.url)
        async with Storage(own_bucket(), aws) as storage:
            opened = Shelf(storage, client, proxy)
            await opened.put(DATA)
            yield opened


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """Where there is an older file."""
    (tmp_path / "x").write_bytes(b"old")
    return tmp_path / "x"


def is_as_before(target: Path) -> None:
    assert target.read_bytes() == b"old"
    assert [path.name for path in target.parent.iterdir()] == ["x"]


async def test_a_download_continues_where_it_broke(shelf: Shelf, target: Path) -> None:
    shelf.proxy.faults = [Get.CUT, Get.BUSY, Get.EXPIRED, Get.SHORT]
    reports: list[DownloadProgress] = []
    await shelf.download(target, reports.append)
    assert target.read_bytes() == DATA
    assert shelf.proxy.ranges == ["", *[f"bytes={HALF}-"] * 3, f"bytes={HALF + (len(DATA) - HALF) // 2}-"]
    assert [each.received_bytes for each in reports] == sorted({each.received_bytes for each in reports})
    assert reports[-1] == (len(DATA), len(DATA))
    headers = [each.headers for each in shelf.proxy.received]
    assert {each.get("Authorization") for each in headers} == {None}, "the address is all that S3 gets"
    assert {each["Accept-Encoding"] for each in headers} == {"identity"}
    assert len({each["If-Match"] for each in headers}) == 1
    assert len(shelf.addresses) == 2


async def test_a_server_that_falls_silent_is_asked_again(shelf: Shelf, target: Path) -> None:
    shelf.proxy.faults = [Get.STALL, Get.SILENT]
    await shelf.download(target, idle_timeout_s=0.3)
    assert target.read_bytes() == DATA


@pytest.mark.chaos
async def test_faults_in_any_order_never_leave_half_a_file(shelf: Shelf, target: Path) -> None:
    for number in range(by_profile(fast=1, ci=3, deep=150)):
        target.write_bytes(b"old")
        faults = [Get.CUT, *Random(f"{seed()} {number}").choices(PASSING, k=6)]
        shelf.proxy.faults = [*faults]
        try:
            await shelf.download(target, idle_timeout_s=0.2)
        except StorageRejected:  # three refusals in a row
            is_as_before(target)
        else:
            assert target.read_bytes() == DATA, faults


async def test_a_fault_that_stays_ends_the_download_and_leaves_the_old_file(shelf: Shelf, target: Path) -> None:
    for fault in (Get.EXPIRED, Get.MOVED, Get.LONGER, Get.MISPLACED, Get.OTHER):
        shelf.proxy.faults = [fault] * 3
        await ends_with(StorageRejected, shelf, target)
    for fault, limits in ((Get.BUSY, {}), (Get.SILENT, {"idle_timeout_s": 0.1})):
        shelf.proxy.faults = [fault] * 1000
        await ends_with(StorageUnavailable, shelf, target, give_up_s=0.1, **limits)
    shelf.proxy.faults = [Get.DAMAGED]
    await ends_with(StorageUnavailable, shelf, target)


async def ends_with(error: type[Exception], shelf: Shelf, target: Path, **uploads: Any) -> None:
    with pytest.raises(error, match=NAME) as raised:
        await shelf.download(target, **uploads)
    assert "X-Amz-Signature" not in str(raised.value)
    is_as_before(target)


async def test_addresses_that_expire_meanwhile_are_signed_again(
    shelf: Shelf, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("raylane.transfer.receiving._USED_FRACTION", 0.0)
    shelf.proxy.faults = [Get.CUT, Get.CUT]
    await shelf.download(target)
    assert target.read_bytes() == DATA
    assert len(shelf.addresses) == 1 + 3


async def changed_meanwhile(shelf: Shelf, target: Path, change: Callable[[], Awaitable[None]]) -> None:
    async def before(number: int) -> None:
        if number == 2:
            await change()

    shelf.proxy.faults, shelf.proxy.before = [Get.CUT], before
    await shelf.download(target)


async def test_an_address_reaches_s3_letter_by_letter_as_it_was_signed(shelf: Shelf, target: Path) -> None:
    signed = shelf.addresses
    await shelf.download(target)
    assert [shelf.proxy.url + each.raw_path for each in shelf.proxy.received] == signed
    assert "%27" in signed[0]
    assert "%2Fs3%2Faws4_request" in signed[0]


async def test_a_file_that_is_replaced_meanwhile_is_never_mixed(shelf: Shelf, target: Path) -> None:
    with pytest.raises(AnswerFileGone, match="replaced while it was downloaded; download it again"):
        await changed_meanwhile(shelf, target, lambda: shelf.put(DATA[::-1]))
    is_as_before(target)


async def test_a_file_that_is_deleted_meanwhile_is_an_error(shelf: Shelf, target: Path) -> None:
    with pytest.raises(AnswerFileGone, match="deleted"):
        await changed_meanwhile(shelf, target, shelf.delete)
    is_as_before(target)


async def test_an_empty_file_needs_no_request(shelf: Shelf, target: Path) -> None:
    await shelf.put(b"")
    await shelf.download(target)
    assert target.read_bytes() == b""
    assert shelf.proxy.received == []


@pytest.mark.parametrize("named", [False, True])
async def test_a_cancelled_download_leaves_the_old_file_and_nothing_beside_it(
    shelf: Shelf, target: Path, named: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if named:
        monkeypatch.setattr(received, "_OWN_FILES", "/there is no such directory")
    shelf.proxy.faults = [Get.STALL]
    arrived = asyncio.Event()
    downloading = asyncio.create_task(shelf.download(target, lambda _: arrived.set()))
    await arrived.wait()
    assert (list(target.parent.glob(".raylane*")) != []) == named
    downloading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await downloading
    is_as_before(target)


async def test_a_killed_download_leaves_the_old_file_and_nothing_beside_it(shelf: Shelf, target: Path) -> None:
    shelf.proxy.faults = [Get.STALL]
    arguments = [sys.executable, receiver.__file__, (await shelf.sign()).model_dump_json(), str(target)]
    child = await asyncio.create_subprocess_exec(*arguments, stdout=asyncio.subprocess.PIPE)
    assert child.stdout is not None
    assert await child.stdout.readline() == b"%d %d\n" % (HALF, len(DATA))
    child.kill()
    await child.wait()
    is_as_before(target)


async def test_an_open_file_gets_each_byte_once_and_keeps_what_came_before_an_error(shelf: Shelf, target: Path) -> None:
    with target.open("ab") as opened:
        shelf.proxy.faults = [Get.CUT, Get.BUSY, Get.WHOLE]
        await shelf.download(opened)
    assert target.read_bytes() == b"old" + DATA
    with target.open("wb") as opened:
        shelf.proxy.faults = [Get.CUT] + [Get.EXPIRED] * 9
        with pytest.raises(StorageRejected):
            await shelf.download(opened)
    assert target.read_bytes() == DATA[:HALF]
