"""The server behind the addresses: one process that answers GET /api/version as a Ray head does, or fails.

`python -m tests.bench.ray.server <host> <with a hole: 0 or 1>` prints its ports as one JSON line. It ends when its
standard input does; any line before that fills the hole in. Standard library only, since what is measured is the
client: this server must cost next to nothing.
"""

from __future__ import annotations

import asyncio
import json
import selectors
import socket
import sys
import time
from typing import TYPE_CHECKING, Final

from tests.bench.ray.cases import ANSWER_S, BLACK_HOLE, HEALTHY, HTTP_503, INSTANT, NEVER_ANSWERS, REFUSED

if TYPE_CHECKING:
    from collections.abc import Callable

_BACKLOG: Final = 1024
_HEAD: Final = "Date: Thu, 01 Jan 2026 00:00:00 GMT\r\nServer: bench\r\n"
_SESSION: Final = "session_2026-01-01_00-00-00_000000_1"


def _answer(status: str, kind: str, body: str) -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}; charset=utf-8\r\nContent-Length: {len(body)}\r\n{_HEAD}"
    return f"{head}\r\n{body}".encode()


_VERSION: Final = {"version": "4", "ray_version": "2.60.0", "ray_commit": "0" * 40, "session_name": _SESSION}
_GOOD: Final = _answer("200 OK", "application/json", json.dumps(_VERSION))
_TOKEN: Final = _answer("200 OK", "application/json", json.dumps({"authentication_mode": "token"}))
_BAD: Final = _answer("503 Service Unavailable", "text/plain", "no healthy upstream")


class _Connection(asyncio.Protocol):
    """Gives every request the same answer after a while; none if there is no answer."""

    def __init__(self, answer: bytes | None, after_s: float) -> None:
        self._answer = answer
        self._after_s = after_s
        self._read = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        *requests, self._read = (self._read + data).split(b"\r\n\r\n")
        for request in requests:
            if self._answer is None:
                continue
            # As a head with token authentication does, so that our client does not warn about it.
            answer = _TOKEN if request.startswith(b"GET /api/authentication_mode ") else self._answer
            if self._after_s:
                asyncio.get_running_loop().call_later(self._after_s, self._write, answer)
            else:
                self._write(answer)

    def _write(self, answer: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(answer)


class _Hole:
    """A listening socket whose queue is full: connecting to it neither works nor fails, as with a dead address."""

    def __init__(self, host: str) -> None:
        self.socket = socket.socket()
        self.socket.setblocking(False)
        self.socket.bind((host, 0))
        self.socket.listen(0)
        self._fillers = [socket.socket() for _ in range(3)]
        for filler in self._fillers:
            filler.setblocking(False)
            filler.connect_ex(self.socket.getsockname())

    async def fill_in(self, protocol: Callable[[], asyncio.Protocol]) -> None:
        """Answers new connections from now on."""
        await asyncio.get_running_loop().create_server(protocol, sock=self.socket, backlog=_BACKLOG)
        for filler in self._fillers:
            filler.close()


async def _serve(host: str, *, with_hole: bool) -> None:
    loop = asyncio.get_running_loop()

    def healthy() -> _Connection:
        return _Connection(_GOOD, ANSWER_S)

    protocols: dict[str, Callable[[], asyncio.Protocol]] = {
        HEALTHY: healthy,
        INSTANT: lambda: _Connection(_GOOD, 0.0),
        HTTP_503: lambda: _Connection(_BAD, ANSWER_S),
        NEVER_ANSWERS: lambda: _Connection(None, 0.0),
    }
    ports: dict[str, int] = {}
    for case, protocol in protocols.items():
        server = await loop.create_server(protocol, host, 0, backlog=_BACKLOG)
        ports[case] = server.sockets[0].getsockname()[1]
    # Bound and not listening: connections are refused, and nobody else can take the port.
    refused = socket.socket()
    refused.bind((host, 0))
    ports[REFUSED] = refused.getsockname()[1]
    hole = _Hole(host) if with_hole else None
    if hole is not None:
        ports[BLACK_HOLE] = hole.socket.getsockname()[1]
    print(json.dumps(ports), flush=True)
    commands = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    while await commands.readline():
        if hole is not None:
            await hole.fill_in(healthy)
        print(json.dumps(time.monotonic()), flush=True)
    refused.close()


def _loop() -> asyncio.AbstractEventLoop:
    # select() waits for 3 ms where epoll, which counts whole milliseconds, waits for up to 4.
    return asyncio.SelectorEventLoop(selectors.SelectSelector())


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=_loop) as runner:
        runner.run(_serve(sys.argv[1], with_hole=sys.argv[2] == "1"))
