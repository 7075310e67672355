"""Runs async context managers on a loop in a thread, so that a server outlives the loop of a single test."""

from __future__ import annotations

import asyncio
import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from contextlib import AbstractAsyncContextManager

T = TypeVar("T")
# What ends the clusters that tests share, by the groups of these tests.
LEAVE: Final = pytest.StashKey[dict[str, "Callable[[], None]"]]()
_ENTER_S = 180.0
_EXIT_S = 90.0


class Background:
    """A context manager: what was entered and is still open is left in reverse order at the end."""

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        self._open: dict[Callable[[], None], None] = {}
        self._thread = threading.Thread(target=self._loop.run_forever, name="test servers", daemon=True)
        self._thread.start()
        return self

    def enter(self, manager: AbstractAsyncContextManager[T]) -> T:
        """Enters `manager` on the background loop and returns what it yields."""
        entered, _ = self.enter_closable(manager)
        return entered

    def enter_closable(self, manager: AbstractAsyncContextManager[T]) -> tuple[T, Callable[[], None]]:
        """Enters `manager`; returns what it yields, and what leaves it before the end."""
        entered = self.call(manager.__aenter__())

        def leave() -> None:
            if leave in self._open:
                del self._open[leave]
                self.call(manager.__aexit__(None, None, None), _EXIT_S)

        self._open[leave] = None
        return entered, leave

    def call(self, coroutine: Coroutine[Any, Any, T], timeout_s: float = _ENTER_S) -> T:
        """Runs `coroutine` on the background loop and returns its result."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(timeout_s)

    def __exit__(self, *_: object) -> None:
        try:
            with ExitStack() as still_open:
                for leave in self._open:
                    still_open.callback(leave)
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()
