"""A proxy before S3 that breaks the sending of parts, as networks do. It checks Content-MD5, which moto does not."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import io
from contextlib import asynccontextmanager
from enum import Enum, auto
from typing import TYPE_CHECKING

import aiohttp
from aiohttp import web
from yarl import URL

from tests.helpers.faulty_s3 import s3_error, served

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

_HOP_BY_HOP = {"connection", "transfer-encoding", "content-encoding", "content-length", "keep-alive", "server", "date"}


class Fault(Enum):
    """What happens to one request that sends a part."""

    RESET = auto()
    """The connection breaks in the middle."""
    STALL = auto()
    """Nothing is read and nothing is answered, until the client gives up."""
    BUSY = auto()
    """503 SlowDown."""
    BROKEN = auto()
    """500 InternalError."""
    DAMAGE = auto()
    """One bit changes on the way, which S3 notices by the Content-MD5."""
    DAMAGE_UNNOTICED = auto()
    """The same on a server that does not check it."""
    EXPIRED = auto()
    """403, as for an address that is too old."""
    LOSE = auto()
    """S3 says that it has the part, and loses it."""
    LOSE_ANSWER = auto()
    """S3 has the part, but its answer does not arrive."""


class S3Proxy:
    """Forwards to S3. `faults` has for each part what happens to its next requests, in this order."""

    def __init__(self, target: str) -> None:
        self.url = ""
        self.faults: dict[int, list[Fault]] = {}
        self.parts: list[int] = []
        """The number of each part that reached S3 from a producer."""
        self.requests: list[str] = []
        """Method and path of every request that reached S3."""
        self.received: list[web.Request] = []
        """Every request that reached the proxy."""
        self.on_request: Callable[[], None] = lambda: None
        """Called before each request is forwarded."""
        self.authorizations: list[str] = []
        self._target = target

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[S3Proxy]:
        """Serves on a free port until the block ends."""
        async with aiohttp.ClientSession(auto_decompress=False) as self._http, served(self._handle) as self.url:
            yield self

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        self.received.append(request)
        self.on_request()
        is_part = "partNumber" in request.query and "X-Amz-Signature" in request.query
        if not is_part:
            return await self._forward(request, await request.read())
        self.authorizations += request.headers.getall("Authorization", [])
        number = int(request.query["partNumber"])
        waiting = self.faults.get(number)
        fault = waiting.pop(0) if waiting else None
        match fault:
            case Fault.STALL:
                await asyncio.Event().wait()
            case Fault.RESET:
                await request.content.read(1024)
                return self._reset(request)
            case Fault.BUSY:
                return s3_error(503, "SlowDown")
            case Fault.BROKEN:
                return s3_error(500, "InternalError")
            case Fault.EXPIRED:
                return s3_error(403, "AccessDenied")
        body = await request.read()
        if fault in (Fault.DAMAGE, Fault.DAMAGE_UNNOTICED):
            body = body[:-1] + bytes([body[-1] ^ 1])
        md5 = hashlib.md5(body).digest()
        if fault is not Fault.DAMAGE_UNNOTICED and base64.b64decode(request.headers["Content-MD5"]) != md5:
            return s3_error(400, "BadDigest")
        if fault is Fault.LOSE:
            return web.Response(headers={"ETag": f'"{md5.hex()}"'})
        answer = await self._forward(request, body)
        if answer.status == 200:
            self.parts.append(number)
        return self._reset(request) if fault is Fault.LOSE_ANSWER else answer

    async def _forward(self, request: web.Request, body: bytes) -> web.Response:
        self.requests.append(f"{request.method} {request.rel_url.path}")
        url = URL(self._target + request.raw_path, encoded=True)
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP_BY_HOP}
        async with self._http.request(
            request.method, url, headers=headers, data=io.BytesIO(body) if body else None
        ) as answer:
            size = answer.headers.get("Content-Length")
            headers = {name: value for name, value in answer.headers.items() if name.lower() not in _HOP_BY_HOP}
            if request.method == "HEAD":
                headers |= {"Content-Length": size} if size else {}
                return web.Response(status=answer.status, headers=headers)
            return web.Response(status=answer.status, headers=headers, body=await answer.read())

    def _reset(self, request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()
