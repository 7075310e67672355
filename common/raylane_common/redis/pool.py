"""The connection pool of a client, with separate connections for each process and event loop.

An asyncio connection belongs to the loop that opened it, and a forked child inherits its parent's sockets. A connection
that is used from another loop or process fails, or returns an answer that was meant for the other one.
"""

from __future__ import annotations

import asyncio
import os
import weakref
from typing import TYPE_CHECKING, Any, Final

from redis.asyncio import ConnectionPool

from raylane_common.inherited import keep_forever
from raylane_common.redis.retrying import RetryingConnection
from raylane_common.redis.topology import Primary, check_plain, check_primary

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from redis.asyncio.connection import AbstractConnection

    from raylane_common.redis.contact import FirstContact
    from raylane_common.redis.durability import Durability
    from raylane_common.redis.keys import Keys
    from raylane_common.redis.replies import Hello
    from raylane_common.redis.topology import Directory


# After a burst of commands, more connections are open than the usual load needs.
_KEPT_IDLE_S: Final = 60.0


class _LoopConnections:
    """The connections of one event loop. They are closed when the loop ends."""

    def __init__(self, keys: Keys, directory: Directory | None, contact: FirstContact) -> None:
        self.idle: list[RetryingConnection] = []
        self.in_use: set[RetryingConnection] = set()
        self.primary = None if directory is None else Primary(directory, self._cut)
        self.contact = contact
        self._keys = keys
        self._until_loop_ends = self._close_when_loop_ends()

    async def open(self) -> None:
        """Makes the running loop close the connections when it ends, as `asyncio.run` does for async generators."""
        await anext(self._until_loop_ends)

    async def close(self, *, in_use: bool) -> None:
        """Closes the idle connections, and those in use if `in_use` is set."""
        connections = [*self.idle, *(self.in_use if in_use else ())]
        await asyncio.gather(*(connection.disconnect() for connection in connections))

    def check(self, hello: Hello) -> None:
        """Raises `WrongTopology` or `TemporaryRefusal` if a server is not what the URL says."""
        if self.primary is None:
            check_plain(hello, self._keys)
        else:
            check_primary(hello)

    async def drop_idle(self) -> None:
        """Drops the idle connections: a server that is silent on one connection is probably silent on all of them."""
        for connection in self.idle:
            await connection.disconnect(nowait=True)

    def abandon(self) -> None:
        """Gives up the connections without using the loop that opened them."""
        for connection in (*self.idle, *self.in_use):
            connection.abandon()

    def leave_to_parent(self) -> None:
        """Gives up the connections in a forked child."""
        for connection in (*self.idle, *self.in_use):
            keep_forever(connection._writer)
        keep_forever(self)
        self.abandon()

    def _cut(self) -> None:
        for connection in (*self.idle, *self.in_use):
            connection.cut()

    async def _close_when_loop_ends(self) -> AsyncGenerator[None]:
        try:
            yield
        finally:
            await self.close(in_use=True)


class RetryingPool(ConnectionPool):
    """Hands out connections that may not be connected yet: the command connects them, within its own time limit.

    It also holds the keys of its deployment, and what the server must confirm.
    """

    def __init__(
        self,
        keys: Keys,
        durability: Durability,
        directory: Callable[[], Directory | None],
        contact: FirstContact,
        **options: Any,
    ) -> None:
        """`directory` returns what knows the address of the primary; None if it is among the `options`."""
        super().__init__(**options)
        self.keys = keys
        self.durability = durability
        self._directory = directory
        self._contact = contact
        self._process = os.getpid()
        self._by_loop: dict[asyncio.AbstractEventLoop, _LoopConnections] = {}
        _pools.add(self)

    async def get_connection(self, command_name: Any = None, *keys: Any, **options: Any) -> AbstractConnection:
        """Returns a connection that is not known to be dead, without waiting for it to connect."""
        loop = asyncio.get_running_loop()
        if self._process != os.getpid() or loop not in self._by_loop:
            await self._enter(loop)
        mine = self._by_loop[loop]
        connection = mine.idle.pop() if mine.idle else self._new_connection(mine)
        mine.in_use.add(connection)
        reader = connection._reader
        # Bytes that arrived before a command was sent would be taken for its answer.
        if reader is not None and (reader.at_eof() or reader.exception() or not connection._socket_is_empty()):  # type: ignore[no-untyped-call]  # redis-py leaves it untyped
            await connection.disconnect(nowait=True)
        return connection

    async def release(self, connection: AbstractConnection) -> None:
        """Returns a connection to the loop that it belongs to, whichever loop releases it.

        Closes the connection of this loop that has been idle for longest, if that was for more than a minute.
        """
        assert isinstance(connection, RetryingConnection)
        owner = connection.owner
        assert isinstance(owner, _LoopConnections)
        if connection not in owner.in_use:
            return
        owner.in_use.remove(connection)
        loop = asyncio.get_running_loop()
        connection.released_at_s = loop.time()
        owner.idle.append(connection)
        # Commands take the connection that was released last, so the first one has been idle for longest.
        oldest = owner.idle[0]
        if self._by_loop.get(loop) is owner and loop.time() - oldest.released_at_s > _KEPT_IDLE_S:
            owner.idle.remove(oldest)
            await oldest.disconnect(nowait=True)

    async def disconnect(self, inuse_connections: bool = True) -> None:
        """Closes the connections of the running loop, and gives up those of loops that have ended."""
        await self._enter(asyncio.get_running_loop())
        await self._by_loop[asyncio.get_running_loop()].close(in_use=inuse_connections)

    def leave_to_parent(self) -> None:
        """Gives up all connections in a forked child, whose parent still uses them. Else does nothing."""
        if self._process == os.getpid():
            return
        inherited, self._by_loop = list(self._by_loop.values()), {}
        self._process = os.getpid()
        for connections in inherited:
            connections.leave_to_parent()

    def _new_connection(self, owner: _LoopConnections) -> RetryingConnection:
        connection: RetryingConnection = self.make_connection()  # type: ignore[no-untyped-call]  # as above
        connection.owner = owner
        return connection

    async def _enter(self, loop: asyncio.AbstractEventLoop) -> None:
        """Prepares for a process or a loop that the pool has not served yet."""
        self.leave_to_parent()
        # The keys are copied first, because a loop in another thread may change the dictionary.
        for ended in [known for known in list(self._by_loop) if known.is_closed()]:
            connections = self._by_loop.pop(ended, None)
            if connections is not None:
                connections.abandon()
        if loop not in self._by_loop:
            self._by_loop[loop] = _LoopConnections(self.keys, self._directory(), self._contact)
            await self._by_loop[loop].open()


# A child that only ends would finalize the connections of its parent.
_pools: Final[weakref.WeakSet[RetryingPool]] = weakref.WeakSet()


def _leave_all_to_parent() -> None:
    for pool in list(_pools):
        pool.leave_to_parent()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_all_to_parent)
