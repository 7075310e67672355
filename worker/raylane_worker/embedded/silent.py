"""An address that does not answer, to show and to test what a dead endpoint costs."""

from __future__ import annotations

import asyncio
import socket
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final, Self

from raylane_common.errors import EmbeddedError
from raylane_worker.embedded.child import HOST

if TYPE_CHECKING:
    from types import TracebackType

_SILENT_MOST_FILLERS: Final = 16
_SILENT_PROBE_S: Final = 0.25


class SilentEndpoint:
    """An address of loopback that takes no connection and refuses none, like a host behind a broken route.

    `async with SilentEndpoint() as endpoint`; a connect to `endpoint.url` gets no answer for as long as the block runs.
    Entering raises `EmbeddedError` where the system answers all the same.
    """

    url: str
    port: int

    def __init__(self) -> None:
        self._sockets = ExitStack()

    async def __aenter__(self) -> Self:
        """Fills the queue of a listener that nobody serves, until a connect stays without an answer."""
        listener = self._sockets.enter_context(socket.socket())
        listener.bind((HOST, 0))
        listener.listen(0)
        self.port = int(listener.getsockname()[1])
        self.url = f"http://{HOST}:{self.port}"
        try:
            for _ in range(_SILENT_MOST_FILLERS):
                if not await self._answers():
                    return self
        except BaseException:
            self._sockets.close()
            raise
        self._sockets.close()
        raise EmbeddedError("this system answers connects to a full listener", details={"part": "silent endpoint"})

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Closes the listener and what fills it."""
        self._sockets.close()

    async def _answers(self) -> bool:
        """Whether one more connect succeeds; it is kept, since it takes a place in the queue."""
        filler = self._sockets.enter_context(socket.socket())
        filler.setblocking(False)
        try:
            async with asyncio.timeout(_SILENT_PROBE_S):
                await asyncio.get_running_loop().sock_connect(filler, (HOST, self.port))
        except TimeoutError:
            return False
        return True
