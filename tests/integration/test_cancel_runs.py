from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from raylane.testing import Break
from raylane_common.errors import RayServerError, RayUnreachable
from raylane_common.ray import lifecycle
from raylane_common.wire.generate import GenerateRequest
from raylane_common.wire.ray import RayRunsRequest, RayStopRequest, RaySubmitRequest
from raylane_worker.handlers import HANDLERS
from raylane_worker.runs import run as runs
from tests.helpers.handler_harness import Bench, Job, bench
from tests.helpers.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from redis.asyncio import Redis

    from raylane_common.wire.kinds import Request

RUN, POST = "rl-job1-1", "POST /api/jobs/"
LOOK, STOP = f"GET /api/jobs/{RUN}", f"POST /api/jobs/{RUN}/stop"
SCRIPT = RaySubmitRequest(code="while True: pass")
QUESTION = GenerateRequest(prompt="average temp_max by weather", execute=True, generator="template")
BOTH = pytest.mark.parametrize("request_", [SCRIPT, QUESTION], ids=["ray", "generate"])


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifecycle, "FIRST_POLL_S", 0.01)


@pytest.fixture
async def on(redis: Redis) -> AsyncIterator[Bench]:
    async with bench(redis) as opened:
        yield opened


async def cancelled(job: Job, on: Bench, *, when: str = LOOK) -> Job:
    """The job, cancelled while it follows its run, or after another request."""
    attempt = asyncio.create_task(job.run())
    await until(lambda: attempt.done() or on.address.count(when) > 0)
    attempt.cancel()
    with pytest.raises(asyncio.CancelledError):
        await attempt
    return job


@BOTH
async def test_a_cancelled_jobs_run_is_stopped_and_its_sources_stay(on: Bench, request_: Request) -> None:
    job = await cancelled(on.job(request_), on)
    assert on.ray.statuses() == {RUN: "RUNNING"}
    await job.clean_up()
    assert on.ray.statuses() == {RUN: "STOPPED"}
    assert await on.names() == ["up1"]
    await job.clean_up()
    assert await on.names() == ["up1"], "a cleanup that was cut runs again"


@pytest.mark.parametrize("exit_code", [0, 1])
@pytest.mark.parametrize("keep_sources", [True, False])
async def test_a_run_that_had_ended_by_itself_has_used_up_its_sources(
    on: Bench, exit_code: int, keep_sources: bool
) -> None:
    job = await cancelled(on.job(QUESTION.model_copy(update={"keep_sources": keep_sources})), on)
    on.ray.finish(RUN, exit_code)
    await job.clean_up()
    assert await on.names() == (["up1"] if keep_sources else [])
    assert on.address.count(STOP) == 0


async def test_a_run_is_stopped_that_only_starts_after_its_job_was_cancelled(on: Bench) -> None:
    on.ray.hold = asyncio.Event()
    job = await cancelled(on.job(SCRIPT), on, when=POST)
    assert job.stage == "submitting"
    cleaning = asyncio.create_task(job.clean_up())
    await until(lambda: on.address.count(LOOK) > 2)
    on.ray.hold.set()
    await cleaning
    assert on.ray.statuses() == {RUN: "STOPPED"}


async def test_a_submission_that_never_arrives_is_not_waited_for_without_end(
    on: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "_LATE_RUN_S", 0.1)
    on.address.break_with(Break.NEVER_ANSWERS, only=POST)
    job = await cancelled(on.job(QUESTION), on, when=POST)
    await job.clean_up()
    assert on.address.count(LOOK) > 1
    assert on.ray.statuses() == {}
    assert await on.names() == ["up1"]


async def test_a_run_whose_supervisor_only_starts_is_asked_again_until_it_stops(on: Bench) -> None:
    job = await cancelled(on.job(SCRIPT), on)
    on.ray.deaf_to_stops = 3
    await job.clean_up()
    assert on.address.count(STOP) == 4
    assert on.ray.statuses() == {RUN: "STOPPED"}


async def test_a_run_that_does_not_stop_is_an_error_that_names_it(on: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "_STOP_TIMEOUT_S", 0.2)
    job = await cancelled(on.job(QUESTION), on)
    on.ray.deaf_to_stops = 1_000_000
    with pytest.raises(RayServerError, match=RUN) as caught:
        await job.clean_up()
    assert caught.value.details == {"submission_id": RUN, "status": "RUNNING"}
    assert await on.names() == ["up1"]


@BOTH
async def test_a_cluster_that_is_away_for_a_moment_is_asked_again(on: Bench, request_: Request) -> None:
    job = await cancelled(on.job(request_), on)
    await on.address.close()
    cleaning = asyncio.create_task(job.clean_up())
    await until(lambda: on.resources.ray.endpoints()[0].state == "down")
    await on.address.open()
    await cleaning
    assert on.ray.statuses() == {RUN: "STOPPED"}


async def test_a_cluster_that_stays_away_is_the_error_that_the_record_gets(
    on: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "_STOP_TIMEOUT_S", 0.2)
    job = await cancelled(on.job(QUESTION), on)
    await on.address.close()
    with pytest.raises(RayUnreachable):
        await job.clean_up()
    assert await on.names() == ["up1"]


async def test_a_job_that_began_anew_stops_its_own_run_and_not_the_one_before(on: Bench) -> None:
    await cancelled(on.job(SCRIPT), on)
    again = f"{RUN}r2"
    job = await cancelled(on.job(SCRIPT, round=2), on, when=f"GET /api/jobs/{again}")
    await job.clean_up()
    assert on.ray.statuses() == {RUN: "RUNNING", again: "STOPPED"}


@pytest.mark.parametrize(
    "request_",
    [
        QUESTION,
        QUESTION.model_copy(update={"execute": False}),
        RayStopRequest(submission_id="somebody-elses"),
        RayRunsRequest(),
    ],
    ids=["not begun", "not executed", "ray stop", "ray jobs"],
)
async def test_a_job_that_started_no_run_asks_ray_for_nothing(on: Bench, request_: Request) -> None:
    job = on.job(request_)
    if isinstance(request_, GenerateRequest) and not request_.execute:
        await job.run()
        assert job.checkpoints[-1].versions
    await job.clean_up()
    assert on.address.requests == []


async def test_a_version_that_failed_verification_or_has_run_is_not_looked_for(on: Bench) -> None:
    on.ray.ends_at_look = 1
    job = on.job(QUESTION)
    await job.run()
    on.address.requests.clear()
    await job.clean_up()
    assert on.address.requests == []


def test_only_kinds_that_start_runs_have_a_cleanup() -> None:
    assert {kind for kind, handler in HANDLERS.items() if handler.clean_up} == {"generate", "ray"}
