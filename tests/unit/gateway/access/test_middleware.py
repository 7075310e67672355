"""What every request meets before its endpoint, and what every answer has."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx
import hypothesis
import pytest
from fastapi import FastAPI, Request
from hypothesis import given
from hypothesis import strategies as st
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse

from raylane.gateway.access.authentication import Authentication
from raylane.gateway.access.bodies import takes_uploads
from raylane.gateway.access.middleware import guarded
from tests.helpers.gateways import bearer, client_of, gateway_settings, write_callers
from tests.helpers.profiles import by_profile
from tests.helpers.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from starlette.types import Message, Receive, Scope, Send

ADA = {"rights": ["ask", "read"], "sessions": ["ada-"]}
LIMIT = 1024


class Opened:
    """Endpoints of an app that does what a test needs."""

    def __init__(self) -> None:
        self.end = asyncio.Event()
        self.open = 0

    def add_to(self, app: FastAPI) -> None:
        app.add_api_route("/test/events", self.events)
        app.add_api_route("/test/wait", self.wait)
        app.add_api_route("/test/json", self.json, methods=["PUT"])
        app.add_api_route("/test/upload", takes_uploads(upload), methods=["PUT"])
        app.add_api_route("/test/headers", headers)

    async def events(self) -> Response:
        return StreamingResponse(self._events(), media_type="text/event-stream")

    async def _events(self) -> AsyncIterator[str]:
        self.open += 1
        yield "data: 1\n\n"
        try:
            await self.end.wait()
        finally:
            self.open -= 1

    async def wait(self) -> str:
        self.open += 1
        await self.end.wait()
        self.open -= 1
        return "done"

    async def json(self, body: dict[str, Any]) -> int:
        return len(json.dumps(body))


async def upload(request: Request) -> int:
    return sum([len(piece) async for piece in request.stream()])


async def headers() -> Response:
    return PlainTextResponse("x", headers={"Cache-Control": "max-age=60", "Server": "secret/1.0"})


@pytest.fixture
def callers(tmp_path: Path) -> Path:
    return write_callers(tmp_path / "callers.json", ada=ADA, bob=ADA | {"sessions": ["bob-"]})


@asynccontextmanager
async def opened(callers: Path, **fields: Any) -> AsyncIterator[tuple[httpx.AsyncClient, Opened]]:
    parts = Opened()
    settings = gateway_settings(tokens_file=callers, max_body_bytes=LIMIT, max_upload_bytes=3 * LIMIT, **fields)
    async with client_of(settings, change=parts.add_to) as client:
        try:
            yield client, parts
        finally:
            parts.end.set()


@pytest.mark.parametrize("path", ["/v1/jobs/none", "/nothing", "/v1/%2e%2e/health", "/health/", "/HEALTH"])
async def test_without_a_right_token_nothing_is_told_not_even_what_exists(callers: Path, path: str) -> None:
    async with opened(callers, failures_per_minute=0) as (client, _):
        for given in (
            None,
            *("", "Bearer", "Bearer ", "Basic YWRhOmFkYQ==", "ada-token", "Bearer ada-token x", "Bearer wrong"),
            *("Bearer \xff", f"Bearer {'x' * 20_000}"),
        ):
            sent = {} if given is None else {"Authorization": given}
            answer = await client.get(path, headers=httpx.Headers(sent, encoding="latin-1"))
            assert answer.status_code == 401, given
            assert answer.headers["www-authenticate"] == "Bearer"
            assert answer.json()["code"] == "unauthenticated"
            assert "***" not in answer.json()["detail"]
            assert "ada" not in answer.text


async def test_two_tokens_are_none(callers: Path) -> None:
    async with opened(callers) as (client, _):
        given = [("Authorization", "Bearer ada-token"), ("Authorization", "Bearer bob-token")]
        assert (await client.get("/v1/jobs/none", headers=given)).status_code == 401


async def test_the_scheme_may_have_any_case(callers: Path) -> None:
    async with opened(callers) as (client, _):
        assert (await client.get("/v1/jobs/none", headers={"Authorization": "bearer  ada-token"})).status_code == 404


async def test_what_describes_the_gateway_needs_no_token(callers: Path) -> None:
    async with opened(callers) as (client, _):
        assert (await client.get("/openapi.json")).status_code == 200


async def test_no_byte_of_a_body_is_read_before_the_caller_is_known(callers: Path) -> None:
    async with opened(callers) as (client, _):
        read: list[int] = []

        async def body() -> AsyncIterator[bytes]:
            read.append(1)
            yield b"{}"

        assert (await client.post("/v1/jobs", content=body())).status_code == 401
    assert read == []


@pytest.mark.parametrize("announced", [True, False])
@pytest.mark.parametrize(("path", "limit"), [("/test/json", LIMIT), ("/test/upload", 3 * LIMIT)])
async def test_a_body_is_taken_up_to_its_limit(callers: Path, path: str, limit: int, announced: bool) -> None:
    async def pieces(content: bytes) -> AsyncIterator[bytes]:
        for start in range(0, len(content), 100):
            yield content[start : start + 100]

    async with opened(callers) as (client, _):
        for size, status in ((limit, 200), (limit + 1, 413)):
            content = json.dumps({"a": "x" * (size - 9)}).encode()
            assert len(content) == size
            sent = bearer("ada") | {"Content-Type": "application/json"}
            answer = await client.put(path, headers=sent, content=content if announced else pieces(content))
            assert answer.status_code == status
            if status == 413:
                assert answer.json()["code"] == "request_too_large"
                assert answer.json()["details"] == {"max_bytes": limit}


async def test_an_answer_that_has_begun_ends_when_the_body_turns_out_too_large(callers: Path) -> None:
    settings = gateway_settings(tokens_file=callers, max_body_bytes=LIMIT).gateway
    read: list[int] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"begun", "more_body": True})
        while message := await receive():
            read.append(len(message["body"]))

    stream = Stream(guarded(app, settings, Authentication(settings)), [b"x" * 100] * 20)
    await stream.run()
    assert (stream.status, stream.body, sum(read)) == (200, b"begun", 1000)


async def test_a_body_that_does_not_continue_gives_its_place_back(
    callers: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("raylane.gateway.access.exchange._PIECE_S", 0.01)
    parts, app = Opened(), FastAPI()
    parts.add_to(app)
    settings = gateway_settings(tokens_file=callers).gateway
    stream = Stream(guarded(app, settings, Authentication(settings)), [b"{", b""], stalls=True)
    stream.method, stream.path = "PUT", "/test/upload"
    await stream.run()
    assert (stream.status, json.loads(stream.body)["code"]) == (408, "request_timeout")


async def test_a_body_that_comes_byte_by_byte_gives_its_place_back(
    callers: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("raylane.gateway.access.exchange._PIECE_S", 0.05)
    parts, app = Opened(), FastAPI()
    parts.add_to(app)
    settings = gateway_settings(tokens_file=callers).gateway
    stream = Stream(guarded(app, settings, Authentication(settings)), [b"x"] * 1000, gap_s=0.01)
    stream.method, stream.path = "PUT", "/test/upload"
    await stream.run()
    assert (stream.status, json.loads(stream.body)["code"]) == (408, "request_timeout")
    assert "too slowly" in json.loads(stream.body)["detail"]
    assert len(stream.pieces) > 900


async def test_a_client_that_leaves_within_its_body_is_no_error(callers: Path) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await Request(scope, receive).body()

    settings = gateway_settings(tokens_file=callers).gateway
    stream = Stream(guarded(app, settings, Authentication(settings)), [b"{", b""], stalls=True)
    stream.gone.set()
    await stream.run()
    assert (stream.status, stream.body) == (None, b"")


async def test_a_body_with_two_ends_is_refused(callers: Path) -> None:
    async with opened(callers) as (client, _):
        headers = bearer("ada") | {"Transfer-Encoding": "chunked", "Content-Length": "2"}
        answer = await client.put("/test/json", headers=headers, content=b"{}")
    assert answer.status_code == 422
    assert answer.headers["connection"] == "close"


async def test_a_caller_with_too_many_open_requests_is_refused_and_others_are_not(callers: Path) -> None:
    async with opened(callers, requests_at_once=1) as (client, parts), asyncio.TaskGroup() as tasks:
        first = tasks.create_task(client.get("/test/wait", headers=bearer("ada")))
        await until(lambda: parts.open == 1)
        refused = await client.get("/test/wait", headers=bearer("ada"))
        other = tasks.create_task(client.get("/test/wait", headers=bearer("bob")))
        await until(lambda: parts.open == 2)
        parts.end.set()
    assert refused.status_code == 429
    assert refused.headers["retry-after"] == "1"
    assert refused.json()["details"]["retry_after_s"] == 1
    assert [first.result().status_code, other.result().status_code] == [200, 200]


async def test_a_caller_that_asks_too_often_is_told_when_to_come_again(callers: Path) -> None:
    async with opened(callers, requests_per_minute=2) as (client, _):
        answers = [await client.get("/v1/jobs/none", headers=bearer("ada")) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [404, 404, 429]
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 30


async def test_streams_have_a_bound_of_their_own(callers: Path) -> None:
    settings = gateway_settings(tokens_file=callers, requests_at_once=1, streams_at_once=2)
    parts = Opened()
    app = FastAPI()
    parts.add_to(app)
    guard = guarded(app, settings.gateway, Authentication(settings.gateway))
    async with asyncio.TaskGroup() as tasks:
        streams = [Stream(guard) for _ in range(3)]
        running = []
        for count, stream in enumerate(streams[:2], 1):
            running.append(tasks.create_task(stream.run()))
            await until(lambda: parts.open == count)  # noqa: B023  # it is awaited here
        await streams[2].run()
        assert streams[2].status == 429
        assert json.loads(streams[2].body)["code"] == "too_many_requests"
        # The streams are not counted as requests.
        async with httpx.AsyncClient(transport=httpx.ASGITransport(guard), base_url="http://127.0.0.1") as client:
            assert (await client.get("/test/headers", headers=bearer("ada"))).status_code == 200
        streams[0].gone.set()
        await running[0]
        fourth = Stream(guard)
        running.append(tasks.create_task(fourth.run()))
        await until(lambda: fourth.status == 200)
        parts.end.set()
    assert [stream.status for stream in streams] == [200, 200, 429]


class Stream:
    """A client of `/test/events` that reads until it goes. The transport of httpx collects the whole answer first."""

    def __init__(self, app: Any, pieces: Sequence[bytes] = (b"",), *, stalls: bool = False, gap_s: float = 0) -> None:
        """With `stalls`, the last piece does not come. There are `gap_s` seconds between two pieces."""
        self.gap_s = gap_s
        self.app = app
        self.pieces = list(pieces)
        self.stalls = stalls
        self.method = "GET"
        self.path = "/test/events"
        self.headers = [(b"authorization", b"Bearer ada-token")]
        self.peer: tuple[str, int] | None = ("127.0.0.1", 1)
        self.status: int | None = None
        self.answer_headers: dict[bytes, bytes] = {}
        self.body = b""
        self.gone = asyncio.Event()

    async def run(self) -> None:
        scope: Scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": self.method,
            "scheme": "http",
            "path": self.path,
            "raw_path": self.path.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": self.headers,
            "client": self.peer,
            "server": ("127.0.0.1", 80),
        }

        async def receive() -> Message:
            if len(self.pieces) > self.stalls:
                await asyncio.sleep(self.gap_s)
                return {"type": "http.request", "body": self.pieces.pop(0), "more_body": bool(self.pieces)}
            await self.gone.wait()
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            self.status = message.get("status", self.status)
            self.answer_headers.update(message.get("headers", ()))
            self.body += message.get("body", b"")

        await self.app(scope, receive, send)


async def test_wrong_tokens_are_counted_by_address_and_right_ones_go_on(callers: Path) -> None:
    async with opened(callers, failures_per_minute=2) as (client, _):

        async def ask(token: str) -> int:
            return (await client.get("/v1/jobs/none", headers={"Authorization": f"Bearer {token}"})).status_code

        assert [await ask(token) for token in ("ada-token", "1", "2", "3")] == [404, 401, 401, 429]
        assert [await ask(token) for token in ("ada-token", "bob-token")] == [404, 429]
        assert (await client.get("/v1/jobs/none")).status_code == 401


async def test_answers_are_not_kept_and_not_guessed_by_browsers(callers: Path) -> None:
    async with opened(callers) as (client, _):
        answer = await client.get("/v1/jobs/none", headers=bearer("ada"))
        own = await client.get("/test/headers", headers=bearer("ada"))
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in answer.headers["content-security-policy"]
    assert own.headers["cache-control"] == "max-age=60"
    assert "server" not in own.headers


async def test_a_web_socket_is_refused(callers: Path) -> None:
    settings = gateway_settings(tokens_file=callers).gateway
    sent: list[Message] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise AssertionError("reached")

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        sent.append(message)

    await guarded(app, settings, Authentication(settings))({"type": "websocket"}, receive, send)
    assert sent == [{"type": "websocket.close", "code": 1008}]


async def test_another_app_behind_the_same_layers_learns_who_asks(callers: Path) -> None:
    settings = gateway_settings(tokens_file=callers).gateway
    authentication = Authentication(settings)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        caller = await authentication.caller_of(Request(scope))
        await JSONResponse(caller.name)(scope, receive, send)

    guard = guarded(app, settings, authentication)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(guard), base_url="http://gateway") as client:
        assert (await client.get("/mcp", headers=bearer("bob"))).json() == "bob"
        assert (await client.get("/mcp")).status_code == 401
        assert (await client.get("/health")).status_code == 401


NAMES = st.sampled_from(
    [b"authorization", b"host", b"origin", b"content-length", b"transfer-encoding", b"x-forwarded-for", b"accept"]
)
VALUES = st.binary(max_size=40) | st.sampled_from(
    [b"Bearer ada-token", b"bearer eyJhbGciOiJSUzI1NiJ9.e30.x", b"127.0.0.1", b"[::1]:80", b"null", b"9" * 30, b"-1"]
)


@hypothesis.settings(max_examples=by_profile(fast=20, ci=100, deep=5000))
@given(
    headers=st.lists(st.tuples(NAMES, VALUES), max_size=6),
    method=st.sampled_from(["GET", "POST", "OPTIONS", "\u00df"]),
    peer=st.none() | st.tuples(st.text(max_size=20), st.just(1)),
    tokens=st.booleans(),
)
def test_no_header_and_no_peer_is_an_error_of_the_gateway(
    tmp_path_factory: pytest.TempPathFactory,
    headers: list[tuple[bytes, bytes]],
    method: str,
    peer: tuple[str, int] | None,
    tokens: bool,
) -> None:
    path = tmp_path_factory.getbasetemp() / "callers-of-any-header.json"
    fields = {"tokens_file": write_callers(path, ada=ADA)} if tokens else {}
    settings = gateway_settings(cors_origins=["https://page.example"], **fields).gateway

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await Request(scope, receive).body()
        await PlainTextResponse("reached")(scope, receive, send)

    stream = Stream(guarded(app, settings, Authentication(settings)))
    stream.method, stream.headers, stream.peer = method, headers, peer
    asyncio.run(stream.run())
    assert stream.status in (200, 400, 401, 403, 413, 422)
    if stream.body == b"reached" and tokens:
        assert [value for name, value in headers if name == b"authorization"] == [b"Bearer ada-token"]
