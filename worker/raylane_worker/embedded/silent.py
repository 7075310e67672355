"""An address that does not answer, for demos and tests of what a dead endpoint costs."""

from __future__ import annotations

import asyncio
import socket
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final, Self

from raylane_common.errors import EmbeddedError
from raylane_worker.embedded.child import HOST

if TYPE_CHECKING:
    from types import TracebackType

# Even with a backlog of 0 the system accepts a few connections; how many depends on the system.
_MOST_CONNECTIONS: Final = 16
# Loopback answers within a millisecond if it answers at all.
_PROBE_S: Final = 0.25


class SilentEndpoint:
    """An address on loopback that neither accepts nor refuses connections, like a host behind a broken route.

    `async with SilentEndpoint() as endpoint`: connecting to `endpoint.url` gets no answer until the block ends.
    Entering raises `EmbeddedError` if this system answers anyway.
    """

    url: str
    port: int

    def __init__(self) -> None:
        self._sockets = ExitStack()

    async def __aenter__(self) -> Self:
        """Fills the backlog of a listener that never accepts, until a connection gets no answer."""
        listener = self._sockets.enter_context(socket.socket())
        listener.bind((HOST, 0))
        listener.listen(0)
        self.port = int(listener.getsockname()[1])
        self.url = f"http://{HOST}:{self.port}"
        try:
            for _ in range(_MOST_CONNECTIONS):
                if not await self._answers():
                    return self
        except BaseException:
            self._sockets.close()
            raise
        self._sockets.close()
        raise EmbeddedError("this system answers connections to a full listener", details={"part": "silent endpoint"})

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Closes the listener and the connections in its backlog."""
        self._sockets.close()

    async def _answers(self) -> bool:
        """Opens one more connection, and returns whether it got an answer; it stays open to fill the backlog."""
        connection = self._sockets.enter_context(socket.socket())
        connection.setblocking(False)
        try:
            async with asyncio.timeout(_PROBE_S):
                await asyncio.get_running_loop().sock_connect(connection, (HOST, self.port))
        except TimeoutError:
            return False
        return True
