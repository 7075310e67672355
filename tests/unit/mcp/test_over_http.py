"""The MCP server over HTTP, in the test's own process: who gets in, and what giving up a call ends."""

from __future__ import annotations

import asyncio
import logging
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
import uvicorn
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client

from raylane.gateway.access.audit import AuditTrail
from raylane.mcp import noting
from raylane.mcp.call import Scope
from raylane.mcp.http import PATH, create_app
from raylane.testing import MemoryProducer
from tests.helpers.gateways import bearer, gateway_settings, write_callers
from tests.helpers.mcp_results import call, refused
from tests.helpers.scrape import parsed
from tests.helpers.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from raylane_common.wire.jobs import JobEvent

pytestmark = pytest.mark.timeout(60)
HANDSHAKE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}},
}
ACCEPT = {"Accept": "application/json, text/event-stream"}


class Followed(MemoryProducer):
    """Counts who follows a job."""

    followers = 0

    async def follow(self, job_id: str, *, after: str | None = "0") -> AsyncIterator[JobEvent]:
        self.followers += 1
        try:
            async for event in super().follow(job_id, after=after):
                yield event
        finally:
            self.followers -= 1


@pytest.fixture
async def producer() -> AsyncIterator[Followed]:
    async with Followed() as memory:
        yield memory


@asynccontextmanager
async def served(producer: MemoryProducer, **settings: Any) -> AsyncIterator[str]:
    """Yields the address of a server."""
    given = gateway_settings(**settings)
    app = create_app(Scope(producer, audit=AuditTrail(given.gateway)), given)
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, lifespan="on"))
    serving = asyncio.create_task(server.serve())
    await until(lambda: server.started)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        await serving


@asynccontextmanager
async def client_of(url: str, mode: str, headers: dict[str, str]) -> AsyncIterator[Client]:
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(httpx2.AsyncClient(headers=headers, timeout=60))
        transport = streamable_http_client(f"{url}{PATH}", http_client=http)
        yield await stack.enter_async_context(Client(transport, mode=mode))


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_giving_up_a_call_ends_its_waiting_and_nothing_else(
    producer: Followed, tmp_path: Path, mode: str
) -> None:
    everything = {"rights": ["ask", "read"], "sessions": ["*"]}
    callers = write_callers(tmp_path / "callers.json", ada=everything, bob=everything)
    async with (
        served(producer, tokens_file=callers) as url,
        client_of(url, mode, bearer("ada")) as ada,
        client_of(url, mode, bearer("ada")) as same,
        client_of(url, mode, bearer("bob")) as bob,
    ):
        # Three clients, whose requests have the same numbers.
        calls = [
            asyncio.create_task(call(client, "ask", session_id="s", question="count", wait_s=60))
            for client in (ada, same, bob)
        ]
        await until(lambda: producer.followers == 3)
        calls[0].cancel()
        await until(lambda: producer.followers == 2)
        assert [one.done() for one in calls] == [True, False, False]
        assert {str((await producer.record(job.id)).status) for job in producer.enqueued} == {"queued"}
        for one in calls[1:]:
            one.cancel()
        await until(lambda: producer.followers == 0)


async def test_a_client_that_is_gone_waits_no_longer(producer: Followed) -> None:
    async with served(producer) as url:
        async with client_of(url, "legacy", {}) as client:
            asking = asyncio.create_task(call(client, "ask", session_id="s", question="count", wait_s=60))
            await until(lambda: producer.followers == 1)
        await asyncio.gather(asking, return_exceptions=True)
        await until(lambda: producer.followers == 0)


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"Host": "evil.example"}, 403, "foreign_request"),
        ({"Origin": "https://evil.example"}, 403, "foreign_request"),
        ({}, 200, None),
    ],
)
async def test_without_tokens_no_page_of_another_site_gets_in(
    producer: Followed, headers: dict[str, str], status: int, code: str | None
) -> None:
    async with served(producer) as url, httpx2.AsyncClient() as http:
        answer = await http.post(f"{url}{PATH}", json=HANDSHAKE, headers=ACCEPT | headers)
        assert answer.status_code == status
        assert code is None or answer.json()["code"] == code


NO_MESSAGES: list[tuple[bytes, dict[bytes, bytes], int]] = [
    (b"", {}, 400),
    (b"not json", {}, 400),
    (b"[" * 10_000, {}, 400),
    (b'{"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": "x"}', {}, 400),
    (b'[{"jsonrpc": "2.0", "id": 1, "method": "ping"}]', {}, 400),
    (b'{"a": "\\ud800"}', {}, 400),
    (b"x" * 20_000, {}, 413),
    (b"{}", {b"Content-Type": b"text/plain"}, 400),
    (b"{}", {b"Accept": b"text/html"}, 406),
    (b"{}", {b"MCP-Protocol-Version": b"1999-01-01"}, 400),
    (b"{}", {b"MCP-Session-Id": b"\xff"}, 400),
]


async def test_what_is_no_message_is_refused(producer: Followed) -> None:
    usual = {b"Content-Type": b"application/json", b"Accept": ACCEPT["Accept"].encode()}
    async with served(producer, max_body_bytes=16_000) as url, httpx2.AsyncClient() as http:
        for body, headers, status in NO_MESSAGES:
            answer = await http.post(f"{url}{PATH}", content=body, headers=usual | headers)
            assert answer.status_code == status, (body[:100], headers)
            assert "Traceback" not in answer.text
        assert (await http.post(f"{url}{PATH}", json=HANDSHAKE, headers=ACCEPT)).status_code == 200


async def test_calls_are_logged_and_what_may_change_something_is_in_the_audit(
    producer: Followed, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "raylane.mcp")
    callers = write_callers(
        tmp_path / "callers.json",
        ada={"rights": ["ask", "read"], "sessions": ["ada"]},
        eve={"rights": ["read"], "sessions": ["ada"]},
    )
    async with (
        served(producer, tokens_file=callers) as url,
        client_of(url, "legacy", bearer("ada")) as ada,
        client_of(url, "legacy", bearer("eve")) as eve,
    ):
        asked = await call(ada, "ask", session_id="ada", question="count", wait_s=0)
        await call(ada, "wait", job_id=asked["job_id"], wait_s=0)
        await refused(eve, "cancel", job_id=asked["job_id"])
        given_up = asyncio.create_task(call(ada, "ask", session_id="ada", question="sum", wait_s=60))
        await until(lambda: producer.followers == 1)
        given_up.cancel()
        await until(lambda: producer.followers == 0)
    noted = [
        (entry.caller, entry.route, entry.session_id, entry.job_id, entry.status)
        for entry in await producer.operator.audit()
    ]
    first, second = (job.id for job in producer.enqueued)
    assert noted[::-1] == [
        ("ada", "/mcp ask", "ada", first, 200),
        ("eve", "/mcp cancel", "ada", first, 403),
        ("ada", "/mcp ask", "ada", second, 499),
    ]
    logged = [record.getMessage().partition(" in ")[0] for record in caplog.records if record.name == noting.__name__]
    assert logged == ["ask: 200", "wait: 200", "cancel: 403", "ask: 499"]
    assert "sum" not in caplog.text, "what callers ask is theirs"


async def test_probes_need_no_token_and_metrics_need_the_right_to_operate(producer: Followed, tmp_path: Path) -> None:
    callers = write_callers(
        tmp_path / "callers.json",
        ada={"rights": ["ask", "read"], "sessions": ["*"]},
        prometheus={"rights": ["operate"], "sessions": []},
    )
    async with served(producer, tokens_file=callers) as url, httpx2.AsyncClient(base_url=url, timeout=60) as http:
        assert (await http.get("/livez")).json() == {"live": True}
        assert (await http.get("/readyz")).json() == {"ready": True, "checks": {"mcp": "ok", "redis": "ok"}}
        assert [(await http.get("/metrics")).status_code, (await http.post("/livez")).status_code] == [401, 405]
        assert (await http.get("/metrics", headers=bearer("ada"))).status_code == 403
        await http.post(PATH, json=HANDSHAKE, headers=ACCEPT | bearer("ada"))
        for hostile in ("/none", "/mcp/../x"):
            await http.request("FETCH", hostile, headers=bearer("ada"))
        answer = await http.get("/metrics", headers=bearer("prometheus"))
    found = parsed(answer.text)
    assert found("raylane_queue_up") == 1
    assert found("raylane_gateway_requests_total", route=PATH, method="POST", status="200") == 1
    assert found("raylane_gateway_requests_total", route="/metrics", method="GET", status="403") == 1
    routes = {dict(labels)["route"] for labels in found.of("raylane_gateway_requests_total")}
    assert routes == {"/livez", "/readyz", "/metrics", PATH, "unmatched"}


async def test_without_tokens_only_this_machine_gets_metrics(producer: Followed) -> None:
    async with served(producer) as url, httpx2.AsyncClient(base_url=url, timeout=60) as http:
        assert (await http.get("/metrics")).status_code == 200
        for path in ("/metrics", "/readyz", "/livez", PATH):
            method = "POST" if path == PATH else "GET"
            assert (await http.request(method, path, headers={"Host": "evil.example"})).status_code == 403
        # A page of another origin may send what only reads, as to the gateway, but its browser shows it no answer.
        hostile = {"Origin": "http://evil.example"}
        assert (await http.post(PATH, headers=hostile)).status_code == 403
        assert "access-control-allow-origin" not in (await http.get("/metrics", headers=hostile)).headers


async def test_a_context_of_a_trace_reaches_the_job(producer: Followed) -> None:
    parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    async with (
        served(producer) as url,
        client_of(url, "legacy", {"traceparent": parent, "tracestate": "a=1"}) as client,
    ):
        asked = await call(client, "ask", session_id="ada", question="count", wait_s=0)
    record = await producer.record(asked["job_id"])
    assert (record.traceparent or "")[:35] == parent[:35]
    assert record.tracestate == "a=1"
