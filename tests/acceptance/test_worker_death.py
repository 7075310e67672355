"""A worker is killed while its run continues: the next worker follows the same run."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from raylane import Producer
from raylane_common.errors import RunNotFound
from raylane_common.ray.models import RunStatus
from tests.acceptance.conftest import BIN, TIMEOUT_S
from tests.helpers.bound import bound
from tests.helpers.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.acceptance.conftest import System

WAITS_FOR_FILE = """
import os, time
print("started")
while not os.path.exists({path!r}):
    time.sleep(0.1)
print("ended")
"""


@asynccontextmanager
async def worker(
    system: System, redis_url: str, log: Path, *, lanes: str = "ray", warm_runs: int = 0
) -> AsyncIterator[asyncio.subprocess.Process]:
    settings = {
        "RAYLANE_REDIS__URL": redis_url,
        "RAYLANE_LANES__LEASE_S": "3",
        "RAYLANE_RAY__WARM_RUNS": str(warm_runs),
    }
    with log.open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            *bound(BIN / "raylane-worker", "run", "--lanes", lanes),
            stdout=output,
            stderr=output,
            env=system.process_environment() | settings,
        )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


@pytest.mark.timeout(300)
async def test_a_run_is_followed_by_the_next_worker_and_not_started_again(
    system: System, producer: Producer, tmp_path: Path
) -> None:
    redis_url = system.env["RAYLANE_REDIS__URL"].removesuffix("/0") + "/1"
    gate, log = tmp_path / "gate", tmp_path / "worker.log"
    async with Producer(redis_url=redis_url) as own:
        submitting = await own.cluster.submit(WAITS_FOR_FILE.format(path=str(gate)))
        run_id = f"rl-{submitting.id}-1"

        async def is_running() -> bool:
            try:
                job = (await (await producer.cluster.run(run_id)).result(60)).run
            except RunNotFound:
                return False
            return job.status is RunStatus.RUNNING

        async with worker(system, redis_url, log) as first:
            await until(is_running, timeout_s=60)
            first.kill()
            await first.wait()
        async with worker(system, redis_url, log):
            await until(lambda: _second_attempt(own, submitting.id), timeout_s=60)
            gate.touch()
            run = (await submitting.result(TIMEOUT_S)).run
    assert (run.submission_id, run.status) == (run_id, RunStatus.SUCCEEDED)
    assert run.output_tail.count("started") == 1
    jobs = (await (await producer.cluster.runs(limit=500)).result(60)).runs
    assert [job.submission_id for job in jobs if submitting.id in str(job.submission_id)] == [run_id]


async def _second_attempt(producer: Producer, job_id: str) -> bool:
    record = await producer.record(job_id)
    return record.attempt == 2 and record.progress is not None and record.progress.stage == "running"
