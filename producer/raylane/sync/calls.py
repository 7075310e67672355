"""Calls from a thread to the event loop in the background. The thread waits, and meanwhile runs what belongs to it.

See docs/decisions/0047.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import IO, TYPE_CHECKING, Final, ParamSpec, TypeVar, cast

from raylane.sync.background import entered
from raylane_common.errors import QueueUnavailable

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from raylane.sync.background import Background
    from raylane.transfer.content import Data as AsyncData

_LOOK_UP_S: Final = 1.0

P = ParamSpec("P")
T = TypeVar("T")
ValueT = TypeVar("ValueT")

Data = str | os.PathLike[str] | bytes | bytearray | memoryview | IO[bytes] | IO[str] | Iterator[bytes]
"""What can be uploaded. Text is the path of a file."""


class Call:
    """One call of a thread.

    A function or an iterator that the caller has passed runs in the caller's thread: it may use what belongs to this
    thread, such as a transaction or a progress bar, and what it raises ends the call.
    """

    def __init__(self, user: object) -> None:
        """`user` is the producer that the call belongs to."""
        self._user = user
        # What this thread runs next. None: the call has ended.
        self._work: SimpleQueue[Callable[[], object] | None] = SimpleQueue()
        self._task: asyncio.Task[None] | None = None
        self._is_unwanted = False
        self._value: object = None
        self._error: BaseException | None = QueueUnavailable("the call was cancelled by other code; try again")

    def run(self, function: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> T:
        """Calls the function on the loop, waits, and returns its result. Raises what it raises.

        An exception in this thread, such as `KeyboardInterrupt`, cancels the call.
        """
        given = [_drained(value) for value in args]
        named = {name: _drained(value) for name, value in kwargs.items()}
        with entered(self._user) as background:
            return self._wait(background, lambda: function(*given, **named))  # type: ignore[arg-type]  # a list is passed instead of an iterator

    def _wait(self, background: Background, function: Callable[[], Awaitable[T]]) -> T:
        try:
            background.soon(lambda: self._start(background, function))
            while (work := self._next()) is not None:
                work()
        except BaseException:
            self._abandon(background)
            raise
        error, self._error = self._error, None
        if error is None:
            return cast("T", self._value)
        try:
            raise error
        finally:
            del error  # or the traceback of the error would keep the error

    def _abandon(self, background: Background) -> None:
        """Cancels the call and waits for its end: until then, it may use a file that the caller will close."""
        background.soon(self._cancel)
        while self._next() is not None:
            pass

    def _next(self) -> Callable[[], object] | None:
        """Waits for what this thread runs next."""
        # Python handles a signal between two steps of the main thread. One that comes just before the thread blocks, or
        # to another thread, would not wake it.
        while True:
            with suppress(Empty):
                return self._work.get(timeout=_LOOK_UP_S)

    def latest(self, function: Callable[[ValueT], object] | None) -> Callable[[ValueT], None] | None:
        """Returns a function that has the caller's thread call `function`, with the newest value if it is slow."""
        if not callable(function):
            return function
        waiting: list[ValueT] = []

        def call_with_newest() -> None:
            function(waiting.pop())

        def tell(value: ValueT) -> None:
            if waiting:
                waiting[0] = value
            else:
                waiting.append(value)
                self._work.put(call_with_newest)

        return tell

    def pieces(self, data: Data) -> AsyncData:
        """Returns the data of an upload. An iterator becomes one that the caller's thread advances."""
        is_iterator = isinstance(data, Iterator) and not hasattr(data, "read")
        return self._pieces(cast("Iterator[bytes]", data)) if is_iterator else cast("AsyncData", data)

    # The following methods run on the loop.

    async def _pieces(self, data: Iterator[bytes]) -> AsyncGenerator[bytes]:
        while (piece := await self._in_caller(lambda: next(data, None))) is not None:
            yield piece

    async def _in_caller(self, function: Callable[[], ValueT]) -> ValueT:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[ValueT] = loop.create_future()

        def settle(value: ValueT | None, error: Exception | None) -> None:
            if answer.done():  # the call was cancelled
                return
            if error is None:
                answer.set_result(cast("ValueT", value))
            else:
                answer.set_exception(error)

        def work() -> None:
            try:
                value = function()
            except Exception as error:
                loop.call_soon_threadsafe(settle, None, error)
            else:
                loop.call_soon_threadsafe(settle, value, None)

        self._work.put(work)
        return await answer

    def _start(self, background: Background, function: Callable[[], Awaitable[T]]) -> None:
        if self._is_unwanted:
            self._work.put(None)
            return
        self._task = asyncio.get_running_loop().create_task(self._run(function))
        self._task.add_done_callback(lambda _: None if background.is_ending else self._work.put(None))

    async def _run(self, function: Callable[[], Awaitable[T]]) -> None:
        # What ends the loop of a thread, such as `SystemExit`, is for the caller as well.
        try:
            self._value = await function()
            self._error = None
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            self._error = error

    def _cancel(self) -> None:
        self._is_unwanted = True
        if self._task is None or self._task.done():
            # Perhaps the caller has already taken the end from the queue, and waits for another one.
            self._work.put(None)
        else:
            self._task.cancel()


def _drained(value: object) -> object:
    """Returns a list instead of an iterator, whose code would otherwise run on the loop. A file stays as it is."""
    return list(value) if isinstance(value, Iterator) and not hasattr(value, "read") else value
