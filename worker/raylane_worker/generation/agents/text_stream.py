"""Collects the text that a model streams into larger pieces, and limits its total size."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from raylane_common.backoff import Backoff
from raylane_common.errors import QueueUnavailable
from raylane_common.logs import get_logger

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

# An event per word would cost a round trip to Redis per word.
PIECE_BYTES: Final = 1024
# Enough for all turns of a version; a model that repeats itself would otherwise fill Redis.
MAX_BYTES: Final = 64 * 1024
# The first words should appear at once; a long answer may come in larger pieces.
_FIRST_PAUSE_S: Final = 0.25
_LONGEST_PAUSE_S: Final = 2.0
# A failed send has already waited for seconds, and has delayed the model.
_PAUSE_AFTER_FAILURE_S: Final = 20.0

logger = get_logger("raylane.generation")


class TextStream:
    """Collects text and passes it to `send` once there is 1 KiB, or once the pause since the last piece is over.

    The pause grows from a quarter of a second to two seconds. Text beyond 64 KiB is dropped.
    """

    def __init__(self, send: Callable[[str], Awaitable[None]]) -> None:
        self._send = send
        self._pending = b""
        self._taken_bytes = 0
        self._at_line_end = False
        self._failed = False
        self._pauses = Backoff(_FIRST_PAUSE_S, _LONGEST_PAUSE_S, factor=1.2)
        self._next_at = 0.0

    async def add(self, text: str) -> None:
        """Adds text, and sends if a piece is due. Raises what `send` raises, except `QueueUnavailable`."""
        if text and self._at_line_end:
            text, self._at_line_end = "\n" + text, False
        taken = text.encode(errors="replace")[: MAX_BYTES - self._taken_bytes]
        self._taken_bytes += len(taken)
        self._pending += taken
        is_full = len(self._pending) >= PIECE_BYTES and not self._failed
        if is_full or asyncio.get_running_loop().time() >= self._next_at:
            await self.flush()

    def end_line(self) -> None:
        """Starts a new line with the next text."""
        self._at_line_end = self._taken_bytes > 0

    async def flush(self) -> None:
        """Sends all collected text. If Redis does not answer, keeps it for the next flush instead of failing."""
        # Only the limit can cut within a character, so the rest of that character never comes.
        piece = self._pending.decode(errors="ignore")
        if not piece:
            return
        try:
            await self._send(piece)
        except QueueUnavailable as error:
            logger.warning("the model's text is held back until Redis answers again: %s", error)
            self._failed = True
            self._next_at = asyncio.get_running_loop().time() + _PAUSE_AFTER_FAILURE_S
        else:
            self._pending, self._failed = b"", False
            self._next_at = asyncio.get_running_loop().time() + self._pauses.next_s()
