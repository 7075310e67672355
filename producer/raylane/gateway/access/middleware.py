"""What every request passes before its endpoint: who sends it, how often, and how much.

The caller is known before a byte of the body is read. See docs/decisions/0044.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from starlette.middleware.cors import CORSMiddleware
from starlette.requests import HTTPConnection

from raylane.gateway.access.audit import entry_of
from raylane.gateway.access.authentication import CALLER, Authentication, bearer_token
from raylane.gateway.access.bodies import BodyLimit, check_encoding, check_framing
from raylane.gateway.access.body_room import BodyRoom
from raylane.gateway.access.exchange import Exchange
from raylane.gateway.access.failures import Failures
from raylane.gateway.access.foreign import ForeignRequests
from raylane.gateway.access.headers import SecurityHeaders
from raylane.gateway.access.limits import Limits
from raylane.gateway.access.seen import SEEN, Seen
from raylane_common.errors import RaylaneError, Unauthenticated

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection

    from starlette.applications import Starlette
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from raylane.gateway.access.audit import AuditTrail
    from raylane.gateway.access.caller import Caller
    from raylane_common.settings import GatewaySettings, Settings

PUBLIC_PATHS: Final = frozenset({"/", "/health", "/livez", "/openapi.json", "/readyz"})
"""Paths that tell nothing about jobs, for which nobody needs a token. Every other path needs one."""

# RFC 6455, 7.4.1.
_POLICY_VIOLATION: Final = 1008
_BUG: Final[Message] = {"type": "http.response.start", "status": 500}
_METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
_REQUEST_HEADERS: Final = (
    *("Authorization", "Content-Type", "Idempotency-Key", "If-None-Match", "Last-Event-ID"),
    *("Mcp-Protocol-Version", "Mcp-Session-Id", "Traceparent", "Tracestate", "X-Request-ID"),
)
_ANSWER_HEADERS: Final = (
    *("Content-Disposition", "ETag", "Link", "Location", "Mcp-Session-Id", "Retry-After"),
    "X-Request-ID",
)


def add_access(app: Starlette, settings: Settings, authentication: Authentication, audit: AuditTrail) -> None:
    """Puts everything that this room does before the app: headers, CORS, callers, limits, and the audit."""
    uploads = settings.uploads
    upload_bytes = uploads.staged_bytes + uploads.parts_at_once * uploads.part_bytes
    layers = _layers(settings.gateway, authentication, PUBLIC_PATHS, audit, upload_bytes)
    # The last one that is added is the first one that a request meets.
    for layer in reversed(layers):
        app.add_middleware(layer)


def guarded(
    app: ASGIApp, settings: GatewaySettings, authentication: Authentication, public: Collection[str] = ()
) -> ASGIApp:
    """Returns any ASGI app behind the same layers, without audit. It calls `authentication.caller_of` for the caller.

    `public` are the paths for which nobody needs a token.
    """
    for layer in reversed(_layers(settings, authentication, public, None)):
        app = layer(app)
    return app


def _layers(
    settings: GatewaySettings,
    authentication: Authentication,
    public: Collection[str],
    audit: AuditTrail | None,
    upload_bytes: int = 0,
) -> list[Callable[[ASGIApp], ASGIApp]]:
    """Returns the layers, the outermost first. An upload holds at most `upload_bytes` in memory."""
    cors = partial(
        CORSMiddleware,
        allow_origins=settings.cors_origins,
        allow_methods=_METHODS,
        allow_headers=_REQUEST_HEADERS,
        expose_headers=_ANSWER_HEADERS,
    )
    access = partial(
        Access,
        settings=settings,
        authentication=authentication,
        public=public,
        audit=audit,
        upload_bytes=upload_bytes,
    )
    return [SecurityHeaders, *([cors] if settings.cors_origins else []), access]


class Access:
    """An ASGI middleware: lets in callers, each within its limits."""

    def __init__(
        self,
        app: ASGIApp,
        settings: GatewaySettings,
        authentication: Authentication,
        public: Collection[str],
        audit: AuditTrail | None,
        upload_bytes: int,
    ) -> None:
        self._app = app
        self._upload_bytes = upload_bytes
        self._settings = settings
        self._authentication = authentication
        self._public = frozenset(public)
        self._audit = audit
        self._foreign = ForeignRequests(settings)
        self._failures = Failures(settings.failures_per_minute)
        self._limits = Limits(settings)
        self._room = BodyRoom(settings.max_bodies_bytes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one connection. A WebSocket is refused, because nothing here checks who opens it."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": _POLICY_VIOLATION})
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = Exchange(scope, receive, send)
        try:
            check_framing(scope)
            check_encoding(scope)
            caller = await self._caller_of(HTTPConnection(scope))
            with self._limits.serving(caller) as is_stream, self._room.place_of(caller) as place:
                exchange.body = BodyLimit(scope, self._settings, place, self._upload_bytes)
                exchange.before_answer.append(_streams_are(is_stream))
                await self._run(exchange, caller)
        except RaylaneError as error:
            await exchange.refuse(error)

    async def _run(self, exchange: Exchange, caller: Caller | None) -> None:
        """Lets the app answer, and notes the request in the audit when its answer begins."""
        audit, seen = self._audit, Seen()
        if audit is None or caller is None:
            await exchange.run(self._app)
            return

        async def note(answer: Message) -> None:
            entry = entry_of(exchange.scope, answer, caller, seen)
            if entry is not None:
                await audit.note(entry)

        exchange.before_answer.append(note)
        SEEN.set(seen)
        try:
            await exchange.run(self._app)
        except Exception:
            if exchange.status is None:
                # Starlette answers for it, outside of this layer.
                await note(_BUG)
            raise

    async def _caller_of(self, connection: HTTPConnection) -> Caller | None:
        """Returns the caller, and leaves it for the endpoint; None for a public path. Raises `AccessError`."""
        self._foreign.check(connection)
        if connection.scope["path"] in self._public:
            connection.scope[CALLER] = None
            return None
        if self._authentication.is_open:
            return await self._authentication.caller_of(connection)
        token = bearer_token(connection)
        address = connection.client.host if connection.client else ""
        self._failures.check(address, token)
        try:
            caller = await self._authentication.holder_of(token)
        except Unauthenticated:
            self._failures.failed(address)
            raise
        self._failures.accepted(address, token)
        connection.scope[CALLER] = caller
        return caller


def _streams_are(is_stream: Callable[[], None]) -> Callable[[Message], Awaitable[None]]:
    """Returns what calls `is_stream` if an answer begins that is a stream of events."""

    async def look(message: Message) -> None:
        headers = dict(message.get("headers", ()))
        if headers.get(b"content-type", b"").startswith(b"text/event-stream"):
            is_stream()

    return look
