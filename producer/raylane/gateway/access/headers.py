"""Headers that every answer has: for browsers that might misread it, and for caches that must not keep it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from starlette.datastructures import MutableHeaders

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_ALWAYS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
}
# Nobody but the caller may see an answer again. An endpoint may say otherwise.
_CACHE: Final = "no-store"
# A picture or a file of an answer is data, and never a page that runs something.
_NO_PAGE: Final = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; sandbox"


class SecurityHeaders:
    """An ASGI middleware that adds the headers."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one connection."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                _add(MutableHeaders(scope=message), message["status"])
            await send(message)

        await self._app(scope, receive, send_with_headers if scope["type"] == "http" else send)


def _add(headers: MutableHeaders, status: int) -> None:
    headers.update(_ALWAYS)
    headers.setdefault("Cache-Control", _CACHE)
    if not headers.get("Content-Type", "").startswith("text/html"):
        headers.setdefault("Content-Security-Policy", _NO_PAGE)
    if status == 401:
        headers.setdefault("WWW-Authenticate", "Bearer")
    if "server" in headers:
        del headers["Server"]
