"""Answers `HEAD` as `GET` without the body (RFC 9110, 9.3.2), which the framework does not do by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send


class _HeadSentError(Exception):
    """Ends an app that would send a long body to nobody."""


class HeadRequests:
    """ASGI middleware, the innermost one: whatever is around it still sees `HEAD`."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one request. The same scope is passed on, because the router leaves the route in it."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return

        async def without_body(message: Message) -> None:
            if message["type"] == "http.response.start":
                scope["method"] = "HEAD"
                await send(message)
            elif message["type"] == "http.response.body":
                await send({"type": "http.response.body", "body": b"", "more_body": False})
                raise _HeadSentError

        scope["method"] = "GET"
        try:
            await self._app(scope, receive, without_body)
        except _HeadSentError:
            return
        finally:
            scope["method"] = "HEAD"
