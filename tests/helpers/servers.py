"""Runs async context managers on a loop in a thread, so that a server outlives the loop of a single test."""

from __future__ import annotations

import asyncio
import threading
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, Self, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from contextlib import AbstractAsyncContextManager

T = TypeVar("T")
_ENTER_S = 180.0
_EXIT_S = 90.0


class Background:
    """A context manager: what was entered is left in reverse order at the end."""

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        self._stack = AsyncExitStack()
        self._thread = threading.Thread(target=self._loop.run_forever, name="test servers", daemon=True)
        self._thread.start()
        return self

    def enter(self, manager: AbstractAsyncContextManager[T]) -> T:
        """Enters `manager` on the background loop and returns what it yields."""
        return self.call(self._stack.enter_async_context(manager))

    def call(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Runs `coroutine` on the background loop and returns its result."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(_ENTER_S)

    def __exit__(self, *_: object) -> None:
        try:
            asyncio.run_coroutine_threadsafe(self._stack.aclose(), self._loop).result(_EXIT_S)
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()
