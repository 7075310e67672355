from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from raylane.testing import Break
from raylane_common.errors import InvalidAnswer, RayServerError, RayUnreachable, StorageDenied
from raylane_common.ray.models import Run
from raylane_common.wire.generate import GenerateRequest
from raylane_common.wire.ray import RayRunsRequest, RayStopRequest, RaySubmitRequest
from raylane_common.wire.upload import PreviewRequest
from raylane_worker.first_use import FirstUse
from raylane_worker.handlers import HANDLERS, upload
from raylane_worker.handlers import ray as ray_handler
from raylane_worker.runs import run as runs
from tests.helpers.handler_harness import Harness, Job, open_harness
from tests.helpers.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from contextlib import AbstractAsyncContextManager

    from redis.asyncio import Redis

    from raylane_common.wire.answer import Answer
    from raylane_common.wire.kinds import Request
    from raylane_worker.context import JobContext
    from raylane_worker.data.storage import Storage

RUN, POST = "rl-job1-1", "POST /api/jobs/"
LOOK, STOP = f"GET /api/jobs/{RUN}", f"POST /api/jobs/{RUN}/stop"
SCRIPT = RaySubmitRequest(code="while True: pass")
QUESTION = GenerateRequest(prompt="average temp_max by weather", execute=True, generator="template")
BOTH = pytest.mark.parametrize("request_", [SCRIPT, QUESTION], ids=["ray", "generate"])


@pytest.fixture
async def harness(redis: Redis) -> AsyncIterator[Harness]:
    async with open_harness(redis) as opened:
        yield opened


async def cancelled(job: Job, harness: Harness, *, when: str = LOOK) -> Job:
    """Cancels the job's attempt after its first request `when`: by default while it follows its run."""
    attempt = asyncio.create_task(job.run())
    await until(lambda: attempt.done() or harness.address.count(when) > 0)
    attempt.cancel()
    with pytest.raises(asyncio.CancelledError):
        await attempt
    return job


@BOTH
async def test_the_run_of_a_cancelled_job_is_stopped_and_the_sources_stay(harness: Harness, request_: Request) -> None:
    job = await cancelled(harness.job(request_), harness)
    assert harness.ray.statuses() == {RUN: "RUNNING"}
    await job.clean_up()
    assert harness.ray.statuses() == {RUN: "STOPPED"}
    assert await harness.source_job_ids() == ["up1"]
    await job.clean_up()
    assert await harness.source_job_ids() == ["up1"], "a clean-up that was cut runs again"


@pytest.mark.parametrize("exit_code", [0, 1])
@pytest.mark.parametrize("keep_sources", [True, False])
async def test_a_run_that_had_ended_before_the_cancel_clears_its_sources(
    harness: Harness, exit_code: int, keep_sources: bool
) -> None:
    job = await cancelled(harness.job(QUESTION.model_copy(update={"keep_sources": keep_sources})), harness)
    harness.ray.finish(RUN, exit_code)
    await job.clean_up()
    assert await harness.source_job_ids() == (["up1"] if keep_sources else [])
    assert harness.address.count(STOP) == 0


async def test_a_run_that_starts_after_its_job_was_cancelled_is_stopped(harness: Harness) -> None:
    harness.ray.submissions_released = asyncio.Event()
    job = await cancelled(harness.job(SCRIPT), harness, when=POST)
    assert job.stage == "submitting"
    cleaning = asyncio.create_task(job.clean_up())
    await until(lambda: harness.address.count(LOOK) > 2)
    harness.ray.submissions_released.set()
    await cleaning
    assert harness.ray.statuses() == {RUN: "STOPPED"}


async def test_the_clean_up_does_not_wait_forever_for_a_submission_that_never_arrives(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "_LATE_RUN_S", 0.1)
    harness.address.break_with(Break.NEVER_ANSWERS, only=POST)
    job = await cancelled(harness.job(QUESTION), harness, when=POST)
    await job.clean_up()
    assert harness.address.count(LOOK) > 1
    assert harness.ray.statuses() == {}
    assert await harness.source_job_ids() == ["up1"]


async def test_a_run_whose_supervisor_is_still_starting_is_asked_again_until_it_stops(harness: Harness) -> None:
    job = await cancelled(harness.job(SCRIPT), harness)
    harness.ray.stops_to_ignore = 3
    await job.clean_up()
    assert harness.address.count(STOP) == 4
    assert harness.ray.statuses() == {RUN: "STOPPED"}


async def test_a_run_that_does_not_stop_is_an_error_that_names_it(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "_STOP_TIMEOUT_S", 0.2)
    job = await cancelled(harness.job(QUESTION), harness)
    harness.ray.stops_to_ignore = 1_000_000
    with pytest.raises(RayServerError, match=RUN) as caught:
        await job.clean_up()
    assert caught.value.details == {"submission_id": RUN, "may_be_running": True, "status": "RUNNING"}
    assert await harness.source_job_ids() == ["up1"]


@BOTH
async def test_a_cluster_that_is_unreachable_for_a_moment_is_asked_again(harness: Harness, request_: Request) -> None:
    job = await cancelled(harness.job(request_), harness)
    await harness.address.close()
    cleaning = asyncio.create_task(job.clean_up())
    await until(lambda: harness.resources.ray.endpoints()[0].state == "down")
    await harness.address.open()
    await cleaning
    assert harness.ray.statuses() == {RUN: "STOPPED"}


async def test_a_cluster_that_stays_unreachable_raises_its_error(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "_STOP_TIMEOUT_S", 0.2)
    job = await cancelled(harness.job(QUESTION), harness)
    await harness.address.close()
    with pytest.raises(RayUnreachable):
        await job.clean_up()
    assert await harness.source_job_ids() == ["up1"]


async def test_a_requeued_job_stops_its_own_run_and_not_the_earlier_one(harness: Harness) -> None:
    await cancelled(harness.job(SCRIPT), harness)
    again = f"{RUN}r2"
    job = await cancelled(harness.job(SCRIPT, round=2), harness, when=f"GET /api/jobs/{again}")
    await job.clean_up()
    assert harness.ray.statuses() == {RUN: "RUNNING", again: "STOPPED"}


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
async def test_a_job_that_started_no_run_asks_ray_for_nothing(harness: Harness, request_: Request) -> None:
    job = harness.job(request_)
    if isinstance(request_, GenerateRequest) and not request_.execute:
        await job.run()
        assert job.checkpoints[-1].versions
    await job.clean_up()
    assert harness.address.requests == []


async def test_no_run_is_looked_for_if_the_last_version_has_run(harness: Harness) -> None:
    harness.ray.ends_at_poll = 1
    job = harness.job(QUESTION)
    await job.run()
    harness.address.requests.clear()
    await job.clean_up()
    assert harness.address.requests == []


async def test_a_run_whose_answer_is_not_valid_is_named_with_its_output(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(run: Run, ctx: JobContext) -> Answer | None:
        raise InvalidAnswer("not valid")

    monkeypatch.setattr(ray_handler, "collect_answer", refuse)
    attempt = asyncio.create_task(harness.job(RaySubmitRequest(code="from raylane_run import answer")).run())
    await until(lambda: harness.ray.statuses() == {RUN: "RUNNING"})
    harness.ray.write(RUN, "it says why\n")
    harness.ray.finish(RUN)
    with pytest.raises(InvalidAnswer) as caught:
        await attempt
    run = Run.model_validate(caught.value.details["run"])
    assert (run.submission_id, run.status, run.exit_code) == (RUN, "SUCCEEDED", 0)
    assert run.output_tail.endswith("it says why\n")


async def test_a_cancelled_upload_says_nothing_of_ray_if_s3_cannot_be_opened(
    harness: Harness, caplog: pytest.LogCaptureFixture
) -> None:
    request = PreviewRequest(filename="a.csv", size_bytes=1, sha256="0" * 64, transfer_id="0" * 32)

    def refuse() -> AbstractAsyncContextManager[Storage]:
        raise StorageDenied("no credentials")

    resources = replace(harness.resources, storage=FirstUse(refuse))
    ctx = Job(request, resources, harness.cut).context()
    record = ctx.record.model_copy(update={"cancel_requested_at": 1})
    await upload.clean_up(request, replace(ctx, record=record))
    assert "its transfer is left on S3: no credentials" in caplog.text


def test_only_kinds_that_leave_something_elsewhere_have_a_clean_up() -> None:
    assert {kind for kind, handler in HANDLERS.items() if handler.clean_up} == {"upload", "generate", "ray"}
