from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from raylane.testing import Break
from raylane_common.errors import RunExists, RunFailed, RunNotFound, RunStopped, RunTimeout
from raylane_common.wire.generate import GenerateRequest, GenerateResult
from raylane_common.wire.ray import RayDeleteRequest, RayDeleteResult, RaySubmitRequest, RaySubmitResult
from raylane_worker.runs import named
from raylane_worker.runs import run as runs
from tests.helpers.handler_harness import Harness, Job, a_source, open_harness
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
    monkeypatch.setattr(runs, "_LATE_RUN_S", 0.1)


@pytest.fixture
async def harness(redis: Redis) -> AsyncIterator[Harness]:
    async with open_harness(redis) as opened:
        opened.ray.ends_at_poll = 2
        yield opened


async def afresh(harness: Harness, request: Request) -> Job:
    """Resets the cluster and the session, and returns another job."""
    for kept in (harness.ray.jobs, harness.ray.logs, harness.ray.polls):
        kept.clear()
    harness.ray.submissions = 0
    await harness.sources.reset("s1")
    await harness.sources.put("s1", [a_source()])
    return harness.job(request)


def run_of(result: Result) -> str:
    assert isinstance(result, RaySubmitResult | GenerateResult)
    assert result.run is not None
    assert result.run.status == "SUCCEEDED"
    return result.run.submission_id


@BOTH
@pytest.mark.parametrize("exit_code", [0, 1])
async def test_after_an_attempt_is_cut_at_any_step_the_next_one_succeeds_without_a_second_run(
    harness: Harness, request_: Request, exit_code: int
) -> None:
    harness.ray.exit_code = exit_code
    at = 0
    was_cut = True
    while was_cut:
        at += 1
        job = await afresh(harness, request_)
        try:
            was_cut = await job.run_cut(at)
        except RunFailed:
            was_cut = False
        # A newer upload of the same file arrives; the job does not use it once it has its snapshot.
        await harness.sources.put("s1", [a_source("up2")])
        snapshot = [source.job_id for source in job.checkpoints[0].sources_used] if job.checkpoints else ["up2"]
        try:
            if was_cut:
                assert run_of(await job.run()) == RUN
                assert exit_code == 0
        except RunFailed:
            assert exit_code == 1
        harness.cut.at = 0
        assert (harness.ray.submissions, list(harness.ray.jobs)) == (1, [RUN]), f"cut at step {at}"
        if request_ is QUESTION:
            assert [source.job_id for source in job.checkpoints[-1].sources_used] == snapshot, f"cut at step {at}"
            assert len(job.checkpoints[-1].versions) == 1
            assert await harness.source_job_ids() == ([] if snapshot == ["up2"] else ["up2"]), f"cut at step {at}"
    assert at > 10


@BOTH
async def test_a_job_cancelled_at_any_step_leaves_no_run_and_loses_no_source(
    harness: Harness, request_: Request
) -> None:
    at = 0
    was_cut = True
    while was_cut:
        at += 1
        job = await afresh(harness, request_)
        was_cut = await job.run_cut(at)
        if was_cut:
            harness.ray.ends_at_poll = None
            await job.clean_up()
            harness.ray.ends_at_poll = 2
            assert "RUNNING" not in harness.ray.statuses().values(), f"cut at step {at}"
            used_up = request_ is QUESTION and "SUCCEEDED" in harness.ray.statuses().values()
            assert await harness.source_job_ids() == ([] if used_up else ["up1"]), f"cut at step {at}"
    assert at > 10


async def test_an_overdue_run_that_a_dead_attempt_had_stopped_is_still_reported_as_overdue(harness: Harness) -> None:
    harness.ray.ends_at_poll = None
    job = harness.job(SCRIPT)
    await cut_while_running(harness, job)
    limit_ms = int(harness.resources.settings.ray.run_timeout_s * 1000)
    harness.ray.jobs[RUN] |= {"status": "STOPPED", "start_time": 1_000, "end_time": 1_000 + limit_ms}
    with pytest.raises(RunTimeout, match="took longer than 600 s"):
        await job.run()
    harness.ray.jobs[RUN] |= {"end_time": 999 + limit_ms}
    with pytest.raises(RunStopped):
        await job.run()


async def test_other_code_under_the_same_id_is_refused_and_not_followed(harness: Harness) -> None:
    await harness.job(SCRIPT).run()
    with pytest.raises(RunExists, match=RUN):
        await harness.job(SCRIPT.model_copy(update={"code": "print('another life')"})).run()
    assert harness.ray.submissions == 1


async def test_a_run_is_followed_after_a_deploy_with_another_kit(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    again = QUESTION.model_copy(update={"keep_sources": True})
    await harness.job(again).run()
    monkeypatch.setattr(runs, "kit_files", lambda: {"raylane_run/__init__.py": "# of another version"})
    assert run_of(await harness.job(again).run()) == RUN
    assert harness.ray.submissions == 1


@BOTH
@pytest.mark.parametrize("exit_code", [-9, 137])
async def test_a_script_that_was_killed_gets_a_hint_about_memory(
    harness: Harness, request_: Request, exit_code: int
) -> None:
    harness.ray.exit_code = exit_code
    with pytest.raises(RunFailed, match=r"ran out of memory; .*reserve more memory") as error:
        await harness.job(request_).run()
    assert ("--engine distributed" in error.value.message) is (request_ is QUESTION)


async def test_a_requeued_job_has_another_run(harness: Harness) -> None:
    assert run_of(await harness.job(SCRIPT).run()) == RUN
    assert run_of(await harness.job(SCRIPT, round=1).run()) == f"{RUN}r1"
    assert harness.ray.submissions == 2


def test_the_longest_submission_id_is_short_enough_for_ray() -> None:
    assert len(named.submission_id("j" * 56, 5, 99)) == 64


@pytest.mark.parametrize("broken", [Break.CUT_AFTER, Break.NEVER_ANSWERS])
async def test_a_deletion_whose_answer_was_lost_counts_as_a_deletion(harness: Harness, broken: Break) -> None:
    await harness.job(SCRIPT).run()
    delete = RayDeleteRequest(submission_id=RUN)
    job = harness.job(delete)
    line = f"DELETE /api/jobs/{RUN}"
    harness.address.break_with(broken, only=line, times=1)
    if broken is Break.NEVER_ANSWERS:
        attempt = asyncio.create_task(job.run())
        await until(lambda: harness.address.count(line) > 0)
        attempt.cancel()
        with pytest.raises(asyncio.CancelledError):
            await attempt
        del harness.ray.jobs[RUN]
    assert await job.run() == RayDeleteResult(deleted=True)
    assert harness.ray.jobs == {}


async def test_a_run_that_ray_never_had_cannot_be_deleted(harness: Harness) -> None:
    job = harness.job(RayDeleteRequest(submission_id="nobodys"))
    for _ in range(2):
        with pytest.raises(RunNotFound):
            await job.run()


async def test_followers_see_the_code_and_the_largest_number_of_versions(harness: Harness) -> None:
    job = harness.job(QUESTION)
    result = await job.run()
    assert isinstance(result, GenerateResult)
    assert job.texts == [result.code]
    assert [(update.stage, update.done, update.total, update.unit) for update in job.progress_updates] == [
        ("generating", 0, 1, "versions"),
        ("verifying", 1, 1, "versions"),
        ("submitting", None, None, None),
        ("running", None, None, None),
    ]


async def cut_while_running(harness: Harness, job: Job) -> None:
    attempt = asyncio.create_task(job.run())
    await until(lambda: RUN in harness.ray.polls)
    attempt.cancel()
    with pytest.raises(asyncio.CancelledError):
        await attempt
