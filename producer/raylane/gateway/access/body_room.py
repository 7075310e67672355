"""Bounds the memory that the bodies of all requests take together.

A body that is announced as larger than a connection's own buffer reserves its place before it is read. Until there is
one, the client waits: the server reads no further, and TCP holds the client back. See docs/decisions/0053.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from raylane.gateway.access.caller import ANYONE
from raylane_common.errors import GatewayBusy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from raylane.gateway.access.caller import Caller

WAIT_S: Final = 20.0
"""How long a body waits for its place. Proxies wait for 30 s or more."""
_AGAIN_S: Final = 5.0


class BodyRoom:
    """The room for the bodies of one gateway.

    A caller with a token has at most half of it, so that one caller that sends slowly leaves room for others.
    """

    def __init__(self, size_bytes: int) -> None:
        self.held_bytes: int = 0
        self._size_bytes = size_bytes
        self._held: Counter[str] = Counter()
        self._waiting: deque[Place] = deque()

    @contextmanager
    def place_of(self, caller: Caller | None) -> Iterator[Place]:
        """Yields the place of one request. Whatever it takes is given back at the end of the block."""
        place = Place(self, "" if caller is None or caller is ANYONE else caller.name)
        try:
            yield place
        finally:
            self._leave(place)

    def share_of(self, name: str) -> int:
        """Returns how many bytes the caller of this name may have at once; '' is a program that needs no token."""
        return self._size_bytes // 2 if name else self._size_bytes

    def admit(self, place: Place) -> None:
        """Takes the place in line."""
        self._waiting.append(place)
        self._serve()

    def withdraw(self, place: Place) -> None:
        """Leaves the line, so that others may get what this place waited for."""
        if place in self._waiting:
            self._waiting.remove(place)
            self._serve()

    def _leave(self, place: Place) -> None:
        if place.ready.is_set():
            self.held_bytes -= place.size_bytes
            self._held[place.name] -= place.size_bytes
            if not self._held[place.name]:
                del self._held[place.name]
            self._serve()

    def _serve(self) -> None:
        """Lets in those who wait, in their order. Only one that waits for its caller's own share is passed."""
        for place in list(self._waiting):
            if place.name and self._held[place.name] + place.size_bytes > self.share_of(place.name):
                continue
            if self.held_bytes + place.size_bytes > self._size_bytes:
                break
            self._waiting.remove(place)
            self.held_bytes += place.size_bytes
            self._held[place.name] += place.size_bytes
            place.ready.set()


class Place:
    """What one request has of the room."""

    def __init__(self, room: BodyRoom, name: str) -> None:
        self.name: str = name
        self.size_bytes: int = 0
        self.ready: asyncio.Event = asyncio.Event()
        self._room = room

    async def take(self, size_bytes: int) -> None:
        """Takes so many bytes, once; but never more than the caller may have. Raises `GatewayBusy` after a while."""
        if self.size_bytes:
            return
        self.size_bytes = min(size_bytes, self._room.share_of(self.name))
        self._room.admit(self)
        try:
            async with asyncio.timeout(WAIT_S):
                await self.ready.wait()
        except TimeoutError:
            raise GatewayBusy(
                f"the gateway holds as many bodies of requests as it may, and had no room for this one within "
                f"{WAIT_S:g} s; send it again later, or raise RAYLANE_GATEWAY__MAX_BODIES_BYTES",
                retry_after_s=_AGAIN_S,
            ) from None
        finally:
            self._room.withdraw(self)
