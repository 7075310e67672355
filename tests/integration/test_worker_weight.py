"""What a worker process takes: nothing large before a job needs it."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from raylane_common.redis.queue.heartbeats import living_workers
from raylane_common.wire.base import Lane
from tests.helpers.aws import s3
from tests.helpers.bound import bound
from tests.helpers.waiting import until

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from raylane_worker.embedded import EmbeddedMoto, EmbeddedValkey

LARGE = {"aiobotocore", "boto3", "botocore", "duckdb", "moto", "numpy", "pandas", "pyarrow", "ray", "strands"}
LIMIT_MIB = 80
IMPORTED = re.compile(r"^import time: +\d+ \| +\d+ \| +(\w+)", re.MULTILINE)
PROGRAM = "from raylane_worker.cli import main; main()"


def rss_mib(pid: int) -> float:
    [line] = re.findall(r"^VmRSS:\s+(\d+) kB$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    return int(line) / 1024


@pytest.mark.skipif(sys.platform != "linux", reason="reads the memory of a process from /proc")
async def test_an_idle_worker_with_all_lanes_is_small_and_has_imported_no_large_library(
    redis: Redis, valkey: EmbeddedValkey, moto: EmbeddedMoto
) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("RAYLANE_", "AWS_"))}
    settings = {
        "RAYLANE_REDIS__URL": valkey.url,
        "RAYLANE_AWS__ENDPOINT_URL": moto.url,
        "RAYLANE_AWS__REGION": "us-east-1",
        "RAYLANE_AWS__ACCESS_KEY_ID": "x",
        "RAYLANE_AWS__SECRET_ACCESS_KEY": "x",
        "RAYLANE_STORAGE__BUCKET": "made-at-start-up",
        "RAYLANE_STORAGE__CREATE_BUCKET": "true",
    }
    # With this option Python names every module that it imports on stderr.
    worker = await asyncio.create_subprocess_exec(
        *bound(sys.executable, "-X", "importtime", "-c", PROGRAM, "run"),
        stdin=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        env=kept | settings,
    )
    assert worker.stderr is not None
    printed = asyncio.create_task(worker.stderr.read())

    async def takes_jobs() -> bool:
        lanes = (await living_workers(redis, socket.gethostname())).get(f"{socket.gethostname()}-{worker.pid}", [])
        return worker.returncode is not None or set(lanes) == set(Lane)

    try:
        await until(takes_jobs, timeout_s=60)
        taken = rss_mib(worker.pid) if worker.returncode is None else 0
        async with s3(moto.url) as client:
            await client.head_bucket(Bucket="made-at-start-up")
    finally:
        if worker.returncode is None:
            worker.send_signal(signal.SIGTERM)
        stderr = (await asyncio.wait_for(printed, 60)).decode()
    assert await worker.wait() == 0, stderr[-2000:]
    imported = set(IMPORTED.findall(stderr))
    assert "raylane_worker" in imported
    assert imported & LARGE == set()
    assert taken < LIMIT_MIB
