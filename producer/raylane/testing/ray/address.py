"""Addresses of a fake cluster. They count the requests that arrive, and can fail as a network or a proxy does."""

from __future__ import annotations

import asyncio
from enum import StrEnum
from typing import TYPE_CHECKING, Final, Self

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from types import TracebackType

    from raylane.testing.ray.fake import FakeRay

_HOST: Final = "127.0.0.1"
# More requests than any test makes.
_ALL_REQUESTS: Final = 1_000_000


class Break(StrEnum):
    """How an address fails. A log that is already being followed is not affected; `Address.cut` ends it."""

    BAD_GATEWAY = "502 instead of Ray's answer"
    UNAVAILABLE = "503 instead of Ray's answer"
    REDIRECT = "redirect to another page"
    PAGE = "page of HTML with status 200"
    LOGIN = "JSON of a login service with status 200"
    NO_CONTENT = "204 without a body"
    UNAUTHORIZED = "401 of a proxy"
    FORBIDDEN = "403 of a firewall"
    NO_BACKEND = "404 of an ingress that has no backend"
    PROXY_LOGIN = "407 of a proxy"
    THROTTLED = "429 of a proxy"
    SERVER_ERROR = "500 of a proxy"
    NEVER_ANSWERS = "accepts the connection and never answers"
    CUT_BEFORE = "connection cut before Ray sees the request"
    CUT_AFTER = "connection cut after Ray has handled the request"
    CUT_IN_BODY = "connection cut in the middle of the answer"
    GATEWAY_AFTER = "502 after Ray has handled the request"


# Common answers of proxies between a client and Ray, as status, content type and body.
_INSTEAD: Final = {
    Break.BAD_GATEWAY: (502, "text/plain", "no healthy upstream"),
    Break.UNAVAILABLE: (503, "text/plain", "no healthy upstream"),
    Break.PAGE: (200, "text/html", "<html>Welcome</html>"),
    Break.LOGIN: (200, "application/json", '{"error": "login_required", "login": "https://sso.invalid/"}'),
    Break.NO_CONTENT: (204, "text/plain", ""),
    Break.UNAUTHORIZED: (401, "text/html", "<html><head><title>401 Authorization Required</title></head></html>"),
    Break.FORBIDDEN: (403, "application/json", '{"message": "Forbidden"}'),
    Break.NO_BACKEND: (404, "text/plain", "default backend - 404"),
    Break.PROXY_LOGIN: (407, "text/html", "<html><body><h1>407 Proxy Authentication Required</h1></body></html>"),
    Break.THROTTLED: (429, "text/plain", "local_rate_limited"),
    Break.SERVER_ERROR: (500, "text/html", "<html><head><title>500 Internal Server Error</title></head></html>"),
}


class Address:
    """One address of a cluster, on the loopback interface.

    `async with Address(ray) as address`: `address.url` is where to reach the cluster. `requests` has the line of each
    request that arrived ("POST /api/jobs/") and `headers` its headers. `waiting` counts those that
    `Break.NEVER_ANSWERS` has left without an answer.
    """

    def __init__(self, ray: FakeRay, broken: Break | None = None) -> None:
        """`broken`: how the address fails from the start; see `break_with`."""
        self.ray = ray
        self.requests: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.waiting: int = 0
        self.break_with(broken)
        self._port = 0
        self._runner: web.AppRunner | None = None

    def break_with(self, broken: Break | None, *, only: str = "", times: int = _ALL_REQUESTS) -> None:
        """Sets how requests fail from now on. None: they succeed.

        `only` selects the requests whose line starts with it ("POST", "GET /api/jobs/rl-1"). `times` is how many of
        them fail, before the address works again.
        """
        self._turns: list[Break | None] = []
        self._broken, self._only, self._times = broken, only, times

    def break_in_turn(self, turns: Sequence[Break | None], *, then: Break | None = None) -> None:
        """Sets how each of the next requests fails (None: it succeeds), and with `then` how those after them do."""
        self.break_with(then)
        self._turns = list(turns)

    @property
    def url(self) -> str:
        """The URL of this address. It stays the same when the address is opened again."""
        return f"http://{_HOST}:{self._port}"

    @property
    def connections(self) -> int:
        """The number of open connections."""
        return len(self._transports())

    def count(self, line: str) -> int:
        """Returns how many requests with this line ("GET /api/version") arrived."""
        return self.requests.count(line)

    def cut(self) -> None:
        """Cuts all open connections, also those that follow a log. New connections are accepted as before."""
        for transport in self._transports():
            transport.abort()

    async def open(self) -> None:
        """Starts to listen, always on the same port. Raises `OSError` if another program has taken it meanwhile."""
        app = self.ray.application()
        app.middlewares.insert(0, self._break)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.01, handler_cancellation=True)
        await self._runner.setup()
        site = web.TCPSite(self._runner, _HOST, self._port, reuse_address=True)
        await site.start()
        self._port = self._runner.addresses[0][1]

    async def close(self) -> None:
        """Closes all connections, and refuses new ones from now on."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    def _transports(self) -> list[asyncio.Transport]:
        server = self._runner.server if self._runner else None
        connections = server.connections if server else []
        return [each.transport for each in connections if each.transport is not None]

    @web.middleware
    async def _break(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        line = f"{request.method} {request.path}"
        self.requests.append(line)
        self.headers.append(dict(request.headers))
        broken = self._turns.pop(0) if self._turns else self._broken
        if broken is None or self._times < 1 or not line.startswith(self._only):
            return await handler(request)
        self._times -= 1
        if broken is Break.REDIRECT:
            return web.Response(status=302, headers={"Location": f"{self.url}/login"})
        if broken in _INSTEAD:
            status, content_type, text = _INSTEAD[broken]
            return web.Response(status=status, content_type=content_type, text=text)
        if broken is Break.NEVER_ANSWERS:
            self.waiting += 1
            await asyncio.Event().wait()
        if broken is not Break.CUT_BEFORE:
            await request.read()
            try:
                answer = await handler(request)
            except web.HTTPException as exception:
                answer = exception
            if broken is Break.GATEWAY_AFTER:
                return web.Response(status=502, text="upstream timed out")
            if broken is Break.CUT_IN_BODY:
                response = web.StreamResponse(headers={"Content-Type": "application/json", "Content-Length": "1000"})
                await response.prepare(request)
                await response.write(getattr(answer, "body", b"{")[:5])
        if request.transport is not None:
            request.transport.abort()
        return web.Response()
