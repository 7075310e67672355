"""Ends the waiting of a call whose client has cancelled it, where every request is served on its own.

Over stdin and stdout, and for clients that keep a connection for each call, the protocol's package does this itself.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import anyio
from mcp.shared.exceptions import MCPError

if TYPE_CHECKING:
    from collections.abc import Iterator

SESSION_HEADER: Final = "mcp-session-id"
"""The header by which a client shows which of its requests belong together. The server remembers none of them."""
# What the protocol's package answers where it cancels a request itself.
_REQUEST_CANCELLED: Final = -32800

Key = tuple[str, str, str]
"""A request: its caller, the client's own id of the connection, and the id of the request there."""


class Waits:
    """The calls that one process serves now."""

    def __init__(self) -> None:
        self._open: dict[Key, anyio.CancelScope] = {}

    @contextmanager
    def of(self, key: Key | None) -> Iterator[None]:
        """Raises the protocol's error for a cancelled request if the call is cancelled within the block."""
        if key is None or key in self._open:
            yield
            return
        with anyio.CancelScope() as scope:
            self._open[key] = scope
            try:
                yield
            finally:
                del self._open[key]
        if scope.cancelled_caught:
            raise MCPError(_REQUEST_CANCELLED, "Request cancelled")

    def cancel(self, key: Key) -> None:
        """Ends the waiting of a call. Its job continues. Nothing happens if there is no such call."""
        if key in self._open:
            self._open[key].cancel()
