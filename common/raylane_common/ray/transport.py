"""One HTTP exchange with one endpoint: either Ray's answer or a fault of the path."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from typing import TYPE_CHECKING, Final, Literal

import aiohttp

from raylane_common.errors import RayServerError
from raylane_common.ray.answers import Answer, FaultKind, PathFault, parse_json, path_fault
from raylane_common.retry_after import parse_retry_after

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from pydantic import JsonValue

    from raylane_common.ray.health import Endpoint

MAX_ANSWER_BYTES: Final = 32 * 1024 * 1024
MAX_FRAME_BYTES: Final = 4 * 1024 * 1024

_PARSE_INLINE_BYTES: Final = 256 * 1024
_CHUNK_BYTES: Final = 64 * 1024
# What is compressed may be long whatever its length says.
_CODED: Final = "Content-Encoding"
# aiohttp rounds timeouts above this up to whole seconds of its clock: 5 s would become up to 6 s.
_NEVER_ROUND_S: Final = 1e9
# Ray does not answer who closes first.
_CLOSING: Final = aiohttp.ClientWSTimeout(ws_close=0.2)
_KEEPALIVE: Final = {"TCP_KEEPIDLE": 10, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3}


@dataclass(frozen=True, slots=True)
class Request:
    """What to send. `operation` names it in metrics.

    `tail_bytes`: keep only the last part of a longer answer instead of refusing it. `answers_503`: with this one, 503
    is Ray's own word and no proxy's.
    """

    operation: str
    method: Literal["GET", "POST", "PUT", "DELETE"]
    path: str
    json: JsonValue = None
    data: bytes | None = None
    answers_json: bool = True
    tail_bytes: int | None = None
    answers_503: bool = False

    @property
    def is_small(self) -> bool:
        """Whether the time it takes tells of the path, and not of what is carried over it."""
        return self.tail_bytes is None and self.data is None


class Transport:
    """One HTTP session for all endpoints. It belongs to the event loop of its first request."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None
        self._websockets: aiohttp.ClientSession | None = None

    async def send(self, endpoint: Endpoint, request: Request, limit: asyncio.Timeout) -> Answer:
        """Ray's answer, whatever its status, within a `limit` that is entered here.

        Raises `PathFault`, `RayServerError` for a body that is too long, and `InvalidRequest` for a token file that
        cannot be read.
        """
        started = time.monotonic()
        # A try block around the whole exchange, and the fault raised outside of it: aiohttp's exceptions may carry
        # the request's headers, hence the token, and must not travel as a context.
        try:
            async with limit:
                return await self._exchange(endpoint, request)
        except PathFault as error:
            fault = error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            fault = _fault(error, time.monotonic() - started, endpoint.address.connect_timeout_s)
        fault.elapsed_s = time.monotonic() - started
        raise fault

    async def frames(
        self, endpoint: Endpoint, path: str, timeout_s: float, dead: asyncio.Event
    ) -> AsyncGenerator[str, None]:
        """The text frames of a websocket until Ray closes it in order. Raises `PathFault` if it ends otherwise.

        `timeout_s` is for the handshake. Afterwards the other side may be silent, until `dead` says that the path is.
        """
        try:
            async with asyncio.timeout(timeout_s):
                opened = await self._following().ws_connect(
                    endpoint.address.url + path,
                    headers=endpoint.address.token.header(),
                    ssl=endpoint.address.tls,
                    max_msg_size=MAX_FRAME_BYTES,
                    timeout=_CLOSING,
                )
            async with opened as websocket:
                _keep_alive(websocket)
                while (message := await _receive(websocket, dead)).type is aiohttp.WSMsgType.TEXT:
                    yield message.data
                if websocket.close_code == aiohttp.WSCloseCode.OK:
                    return
                fault = PathFault(FaultKind.LOST, f"connection lost (websocket closed with {websocket.close_code})")
        except PathFault as error:
            fault = error
        except aiohttp.WSServerHandshakeError as error:
            fault = path_fault(error.status, "", b"") or PathFault(
                FaultKind.LOST, f"no websocket: answered {error.status}"
            )
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            fault = _fault(error, timeout_s, endpoint.address.connect_timeout_s)
        raise fault

    async def aclose(self) -> None:
        """Closes every connection."""
        for session in (self._websockets, self._session):
            if session is not None:
                await session.close()

    async def _exchange(self, endpoint: Endpoint, request: Request) -> Answer:
        address = endpoint.address
        async with self._opened().request(
            request.method,
            address.url + request.path,
            json=request.json,
            # Read piece by piece, so that a large package does not hold up the loop.
            data=None if request.data is None else BytesIO(request.data),
            headers=address.token.header(),
            ssl=address.tls,
            allow_redirects=False,
            timeout=_connect_timeout(address.connect_timeout_s),
        ) as response:
            body, truncated = await _read(response, request.tail_bytes or MAX_ANSWER_BYTES)
            status, headers = response.status, response.headers
        retry_after_s = parse_retry_after(headers.get("Retry-After"), headers.get("Date")) if status >= 400 else None
        fault = path_fault(status, response.content_type, body, retry_after_s=retry_after_s)
        if fault is not None and not (request.answers_503 and status == 503):
            raise fault
        if truncated and request.tail_bytes is None:
            raise RayServerError(
                f"Ray's {endpoint.name} endpoint answered {request.method} {request.path} with more than "
                f"{MAX_ANSWER_BYTES} bytes",
                retryable=False,
                details={"endpoint": endpoint.name, "limit_bytes": MAX_ANSWER_BYTES},
            )
        data: JsonValue = None
        if status < 300 and request.answers_json and not truncated:
            data = await asyncio.to_thread(parse_json, body) if len(body) > _PARSE_INLINE_BYTES else parse_json(body)
        return Answer(
            endpoint=endpoint.name,
            status=status,
            body=body,
            data=data,
            truncated=truncated,
            retry_after_s=retry_after_s,
        )

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                # Without a limit of connections, since waiting for one would look like a dead address.
                connector=aiohttp.TCPConnector(limit=0, timeout_ceil_threshold=_NEVER_ROUND_S),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"User-Agent": "raylane"},
                trust_env=False,
            )
        return self._session

    def _following(self) -> aiohttp.ClientSession:
        """The same connections, for websockets: aiohttp follows redirects of their handshakes unless kept from it."""
        if self._websockets is None:
            tracing = aiohttp.TraceConfig()
            tracing.on_request_redirect.append(_refuse_redirect)
            self._websockets = aiohttp.ClientSession(
                connector=self._opened().connector,
                connector_owner=False,
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"User-Agent": "raylane"},
                trust_env=False,
                trace_configs=[tracing],
            )
        return self._websockets


async def _refuse_redirect(*_: object) -> None:
    raise PathFault(FaultKind.NOT_RAY, "not Ray: answered with a redirect")


async def _receive(websocket: aiohttp.ClientWebSocketResponse, dead: asyncio.Event) -> aiohttp.WSMessage:
    """The next message. Raises `PathFault` once the path is dead: Ray answers no pings, and a log may just be quiet."""
    receiving, dying = asyncio.ensure_future(websocket.receive()), asyncio.ensure_future(dead.wait())
    try:
        await asyncio.wait({receiving, dying}, return_when=asyncio.FIRST_COMPLETED)
        if receiving.done():
            return receiving.result()
        raise PathFault(FaultKind.LOST, "silent, and another address answers")
    finally:
        for task in (receiving, dying):
            task.cancel()
        await asyncio.gather(receiving, dying, return_exceptions=True)


def _keep_alive(websocket: aiohttp.ClientWebSocketResponse) -> None:
    """Has the system notice a peer that is gone, for one that is the only address and silent most of the time."""
    connection = websocket.get_extra_info("socket")
    for name, seconds in _KEEPALIVE.items():
        if connection is not None and hasattr(socket, name):
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), seconds)


@cache
def _connect_timeout(seconds: float) -> aiohttp.ClientTimeout:
    # The rest of the exchange is bounded by its caller's limit, which costs one timer instead of two.
    return aiohttp.ClientTimeout(connect=seconds, sock_connect=seconds, ceil_threshold=_NEVER_ROUND_S)


async def _read(response: aiohttp.ClientResponse, limit_bytes: int) -> tuple[bytes, bool]:
    """The last `limit_bytes` of a body, and whether there was more."""
    length = response.content_length
    if length is not None and length <= min(limit_bytes, _CHUNK_BYTES) and _CODED not in response.headers:
        return await response.read(), False
    kept = bytearray()
    truncated = False
    async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
        kept += chunk
        if len(kept) > limit_bytes:
            truncated = True
            del kept[:-limit_bytes]
    return bytes(kept), truncated


def _fault(error: Exception, timeout_s: float, connect_timeout_s: float) -> PathFault:
    match error:
        case aiohttp.ConnectionTimeoutError():
            return PathFault(FaultKind.CONNECT, f"no connection within {connect_timeout_s:g} s")
        case aiohttp.ClientConnectorCertificateError():
            return PathFault(FaultKind.CONNECT, f"TLS: {error.certificate_error}")
        case aiohttp.ClientConnectorDNSError():
            return PathFault(FaultKind.CONNECT, f"name not resolved: {error.os_error.strerror or error.os_error}")
        case aiohttp.ClientConnectorError():
            cause = error.os_error
            text = os.strerror(cause.errno) if cause.errno and cause.errno > 0 else str(cause.strerror or cause)
            return PathFault(FaultKind.CONNECT, f"no connection: {text}")
        case aiohttp.ClientResponseError():
            return PathFault(FaultKind.NOT_RAY, f"not Ray: no valid HTTP ({error.message})")
        case TimeoutError():
            return PathFault(FaultKind.LOST, f"no answer within {timeout_s:.2g} s")
        case _:
            return PathFault(FaultKind.LOST, f"connection lost: {type(error).__name__}")
