"""A run that may continue is named or stopped, whatever answers in place of Ray."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

import pytest

from raylane.testing import Break
from raylane_common.errors import (
    InternalError,
    RayAuth,
    RaylaneError,
    RayUnreachable,
    RunExists,
    RunNotFound,
    SubmitOutcomeUnknown,
)
from raylane_common.ray import lifecycle, rounds, submission
from raylane_common.redis.queue import JobQueue
from raylane_common.wire.base import JobKind
from raylane_common.wire.ray import RayStopRequest, RayStopResult, RaySubmitRequest, RaySubmitResult
from raylane_worker.runs import run as runs
from tests.helpers.handler_harness import Harness, open_harness
from tests.helpers.lanes import a_job, worker
from tests.helpers.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from redis.asyncio import Redis

    from raylane_worker.context import JobContext

RUN: Final = "rl-job1-1"
LOOK, STOP, POST = f"GET /api/jobs/{RUN}", f"POST /api/jobs/{RUN}/stop", "POST /api/jobs/"
SCRIPT: Final = RaySubmitRequest(code="while True: pass")
FOREIGN: Final = [
    *(
        Break.NO_BACKEND,
        Break.UNAUTHORIZED,
        Break.FORBIDDEN,
        Break.PROXY_LOGIN,
        Break.REDIRECT,
        Break.PAGE,
        Break.LOGIN,
    ),
    *(Break.THROTTLED, Break.SERVER_ERROR, Break.NO_CONTENT),
]
IN_THE_WAY = pytest.mark.parametrize("broken", FOREIGN, ids=lambda broken: broken.name)


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(submission, "_FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(rounds, "_PAUSES_S", (0.01, 0.01))
    monkeypatch.setattr(runs, "_STOP_TIMEOUT_S", 0.2)
    monkeypatch.setattr(runs, "_LATE_RUN_S", 0.1)


@pytest.fixture
async def harness(redis: Redis) -> AsyncIterator[Harness]:
    """The cluster has one address, so nobody else can answer."""
    async with open_harness(redis) as opened:
        yield opened


@IN_THE_WAY
async def test_a_run_is_followed_through_answers_that_are_not_rays(harness: Harness, broken: Break) -> None:
    attempt = asyncio.create_task(harness.job(SCRIPT).run())
    await until(lambda: attempt.done() or harness.address.count(LOOK) > 0)
    asked = len(harness.address.requests)
    harness.address.break_with(broken, times=10)
    await until(lambda: attempt.done() or len(harness.address.requests) > asked + 12)
    assert not attempt.done()
    harness.ray.finish(RUN)
    result = await attempt
    assert isinstance(result, RaySubmitResult)
    assert harness.ray.submissions == 1


@IN_THE_WAY
async def test_a_run_is_started_and_stopped_through_answers_that_are_not_rays(harness: Harness, broken: Break) -> None:
    await harness.resources.ray.version()
    # The first answer to the submission is Ray's and is replaced; so the run is there.
    harness.address.break_with(broken, only=POST, times=1)
    job = harness.job(SCRIPT)
    attempt = asyncio.create_task(job.run())
    await until(lambda: attempt.done() or harness.address.count(LOOK) > 1)
    assert harness.ray.statuses() == {RUN: "RUNNING"}
    attempt.cancel()
    with pytest.raises(asyncio.CancelledError):
        await attempt
    harness.address.break_with(broken, times=2)
    await job.clean_up()
    assert harness.ray.statuses() == {RUN: "STOPPED"}


@IN_THE_WAY
async def test_a_cold_worker_finds_a_run_behind_answers_that_are_not_rays(harness: Harness, broken: Break) -> None:
    await harness.resources.ray.submit(submission_id=RUN, entrypoint="true")
    await harness.resources.ray.use(harness.resources.settings.ray.model_copy(update={"poll_interval_s": 0.06}))
    harness.address.break_with(broken, times=3)
    stopping = harness.job(RayStopRequest(submission_id=RUN))
    result = await stopping.run()
    assert isinstance(result, RayStopResult)
    assert harness.ray.statuses() == {RUN: "STOPPED"}


@IN_THE_WAY
async def test_an_error_names_the_run_that_it_leaves(
    harness: Harness, broken: Break, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lifecycle, "MAX_OUTAGE_S", 0.1)
    attempt = asyncio.create_task(harness.job(SCRIPT).run())
    await until(lambda: attempt.done() or harness.address.count(LOOK) > 0)
    harness.address.break_with(broken)
    with pytest.raises(RayUnreachable) as caught:
        await attempt
    assert caught.value.retryable, "the next attempt follows the run"
    assert (caught.value.details["submission_id"], caught.value.details["may_be_running"]) == (RUN, True)


async def test_a_token_that_ray_refuses_while_a_run_is_followed_names_the_run(harness: Harness) -> None:
    attempt = asyncio.create_task(harness.job(SCRIPT).run())
    await until(lambda: attempt.done() or harness.address.count(LOOK) > 0)
    harness.ray.token = "another"
    with pytest.raises(RayAuth) as caught:
        await attempt
    assert (caught.value.details["submission_id"], caught.value.details["may_be_running"]) == (RUN, True)


async def test_an_attempt_that_reaches_nobody_names_the_run_of_the_attempt_before(harness: Harness) -> None:
    await harness.resources.ray.use(harness.resources.settings.ray.model_copy(update={"submit_timeout_s": 1.0}))
    # What is asked before a submission is known then.
    await harness.resources.run_slots.limit()
    harness.address.break_in_turn([None, Break.CUT_AFTER], then=Break.NO_BACKEND)
    job = harness.job(SCRIPT)
    with pytest.raises(SubmitOutcomeUnknown) as unknown:
        await job.run()
    with pytest.raises(RayUnreachable) as unreachable:
        await job.run()
    for caught in (unknown, unreachable):
        assert (caught.value.details["submission_id"], caught.value.details["may_be_running"]) == (RUN, True)


async def test_a_run_of_somebody_else_is_not_named_as_ours(harness: Harness) -> None:
    await harness.resources.ray.submit(submission_id=RUN, entrypoint="somebody else's")
    with pytest.raises(RunExists) as caught:
        await harness.job(SCRIPT).run()
    assert "may_be_running" not in caught.value.details
    harness.address.break_with(Break.NO_BACKEND)
    with pytest.raises(RayUnreachable) as never_sent:
        await harness.job(SCRIPT, round=1).run()
    assert "may_be_running" not in never_sent.value.details


def left(error: RaylaneError) -> RaylaneError:
    error.details |= {"submission_id": RUN, "may_be_running": True}
    return error


class Stopping:
    """The clean-up of a kind: counts its calls, and raises `problem` if there is one."""

    def __init__(self, problem: Exception | None = None) -> None:
        self.problem = problem
        self.calls = 0

    async def __call__(self, request: Any, ctx: JobContext) -> None:
        self.calls += 1
        if self.problem is not None:
            raise self.problem


async def failed(redis: Redis, error: Exception, stopping: Stopping, **job: Any) -> RaylaneError:
    """Lets a job fail with this error, and returns the one in its record."""

    async def fail(request: Any, ctx: JobContext) -> Any:
        raise error

    queue = JobQueue(redis)
    async with worker(redis, fail, cleanups={JobKind.TABLES: stopping}):
        job_id = await queue.enqueue(a_job(**job))
        with pytest.raises(RaylaneError) as caught:
            await queue.result(job_id, timeout_s=10)
    return caught.value


async def test_a_job_that_fails_for_good_stops_the_run_that_it_leaves(redis: Redis) -> None:
    stopping = Stopping()
    error = await failed(redis, left(RayAuth("the token was refused")), stopping)
    assert stopping.calls == 1
    assert error.message == f"the token was refused; run {RUN} no longer runs"
    assert error.details == {"submission_id": RUN}


async def test_a_run_that_cannot_be_stopped_is_named_with_the_command_that_stops_it(redis: Redis) -> None:
    stopping = Stopping(RayAuth("the token was refused again"))
    error = await failed(redis, left(RayAuth("the token was refused")), stopping)
    assert error.message == f"the token was refused, but run {RUN} may still be running; see `raylane ray stop {RUN}`"
    assert error.details == {
        "submission_id": RUN,
        "may_be_running": True,
        "cleanup": "the token was refused again [ray_auth]",
    }


async def test_only_the_last_attempt_stops_the_run_that_it_leaves(redis: Redis) -> None:
    stopping = Stopping()
    await failed(redis, left(RayUnreachable("nobody answered", retryable=True)), stopping, max_attempts=2)
    assert stopping.calls == 1


@pytest.mark.parametrize(("error", "calls"), [(ZeroDivisionError("x"), 1), (RunNotFound("no such run"), 0)])
async def test_what_a_defect_left_is_stopped_and_other_errors_leave_nothing(
    redis: Redis, error: Exception, calls: int
) -> None:
    stopping = Stopping()
    ended = await failed(redis, error, stopping)
    assert stopping.calls == calls
    assert isinstance(ended, InternalError | RunNotFound)
    assert "run" not in ended.details
