"""Connections to the in-process Redis, for one event loop after another: a producer may outlive the loop of a test."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from redis.asyncio import ConnectionPool

from raylane_common.errors import InvalidRequest

if TYPE_CHECKING:
    from redis.asyncio.connection import AbstractConnection


class LoopPool(ConnectionPool):
    """Has a pool of connections for the running event loop, and a new one when another loop follows."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._of_loop: ConnectionPool | None = None

    async def get_connection(self, *_: Any, **__: Any) -> AbstractConnection:
        """Returns a connection of the running loop. Raises `InvalidRequest` if another one still uses the producer."""
        connection: AbstractConnection = await self._entered().get_connection()
        return connection

    async def release(self, connection: AbstractConnection) -> None:
        """Returns a connection. One of a loop that has ended is dropped."""
        of_loop = self._entered()
        if connection in of_loop._in_use_connections:
            await of_loop.release(connection)

    async def disconnect(self, inuse_connections: bool = True) -> None:
        """Closes the connections of the running loop."""
        await self._entered().disconnect(inuse_connections)

    def _entered(self) -> ConnectionPool:
        running = asyncio.get_running_loop()
        if self._of_loop is not None and self._loop is running:
            return self._of_loop
        if self._loop is not None and self._loop.is_running():
            problem = "it is used in an event loop that still runs, in another thread"
            raise InvalidRequest.field("producer", f"{problem}; make one MemoryProducer for each")
        self._loop = running
        self._of_loop = ConnectionPool(connection_class=self.connection_class, **self.connection_kwargs)
        return self._of_loop
