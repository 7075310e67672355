"""A producer, a worker or Redis breaks at a random moment of a large upload: the object ends whole, nothing is left."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from raylane_common.settings import StorageSettings
from raylane_worker.data.storage import Storage
from raylane_worker.embedded.child import guarded
from raylane_worker.embedded.environment import environment
from tests.faults import uploader
from tests.helpers.aws import aws_settings, s3
from tests.helpers.door import PART_BYTES, csv_of
from tests.helpers.profiles import by_profile
from tests.helpers.s3_proxy import S3Proxy
from tests.helpers.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from random import Random

    from raylane import Producer
    from raylane_worker.embedded.child import Child
    from tests.faults.processes import WorkerProcess, Workers
    from tests.faults.server import Server
    from tests.faults.warehouse import Warehouse

# Two parts, and large enough to be read in a process of its own.
DATA = csv_of(9 * 1024 * 1024)
PARTS = 2
# From the first look for parts to the removal of the transfer.
REQUESTS = 14
BREAKS = by_profile(fast=1, ci=2, deep=20)
VARIABLES = {"RAYLANE_UPLOADS__PART_BYTES": str(PART_BYTES), "RAYLANE_UPLOADS__STAGED_BYTES": "0"}
KILLED = 128 + signal.SIGKILL


class Break(StrEnum):
    """What happens at a request to S3."""

    PRODUCER_KILLED = "the producer is killed"
    WORKER_KILLED = "the worker is killed"
    WORKER_FROZEN = "the worker is frozen until another one has done its job"
    SERVER_KILLED = "Redis is killed and started again"
    READER_LEFT = "the worker is killed while its child reads the file"


@pytest.mark.slow
@pytest.mark.timeout(60 + 25 * BREAKS)
async def test_an_upload_ends_whole_whatever_breaks(
    chance: Random, server: Server, producer: Producer, workers: Workers, warehouse: Warehouse, tmp_path: Path
) -> None:
    path, scratch = tmp_path / "x.csv", tmp_path / "scratch"
    path.write_bytes(DATA)
    scratch.mkdir()
    async with S3Proxy(warehouse.url).serve() as proxy:
        workers.settings |= {
            "aws__endpoint_url": proxy.url,
            "lanes__lease_s": 2,
            "uploads__part_bytes": PART_BYTES,
            "uploads__scratch_dir": scratch,
        }
        scene = Scene(server, proxy, workers, await workers.start())
        for number in range(BREAKS):
            upload = Upload(server.url, path, f"s{number}", tmp_path)
            what, at = chance.choice([*Break]), chance.randrange(1, REQUESTS)
            print(f"at request {at} {what}")
            proxy.parts.clear()
            await scene.play(what, at, upload)
            [source] = await producer.sources(upload.session)
            assert source.name == "x.csv"
            objects = await warehouse.objects()
            assert objects[f"sessions/{upload.session}/csv/x.csv"] == DATA
            assert [key for key in objects if key.startswith("transfers/")] == []
    settings = StorageSettings(bucket=warehouse.bucket)
    async with Storage(settings, aws_settings(warehouse.url)) as storage, s3(warehouse.url) as client:
        # A worker that was killed while it wrote an object leaves its parts to the sweep.
        await storage.transfers.sweep(abandoned_s=-60)
        assert (await client.list_multipart_uploads(Bucket=warehouse.bucket)).get("Uploads", []) == []


@dataclass
class Scene:
    """All that can break. There is one worker, and a new one after it was killed or frozen."""

    server: Server
    proxy: S3Proxy
    workers: Workers
    worker: WorkerProcess

    async def play(self, what: Break, at: int, upload: Upload) -> None:
        """Breaks something at the `at`-th request to S3 of an upload, which succeeds, at the latest when repeated."""
        match what:
            case Break.PRODUCER_KILLED:
                await self._producer_killed(at, upload)
            case Break.WORKER_KILLED:
                async with upload.running() as child, at_request(at, self.proxy, self.worker.kill) as reached:
                    await reached_or_done(reached, child)
                    if reached.is_set():
                        await self._replace_worker()
                    await succeeded(child, upload)
            case Break.WORKER_FROZEN:
                await self._worker_frozen(at, upload)
            case Break.SERVER_KILLED:
                async with upload.running() as child, at_request(at, self.proxy, lambda: None) as reached:
                    await reached_or_done(reached, child)
                    await self.server.kill()
                    await self.server.start()
                    has_failed = await child.guardian.wait() != 0
                if has_failed:
                    await repeated(upload)
            case Break.READER_LEFT:
                async with upload.running() as child:
                    await until(lambda: bool(children_of(self.worker.pid)))
                    readers = children_of(self.worker.pid)
                    self.worker.kill()
                    await self._replace_worker()
                    await until(lambda: not any(map(is_alive, readers)))
                    await succeeded(child, upload)

    async def _producer_killed(self, at: int, upload: Upload) -> None:
        async with upload.running() as child, at_request(at, self.proxy, lambda: kill(child)):  # used here
            assert await child.guardian.wait() in (0, KILLED), upload.log.read_text()
        sent = list(self.proxy.parts)
        await repeated(upload)
        if len(sent) < PARTS:
            assert sorted(self.proxy.parts) == [1, 2], "only what was missing was sent again"

    async def _worker_frozen(self, at: int, upload: Upload) -> None:
        frozen = self.worker
        async with upload.running() as child, at_request(at, self.proxy, frozen.pause) as reached:
            await reached_or_done(reached, child)
            self.worker = await self.workers.start()
            await succeeded(child, upload)
        frozen.resume()
        # It ends when what it had begun has ended.
        frozen.terminate()
        assert await frozen.ended() == 0, frozen.log_text

    async def _replace_worker(self) -> None:
        await self.worker.ended()
        self.worker = await self.workers.start()


@dataclass(frozen=True)
class Upload:
    """Uploads a file to a session in a process of its own."""

    redis_url: str
    path: Path
    session: str
    directory: Path

    @property
    def log(self) -> Path:
        return self.directory / f"{self.session}.log"

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Child]:
        command = [sys.executable, "-P", uploader.__file__, self.redis_url, str(self.path), self.session]
        async with guarded("uploader", command, self.log, environment() | VARIABLES, remove=None, grace_s=0.2) as child:
            yield child


async def succeeded(child: Child, upload: Upload) -> None:
    """Waits for the end of an upload, which has to be a success."""
    assert await child.guardian.wait() == 0, upload.log.read_text()


async def repeated(upload: Upload) -> None:
    async with upload.running() as child:
        await succeeded(child, upload)


async def reached_or_done(reached: asyncio.Event, child: Child) -> None:
    await until(lambda: reached.is_set() or child.guardian.returncode is not None, timeout_s=60)


@asynccontextmanager
async def at_request(at: int, proxy: S3Proxy, act: Callable[[], None]) -> AsyncIterator[asyncio.Event]:
    """Calls `act` at the `at`-th request to S3 inside the block, and then sets the event."""
    seen, reached = 0, asyncio.Event()

    def note() -> None:
        nonlocal seen
        seen += 1
        if seen == at:
            act()
            reached.set()

    proxy.on_request = note
    try:
        yield reached
    finally:
        proxy.on_request = lambda: None


def kill(child: Child) -> None:
    os.kill(child.pid, signal.SIGKILL)


def children_of(pid: int) -> list[int]:
    """Returns the processes that a process has started, on Linux."""
    found: list[int] = []
    for thread in Path("/proc", str(pid), "task").iterdir():
        with suppress(FileNotFoundError):  # the thread has ended
            found += map(int, (thread / "children").read_text().split())
    return found


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
