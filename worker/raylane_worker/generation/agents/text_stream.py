"""What a model says on its way to those who follow the job: in pieces worth an event, and not without end."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from raylane_common.errors import QueueUnavailable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

PIECE_BYTES: Final = 1024
MAX_BYTES: Final = 64 * 1024
_FIRST_PAUSE_S: Final = 0.25
_LONGEST_PAUSE_S: Final = 2.0
# A send that fails has waited for seconds, and the model with it.
_PAUSE_AFTER_FAILURE_S: Final = 20.0

logger = logging.getLogger("raylane.generation")


class TextStream:
    """Collects text and passes it to `send` a KiB at a time, or what came within a quarter of a second to two seconds.

    After 64 KiB nothing more is sent.
    """

    def __init__(self, send: Callable[[str], Awaitable[None]]) -> None:
        self._send = send
        self._pending = b""
        self._taken_bytes = 0
        self._between_lines = False
        self._held_back = False
        self._pause_s = _FIRST_PAUSE_S
        self._next_at = 0.0

    async def add(self, text: str) -> None:
        """Takes some more text, and sends if it is time to. Raises what `send` raises, but for `QueueUnavailable`."""
        if text and self._between_lines:
            text, self._between_lines = "\n" + text, False
        taken = text.encode(errors="replace")[: MAX_BYTES - self._taken_bytes]
        self._taken_bytes += len(taken)
        self._pending += taken
        is_full = len(self._pending) >= PIECE_BYTES and not self._held_back
        if is_full or asyncio.get_running_loop().time() >= self._next_at:
            await self.flush()

    def end_line(self) -> None:
        """Keeps what has been said apart from what comes next."""
        self._between_lines = self._taken_bytes > 0

    async def flush(self) -> None:
        """Sends what has been collected. While Redis is away it is kept for the next time: an answer costs more."""
        # What is cut off within a character was cut by the limit, so nothing follows that could complete it.
        piece = self._pending.decode(errors="ignore")
        if not piece:
            return
        try:
            await self._send(piece)
        except QueueUnavailable as error:
            logger.warning("words of the model are held back: %s", error)
            self._held_back = True
            self._next_at = asyncio.get_running_loop().time() + _PAUSE_AFTER_FAILURE_S
        else:
            self._pending, self._held_back = b"", False
            self._next_at = asyncio.get_running_loop().time() + self._pause_s
            self._pause_s = min(self._pause_s * 1.2, _LONGEST_PAUSE_S)
