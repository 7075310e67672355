"""Which requests Ray's dashboard accepts: those with the token. Rejects state-changing requests from browsers."""

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


def refusal(request: web.Request, token: str | None) -> web.Response | None:
    """Returns the answer that refuses a request, or None if it is accepted. `token`: what it must have, if anything."""
    if token is not None:
        given = _authorization(request)
        if not given:
            return web.Response(status=401, text="Unauthorized: Missing authentication token")
        if given != f"Bearer {token}":
            return web.Response(status=403, text="Forbidden: Invalid authentication token")
    if request.method not in _READING and _is_from_browser(request):
        return web.Response(status=405, text=f"'{request.method}' method not allowed for browser traffic.")
    return None


def _authorization(request: web.Request) -> str:
    header = request.headers.get("Authorization") or request.headers.get("X-Ray-Authorization")
    cookie = request.cookies.get("ray-authentication-token")
    return header or (f"Bearer {cookie}" if cookie else "")


def _is_from_browser(request: web.Request) -> bool:
    agent = request.headers.get("User-Agent", "")
    return agent.startswith("Mozilla") or any(name in request.headers for name in _SENT_BY_BROWSERS)
