"""An event loop whose clock jumps over pauses, so that a test may wait for minutes and count what happened in them."""

from __future__ import annotations

import asyncio
import selectors
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine

T = TypeVar("T")


class _Selector(selectors.DefaultSelector):
    """Adds to the clock what the loop would have waited."""

    now_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready:
            assert timeout is not None, "every task waits for something that never happens"
            self.now_s += max(0.0, timeout)
        return ready


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._clock = _Selector()
        super().__init__(self._clock)

    def time(self) -> float:
        return self._clock.now_s

    def block(self, seconds: float) -> None:
        self._clock.now_s += seconds


def run(work: Coroutine[object, object, T]) -> T:
    """Runs a coroutine; its loop's time begins at 0. It must do no real input or output."""
    with asyncio.Runner(loop_factory=_Loop) as runner:
        return runner.run(work)


def now_s() -> float:
    """Returns the virtual time in seconds."""
    return asyncio.get_running_loop().time()


def block(seconds: float) -> None:
    """Lets time pass in which the loop runs nothing else."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, _Loop)
    loop.block(seconds)
