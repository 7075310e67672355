"""Waiting for a condition instead of for a time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_SHORTEST_PAUSE_S = 0.01
_LONGEST_PAUSE_S = 0.25


async def until(condition: Callable[[], bool | Awaitable[bool]], *, timeout_s: float = 60) -> None:
    """Returns once `condition` is true; a `TimeoutError` says that it never was.

    The longer it waits the more seldom it asks, since asking slows down what is waited for: at most a tenth is added.
    """
    time = asyncio.get_running_loop().time
    started_s = time()
    async with asyncio.timeout(timeout_s):
        while True:
            outcome = condition()
            if outcome if isinstance(outcome, bool) else await outcome:
                return
            waited_s = time() - started_s
            await asyncio.sleep(min(max(waited_s / 10, _SHORTEST_PAUSE_S), _LONGEST_PAUSE_S))
