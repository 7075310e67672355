"""Answers that are sent piece by piece, and leave nothing open when a client goes away."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import StreamingResponse

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from starlette.types import Receive, Scope, Send


class Streamed(StreamingResponse):
    """Sends what a generator yields, and closes the generator however that ends."""

    def __init__(
        self,
        pieces: AsyncGenerator[bytes, None],
        media_type: str,
        headers: Mapping[str, str] | None = None,
        *,
        first: bytes | None = None,
    ) -> None:
        """With `first`, that is sent before everything else."""
        super().__init__(pieces if first is None else _preceded(first, pieces), media_type=media_type, headers=headers)
        self._pieces = pieces

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends the answer."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._pieces.aclose()


async def begun(
    pieces: AsyncGenerator[bytes, None], media_type: str, headers: Mapping[str, str] | None = None
) -> Streamed:
    """Returns the answer as soon as its first piece is there, so that an error comes before the answer begins."""
    try:
        first = await anext(pieces, b"")
    except BaseException:
        await pieces.aclose()
        raise
    return Streamed(pieces, media_type, headers, first=first)


async def _preceded(first: bytes, pieces: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    yield first
    async for piece in pieces:
        yield piece
