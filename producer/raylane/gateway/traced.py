"""Makes each request a span below that of the caller, which the headers `traceparent` and `tracestate` name.

Pure ASGI, so that streams stay streams.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from raylane.gateway.observed import METHODS, PROBES
from raylane_common.telemetry import tracing

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fastapi.telemetry import TelemetryConfig
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from raylane_common.telemetry.tracing import Span

NO_OTHER_SPANS: Final[TelemetryConfig] = {"tracing": False, "logs": False}
"""For `FastAPI(telemetry=…)`: newer versions make spans themselves, with whole URLs. Older ones ignore it."""


class TracedRequests:
    """ASGI middleware. If the program around it has begun a span already, that one is kept.

    A process without an exporter only passes the caller's context on to the jobs that the request enqueues.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one request."""
        if scope["type"] != "http" or scope["path"] in PROBES or tracing.current():
            await self._app(scope, receive, send)
            return
        # The name of a span must be one of few.
        method = scope["method"] if scope["method"] in METHODS else "HTTP"
        with tracing.span(
            method,
            lambda: _of_request(scope),
            kind="server",
            parent=_header(scope["headers"], b"traceparent"),
            state=_list(scope["headers"], b"tracestate"),
        ) as span:
            try:
                await self._app(scope, receive, _noting_status(send, span) if span.is_recorded else send)
            finally:
                # Known once the request was routed.
                route: Any = getattr(scope.get("route"), "path", None)
                if route is not None:
                    span.rename(f"{method} {route}")
                    span.set({"http.route": route})


def _noting_status(send: Send, span: Span) -> Send:
    async def noting(message: Message) -> None:
        if message["type"] == "http.response.start":
            status = int(message["status"])
            span.set({"http.response.status_code": status})
            if status >= 500:
                span.failed(str(status))
        await send(message)

    return noting


def _of_request(scope: Scope) -> dict[str, tracing.Value | None]:
    address, port = scope.get("server") or (None, None)
    return {
        "http.request.method": scope["method"][:20],
        "url.scheme": scope.get("scheme"),
        "server.address": address,
        "server.port": port,
        "network.protocol.version": scope.get("http_version"),
    }


def _header(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> str:
    """Returns a header; '' if it is missing or, as nobody may write that, sent twice."""
    found = [value for known, value in headers if known == name]
    return found[0].decode("latin-1").strip() if len(found) == 1 else ""


def _list(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> str:
    """Returns a header that is a list, and which may be sent in several parts."""
    return ",".join(value.decode("latin-1") for known, value in headers if known == name)
