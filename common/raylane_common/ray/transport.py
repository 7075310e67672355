"""One HTTP exchange with one address: its outcome is either an answer of Ray's or a fault of the path."""

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
from raylane_common.ray.answers import Answer, FaultKind, PathFault, path_fault, shorten
from raylane_common.ray.bodies import STEP_BYTES, parse_json
from raylane_common.retry_after import parse_retry_after
from raylane_common.tls import keepalive_options

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from pydantic import JsonValue

    from raylane_common.ray.addresses import Address

# The list of runs has 1 to 2 KB for each run of the cluster's history, so this suffices for more than 10,000 runs.
MAX_ANSWER_BYTES: Final = 32 * 1024 * 1024
# For all answers except lists and logs. The longest is a run with its environment and a message of 20,000 characters.
_SHORT_ANSWER_BYTES: Final = 4 * 1024 * 1024
# Ray sends no longer frame; a longer line ends its websocket.
MAX_FRAME_BYTES: Final = 4 * 1024 * 1024

_CHUNK_BYTES: Final = 64 * 1024
# Ray compresses nothing, and nothing is decompressed: a few kilobytes could become gigabytes and block the event loop.
_UNCOMPRESSED: Final = "identity"
# aiohttp rounds longer timeouts up to whole seconds of its clock: 5 s would become up to 6 s.
_NEVER_ROUND_S: Final = 1e9
# Ray never answers the closing handshake of a client, so waiting longer gains nothing.
_CLOSING: Final = aiohttp.ClientWSTimeout(ws_close=0.2)
# A follower of a log notices a dead peer after 25 s, even if there is no second address to compare with.
_KEEPALIVE: Final = keepalive_options(idle_s=10, interval_s=5, probes=3)


@dataclass(frozen=True, slots=True)
class Request:
    """An HTTP request, and how to recognize a good answer to it. `operation` is its name in metrics.

    A good answer is exactly the bytes `says`, or JSON of the shape that `key` describes, as in `signature.has_shape`.
    With `is_long`, it may have 32 MiB, because it grows with the cluster's history or a run's output. With
    `tail_bytes`, only so many bytes from its end are kept.
    """

    operation: str
    method: Literal["GET", "POST", "PUT", "DELETE"]
    path: str
    json: JsonValue = None
    data: bytes | None = None
    key: str | None = None
    says: bytes | None = None
    is_long: bool = False
    tail_bytes: int | None = None

    @property
    def is_small(self) -> bool:
        """Whether its duration depends on the path rather than on the size of the body."""
        return self.tail_bytes is None and self.data is None


class Transport:
    """One HTTP session for all addresses. It belongs to the event loop of its first request."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None
        self._websockets: aiohttp.ClientSession | None = None

    async def send(self, address: Address, request: Request, limit: asyncio.Timeout) -> Answer:
        """Returns Ray's answer, whatever its status. `limit` bounds the exchange and is entered here.

        Raises `PathFault`, `RayServerError` for a body that is too long, and `InvalidRequest` for a token file that
        cannot be read.
        """
        started = time.monotonic()
        # The fault is raised outside of the try block: aiohttp's exceptions may carry the headers of the request, and
        # so the token, which must not be attached to our error as its context.
        try:
            async with limit:
                return await self._exchange(address, request)
        except PathFault as error:
            fault = error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            fault = _fault(error, time.monotonic() - started, address.connect_timeout_s)
        fault.elapsed_s = time.monotonic() - started
        raise fault

    async def frames(
        self, address: Address, path: str, timeout_s: float, broken: asyncio.Event
    ) -> AsyncGenerator[str, None]:
        """Yields the text frames of a websocket until Ray closes it in order. Raises `PathFault` if it ends otherwise.

        `timeout_s` is for the handshake. Afterwards Ray may be silent until `broken` says that the path is broken.
        """
        try:
            async with asyncio.timeout(timeout_s):
                opened = await self._following().ws_connect(
                    address.url + path,
                    headers=address.token.header(),
                    ssl=address.tls,
                    max_msg_size=MAX_FRAME_BYTES,
                    timeout=_CLOSING,
                )
            async with opened as websocket:
                _keep_alive(websocket)
                while (message := await _receive(websocket, broken)).type is aiohttp.WSMsgType.TEXT:
                    yield message.data
                if websocket.close_code == aiohttp.WSCloseCode.OK:
                    return
                fault = PathFault(FaultKind.LOST, f"connection lost (websocket closed with {websocket.close_code})")
        except PathFault as error:
            fault = error
        except aiohttp.WSServerHandshakeError as error:
            fault = PathFault(FaultKind.LOST, f"no websocket: answered {error.status}")
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            fault = _fault(error, timeout_s, address.connect_timeout_s)
        raise fault

    async def aclose(self) -> None:
        """Closes every connection."""
        for session in (self._websockets, self._session):
            if session is not None:
                await session.close()

    async def _exchange(self, address: Address, request: Request) -> Answer:
        async with self._opened().request(
            request.method,
            address.url + request.path,
            json=request.json,
            # aiohttp sends a stream in pieces, so that a large package does not hold up the event loop.
            data=None if request.data is None else BytesIO(request.data),
            headers=address.token.header(),
            ssl=address.tls,
            allow_redirects=False,
            timeout=_connect_timeout(address.connect_timeout_s),
        ) as response:
            status, headers = response.status, response.headers
            encoding = headers.get("Content-Encoding", _UNCOMPRESSED)
            if encoding.lower() != _UNCOMPRESSED:
                raise PathFault(FaultKind.NOT_RAY, f"not Ray: answered {status} in {encoding}, which was not asked for")
            body, truncated = await _read(response, request)
        retry_after_s = parse_retry_after(headers.get("Retry-After"), headers.get("Date")) if status >= 400 else None
        if fault := path_fault(status, response.content_type, body, retry_after_s=retry_after_s):
            raise fault
        data: JsonValue = None
        if truncated and request.tail_bytes is None:
            raise _too_long(address, request)
        if status == 200 and not truncated:
            data = await _parse(request, body)
        return Answer(
            endpoint=address.name,
            status=status,
            body=body,
            data=data,
            truncated=truncated,
            retry_after_s=retry_after_s,
        )

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            # No limit of connections: waiting for a free one would look like a dead address.
            connector = aiohttp.TCPConnector(limit=0, timeout_ceil_threshold=_NEVER_ROUND_S)
            self._session = _new_session(connector, owns_connector=True)
        return self._session

    def _following(self) -> aiohttp.ClientSession:
        """Returns a session for websockets. It shares the connections, and refuses redirects, which aiohttp follows."""
        if self._websockets is None:
            tracing = aiohttp.TraceConfig()
            tracing.on_request_redirect.append(_refuse_redirect)
            self._websockets = _new_session(self._opened().connector, tracing, owns_connector=False)
        return self._websockets


def _new_session(
    connector: aiohttp.BaseConnector | None, *tracing: aiohttp.TraceConfig, owns_connector: bool
) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=connector,
        connector_owner=owns_connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"User-Agent": "raylane", "Accept-Encoding": _UNCOMPRESSED},
        auto_decompress=False,
        trust_env=False,
        trace_configs=list(tracing),
    )


async def _refuse_redirect(*_: object) -> None:
    raise PathFault(FaultKind.NOT_RAY, "not Ray: answered with a redirect")


async def _receive(websocket: aiohttp.ClientWebSocketResponse, broken: asyncio.Event) -> aiohttp.WSMessage:
    """Returns the next message. Raises `PathFault` once the path is broken.

    A heartbeat would not show that: Ray never reads from its followers and answers no ping. See docs/decisions/0008.
    """
    receiving, breaking = asyncio.ensure_future(websocket.receive()), asyncio.ensure_future(broken.wait())
    try:
        await asyncio.wait({receiving, breaking}, return_when=asyncio.FIRST_COMPLETED)
        if receiving.done():
            return receiving.result()
        raise PathFault(FaultKind.LOST, "silent, and another address answers")
    finally:
        for task in (receiving, breaking):
            task.cancel()
        await asyncio.gather(receiving, breaking, return_exceptions=True)


def _keep_alive(websocket: aiohttp.ClientWebSocketResponse) -> None:
    """Lets the system notice a dead peer. With a single address, no probe of another address would."""
    connection = websocket.get_extra_info("socket")
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in _KEEPALIVE.items():
            connection.setsockopt(socket.IPPROTO_TCP, option, value)


@cache
def _connect_timeout(seconds: float) -> aiohttp.ClientTimeout:
    # The caller's limit bounds the rest of the exchange, so that one timer suffices.
    return aiohttp.ClientTimeout(connect=seconds, sock_connect=seconds, ceil_threshold=_NEVER_ROUND_S)


async def _read(response: aiohttp.ClientResponse, request: Request) -> tuple[bytes, bool]:
    """Returns a body, and whether there was more of it: its last part if only that is wanted, else its beginning."""
    tail_bytes = request.tail_bytes if response.status == 200 else None
    limit_bytes = tail_bytes or (MAX_ANSWER_BYTES if request.is_long else _SHORT_ANSWER_BYTES)
    length = response.content_length
    if length is not None and length <= min(limit_bytes, _CHUNK_BYTES):
        return await response.read(), False
    kept = bytearray()
    truncated = False
    async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
        kept += chunk
        if len(kept) > limit_bytes:
            truncated = True
            if tail_bytes is None:
                break
            del kept[:-limit_bytes]
    return bytes(kept), truncated


async def _parse(request: Request, body: bytes) -> JsonValue:
    if request.says is not None:
        if body != request.says:
            raise PathFault(FaultKind.NOT_RAY, f"not Ray: answered 200 with another text, {shorten(body)}")
        return None
    if len(body) <= STEP_BYTES:
        return parse_json(body, request.key)
    return await asyncio.to_thread(parse_json, body, request.key)


def _too_long(address: Address, request: Request) -> Exception:
    """Returns an error of Ray's if its answer may be that long, else a fault of the path: something else answered."""
    if not request.is_long:
        return PathFault(FaultKind.NOT_RAY, f"not Ray: answered with more than {_SHORT_ANSWER_BYTES} bytes")
    return RayServerError(
        f"Ray's {address.name} endpoint answered {request.method} {request.path} with more than "
        f"{MAX_ANSWER_BYTES} bytes",
        retryable=False,
        details={"endpoint": address.name, "limit_bytes": MAX_ANSWER_BYTES},
    )


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
