"""Requests of the gateway as spans."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from httpx import ASGITransport, AsyncClient
from opentelemetry.trace import SpanKind, StatusCode

from raylane.gateway.traced import NO_OTHER_SPANS, TracedRequests
from raylane_common.telemetry import tracing
from tests.helpers.recorded import context_of, is_below, recorded_spans

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from tests.helpers.recorded import Recorded

CONTEXT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
HOSTILE = ["x" * 10_000, "00-" + "0" * 32 + "-" + "0" * 16 + "-01", CONTEXT + "-01", "\u00e9", ""]


@pytest.fixture
def recorded() -> Iterator[Recorded]:
    with recorded_spans() as found:
        yield found


@pytest.fixture
async def client() -> AsyncIterator[AsyncClient]:
    app = FastAPI(telemetry=NO_OTHER_SPANS)
    app.add_middleware(TracedRequests)

    @app.get("/jobs/{job_id}")
    async def job(job_id: str) -> str:
        return tracing.current()

    @app.get("/state")
    async def state() -> dict[str, str]:
        return tracing.carried()

    @app.get("/stream")
    async def stream() -> StreamingResponse:
        async def pieces() -> AsyncIterator[str]:
            for _ in range(2):
                yield tracing.current()

        return StreamingResponse(pieces())

    @app.get("/livez")
    async def livez() -> str:
        return tracing.current()

    @app.get("/broken")
    async def broken() -> None:
        raise ValueError("secret")

    transport = ASGITransport(app, raise_app_exceptions=False)
    async with AsyncClient(transport=transport, base_url="http://gateway") as opened:
        yield opened


async def test_a_request_is_a_span_below_the_callers(client: AsyncClient, recorded: Recorded) -> None:
    answer = await client.get("/jobs/secret-id?q=secret", headers={"traceparent": CONTEXT})
    span = recorded.only("GET /jobs/{job_id}")
    assert answer.json() == context_of(span)
    assert is_below(span, CONTEXT)
    assert span.kind is SpanKind.SERVER
    told = span.attributes or {}
    assert (told["http.route"], told["http.response.status_code"]) == ("/jobs/{job_id}", 200)
    assert "secret" not in span.to_json()


async def test_a_stream_is_one_span_to_its_end(client: AsyncClient, recorded: Recorded) -> None:
    answer = await client.get("/stream", headers={"traceparent": CONTEXT})
    assert answer.text == context_of(recorded.only("GET /stream")) * 2


async def test_a_bug_is_a_failed_span(client: AsyncClient, recorded: Recorded) -> None:
    assert (await client.get("/broken")).status_code == 500
    span = recorded.only("GET /broken")
    assert span.status.status_code is StatusCode.ERROR
    assert "secret" not in span.to_json()


@pytest.mark.parametrize("hostile", HOSTILE, ids=range(len(HOSTILE)))
async def test_a_hostile_header_begins_a_new_trace(client: AsyncClient, hostile: str) -> None:
    headers = [(b"traceparent", hostile.encode())]
    assert (await client.get("/jobs/one", headers=headers)).json() == ""
    with recorded_spans() as recorded:
        await client.get("/jobs/one", headers=headers)
        assert recorded.only("GET /jobs/{job_id}").parent is None


async def test_two_headers_are_none(client: AsyncClient) -> None:
    headers = [("traceparent", CONTEXT), ("traceparent", CONTEXT)]
    assert (await client.get("/jobs/one", headers=headers)).json() == ""


async def test_unknown_methods_and_paths_make_no_new_names(client: AsyncClient, recorded: Recorded) -> None:
    await client.request("FETCH" * 1000, "/jobs/one")
    await client.get("/no/such/path")
    assert {span.name for span in recorded.spans()} == {"HTTP /jobs/{job_id}", "GET"}
    assert max(len(span.to_json()) for span in recorded.spans()) < 2000


async def test_probes_are_no_spans(client: AsyncClient, recorded: Recorded) -> None:
    assert (await client.get("/livez", headers={"traceparent": CONTEXT})).json() == ""
    assert recorded.spans() == []


async def test_a_span_of_the_program_around_it_is_kept(client: AsyncClient, recorded: Recorded) -> None:
    with recorded.tracer.start_as_current_span("theirs") as theirs:
        answer = await client.get("/jobs/one", headers={"traceparent": CONTEXT})
    assert answer.json() == context_of(theirs)
    assert [span.name for span in recorded.spans()] == ["theirs"]


async def test_without_spans_the_context_is_passed_on(client: AsyncClient) -> None:
    assert (await client.get("/jobs/one", headers={"traceparent": CONTEXT})).json() == CONTEXT
    assert (await client.get("/jobs/one")).json() == ""


async def test_the_state_of_a_context_is_passed_on_and_may_come_in_parts(client: AsyncClient) -> None:
    headers = [("traceparent", CONTEXT), ("tracestate", "rojo=1"), ("tracestate", "congo=t61")]
    assert (await client.get("/state", headers=headers)).json()["tracestate"] == "rojo=1,congo=t61"
    with recorded_spans():
        assert (await client.get("/state", headers=headers)).json()["tracestate"] == "rojo=1,congo=t61"
    assert (await client.get("/state", headers=headers[1:])).json() == {}
    hostile = [("traceparent", CONTEXT), ("tracestate", "Not=valid")]
    assert (await client.get("/state", headers=hostile)).json() == {"traceparent": CONTEXT}
