"""SIGKILL of a producer or a worker at a random request of a large upload: the object ends whole, nothing is left."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass
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
    from pathlib import Path
    from random import Random

    from raylane import Producer
    from raylane_worker.embedded.child import Child
    from tests.faults.processes import Workers
    from tests.faults.server import Server
    from tests.faults.warehouse import Warehouse

DATA = csv_of(PART_BYTES + 500_000)
PARTS = 2
# From the first look for parts to the removal of the transfer.
REQUESTS = 14
KILLS = by_profile(fast=1, ci=2, deep=20)
VARIABLES = {"RAYLANE_UPLOADS__PART_BYTES": str(PART_BYTES), "RAYLANE_UPLOADS__STAGED_BYTES": "0"}


@pytest.mark.slow
@pytest.mark.timeout(60 + 20 * KILLS)
async def test_an_upload_ends_whole_whoever_is_killed(
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
        worker = await workers.start()
        for number in range(KILLS):
            upload = Upload(server.url, path, f"s{number}", tmp_path)
            victim, at = chance.choice(("producer", "worker")), chance.randrange(1, REQUESTS)
            proxy.parts.clear()
            if victim == "worker":
                async with upload.running() as child, killed_at(at, proxy, worker.kill) as killed:
                    await until(lambda: killed.is_set() or child.guardian.returncode is not None)  # used here
                    if killed.is_set():
                        await worker.ended()
                        worker = await workers.start()
                    assert await child.guardian.wait() == 0, upload.log.read_text()
            else:
                async with upload.running() as child, killed_at(at, proxy, lambda: kill(child)):  # used here
                    killed_or_done = await child.guardian.wait()
                assert killed_or_done in (0, 128 + signal.SIGKILL), upload.log.read_text()
                sent = list(proxy.parts)
                async with upload.running() as child:
                    assert await child.guardian.wait() == 0, upload.log.read_text()
                if len(sent) < PARTS:
                    assert sorted(proxy.parts) == [1, 2], "only what was missing was sent again"
            print(f"{victim} killed at request {at}")
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


@asynccontextmanager
async def killed_at(at: int, proxy: S3Proxy, kill: Callable[[], None]) -> AsyncIterator[asyncio.Event]:
    """Calls `kill` at the `at`-th request to S3 inside the block, and then sets the event."""
    seen, killed = 0, asyncio.Event()

    def note() -> None:
        nonlocal seen
        seen += 1
        if seen == at:
            kill()
            killed.set()

    proxy.on_request = note
    try:
        yield killed
    finally:
        proxy.on_request = lambda: None


def kill(child: Child) -> None:
    os.kill(child.pid, signal.SIGKILL)
