"""The `raylane-worker` command as a process: what it prints, and how it exits."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from raylane import Producer
from raylane_common.errors import StorageRejected

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from raylane_worker.embedded import EmbeddedMoto, EmbeddedValkey

WORKER = Path(sys.executable).parent / "raylane-worker"


async def start(*arguments: str, **settings: str) -> asyncio.subprocess.Process:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("RAYLANE_", "AWS_"))}
    return await asyncio.create_subprocess_exec(
        WORKER,
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=kept | settings,
    )


async def ended(process: asyncio.subprocess.Process) -> tuple[int | None, str, str]:
    async with asyncio.timeout(60):
        stdout, stderr = await process.communicate()
    return process.returncode, stdout.decode(), stderr.decode()


async def test_without_redis_it_says_so_and_exits_with_69() -> None:
    patience = {"RAYLANE_REDIS__GIVE_UP_S": "2", "RAYLANE_REDIS__SOCKET_TIMEOUT_S": "2"}
    code, _, stderr = await ended(await start("run", RAYLANE_REDIS__URL="redis://127.0.0.1:1/0", **patience))
    assert code == 69
    assert stderr.startswith("error: Redis did not answer while trying to start the worker")
    assert "RAYLANE_REDIS__URL" in stderr
    assert "Traceback" not in stderr


@pytest.mark.parametrize(
    ("arguments", "settings", "told"),
    [
        (("run", "--lanes", "upload,fast"), {}, "lanes are upload, generate, ray"),
        (("run",), {"RAYLANE_LANES__LEASE_S": "0"}, "RAYLANE_LANES__LEASE_S"),
        (("run",), {"RAYLANE_RAY__PRIVATE_URL": "ray:8265"}, "RAYLANE_RAY__PRIVATE_URL"),
        (("check",), {"RAYLANE_REDIS__URL": "http://x"}, "RAYLANE_REDIS__URL"),
        (("dance",), {}, "No such command"),
    ],
)
async def test_a_wrong_option_or_setting_is_named_and_exits_with_2(
    arguments: tuple[str, ...], settings: dict[str, str], told: str
) -> None:
    code, _, stderr = await ended(await start(*arguments, **settings))
    assert code == 2, stderr
    assert told in stderr
    assert "Traceback" not in stderr


async def test_check_says_whether_a_worker_of_this_host_lives(redis: Redis, valkey: EmbeddedValkey) -> None:
    code, _, stderr = await ended(await start("check", RAYLANE_REDIS__URL=valkey.url))
    assert code == 1
    assert stderr.startswith("no living worker on ")

    worker = await start("run", "--lanes", "ray,generate", RAYLANE_REDIS__URL=valkey.url)
    assert worker.stderr is not None
    async with asyncio.timeout(60):
        async for line in worker.stderr:
            if b"taking jobs: lanes ray, generate" in line:
                break
    async with asyncio.timeout(30):
        code, workers = 1, ""
        while worker.returncode is None and code != 0:
            code, workers, _ = await ended(await start("check", RAYLANE_REDIS__URL=valkey.url))
    assert sorted(workers.split()[1:]) == ["generate", "ray"]

    worker.send_signal(signal.SIGTERM)
    code, _, stderr = await ended(worker)
    assert code == 0, stderr
    assert "stopped" in stderr
    assert (await ended(await start("check", RAYLANE_REDIS__URL=valkey.url)))[0] == 1


async def test_a_job_goes_through_the_process_and_its_error_comes_back_typed(
    redis: Redis, valkey: EmbeddedValkey, moto: EmbeddedMoto
) -> None:
    settings = {
        "RAYLANE_REDIS__URL": valkey.url,
        "RAYLANE_AWS__ENDPOINT_URL": moto.url,
        "RAYLANE_AWS__REGION": "us-east-1",
        "RAYLANE_AWS__ACCESS_KEY_ID": "x",
        "RAYLANE_AWS__SECRET_ACCESS_KEY": "x",
        "RAYLANE_STORAGE__BUCKET": "nobody-made-this-one",
    }
    worker = await start("run", "--lanes", "upload", **settings)
    try:
        async with Producer(redis_url=valkey.url) as producer:
            uploading = await producer.upload_bytes("a\n1\n", filename="a.csv", session_id="s")
            with pytest.raises(StorageRejected, match="nobody-made-this-one"):
                await uploading.result(60)
            assert await producer.sources("s") == []
            (entry,) = await producer.history("s")
            assert entry.status == "failed"
            databases = await (await producer.tables.databases()).result(60)
            assert databases.type == "databases"
    finally:
        worker.terminate()
        code, _, stderr = await ended(worker)
    assert code == 0, stderr
    assert "Traceback" not in stderr
