"""The spans of a run: what it waited for, its submission, and what the run itself gets of the trace."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, cast

import pytest

from raylane_common.errors import RaylaneError
from raylane_common.telemetry import tracing
from raylane_common.wire.generate import GenerateRequest
from raylane_common.wire.ray import RayStatusRequest, RaySubmitRequest
from tests.helpers.handler_harness import Harness, open_harness
from tests.helpers.recorded import context_of, is_below, recorded_spans

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping

    from redis.asyncio import Redis

    from tests.helpers.recorded import Recorded

CONTEXT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
SCRIPT = RaySubmitRequest(code="print(1)")


@pytest.fixture
def recorded() -> Iterator[Recorded]:
    with recorded_spans() as found:
        yield found


@pytest.fixture
async def harness(redis: Redis) -> AsyncIterator[Harness]:
    async with open_harness(redis) as opened:
        opened.ray.ends_at_poll = 2
        yield opened


def environment_of_the_run(harness: Harness) -> Mapping[str, str]:
    [run] = harness.ray.jobs.values()
    environment: Mapping[str, str] = cast("Any", run)["runtime_env"]["env_vars"]
    return environment


async def test_a_run_is_a_span_with_its_steps_and_gets_its_context(
    harness: Harness, recorded: Recorded, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "raylane.worker")
    with tracing.span("attempt"):
        await harness.job(SCRIPT).run()
    run, attempt = recorded.only("run"), recorded.only("attempt")
    assert is_below(run, context_of(attempt))
    steps = ["run slot", "run submit", "run wait", "run collect"]
    assert [span.name for span in recorded.spans() if is_below(span, context_of(run))] == steps
    submit, collect = recorded.only("run submit"), recorded.only("run collect")
    calls = {span.name: span for span in recorded.spans() if span.name.startswith("ray ")}
    assert is_below(calls["ray package"], context_of(submit))
    assert is_below(calls["ray submit"], context_of(submit))
    assert is_below(calls["ray logs"], context_of(collect))
    assert "ray job" not in calls
    assert environment_of_the_run(harness)["TRACEPARENT"] == context_of(run)
    told = run.attributes or {}
    assert told["raylane.run.submission_id"] == "rl-job1-1"
    assert told["raylane.run.status"] == "SUCCEEDED"
    ended = "job job1: run rl-job1-1 ended as SUCCEEDED after "
    [line] = [record.getMessage() for record in caplog.records if record.getMessage().startswith(ended)]
    assert line.endswith(f" s, trace {context_of(run)[3:35]}")


async def test_a_variable_of_the_user_wins(harness: Harness) -> None:
    with tracing.span("attempt", parent=CONTEXT):
        await harness.job(RaySubmitRequest(code="print(1)", env_vars={"TRACEPARENT": "mine"})).run()
    assert environment_of_the_run(harness)["TRACEPARENT"] == "mine"
    assert "TRACESTATE" not in environment_of_the_run(harness)


async def test_a_worker_without_spans_gives_the_run_the_context_of_the_job(harness: Harness) -> None:
    with tracing.span("attempt", parent=CONTEXT):
        await harness.job(SCRIPT).run()
    assert environment_of_the_run(harness)["TRACEPARENT"] == CONTEXT


async def test_without_a_trace_the_run_has_no_such_variable(harness: Harness) -> None:
    await harness.job(SCRIPT).run()
    assert "TRACEPARENT" not in environment_of_the_run(harness)


async def test_an_attempt_that_takes_over_follows_the_run_in_its_own_span(harness: Harness, recorded: Recorded) -> None:
    job = harness.job(SCRIPT)
    at = 1
    with tracing.span("first"):
        while await job.run_cut(at) and job.stage != "running":
            at += 1
    with tracing.span("second"):
        await job.run()
    runs = recorded.spans("run")
    assert is_below(runs[-1], context_of(recorded.only("second")))
    assert (runs[-1].attributes or {})["raylane.run.status"] == "SUCCEEDED"
    assert environment_of_the_run(harness)["TRACEPARENT"] in [context_of(run) for run in runs[:-1]]


async def test_writing_and_verifying_are_spans_without_prompt_and_code(harness: Harness, recorded: Recorded) -> None:
    with tracing.span("attempt"):
        await harness.job(GenerateRequest(prompt="average temp_max by weather", execute=True)).run()
    attempt = recorded.only("attempt")
    steps = [span.name for span in recorded.spans() if is_below(span, context_of(attempt))]
    assert steps == ["write version", "verify version", "run"]
    assert (recorded.only("write version").attributes or {})["raylane.generator"] == "template"
    text = "".join(span.to_json() for span in recorded.spans())
    assert "temp_max" not in text
    assert "weather" not in text


async def test_the_setting_lets_spans_hold_prompt_code_and_progress(harness: Harness, recorded: Recorded) -> None:
    tracing.allow_content(True)
    try:
        with tracing.span("attempt"):
            await harness.job(GenerateRequest(prompt="average temp_max by weather", execute=True)).run()
    finally:
        tracing.allow_content(False)
    told = recorded.only("write version").attributes or {}
    assert told["raylane.prompt"] == "average temp_max by weather"
    assert "temp_max" in str(told["raylane.code"])
    assert "rl-job1-1" in str([event.attributes for event in recorded.only("run").events])


async def test_a_look_at_the_cluster_is_one_call_and_failover_is_an_event(harness: Harness, recorded: Recorded) -> None:
    await harness.address.close()
    with tracing.span("attempt"), pytest.raises(RaylaneError):
        await harness.job(RayStatusRequest()).run()
    call = recorded.only("ray version")
    assert is_below(call, context_of(recorded.only("attempt")))
    assert (call.attributes or {})["error.type"] == "ray_unreachable"
