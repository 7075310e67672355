"""`ray` jobs on a real cluster, through the queue."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from raylane_common.errors import RunFailed, RunNotFound, RunStopped
from raylane_common.ray.models import RunStatus
from tests.acceptance.conftest import TIMEOUT_S
from tests.helpers.waiting import until

if TYPE_CHECKING:
    from raylane import Producer

pytestmark = pytest.mark.timeout(300)


async def test_a_script_runs_is_listed_and_read_and_forgotten(producer: Producer) -> None:
    submitting = await producer.cluster.submit("print('hello from a script')")
    printed = [event.line async for event in submitting.follow() if event.line is not None]
    assert "hello from a script" in "\n".join(printed).split("\n")
    run = (await submitting.result(TIMEOUT_S)).run
    assert (run.status, run.exit_code) == (RunStatus.SUCCEEDED, 0)
    assert "hello from a script" in run.output_tail
    assert run.submission_id == f"rl-{submitting.id}-1"

    listed = (await (await producer.cluster.runs(limit=500)).result(60)).runs
    assert run.submission_id in [job.submission_id for job in listed]
    job = (await (await producer.cluster.run(run.submission_id)).result(60)).run
    assert job.status is RunStatus.SUCCEEDED
    assert "hello from a script" in (await (await producer.cluster.logs(run.submission_id)).result(60)).logs
    # Ray says "stopped" of an ended job too, for as long as the job's supervisor is there.
    await until(lambda: _had_ended(producer, run.submission_id))
    assert (await (await producer.cluster.delete(run.submission_id)).result(60)).deleted
    # Ray may write the last state of a run once more after it was deleted.
    await until(lambda: _is_gone(producer, run.submission_id))
    with pytest.raises(RunNotFound):
        await (await producer.cluster.run(run.submission_id)).result(60)


async def _is_gone(producer: Producer, run_id: str) -> bool:
    try:
        await (await producer.cluster.delete(run_id)).result(60)
    except RunNotFound:
        return True
    return False


async def _had_ended(producer: Producer, run_id: str) -> bool:
    return not (await (await producer.cluster.stop(run_id)).result(60)).stopped


async def test_a_script_that_fails_is_a_failed_job_with_its_traceback(producer: Producer) -> None:
    with pytest.raises(RunFailed) as caught:
        await (await producer.cluster.submit("import sys\nraise ValueError('my mistake')")).result(TIMEOUT_S)
    run = caught.value.details["run"]
    assert isinstance(run, dict)
    assert run["exit_code"] == 1
    assert "raise ValueError('my mistake')" in str(run["output_tail"])


async def test_a_running_script_can_be_stopped_by_another_job(producer: Producer) -> None:
    submitting = await producer.cluster.submit("import time\nwhile True:\n    time.sleep(0.1)\n")
    run_id = f"rl-{submitting.id}-1"

    async def is_running() -> bool:
        try:
            job = (await (await producer.cluster.run(run_id)).result(60)).run
        except RunNotFound:
            return False
        return job.status is RunStatus.RUNNING

    await until(is_running, timeout_s=60)
    assert (await (await producer.cluster.stop(run_id)).result(60)).stopped
    with pytest.raises(RunStopped):
        await asyncio.wait_for(submitting.result(), TIMEOUT_S)
