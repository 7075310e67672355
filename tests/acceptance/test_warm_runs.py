"""A worker keeps a run waiting on a real cluster, gives it a script, and is killed: the next one finds the answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from raylane import Producer
from raylane_common.ray.models import RunStatus
from tests.acceptance.conftest import TIMEOUT_S
from tests.acceptance.test_worker_death import worker
from tests.helpers.waiting import until

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from raylane import JobHandle
    from raylane_common.wire.generate import GenerateResult
    from tests.acceptance.conftest import System

SALES = b"region,amount\nnorth,1\nsouth,2\nnorth,3\n"
QUESTION = "sum of amount by region"


@pytest.mark.timeout(300)
async def test_a_script_that_a_killed_worker_gave_to_a_waiting_run_is_not_run_again(
    system: System, producer: Producer, tmp_path: Path
) -> None:
    redis_url = system.env["RAYLANE_REDIS__URL"].removesuffix("/0") + "/2"

    async def waiting() -> set[str]:
        runs = (await (await producer.cluster.runs(limit=500)).result(60)).runs
        ids = {run.submission_id for run in runs if run.status is RunStatus.RUNNING}
        return {run_id for run_id in ids if run_id is not None and run_id.startswith("rl-warm-")}

    async def handed_over(job: JobHandle[GenerateResult]) -> str:
        async for event in job.follow():
            if event.progress is not None and event.progress.stage == "running":
                return event.progress.message.split(" ")[0]
        raise AssertionError("the job has ended without a run")

    async def has_others(known: set[str]) -> bool:
        return bool(await waiting() - known)

    async def has_none(known: set[str]) -> bool:
        return not await waiting() & known

    def started(number: int) -> AbstractAsyncContextManager[Process]:
        log = tmp_path / f"{number}.log"
        return worker(system, redis_url, log, lanes="upload,generate", warm_runs=1)

    async with Producer(redis_url=redis_url) as own, started(1) as first:
        await (await own.upload_bytes(SALES, filename="sales.csv", session_id="warm")).result(60)
        await until(lambda: has_others(set()), timeout_s=60)
        job = await own.generate(QUESTION, session_id="warm", execute=True, generator="template")
        run_id = await handed_over(job)
        first.kill()
        await first.wait()
        left = await waiting()
        async with started(2) as second:
            result = await job.result(TIMEOUT_S)
            await until(lambda: has_others(left), timeout_s=60)
            others = await waiting() - left
            second.terminate()
            assert await second.wait() == 0
    assert result.run is not None
    assert result.answer is not None
    assert (result.run.submission_id, result.run.status) == (run_id, RunStatus.SUCCEEDED)
    assert run_id.startswith("rl-warm-")
    assert result.answer.items[0].model_dump()["rows"] == (("north", 4), ("south", 2))
    assert (await own.attempts(job.id))[0].error.code == "worker_lost"
    runs = (await (await producer.cluster.runs(limit=500)).result(60)).runs
    assert not [run.submission_id for run in runs if job.id in str(run.submission_id)]
    # A worker that stops ends the runs that wait; those of a killed one end by themselves after two minutes.
    await until(lambda: has_none(others), timeout_s=60)
    for run in left:
        await (await producer.cluster.stop(run)).result(60)
