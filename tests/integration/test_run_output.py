"""What a run prints reaches those who follow its job; where it may write; and what is beside its code."""

from __future__ import annotations

import asyncio
import io
import zipfile
from typing import TYPE_CHECKING, cast

import pytest

from raylane_common.errors import RunLost, RunNotStarted
from raylane_common.ray import lifecycle
from raylane_common.wire.ray import RaySubmitRequest, RunResult
from raylane_worker.runs import output as outputs
from tests.helpers.handler_harness import Bench, Job, bench
from tests.helpers.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from pydantic import JsonValue
    from redis.asyncio import Redis

RUN = "rl-job1-1"
SCRIPT = RaySubmitRequest(code="print('hello')")


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifecycle, "FIRST_POLL_S", 0.01)


@pytest.fixture
async def on(redis: Redis) -> AsyncIterator[Bench]:
    async with bench(redis) as opened:
        yield opened


async def started(on: Bench, job: Job) -> asyncio.Task[object]:
    attempt = asyncio.ensure_future(job.run())
    await until(lambda: job.stage == "running")
    return attempt


def told(job: Job) -> list[str]:
    return "\n".join(job.lines).split("\n")


async def test_lines_are_told_as_they_are_printed_and_whole(on: Bench) -> None:
    job = on.job(SCRIPT)
    attempt = await started(on, job)
    on.ray.write(RUN, "one\ntw")
    await until(lambda: "one" in told(job))
    on.ray.write(RUN, "o\nthree without an end")
    on.ray.finish(RUN)
    result = await attempt
    assert isinstance(result, RunResult)
    assert told(job)[-3:] == ["one", "two", "three without an end"]
    assert "\n".join(told(job)) == on.ray.logs[RUN] == result.run.output_tail


async def test_the_attempt_that_takes_over_repeats_no_line_and_misses_none(on: Bench) -> None:
    job = on.job(SCRIPT)
    attempt = await started(on, job)
    on.ray.write(RUN, "one\ntw")
    await until(lambda: "one" in told(job))
    attempt.cancel()
    with pytest.raises(asyncio.CancelledError):
        await attempt
    on.ray.write(RUN, "o\nthree\n")
    on.ray.finish(RUN)
    await job.run()
    assert "\n".join(told(job)) + "\n" == on.ray.logs[RUN]
    assert on.ray.submissions == 1


async def test_output_without_end_is_cut_off_and_the_result_has_the_last_of_it(
    on: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outputs, "STREAMED_CHARACTERS", 1000)
    job = on.job(SCRIPT)
    attempt = await started(on, job)
    for number in range(1000):
        on.ray.write(RUN, f"line {number}\n")
    await until(lambda: told(job)[-1].startswith("…"))
    on.ray.finish(RUN)
    result = await attempt
    assert isinstance(result, RunResult)
    assert sum(map(len, job.lines)) < 5000
    assert result.run.output_tail.endswith("line 999\n")


async def test_output_that_ray_cannot_read_does_not_fail_the_run(on: Bench) -> None:
    job = on.job(SCRIPT)
    attempt = await started(on, job)
    on.ray.write(RUN, b"\xff\xfe\n")
    on.ray.finish(RUN)
    result = await asyncio.wait_for(attempt, 30)
    assert isinstance(result, RunResult)
    assert (result.run.status, result.run.output_truncated) == ("SUCCEEDED", True)
    assert "not UTF-8" in result.run.output_tail


async def test_a_run_that_ray_took_and_lost_is_not_run_again(on: Bench) -> None:
    job = on.job(SCRIPT)
    attempt = await started(on, job)
    on.ray.restart()
    with pytest.raises(RunLost):
        await attempt
    # Nor does the attempt that takes over from a worker that died before it could say so.
    with pytest.raises(RunLost) as lost:
        await job.run()
    assert not lost.value.retryable
    assert on.ray.submissions == 1


async def test_a_run_that_never_begins_is_stopped(redis: Redis) -> None:
    async with bench(redis, pending_timeout_s=0.2) as on:
        on.ray.starts = False
        job = on.job(SCRIPT)
        with pytest.raises(RunNotStarted):
            await asyncio.wait_for(job.run(), 30)
        assert on.ray.statuses() == {RUN: "STOPPED"}


async def test_files_environment_and_requirements_go_with_the_script(on: Bench) -> None:
    request = RaySubmitRequest(
        code="import lib.a",
        files={"lib/a.py": "A = 1", "data.txt": "ü"},
        env_vars={"GREETING": "hello", "RAYLANE_OUTPUT_URI": "mine"},
        pip=("polars==1.0",),
    )
    job = on.job(request)
    attempt = await started(on, job)
    on.ray.finish(RUN)
    result = await attempt
    assert isinstance(result, RunResult)
    output_uri = f"s3://raylane/sessions/s1/runs/{RUN}/"
    assert result.run.output_uri == output_uri
    environment = cast("dict[str, JsonValue]", on.ray.jobs[RUN]["runtime_env"])
    assert environment["pip"] == ["polars==1.0"]
    variables = cast("dict[str, str]", environment["env_vars"])
    assert (variables["GREETING"], variables["RAYLANE_OUTPUT_URI"]) == ("hello", output_uri)
    [package] = on.ray.packages.values()
    with zipfile.ZipFile(io.BytesIO(package)) as archive:
        contents = {name: archive.read(name).decode() for name in archive.namelist()}
    assert contents == {"main.py": "import lib.a", "lib/a.py": "A = 1", "data.txt": "ü"}
