"""Serves many clients over HTTP: the protocol's streamable transport at `/mcp`, behind the gateway's access.

The server keeps nothing between two requests, so a restart, or another process behind the same address, changes nothing
for a client. See docs/decisions/0046.
"""

from __future__ import annotations

import secrets
from contextlib import asynccontextmanager, nullcontext
from typing import TYPE_CHECKING, Final

from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.shared.exceptions import MCPError
from mcp.shared.inbound import MCP_PROTOCOL_VERSION_HEADER
from mcp.types import DEFAULT_NEGOTIATED_VERSION, INVALID_REQUEST, CancelledNotificationParams, RequestId
from mcp.types.version import HANDSHAKE_PROTOCOL_VERSIONS
from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.routing import Route

from raylane import arguments
from raylane.gateway.access.audit import AuditTrail
from raylane.gateway.access.authentication import Authentication
from raylane.gateway.access.middleware import guarded
from raylane.gateway.listening import serve_app
from raylane.gateway.problems import problem_response
from raylane.gateway.traced import TracedRequests
from raylane.mcp.call import Scope as Served
from raylane.mcp.cancelling import SESSION_HEADER, Waits
from raylane.mcp.monitoring import PUBLIC, Monitoring
from raylane.mcp.observing import observed
from raylane.mcp.server import create_server
from raylane.producer import Producer
from raylane_common.errors import MethodNotAllowed
from raylane_common.telemetry.logs import LogLevel

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from raylane.gateway.access.caller import Caller
    from raylane.mcp.cancelling import Key
    from raylane.mcp.server import Context
    from raylane_common.settings import Settings

PATH: Final = "/mcp"
"""Where the endpoint is."""
# An id has 128 bits, so that nobody guesses one.
_SESSION_BYTES: Final = 16


def serve_http(settings: Settings, session_id: str | None, announce: Callable[[str], None]) -> None:
    """Serves many clients until SIGINT or SIGTERM, in the session `session_id` or in any if None.

    `announce` is called with the address of the endpoint. Raises `InvalidRequest` if an argument or a setting is wrong,
    if everybody could reach a server that asks for no token, or if it cannot listen at the address.
    """
    session_id = None if session_id is None else arguments.session_id(session_id)
    gateway = settings.gateway
    served = Served(Producer(settings), session_id, wait_timeout_s=gateway.wait_timeout_s, audit=AuditTrail(gateway))
    with observed(settings.telemetry, LogLevel.INFO):
        serve_app(
            create_app(served, settings),
            gateway,
            on_stop=served.stopping.set,
            announce=lambda address: announce(f"{address}{PATH}"),
        )


def create_app(served: Served, settings: Settings) -> ASGIApp:
    """Returns the server as an ASGI app, which closes the producer at its end. Raises `InvalidRequest`."""
    authentication = Authentication(settings.gateway)
    monitoring = Monitoring(served, settings, authentication)
    waits = Waits()

    async def caller_of(context: Context) -> Caller:
        if not isinstance(context.request, Request):
            raise MCPError(INVALID_REQUEST, "a request without HTTP has no caller")
        return await authentication.caller_of(context.request)

    async def key_of(context: Context, request_id: RequestId | None) -> Key | None:
        session = context.request.headers.get(SESSION_HEADER) if isinstance(context.request, Request) else None
        if session is None or request_id is None:
            return None
        return (await caller_of(context)).name, session, str(request_id)

    @asynccontextmanager
    async def cancellable(context: Context) -> AsyncIterator[None]:
        with waits.of(await key_of(context, context.request_id)):
            yield

    async def cancel(context: Context, params: CancelledNotificationParams) -> None:
        if key := await key_of(context, params.request_id):
            waits.cancel(key)

    server = create_server(served, caller_of, cancellable)
    server.add_notification_handler("notifications/cancelled", CancelledNotificationParams, cancel)
    manager = StreamableHTTPSessionManager(
        server, stateless=True, max_request_body_size=settings.gateway.max_body_bytes
    )

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        auditing = nullcontext() if served.audit is None else served.audit.writing_to(served.producer.operator)
        async with served.producer, auditing, manager.run():
            yield

    app = Starlette(routes=[Route(PATH, endpoint=_Endpoint(manager)), *monitoring.routes], lifespan=lifespan)
    # Around the access, so that a request that it refuses is counted and is a span, too.
    return TracedRequests(monitoring.around(guarded(app, settings.gateway, authentication, PUBLIC), PATH))


class _Endpoint:
    """Takes messages by POST, and gives each client an id by which it can cancel its own calls.

    There is no stream for messages that no client has asked for, because there are no such messages.
    """

    def __init__(self, manager: StreamableHTTPSessionManager) -> None:
        self._manager = manager

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "POST":
            error = MethodNotAllowed(f"{PATH} accepts only POST: it has no stream for unsolicited messages")
            response = problem_response(error)
            response.headers["Allow"] = "POST"
            await response(scope, receive, send)
            return
        headers = Headers(scope=scope)
        # Later versions of the protocol have no such id: there, closing the stream of a call cancels it.
        has_ids = headers.get(MCP_PROTOCOL_VERSION_HEADER, DEFAULT_NEGOTIATED_VERSION) in HANDSHAKE_PROTOCOL_VERSIONS
        is_new = has_ids and SESSION_HEADER not in headers

        async def send_with_session(message: Message) -> None:
            if is_new and message["type"] == "http.response.start":
                MutableHeaders(scope=message)[SESSION_HEADER] = secrets.token_hex(_SESSION_BYTES)
            await send(message)

        await self._manager.handle_request(scope, receive, send_with_session)
