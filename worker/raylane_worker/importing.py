"""Imports large libraries in threads, one at a time.

Two threads that import modules which import each other get a `_DeadlockError`, or a module without half of its names.
"""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Final, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
T = TypeVar("T")

# Held by the thread that imports. The event loop's thread must never wait for it.
IMPORTING: Final = threading.RLock()


async def import_in_thread(make: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Runs `make`, which imports a library, in a thread, and returns what it returns."""

    def run() -> T:
        with IMPORTING:
            return make(*args, **kwargs)

    return await asyncio.to_thread(run)
