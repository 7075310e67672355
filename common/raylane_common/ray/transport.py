"""One HTTP exchange with one endpoint: either Ray's answer or a fault of the path."""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import aiohttp

from raylane_common.errors import InvalidRequest, RayServerError
from raylane_common.ray.answers import Answer, FaultKind, PathFault, parse_json, path_fault
from raylane_common.retry_after import parse_retry_after

if TYPE_CHECKING:
    from pydantic import JsonValue

    from raylane_common.ray.health import Endpoint
    from raylane_common.settings import RaySettings

MAX_ANSWER_BYTES: Final = 32 * 1024 * 1024

_PARSE_INLINE_BYTES: Final = 256 * 1024
_CHUNK_BYTES: Final = 64 * 1024
# aiohttp rounds timeouts above this up to whole seconds of its clock: 5 s would become up to 6 s.
_NEVER_ROUND_S: Final = 1e9


@dataclass(frozen=True, slots=True)
class Request:
    """What to send. `tail_bytes`: keep only the last part of a longer answer instead of refusing it."""

    method: Literal["GET", "POST", "PUT", "DELETE"]
    path: str
    json: JsonValue = None
    data: bytes | None = None
    answers_json: bool = True
    tail_bytes: int | None = None


class Transport:
    """One HTTP session for all endpoints. It belongs to the event loop of its first request."""

    def __init__(self, settings: RaySettings) -> None:
        self._connect_timeout_s = settings.connect_timeout_s
        self._headers = {"User-Agent": "raylane"}
        if token := settings.token.get_secret_value().strip() if settings.token else "":
            if not (token.isascii() and token.isprintable()):
                raise InvalidRequest.field("ray.token", "must be printable ASCII without line breaks")
            self._headers["Authorization"] = f"Bearer {token}"
        self._session: aiohttp.ClientSession | None = None

    async def send(self, endpoint: Endpoint, request: Request, timeout_s: float) -> Answer:
        """Ray's answer, whatever its status. Raises `PathFault`, or `RayServerError` for a body that is too long."""
        started = time.monotonic()
        # A try block around the whole exchange, and the fault raised outside of it: aiohttp's exceptions may carry
        # the request's headers, hence the token, and must not travel as a context.
        try:
            return await self._exchange(endpoint, request, timeout_s)
        except PathFault as error:
            fault = error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            fault = _fault(error, timeout_s=timeout_s, connect_timeout_s=self._connect_timeout_s)
        fault.elapsed_s = time.monotonic() - started
        raise fault

    async def aclose(self) -> None:
        """Closes every connection."""
        if self._session is not None:
            await self._session.close()

    async def _exchange(self, endpoint: Endpoint, request: Request, timeout_s: float) -> Answer:
        timeout = aiohttp.ClientTimeout(
            total=timeout_s,
            connect=self._connect_timeout_s,
            sock_connect=self._connect_timeout_s,
            ceil_threshold=_NEVER_ROUND_S,
        )
        async with self._opened().request(
            request.method,
            endpoint.url + request.path,
            json=request.json,
            data=request.data,
            allow_redirects=False,
            timeout=timeout,
        ) as response:
            body, truncated = await _read(response.content, request.tail_bytes or MAX_ANSWER_BYTES)
            status, content_type = response.status, response.content_type
            retry_after_s = parse_retry_after(response.headers.get("Retry-After"), response.headers.get("Date"))
        fault = path_fault(status, content_type, body, retry_after_s=retry_after_s)
        if fault is not None:
            raise fault
        if truncated and request.tail_bytes is None:
            raise RayServerError(
                f"Ray's {endpoint.name} endpoint answered {request.method} {request.path} with more than "
                f"{MAX_ANSWER_BYTES} bytes",
                retryable=False,
                details={"endpoint": endpoint.name},
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
                headers=self._headers,
                trust_env=False,
            )
        return self._session


async def _read(content: aiohttp.StreamReader, limit_bytes: int) -> tuple[bytes, bool]:
    """The last `limit_bytes` of a body, and whether there was more."""
    kept = bytearray()
    truncated = False
    async for chunk in content.iter_chunked(_CHUNK_BYTES):
        kept += chunk
        if len(kept) > limit_bytes:
            truncated = True
            del kept[:-limit_bytes]
    return bytes(kept), truncated


def _fault(error: Exception, *, timeout_s: float, connect_timeout_s: float) -> PathFault:
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
