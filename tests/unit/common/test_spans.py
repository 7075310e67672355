"""Spans in a program that has set up OpenTelemetry."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import SpanKind, StatusCode, get_current_span

from raylane_common.errors import InvalidRequest
from raylane_common.telemetry import tracing
from tests.helpers.recorded import context_of, is_below, recorded_spans

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.helpers.recorded import Recorded

CONTEXT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.fixture
def recorded() -> Iterator[Recorded]:
    with recorded_spans() as found:
        yield found
    tracing.allow_content(False)


def test_the_span_of_the_program_is_the_parent(recorded: Recorded) -> None:
    with recorded.tracer.start_as_current_span("theirs") as theirs, tracing.span("ours", {"a": 1, "none": None}):
        assert tracing.trace_id() == context_of(theirs)[3:35]
    ours = recorded.only("ours")
    assert is_below(ours, context_of(theirs))
    assert dict(ours.attributes or {}) == {"a": 1}
    assert ours.instrumentation_scope is not None
    assert ours.instrumentation_scope.name == "raylane"


def test_another_parent_replaces_it_and_may_link_it(recorded: Recorded) -> None:
    with recorded.tracer.start_as_current_span("theirs") as theirs:
        with tracing.span("far", kind="consumer", parent=CONTEXT, linked=True):
            pass
        assert get_current_span() is theirs
    far = recorded.only("far")
    assert is_below(far, CONTEXT)
    assert far.kind is SpanKind.CONSUMER
    assert [link.context.span_id for link in far.links] == [theirs.get_span_context().span_id]


def test_a_provider_that_cannot_be_loaded_records_nothing_and_is_tried_once(monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[int] = []

    def load() -> None:
        tries.append(1)
        raise StopIteration  # as OTEL_PYTHON_TRACER_PROVIDER of a package that is not there

    monkeypatch.setattr(trace, "get_tracer_provider", load)
    monkeypatch.setattr(tracing, "_is_broken", False)
    for _ in range(2):
        with tracing.span("step", parent=CONTEXT) as span:
            tracing.event("something")
            assert not span.is_recorded
            assert tracing.current() == CONTEXT
    assert len(tries) == 1


def test_a_hostile_parent_begins_a_new_trace(recorded: Recorded) -> None:
    with recorded.tracer.start_as_current_span("theirs"), tracing.span("ours", parent="x" * 100_000):
        pass
    assert recorded.only("ours").parent is None


def test_a_detail_is_no_trace_of_its_own(recorded: Recorded) -> None:
    with tracing.span("in the background", detail=True) as span:
        assert not span.is_recorded
    with tracing.span("step"), tracing.span("detail", detail=True):
        pass
    assert [span.name for span in recorded.spans()] == ["detail", "step"]


def test_an_error_is_its_code_and_its_message_is_content(recorded: Recorded) -> None:
    for content in (False, True):
        tracing.allow_content(content)
        with pytest.raises(InvalidRequest), tracing.span("step"):
            raise InvalidRequest.field("prompt", "quotes 'secret words'")
    quiet, open_ = recorded.spans("step")
    for span in (quiet, open_):
        assert span.status.status_code is StatusCode.ERROR
        assert (span.attributes or {})["error.type"] == "invalid_request"
    assert quiet.status.description == "invalid_request"
    assert "secret" not in quiet.to_json()
    assert "secret" in (open_.status.description or "")


def test_the_first_failure_stays(recorded: Recorded) -> None:
    def fail() -> None:
        with tracing.span("step") as span:
            span.failed("404")
            raise ValueError("x")

    with pytest.raises(ValueError, match="x"):
        fail()
    assert (recorded.only("step").attributes or {})["error.type"] == "404"


def test_content_is_left_out_unless_it_is_allowed(recorded: Recorded) -> None:
    for content in (False, True):
        tracing.allow_content(content)
        with tracing.span("step") as span:
            span.set_content({"prompt": "secret"})
            span.event("one", {"n": 1}, {"message": "secret"})
            tracing.event("two", None, {"message": "secret"})
    quiet, open_ = recorded.spans("step")
    assert "secret" not in quiet.to_json()
    assert [event.name for event in quiet.events] == ["one", "two"]
    assert open_.to_json().count("secret") == 3


async def test_a_cancelled_step_is_no_failure(recorded: Recorded) -> None:
    async def wait() -> None:
        with tracing.span("step"):
            await asyncio.Event().wait()

    task = asyncio.create_task(wait())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    step = recorded.only("step")
    assert step.status.status_code is StatusCode.UNSET
    assert [event.name for event in step.events] == ["cancelled"]


def test_what_is_not_sampled_is_still_passed_on() -> None:
    with recorded_spans(ALWAYS_OFF) as recorded:
        with tracing.span("step", parent=CONTEXT) as span:
            assert not span.is_recorded
            assert tracing.current().startswith(CONTEXT[:36])
            assert tracing.current().endswith("-00")
        assert recorded.spans() == []
