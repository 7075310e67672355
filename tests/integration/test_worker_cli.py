"""The `raylane-worker` command as a process: its output and its exit codes."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from raylane import Producer
from raylane_common.errors import StorageRejected
from tests.helpers.bound import bound

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from raylane_worker.embedded import EmbeddedMoto, EmbeddedValkey

WORKER = Path(sys.executable).parent / "raylane-worker"


async def start(*arguments: str, **settings: str) -> asyncio.subprocess.Process:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("RAYLANE_", "AWS_"))}
    return await asyncio.create_subprocess_exec(
        *bound(WORKER, *arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=kept | settings,
    )


async def ended(process: asyncio.subprocess.Process) -> tuple[int | None, str, str]:
    """Exit code, stdout and stderr. A process that does not end is interrupted, so that its servers end with it."""
    try:
        async with asyncio.timeout(60):
            stdout, stderr = await process.communicate()
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGINT)
    return process.returncode, stdout.decode(), stderr.decode()


async def test_without_redis_it_says_so_and_exits_with_69() -> None:
    limits = {"RAYLANE_REDIS__GIVE_UP_S": "2", "RAYLANE_REDIS__SOCKET_TIMEOUT_S": "2"}
    code, _, stderr = await ended(await start("run", RAYLANE_REDIS__URL="redis://127.0.0.1:1/0", **limits))
    assert code == 69
    at_once, at_last = stderr.splitlines()
    line = json.loads(at_once)
    assert (line["level"], line["logger"]) == ("warning", "raylane.redis")
    assert "Redis cannot be reached at 127.0.0.1:1: nothing listens there" in line["message"]
    assert at_last.startswith("error: Redis did not answer while trying to start the worker")
    assert "RAYLANE_REDIS__URL" in at_last
    assert "Traceback" not in stderr


@pytest.mark.parametrize(
    ("arguments", "settings", "message"),
    [
        (("run", "--lanes", "upload,fast"), {}, "lanes are upload, generate, ray"),
        (("run",), {"RAYLANE_LANES__LEASE_S": "0"}, "error: RAYLANE_LANES__LEASE_S: "),
        (("run",), {"RAYLANE_RAY__PRIVATE_URL": "ray:8265"}, "error: RAYLANE_RAY__PRIVATE_URL: must start with http"),
        (
            ("run",),
            {"RAYLANE_REDIS__ULR": "x"},
            "RAYLANE_REDIS__ULR: is not a setting; did you mean RAYLANE_REDIS__URL?",
        ),
        (
            ("check",),
            {"RAYLANE_REDIS__URL": "http://x"},
            "error: RAYLANE_REDIS__URL: must start with one of the schemes redis://",
        ),
        (("drain",), {"RAYLANE_RAY__ENDPOINTS": "http://ray"}, "error: RAYLANE_RAY: must be JSON"),
        (("dance",), {}, "No such command"),
    ],
)
async def test_a_wrong_option_or_setting_is_named_and_exits_with_2(
    arguments: tuple[str, ...], settings: dict[str, str], message: str
) -> None:
    code, _, stderr = await ended(await start(*arguments, **settings))
    assert code == 2, stderr
    assert message in stderr
    assert "Traceback" not in stderr


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "RAYLANE_AWS__REGION"),
        ({"RAYLANE_AWS__REGION": "x", "RAYLANE_AWS__ENDPOINT_URL": "s3.example"}, "RAYLANE_AWS__ENDPOINT_URL"),
        ({"RAYLANE_AWS__REGION": "x", "RAYLANE_AWS__ACCESS_KEY_ID": "k"}, "RAYLANE_AWS__SECRET_ACCESS_KEY"),
        (
            {"RAYLANE_AWS__REGION": "us-east-1", "RAYLANE_GENERATION__MODEL": "openia:gpt"},
            "'openia:gpt' is not `provider:model_id` with a known provider: bedrock, anthropic",
        ),
        (
            {"RAYLANE_AWS__REGION": "us-east-1", "RAYLANE_GENERATION__MODEL": "openai:gpt"},
            "RAYLANE_GENERATION__MODEL_API_KEY",
        ),
    ],
)
async def test_settings_that_only_a_large_library_can_judge_still_stop_a_worker_before_its_first_job(
    settings: dict[str, str], message: str, redis: Redis, valkey: EmbeddedValkey
) -> None:
    process = await start("run", RAYLANE_REDIS__URL=valkey.url, AWS_CONFIG_FILE=os.devnull, **settings)
    code, _, stderr = await ended(process)
    assert code == 1, stderr
    assert stderr.startswith("error: ")
    assert message in stderr
    assert "taking jobs" not in stderr
    assert "Traceback" not in stderr


@pytest.mark.parametrize(
    ("settings", "code", "said"),
    [
        ({"RAYLANE_LANES__UPLOAD__CONCURRENCY": "0"}, 2, "RAYLANE_LANES__UPLOAD__CONCURRENCY: must be at least 1"),
        ({"RAYLANE_REDIS__CA_FILE": sys.executable}, 2, "redis.url: must start with rediss://"),
        ({"RAYLANE_GENERATION__MODEL": "openia:gpt"}, 1, "'openia:gpt' is not `provider:model_id`"),
    ],
)
async def test_dev_checks_the_settings_of_the_worker_before_it_starts_a_server(
    settings: dict[str, str], code: int, said: str
) -> None:
    ended_with, stdout, stderr = await ended(await start("dev", **settings))
    assert (ended_with, stdout) == (code, ""), stderr
    [line] = stderr.splitlines()
    assert line.startswith("error: ")
    assert said in line


@pytest.mark.parametrize("command", ["run", "dev", "check"])
async def test_a_misspelt_variable_gets_a_warning_with_the_nearest_setting(command: str) -> None:
    settings = {"RAYLANE_REDIS_URL": "redis://:secret@x", "RAYLANE_REDIS__URL": "x"}
    _, _, stderr = await ended(await start(command, **settings))
    warning, error = stderr.splitlines()
    assert warning == "warning: RAYLANE_REDIS_URL is not a setting; did you mean RAYLANE_REDIS__URL?"
    assert error.startswith("error: RAYLANE_REDIS__URL: ")


async def test_check_says_whether_a_worker_of_this_host_is_alive(redis: Redis, valkey: EmbeddedValkey) -> None:
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


async def test_a_job_that_the_process_runs_fails_with_its_typed_error(
    redis: Redis, valkey: EmbeddedValkey, moto: EmbeddedMoto
) -> None:
    settings = {
        "RAYLANE_REDIS__URL": valkey.url,
        "RAYLANE_AWS__ENDPOINT_URL": moto.url,
        "RAYLANE_AWS__REGION": "us-east-1",
        "RAYLANE_AWS__ACCESS_KEY_ID": "x",
        "RAYLANE_AWS__SECRET_ACCESS_KEY": "x",
        "RAYLANE_STORAGE__BUCKET": "no-such-bucket",
    }
    worker = await start("run", "--lanes", "upload", **settings)
    try:
        async with Producer(redis_url=valkey.url) as producer:
            uploading = await producer.upload_bytes("a\n1\n", filename="a.csv", session_id="s")
            with pytest.raises(StorageRejected, match="no-such-bucket"):
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
