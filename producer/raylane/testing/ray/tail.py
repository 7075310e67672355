"""Sends the log of a job over a websocket, from its beginning until the job has ended."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Final

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_LOOK_EVERY_S: Final = 0.01
_FRAME_LINES: Final = 10
_FRAME_CHARS: Final = 20_000
_LARGEST_FRAME_BYTES: Final = 4 * 1024 * 1024
_LINE: Final = re.compile(r"[^\n]*\n|[^\n]+")


async def tail(request: web.Request, look: Callable[[], tuple[str, bool] | None]) -> web.StreamResponse:
    """Sends the log until the job has ended, then closes the websocket with 1000.

    `look` returns the output so far and whether the job has ended, or None if the head was restarted meanwhile: then
    the connection is cut. As in Ray, 1000 also follows if the log is not UTF-8, or a line is too long to be sent.
    """
    socket = web.WebSocketResponse()
    if not socket.can_prepare(request).ok:
        raise web.HTTPInternalServerError(reason="WebSocket proxy error")
    await socket.prepare(request)
    sent = 0
    has_ended = False
    # Like Ray, this never reads from its client, so a client that closes first gets no answer.
    while not has_ended and request.transport is not None and not request.transport.is_closing():
        seen = look()
        if seen is None:
            request.transport.abort()
            return socket
        text, has_ended = seen
        frames = list(_frames(text[sent:])) if is_readable(text) else [None]
        for frame in frames:
            if frame is None or len(frame.encode()) > _LARGEST_FRAME_BYTES:
                await socket.close()
                return socket
            await socket.send_str(frame)
        sent = len(text)
        if not has_ended:
            await asyncio.sleep(_LOOK_EVERY_S)
    await socket.close()
    return socket


def is_readable(text: str) -> bool:
    """Whether the output of a job is UTF-8. Ray cannot read a log that is not."""
    return text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)


def _frames(text: str) -> Iterator[str]:
    """Yields ten lines at a time, or fewer once they exceed 20,000 characters. Never splits a line."""
    lines: list[str] = []
    for line in _LINE.findall(text):
        lines.append(line)
        if len(lines) == _FRAME_LINES or sum(map(len, lines)) > _FRAME_CHARS:
            yield "".join(lines)
            lines = []
    if lines:
        yield "".join(lines)
