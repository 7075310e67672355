"""A run's output reaches the job's followers, and its files and environment reach the run."""

from __future__ import annotations

import asyncio
import io
import zipfile
from typing import TYPE_CHECKING, cast

import pytest

from raylane_common.errors import RunLost, RunNotStarted
from raylane_common.wire.generate import GenerateRequest
from raylane_common.wire.ray import RaySubmitRequest, RaySubmitResult
from raylane_worker.run_kit import kit_files
from raylane_worker.runs import output as outputs
from raylane_worker.runs import waiting
from tests.helpers.handler_harness import Harness, Job, open_harness
from tests.helpers.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from pydantic import JsonValue
    from redis.asyncio import Redis

RUN = "rl-job1-1"
SCRIPT = RaySubmitRequest(code="print('hello')")
ARROW_PANDAS = "RAY_DATA_ENABLE_ARROW_BACKED_PANDAS_CONVERSION"


@pytest.fixture
async def harness(redis: Redis) -> AsyncIterator[Harness]:
    async with open_harness(redis) as opened:
        yield opened


async def started(harness: Harness, job: Job) -> asyncio.Task[object]:
    attempt = asyncio.ensure_future(job.run())
    await until(lambda: job.stage == "running")
    return attempt


def streamed(job: Job) -> list[str]:
    return "\n".join(job.lines).split("\n")


async def test_lines_are_streamed_as_they_are_printed_and_never_in_parts(harness: Harness) -> None:
    job = harness.job(SCRIPT)
    attempt = await started(harness, job)
    harness.ray.write(RUN, "one\ntw")
    await until(lambda: "one" in streamed(job))
    harness.ray.write(RUN, "o\nthree without an end")
    harness.ray.finish(RUN)
    result = await attempt
    assert isinstance(result, RaySubmitResult)
    assert streamed(job)[-3:] == ["one", "two", "three without an end"]
    assert "\n".join(streamed(job)) == harness.ray.logs[RUN] == result.run.output_tail


async def test_the_next_attempt_repeats_no_line_and_misses_none(harness: Harness) -> None:
    job = harness.job(SCRIPT)
    attempt = await started(harness, job)
    harness.ray.write(RUN, "one\ntw")
    await until(lambda: "one" in streamed(job))
    attempt.cancel()
    with pytest.raises(asyncio.CancelledError):
        await attempt
    harness.ray.write(RUN, "o\nthree\n")
    harness.ray.finish(RUN)
    await job.run()
    assert "\n".join(streamed(job)) + "\n" == harness.ray.logs[RUN]
    assert harness.ray.submissions == 1


async def test_streaming_stops_at_the_limit_and_the_result_has_the_end_of_the_output(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outputs, "STREAMED_CHARACTERS", 1000)
    job = harness.job(SCRIPT)
    attempt = await started(harness, job)
    for number in range(1000):
        harness.ray.write(RUN, f"line {number}\n")
    await until(lambda: streamed(job)[-1].startswith("…"))
    harness.ray.finish(RUN)
    result = await attempt
    assert isinstance(result, RaySubmitResult)
    assert sum(map(len, job.lines)) < 1100
    assert result.run.output_tail.endswith("line 999\n")


async def test_a_line_that_is_longer_than_the_limit_is_not_streamed(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outputs, "STREAMED_CHARACTERS", 1000)
    job = harness.job(SCRIPT)
    attempt = await started(harness, job)
    harness.ray.write(RUN, "short\n" + 5000 * "x")
    harness.ray.finish(RUN)
    await attempt
    assert [line[:5] for line in streamed(job)[-2:]] == ["short", "… (th"]
    await job.run()
    assert sum(line.startswith("…") for line in streamed(job)) == 1, "the next attempt streams no more"


async def test_output_that_ray_cannot_read_does_not_fail_the_run(harness: Harness) -> None:
    job = harness.job(SCRIPT)
    attempt = await started(harness, job)
    harness.ray.write(RUN, b"\xff\xfe\n")
    harness.ray.finish(RUN)
    result = await asyncio.wait_for(attempt, 60)
    assert isinstance(result, RaySubmitResult)
    assert (result.run.status, result.run.output_truncated) == ("SUCCEEDED", True)
    assert "not UTF-8" in result.run.output_tail


async def test_a_run_that_ray_accepted_and_lost_is_not_run_again(harness: Harness) -> None:
    job = harness.job(SCRIPT)
    attempt = await started(harness, job)
    harness.ray.restart()
    with pytest.raises(RunLost):
        await attempt
    # An attempt that takes over from a worker that died before it raised does not run it either.
    with pytest.raises(RunLost) as lost:
        await job.run()
    assert not lost.value.retryable
    assert harness.ray.submissions == 1


async def test_a_run_that_stays_pending_is_stopped(redis: Redis) -> None:
    async with open_harness(redis, pending_timeout_s=0.2) as harness:
        harness.ray.starts = False
        job = harness.job(SCRIPT)
        with pytest.raises(RunNotStarted):
            await asyncio.wait_for(job.run(), 60)
        assert harness.ray.statuses() == {RUN: "STOPPED"}


async def test_followers_are_told_what_a_run_waits_for_and_the_next_attempt_still_finds_it(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "_EVERY_S", 0.05)
    harness.ray.starts = False
    job = harness.job(SCRIPT)
    attempt = await started(harness, job)
    await until(lambda: "waits for" in job.progress_updates[-1].message)
    attempt.cancel()
    with pytest.raises(asyncio.CancelledError):
        await attempt
    attempt = asyncio.ensure_future(job.run())
    harness.ray.start(RUN)
    harness.ray.finish(RUN)
    await attempt
    assert harness.ray.submissions == 1
    shown = [(update.stage, update.message) for update in job.progress_updates]
    assert shown[1:] == [
        ("running", f"{RUN} via the private endpoint"),
        ("running", f"{RUN} waits for Ray to set up its environment"),
    ]


async def test_files_environment_and_requirements_are_shipped_with_the_script(harness: Harness) -> None:
    request = RaySubmitRequest(
        code="import lib.a",
        files={"lib/a.py": "A = 1", "data.txt": "ü"},
        env_vars={"GREETING": "hello", "RAYLANE_OUTPUT_URI": "mine"},
        pip=("polars==1.0",),
    )
    job = harness.job(request)
    attempt = await started(harness, job)
    harness.ray.finish(RUN)
    result = await attempt
    assert isinstance(result, RaySubmitResult)
    output_uri = f"s3://raylane/sessions/s1/runs/{RUN}/"
    assert result.run.output_uri == output_uri
    environment = cast("dict[str, JsonValue]", harness.ray.jobs[RUN]["runtime_env"])
    assert environment["pip"] == ["polars==1.0"]
    variables = cast("dict[str, str]", environment["env_vars"])
    assert (variables["GREETING"], variables["RAYLANE_OUTPUT_URI"]) == ("hello", output_uri)
    [package] = harness.ray.packages.values()
    with zipfile.ZipFile(io.BytesIO(package)) as archive:
        contents = {name: archive.read(name).decode() for name in archive.namelist()}
    assert contents == {"main.py": "import lib.a", "lib/a.py": "A = 1", "data.txt": "ü"}


async def test_only_generated_code_gets_the_kit_and_plain_pandas(harness: Harness) -> None:
    generated = harness.job(GenerateRequest(prompt="how many rows", execute=True))
    attempt = await started(harness, generated)
    harness.ray.finish(RUN)
    await attempt
    [package] = harness.ray.packages.values()
    with zipfile.ZipFile(io.BytesIO(package)) as archive:
        assert sorted(archive.namelist()) == sorted(["main.py", "sources.json", *kit_files()])
    assert (harness.ray.jobs[RUN]["entrypoint"], variable(harness)) == ("python -m raylane_run", "0")


@pytest.mark.parametrize(("env_vars", "expected"), [({}, None), ({ARROW_PANDAS: "0"}, "0"), ({ARROW_PANDAS: "1"}, "1")])
async def test_the_code_of_a_user_runs_as_ray_runs_it(
    harness: Harness, env_vars: dict[str, str], expected: str | None
) -> None:
    job = harness.job(RaySubmitRequest(code="print('hello')", env_vars=env_vars))
    attempt = await started(harness, job)
    harness.ray.finish(RUN)
    await attempt
    assert (harness.ray.jobs[RUN]["entrypoint"], variable(harness)) == ("python main.py", expected)


def variable(harness: Harness) -> str | None:
    environment = cast("dict[str, JsonValue]", harness.ray.jobs[RUN]["runtime_env"])
    return cast("dict[str, str]", environment["env_vars"]).get(ARROW_PANDAS)
