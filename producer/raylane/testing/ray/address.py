"""Addresses in front of a fake cluster: they count what reaches them, and break as a network or a proxy does."""

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
_WITHOUT_END: Final = 1_000_000


class Break(StrEnum):
    """What is wrong with an address. A tail of a log that has begun is cut by `Address.cut` alone."""

    BAD_GATEWAY = "502 in Ray's place"
    UNAVAILABLE = "503 in Ray's place"
    REDIRECT = "redirect to another page"
    PAGE = "page of HTML with status 200"
    NEVER_ANSWERS = "connected, and no answer ever"
    CUT_BEFORE = "connection cut before Ray saw the request"
    CUT_AFTER = "connection cut after Ray did what was asked"
    CUT_IN_BODY = "connection cut in the middle of the answer"
    GATEWAY_AFTER = "502 after Ray did what was asked"


class Address:
    """One address of a cluster, on loopback: `async with Address(ray) as address`, then `address.url`.

    `requests` holds the line of each request that came here ("POST /api/jobs/"), `headers` its headers, and `waiting`
    says how many of them were left without an answer by `Break.NEVER_ANSWERS`.
    """

    def __init__(self, ray: FakeRay, broken: Break | None = None) -> None:
        """`broken`: what is wrong here from the start; see `break_with`."""
        self.ray = ray
        self.requests: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.waiting = 0
        self.break_with(broken)
        self._port = 0
        self._runner: web.AppRunner | None = None

    def break_with(self, broken: Break | None, *, only: str = "", times: int = _WITHOUT_END) -> None:
        """From now on, what goes wrong here; None: nothing.

        `only`: with requests whose line starts like this ("POST", "GET /api/jobs/rl-1"). `times`: with so many of them.
        """
        self._turns: list[Break | None] = []
        self._broken, self._only, self._times = broken, only, times

    def break_in_turn(self, turns: Sequence[Break | None], *, then: Break | None = None) -> None:
        """What goes wrong with each of the next requests, and with those that follow."""
        self.break_with(then)
        self._turns = list(turns)

    @property
    def url(self) -> str:
        """Where to reach the cluster by this address; it stays the same when the address is opened again."""
        return f"http://{_HOST}:{self._port}"

    @property
    def connections(self) -> int:
        """How many clients are connected now."""
        return len(self._transports())

    def count(self, line: str) -> int:
        """How many requests with this line ("GET /api/version") came here."""
        return self.requests.count(line)

    def cut(self) -> None:
        """Cuts the connections that are open now, followed logs included; new ones are taken as before."""
        for transport in self._transports():
            transport.abort()

    async def open(self) -> None:
        """Listens, after the first time on the same port again. Raises `OSError` if that is taken by now."""
        app = self.ray.application()
        app.middlewares.insert(0, self._break)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.01, handler_cancellation=True)
        await self._runner.setup()
        site = web.TCPSite(self._runner, _HOST, self._port, reuse_address=True)
        await site.start()
        self._port = self._runner.addresses[0][1]

    async def close(self) -> None:
        """From now on connections are refused; those that are open are closed."""
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
        match broken:
            case Break.BAD_GATEWAY | Break.UNAVAILABLE:
                return web.Response(status=502 if broken is Break.BAD_GATEWAY else 503, text="no healthy upstream")
            case Break.REDIRECT:
                return web.Response(status=302, headers={"Location": f"{self.url}/login"})
            case Break.PAGE:
                return web.Response(text="<html>Welcome</html>", content_type="text/html")
            case Break.NEVER_ANSWERS:
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
