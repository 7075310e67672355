"""Runs blocking functions in threads, without leaving one running when the caller is cancelled."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
T = TypeVar("T")


async def in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Runs the function in a thread and returns its result. If this task is cancelled, the function ends first.

    Otherwise it would still use a file that its caller has closed, whose number may be that of another file by then.
    """
    running = asyncio.ensure_future(asyncio.to_thread(function, *args, **kwargs))
    cancelled: asyncio.CancelledError | None = None
    while not running.done():
        try:
            await asyncio.wait({running})
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        running.exception()  # or asyncio would report that nobody has looked at it
        raise cancelled
    return running.result()
