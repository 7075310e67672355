"""A proxy before S3 that breaks the reading of signed addresses, as networks and strange servers do."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from enum import Enum, auto
from typing import TYPE_CHECKING

import aiohttp
from aiohttp import web
from yarl import URL

from tests.helpers.faulty_s3 import s3_error, served

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable


class Get(Enum):
    """What happens to one request for an object."""

    CUT = auto()
    """The connection breaks after half of the bytes."""
    SHORT = auto()
    """The answer ends early, and properly."""
    STALL = auto()
    """Half of the bytes come, and then nothing, until the client gives up."""
    SILENT = auto()
    """Nothing comes at all."""
    BUSY = auto()
    """503 SlowDown."""
    EXPIRED = auto()
    """403, as for an address that is too old."""
    WHOLE = auto()
    """The server does not know ranges, and sends everything."""
    LONGER = auto()
    """More bytes come than the object has."""
    DAMAGED = auto()
    """One bit changes on the way."""
    MISPLACED = auto()
    """Bytes of another place than was asked for."""
    OTHER = auto()
    """Another object, by its ETag."""
    MOVED = auto()
    """A redirect to another server."""


class GetProxy:
    """Forwards to S3. `faults` are what happens to its next requests, in this order."""

    def __init__(self, target: str) -> None:
        self.url = ""
        self.faults: list[Get] = []
        self.ranges: list[str] = []
        """The range that each request asked for."""
        self.received: list[web.Request] = []
        self.before: Callable[[int], Awaitable[None]] | None = None
        """Called before the request of this number, which starts at 1, is forwarded."""
        self._target = target

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[GetProxy]:
        """Serves on a free port until the block ends."""
        async with aiohttp.ClientSession(auto_decompress=False) as self._http, served(self._handle) as self.url:
            yield self

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        self.received.append(request)
        self.ranges.append(request.headers.get("Range", ""))
        if self.before is not None:
            await self.before(len(self.received))
        fault = self.faults.pop(0) if self.faults else None
        match fault:
            case Get.SILENT:
                await asyncio.Event().wait()
            case Get.BUSY:
                return s3_error(503, "SlowDown")
            case Get.EXPIRED:
                return s3_error(403, "AccessDenied")
            case Get.MOVED:
                return web.Response(status=307, headers={"Location": "http://127.0.0.1:9/"})
        status, headers, body = await self._forward(request, whole=fault is Get.WHOLE)
        if status not in (200, 206):
            return web.Response(status=status, headers=headers, body=body)
        size = len(body)
        match fault:
            case Get.CUT | Get.STALL:
                body = body[: size // 2]
            case Get.SHORT:
                body, size = body[: size // 2], size // 2
            case Get.LONGER:
                body, size = body + b"more", size + 4
            case Get.DAMAGED:
                body = body[:-1] + bytes([body[-1] ^ 1])
            case Get.MISPLACED:
                status, headers["Content-Range"] = 206, f"bytes 7-{size + 6}/{size + 7}"
            case Get.OTHER:
                headers["ETag"] = '"another"'
        response = web.StreamResponse(status=status, headers=headers)
        response.content_length = size
        await response.prepare(request)
        await response.write(body)
        if fault is Get.STALL:
            await asyncio.Event().wait()
        if fault is Get.CUT:
            assert request.transport is not None
            # What is written is sent, and then the connection ends.
            request.transport.close()
        return response

    async def _forward(self, request: web.Request, *, whole: bool) -> tuple[int, dict[str, str], bytes]:
        names = ("If-Match",) if whole else ("If-Match", "Range")
        headers = {name: request.headers[name] for name in names if name in request.headers}
        url = URL(self._target + request.raw_path, encoded=True)
        async with self._http.get(url, headers=headers) as answer:
            kept = {name: answer.headers[name] for name in ("ETag", "Content-Range") if name in answer.headers}
            return answer.status, kept, await answer.read()
