from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from raylane.testing import Break
from raylane_common.errors import RunExists, RunFailed, RunNotFound, RunStopped, RunTimeout
from raylane_common.ray import lifecycle
from raylane_common.wire.generate import GenerateRequest, GenerateResult
from raylane_common.wire.ray import RayDeleteRequest, RayDeleteResult, RaySubmitRequest, RunResult
from raylane_worker.runs import run as runs
from tests.helpers.handler_harness import Bench, Job, a_source, bench
from tests.helpers.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from redis.asyncio import Redis

    from raylane_common.wire.kinds import Request, Result

RUN = "rl-job1-1"
SCRIPT = RaySubmitRequest(code="print('hello')")
QUESTION = GenerateRequest(prompt="average temp_max by weather", execute=True, generator="template")
BOTH = pytest.mark.parametrize("request_", [SCRIPT, QUESTION], ids=["ray", "generate"])


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifecycle, "FIRST_POLL_S", 0.01)
    monkeypatch.setattr(runs, "_LATE_RUN_S", 0.1)


@pytest.fixture
async def on(redis: Redis) -> AsyncIterator[Bench]:
    async with bench(redis) as opened:
        opened.ray.ends_at_look = 2
        yield opened


async def afresh(on: Bench, request: Request) -> Job:
    """Another job, on a cluster and a session that know of none."""
    for kept in (on.ray.jobs, on.ray.logs, on.ray.looks):
        kept.clear()
    on.ray.submissions = 0
    await on.sources.reset("s1")
    await on.sources.put("s1", [a_source()])
    return on.job(request)


def run_of(result: Result) -> str:
    assert isinstance(result, RunResult | GenerateResult)
    assert result.run is not None
    assert result.run.status == "SUCCEEDED"
    return result.run.submission_id


@BOTH
@pytest.mark.parametrize("exit_code", [0, 1])
async def test_an_attempt_cut_at_any_step_is_taken_up_by_the_next_without_a_second_run(
    on: Bench, request_: Request, exit_code: int
) -> None:
    on.ray.exit_code = exit_code
    at = 0
    was_cut = True
    while was_cut:
        at += 1
        job = await afresh(on, request_)
        try:
            was_cut = await job.run_cut(at)
        except RunFailed:
            was_cut = False
        # A newer upload of the same file comes between: it is not this job's once the job has its snapshot.
        await on.sources.put("s1", [a_source("up2")])
        snapshot = [source.job_id for source in job.checkpoints[0].sources_used] if job.checkpoints else ["up2"]
        try:
            if was_cut:
                assert run_of(await job.run()) == RUN
                assert exit_code == 0
        except RunFailed:
            assert exit_code == 1
        on.cut.at = 0
        assert (on.ray.submissions, list(on.ray.jobs)) == (1, [RUN]), f"cut at step {at}"
        if request_ is QUESTION:
            assert [source.job_id for source in job.checkpoints[-1].sources_used] == snapshot, f"cut at step {at}"
            assert len(job.checkpoints[-1].versions) == 1
            assert await on.names() == ([] if snapshot == ["up2"] else ["up2"]), f"cut at step {at}"
    assert at > 10


@BOTH
async def test_a_job_cancelled_at_any_step_leaves_no_run_and_loses_no_source(on: Bench, request_: Request) -> None:
    at = 0
    was_cut = True
    while was_cut:
        at += 1
        job = await afresh(on, request_)
        was_cut = await job.run_cut(at)
        if was_cut:
            on.ray.ends_at_look = None
            await job.clean_up()
            on.ray.ends_at_look = 2
            assert "RUNNING" not in on.ray.statuses().values(), f"cut at step {at}"
            used_up = request_ is QUESTION and "SUCCEEDED" in on.ray.statuses().values()
            assert await on.names() == ([] if used_up else ["up1"]), f"cut at step {at}"
    assert at > 10


async def test_an_overdue_run_that_a_dead_attempt_had_stopped_is_still_told_as_overdue(on: Bench) -> None:
    on.ray.ends_at_look = None
    job = on.job(SCRIPT)
    await cut_while_running(on, job)
    limit_ms = int(on.resources.settings.ray.run_timeout_s * 1000)
    on.ray.jobs[RUN] |= {"status": "STOPPED", "start_time": 1_000, "end_time": 1_000 + limit_ms}
    with pytest.raises(RunTimeout, match="took longer than 600 s"):
        await job.run()
    on.ray.jobs[RUN] |= {"end_time": 999 + limit_ms}
    with pytest.raises(RunStopped):
        await job.run()


async def test_other_code_under_the_same_id_is_refused_and_not_followed(on: Bench) -> None:
    await on.job(SCRIPT).run()
    with pytest.raises(RunExists, match=RUN):
        await on.job(SCRIPT.model_copy(update={"code": "print('another life')"})).run()
    assert on.ray.submissions == 1


async def test_a_job_that_begins_anew_has_a_run_of_its_own(on: Bench) -> None:
    assert run_of(await on.job(SCRIPT).run()) == RUN
    assert run_of(await on.job(SCRIPT, round=1).run()) == f"{RUN}r1"
    assert on.ray.submissions == 2


def test_the_longest_id_fits_into_what_ray_takes() -> None:
    assert len(runs.submission_id("j" * 56, 5, 99)) == 64


@pytest.mark.parametrize("broken", [Break.CUT_AFTER, Break.NEVER_ANSWERS])
async def test_a_deletion_whose_answer_was_lost_is_a_deletion(on: Bench, broken: Break) -> None:
    await on.job(SCRIPT).run()
    delete = RayDeleteRequest(submission_id=RUN)
    job = on.job(delete)
    line = f"DELETE /api/jobs/{RUN}"
    on.address.break_with(broken, only=line, times=1)
    if broken is Break.NEVER_ANSWERS:
        attempt = asyncio.create_task(job.run())
        await until(lambda: on.address.count(line) > 0)
        attempt.cancel()
        with pytest.raises(asyncio.CancelledError):
            await attempt
        del on.ray.jobs[RUN]
    assert await job.run() == RayDeleteResult(deleted=True)
    assert on.ray.jobs == {}


async def test_a_job_that_ray_never_had_cannot_be_deleted(on: Bench) -> None:
    job = on.job(RayDeleteRequest(submission_id="nobodys"))
    for _ in range(2):
        with pytest.raises(RunNotFound):
            await job.run()


async def test_followers_are_told_what_was_written_and_how_many_versions_there_may_be(on: Bench) -> None:
    job = on.job(QUESTION)
    result = await job.run()
    assert isinstance(result, GenerateResult)
    assert job.texts == [result.code]
    assert [(told.stage, told.done, told.total, told.unit) for told in job.told] == [
        ("generating", 0, 1, "versions"),
        ("verifying", 1, 1, "versions"),
        ("submitting", None, None, None),
        ("running", None, None, None),
    ]


async def cut_while_running(on: Bench, job: Job) -> None:
    attempt = asyncio.create_task(job.run())
    await until(lambda: RUN in on.ray.looks)
    attempt.cancel()
    with pytest.raises(asyncio.CancelledError):
        await attempt
