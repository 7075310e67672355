"""The signed addresses of an upload's parts. A worker signs them in batches, and again before they expire."""

from __future__ import annotations

import asyncio
from itertools import islice
from typing import TYPE_CHECKING, Final

from raylane_common.limits import MAX_PARTS
from raylane_common.wire.upload import MAX_SIGNED_PARTS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

    from raylane_common.wire.upload import PartUrl, SignedPartsResult, TransferResult

# A part must reach S3 before its address expires, so no address is used in the last fifth of its lifetime.
_USED_FRACTION: Final = 0.8


class Addresses:
    """Hands out the address of each part. `sign` asks a worker for those of some numbers."""

    def __init__(
        self,
        started: TransferResult,
        size_bytes: int | None,
        asked_at_s: float,
        sign: Callable[[Sequence[int]], Awaitable[SignedPartsResult]],
    ) -> None:
        """`size_bytes` is that of the upload, or None if it is not known.

        `asked_at_s` is the event loop's time before `started` was requested: its addresses are younger than that.
        """
        self._sign = sign
        self._last = MAX_PARTS if size_bytes is None else -(-size_bytes // started.part_bytes)
        self._stored = {part.number for part in started.stored}
        self._known: dict[int, tuple[PartUrl, float]] = {}
        self._signing = asyncio.Lock()
        self._add(started.urls, asked_at_s + started.valid_s * _USED_FRACTION)

    async def of(self, number: int) -> PartUrl:
        """Returns a valid address of the part. Raises what `sign` raises."""
        async with self._signing:
            now = asyncio.get_running_loop().time()
            if not self._is_valid(number, now):
                signed = await self._sign(self._next(number, now))
                self._add(signed.urls, now + signed.valid_s * _USED_FRACTION)
            return self._known[number][0]

    def forget(self, number: int) -> None:
        """Forgets an address that was refused, or whose part is stored."""
        self._known.pop(number, None)

    def _is_valid(self, number: int, now: float) -> bool:
        return number in self._known and now < self._known[number][1]

    def _next(self, number: int, now: float) -> list[int]:
        """Returns the numbers of the part and of those that need an address after it."""
        following = (
            each
            for each in range(number + 1, self._last + 1)
            if each not in self._stored and not self._is_valid(each, now)
        )
        return [number, *islice(following, MAX_SIGNED_PARTS - 1)]

    def _add(self, urls: Iterable[PartUrl], until: float) -> None:
        for part in urls:
            self._known[part.number] = (part, until)
