"""Who is let in by Ray's dashboard: requests with the token, and no writing ones of browsers."""

from __future__ import annotations

from typing import Final

from aiohttp import web

_READING: Final = ("GET", "HEAD", "OPTIONS")
_SENT_BY_BROWSERS: Final = (
    "Referer",
    "Origin",
    "Sec-Fetch-Mode",
    "Sec-Fetch-Dest",
    "Sec-Fetch-Site",
    "Sec-Fetch-User",
    "Access-Control-Request-Method",
    "Access-Control-Request-Headers",
)


def refused(request: web.Request, token: str | None) -> web.Response | None:
    """The answer to a request that is not let in, None if it is. `token`: what it must bring, if anything."""
    if token is not None:
        brought = _brought(request)
        if not brought:
            return web.Response(status=401, text="Unauthorized: Missing authentication token")
        if brought != f"Bearer {token}":
            return web.Response(status=403, text="Forbidden: Invalid authentication token")
    if request.method not in _READING and _is_of_browser(request):
        return web.Response(status=405, text=f"'{request.method}' method not allowed for browser traffic.")
    return None


def _brought(request: web.Request) -> str:
    header = request.headers.get("Authorization") or request.headers.get("X-Ray-Authorization")
    cookie = request.cookies.get("ray-authentication-token")
    return header or (f"Bearer {cookie}" if cookie else "")


def _is_of_browser(request: web.Request) -> bool:
    agent = request.headers.get("User-Agent", "")
    return agent.startswith("Mozilla") or any(name in request.headers for name in _SENT_BY_BROWSERS)
