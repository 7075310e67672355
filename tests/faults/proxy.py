"""A TCP proxy that tests can break like a dead route, a firewall that lost its table, a cut cable or a closed port."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from raylane_worker.embedded import HOST

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_CHUNK_BYTES = 64 * 1024


@dataclass(eq=False)
class _Connection:
    """A client's connection, and the proxy's own to the server."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter | None = None
    forgotten: bool = False

    def abort(self) -> None:
        for writer in filter(None, (self.client, self.server)):
            writer.transport.abort()


class Proxy:
    """Forwards `proxy.port` to `port` on loopback until a test breaks it: `async with Proxy(port) as proxy`."""

    port: int

    def __init__(self, port: int) -> None:
        self._target = port
        self._connections: set[_Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._asking = asyncio.Event()
        self._answering = asyncio.Event()
        self._refusing = False
        self._left_bytes: int | None = None
        self.sent_bytes = 0
        """Sent by clients so far."""
        self.mend()

    @property
    def url(self) -> str:
        """As a Redis URL."""
        return f"redis://{HOST}:{self.port}/0"

    @property
    def is_frozen(self) -> bool:
        return not self._asking.is_set()

    @property
    def is_used(self) -> bool:
        """Whether a client is connected, or its data is still being forwarded."""
        return bool(self._connections)

    def freeze(self) -> None:
        """A dead route: nothing arrives and nothing is refused. As with TCP, data sent now arrives after `mend`."""
        self._asking.clear()
        self._answering.clear()

    def hold_answers(self) -> None:
        """A route that is dead in one direction: the server receives everything, and its answers do not arrive."""
        self._answering.clear()

    def freeze_after(self, sent_bytes: int) -> None:
        """Freezes once clients have sent this many more bytes."""
        self._left_bytes = sent_bytes

    def forget(self) -> None:
        """A firewall that lost its table: open connections are dead from now on, new ones work."""
        for connection in self._connections:
            connection.forgotten = True

    def cut(self) -> None:
        """Ends every open connection at once."""
        for connection in self._connections:
            connection.abort()

    def refuse(self) -> None:
        """Ends every open connection and every new one at once."""
        self._refusing = True
        self.cut()

    def mend(self) -> None:
        """Repairs the proxy after any of these faults."""
        self._left_bytes = None
        self._refusing = False
        self._asking.set()
        self._answering.set()

    async def __aenter__(self) -> Self:
        self._listener = await asyncio.start_server(self._accept, HOST, 0)
        self.port = self._listener.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._listener.close()
        self.cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._lead(_Connection(writer), reader))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _lead(self, connection: _Connection, reader: asyncio.StreamReader) -> None:
        self._connections.add(connection)
        try:
            if not self._refusing:
                await self._asking.wait()
                await self._serve(connection, reader)
        except* OSError:
            pass  # one side has closed the connection
        finally:
            connection.abort()
            self._connections.discard(connection)

    async def _serve(self, connection: _Connection, reader: asyncio.StreamReader) -> None:
        server_reader, connection.server = await asyncio.open_connection(HOST, self._target)
        questions = self._pump(connection, self._counted(reader), connection.server, self._asking)
        answers = self._pump(connection, _read(server_reader), connection.client, self._answering)
        async with asyncio.TaskGroup() as both:
            both.create_task(questions)
            both.create_task(answers)

    async def _pump(
        self, connection: _Connection, parts: AsyncIterator[bytes], writer: asyncio.StreamWriter, gate: asyncio.Event
    ) -> None:
        async for part in parts:
            await gate.wait()
            if not connection.forgotten:
                writer.write(part)
                await writer.drain()
        await gate.wait()
        if not connection.forgotten:
            writer.write_eof()

    async def _counted(self, reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
        """Yields what clients send, and freezes after the bytes that `freeze_after` was given."""
        async for part in _read(reader):
            self.sent_bytes += len(part)
            if self._left_bytes is not None:
                passed, part = part[: self._left_bytes], part[self._left_bytes :]
                yield passed
                self._left_bytes -= len(passed)
                if part:
                    self._left_bytes = None
                    self.freeze()
            yield part


async def _read(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    while part := await reader.read(_CHUNK_BYTES):
        yield part
