"""A path to a Ray address whose connections tests can break; `Address` itself breaks requests."""

from __future__ import annotations

import asyncio
import re
import socket
import struct
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Self

from raylane_worker.embedded import HOST

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable, Coroutine

    from raylane.testing import Address

SERVES: Final = "serves"
"""Prefix of the names of tasks that play a server."""

_CHUNK_BYTES: Final = 64 * 1024
_DRIBBLE_S: Final = 0.02
_MOST_FILLERS: Final = 16
_SILENCE_S: Final = 0.25
# Without lingering, so that the other side gets a reset.
_AT_ONCE: Final = struct.pack("ii", 1, 0)
_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


class RayPath:
    """`async with RayPath(address) as path`: `path.url` leads to the address until a test changes that.

    Requests that are answered here are added to `address.requests`. `received` has all bytes from clients, decrypted;
    `sent_bytes` counts those of endless answers.
    """

    def __init__(
        self, address: Address, *, listener: socket.socket | None = None, tls: ssl.SSLContext | None = None
    ) -> None:
        """`listener`: listens there instead of on a loopback port. `tls`: speaks TLS with this certificate."""
        self.address = address
        self._addresses = [address]
        self.tls = tls
        self.received = b""
        self.sent_bytes = 0
        self._listener = listener or socket.create_server((HOST, 0))
        self._listener.setblocking(False)
        self._name: tuple[str, int] = self._listener.getsockname()
        self._scheme = "http" if tls is None else "https"
        self._silent = False
        self._instead: Callable[[asyncio.StreamWriter], Awaitable[None]] | None = None
        self._fillers: list[socket.socket] = []
        self._accepted: list[socket.socket] = []
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """The URL for clients."""
        return f"{self._scheme}://{self._name[0]}:{self.port}"

    @property
    def port(self) -> int:
        """The port of `url`."""
        return self._name[1]

    @property
    def own_ports(self) -> set[int]:
        """Ports of sockets that belong to no client: this one, those of all addresses behind it, and of the fillers."""
        return {self.port, *map(_port_of, self._addresses), *(int(each.getsockname()[1]) for each in self._fillers)}

    def cut(self) -> None:
        """Resets every open connection. New ones go wherever the path leads now."""
        for writer in self._open:
            _reset(writer)

    def lead_to(self, address: Address) -> None:
        """Leads new connections to another address; open ones stay until they are `cut`."""
        self.address = address
        self._addresses.append(address)

    async def refuse(self) -> None:
        """Refuses new connections; open ones stay until they are `cut`."""
        self._stop_accepting()
        self._listener.close()

    async def fall_silent(self) -> None:
        """Imitates a dead route on loopback: open connections are silent, and new ones are never accepted."""
        self._silent = True
        self._stop_accepting()
        self._listener.listen(0)
        for _ in range(_MOST_FILLERS):
            filler = socket.socket()
            filler.setblocking(False)
            self._fillers.append(filler)
            try:
                async with asyncio.timeout(_SILENCE_S):
                    await asyncio.get_running_loop().sock_connect(filler, self._name)
            except TimeoutError:
                return
        raise AssertionError("this system answers connects to a full listener")

    def dribble(self) -> None:
        """From now on the header of an answer comes byte by byte and never ends."""

        async def answer(writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
            while True:
                writer.write(b"a")
                await writer.drain()
                await asyncio.sleep(_DRIBBLE_S)

        self._instead = answer

    def redirect(self, url: str) -> None:
        """From now on every request is redirected there, with its method and its body."""

        async def answer(writer: asyncio.StreamWriter) -> None:
            head = f"HTTP/1.1 307 Temporary Redirect\r\nLocation: {url}\r\nContent-Length: 0\r\n\r\n"
            writer.write(head.encode())
            await writer.drain()

        self._instead = answer

    def lead_through(self) -> None:
        """From now on requests reach the address again."""
        self._instead = None

    def answer(self, head: bytes, again: bytes = b"", *, closes: bool = False) -> None:
        """From now on every request is answered with `head`, and then with `again` until the client has had enough.

        `closes`: the connection is closed after that, in order.
        """

        async def answer(writer: asyncio.StreamWriter) -> None:
            writer.write(head)
            await writer.drain()
            while again:
                writer.write(again)
                self.sent_bytes += len(again)
                await writer.drain()
            if closes:
                writer.close()

        self._instead = answer

    async def __aenter__(self) -> Self:
        asyncio.get_running_loop().add_reader(self._listener, self._accept)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stop_accepting()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        # Also connections whose task was cancelled before it started.
        for each in (self._listener, *self._fillers, *self._accepted):
            each.close()

    def _start(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name=f"{SERVES} {self.url}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _stop_accepting(self) -> None:
        if self._listener.fileno() != -1:
            asyncio.get_running_loop().remove_reader(self._listener)

    def _accept(self) -> None:
        # Not `loop.sock_accept` in a task: a cancellation that arrives after the accept would lose the socket, and its
        # ResourceWarning would fail whichever test runs when it is collected.
        with suppress(BlockingIOError):
            connection, _ = self._listener.accept()
            connection.setblocking(False)
            self._accepted.append(connection)
            self._start(self._serve(connection))

    async def _serve(self, connection: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader()
        protocol = asyncio.StreamReaderProtocol(reader)
        with suppress(OSError):  # one side is gone, or the TLS handshake failed
            transport, _ = await loop.connect_accepted_socket(lambda: protocol, connection, ssl=self.tls)
            writer = asyncio.StreamWriter(transport, protocol, reader, loop)
            self._open.add(writer)
            try:
                await self._lead(reader, writer)
            finally:
                self._open.discard(writer)
                transport.abort()

    async def _lead(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        onward: asyncio.StreamWriter | None = None
        unanswered = b""
        try:
            while part := await reader.read(_CHUNK_BYTES):
                self.received += part
                if self._silent:
                    continue
                if self._instead is None:
                    if onward is None:
                        answers, onward = await asyncio.open_connection(HOST, _port_of(self.address))
                        self._start(self._pump(answers, writer))
                    onward.write(part)
                    await onward.drain()
                    continue
                unanswered += part
                if _is_whole(unanswered):
                    self.address.requests.append(unanswered.partition(b" HTTP/")[0].decode())
                    unanswered = b""
                    await self._instead(writer)
        finally:
            if onward is not None:
                onward.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while part := await reader.read(_CHUNK_BYTES):
                if not self._silent:
                    writer.write(part)
                    await writer.drain()
        if not self._silent:
            _reset(writer)


def _port_of(address: Address) -> int:
    return int(address.url.rpartition(":")[2])


def _reset(writer: asyncio.StreamWriter) -> None:
    connection: socket.socket | None = writer.get_extra_info("socket")
    if connection is not None and connection.fileno() != -1:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
    writer.transport.abort()


def _is_whole(request: bytes) -> bool:
    head, end, body = request.partition(b"\r\n\r\n")
    length = _LENGTH.search(head)
    return bool(end) and len(body) >= (int(length[1]) if length else 0)
