"""Chapter 11. `raylane` is the producer for a shell, and `raylane-worker` runs the jobs."""

import asyncio
import json
import os
import sys
from pathlib import Path

from raylane import Producer
from raylane.testing import Address, FakeRay
from tests.helpers.bound import bound

BIN = Path(sys.executable).parent


async def start(*command: str, **settings: str) -> asyncio.subprocess.Process:
    """Starts one of the programs. Its settings are environment variables that begin with `RAYLANE_`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RAYLANE_")}
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(
        *bound(BIN / command[0], *command[1:]), stdout=pipe, env=kept | settings
    )


async def test_a_shell_command_enqueues_a_job(redis_url: str) -> None:
    """With `--no-wait` a command prints the id of its job and ends. With `--json` it prints one JSON document."""
    command = await start("raylane", "tables", "databases", "--no-wait", "--json", RAYLANE_REDIS__URL=redis_url)
    printed, _ = await command.communicate()

    async with Producer(redis_url=redis_url) as producer:
        record = await producer.record(json.loads(printed)["job_id"])
    assert record.payload == {"action": "databases", "limit": 100}


async def test_exit_codes_are_for_scripts(redis_url: str) -> None:
    """0 means success, 1 a failed job, 2 a wrong request, 3 not found; `raylane --help` lists the others."""
    command = await start("raylane", "status", "unknown", RAYLANE_REDIS__URL=redis_url)

    assert await command.wait() == 3


async def test_a_worker_takes_jobs_from_the_queue(redis_url: str) -> None:
    """`raylane-worker run` takes jobs from all lanes, or from those of `--lanes`, until it receives SIGTERM."""
    async with Address(FakeRay()) as ray, Producer(redis_url=redis_url) as producer:
        settings = {"RAYLANE_REDIS__URL": redis_url, "RAYLANE_RAY__PRIVATE_URL": ray.url}
        worker = await start("raylane-worker", "run", "--lanes", "ray", **settings)
        try:
            job = await producer.cluster.status()
            assert (await job.result(timeout_s=30)).endpoint == "private"
        finally:
            worker.terminate()
            assert await worker.wait() == 0
