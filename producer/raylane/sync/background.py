"""The event loop on which blocking producers do their work: a thread of its own, which starts when it is needed.

All producers of a process share it. It ends with the last producer, and at the latest with the interpreter. A forked
child starts its own. See docs/decisions/0047.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import select
import selectors
import sys
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from raylane_common.errors import InvalidRequest, QueueUnavailable
from raylane_common.inherited import keep_forever

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

# Closing connections takes milliseconds. What blocks for longer, such as reading a pipe, ends with the process.
_STOP_S: Final = 5.0


class Background:
    """A running event loop in a thread of its own. `users` are the producers that keep it, `calls` those that wait.

    When it is ending, whoever still waits is a thread that ends with the interpreter, and is not woken for that.
    """

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._loop = asyncio.SelectorEventLoop(self._selector)
        self._process = os.getpid()
        self._executor = ThreadPoolExecutor(thread_name_prefix="raylane")
        self._loop.set_default_executor(self._executor)
        self._thread = threading.Thread(target=self._serve, name="raylane", daemon=True)
        self.users: weakref.WeakSet[object] = weakref.WeakSet()
        self.calls: int = 0
        self.is_ending: bool = False
        try:
            self._thread.start()
        except RuntimeError as error:
            self._loop.close()
            raise _too_late() from error

    @property
    def is_current_thread(self) -> bool:
        """Whether this is the loop's own thread, which cannot wait for the loop."""
        return threading.current_thread() is self._thread

    @property
    def is_running(self) -> bool:
        """Whether the loop runs in this process."""
        return self._process == os.getpid() and not self._loop.is_closed()

    def soon(self, function: Callable[[], object]) -> None:
        """Calls the function on the loop, in a copy of this thread's context. Raises `QueueUnavailable` at the end."""
        try:
            self._loop.call_soon_threadsafe(function)
        except RuntimeError as error:
            raise _too_late() from error

    def finish(self, work: Callable[[], Coroutine[object, object, object]]) -> None:
        """Does the work on the loop if that still runs, and waits for nothing. A finalizer may call this."""
        if not self.is_running:
            return
        try:
            self._loop.call_soon_threadsafe(lambda: self._keep(self._loop.create_task(work())))
        except RuntimeError:
            return  # it was closed in the meantime, with everything that is left to do

    def stop(self) -> None:
        """Cancels what still runs, closes the connections, and waits for the end of the thread."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_STOP_S)

    def leave_to_parent(self) -> None:
        """Makes sure that nothing in this forked child affects the parent's loop."""
        keep_forever(self)
        if sys.platform == "linux":
            # Parent and child share the list of watched sockets, and removing one here would make the parent deaf.
            own = select.epoll()
            os.dup2(own.fileno(), self._selector.fileno(), inheritable=False)
            own.close()

    def _keep(self, task: asyncio.Task[object]) -> None:
        # The loop has only weak references to tasks.
        self._last.add(task)
        task.add_done_callback(self._last.discard)

    def _serve(self) -> None:
        self._last: set[asyncio.Task[object]] = set()
        try:
            self._loop.run_forever()
            self._loop.run_until_complete(self._end())
        finally:
            self._loop.close()
            self._executor.shutdown()
            _alive.discard(self)

    async def _end(self) -> None:
        self.is_ending = True
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        # The connections of the pool belong to such a generator.
        await self._loop.shutdown_asyncgens()


# The lock may be taken again by its owner: a signal handler or a finalizer may use a producer at any line.
_lock = threading.RLock()
_current: Background | None = None
_alive: set[Background] = set()


@contextmanager
def entered(user: object, *, leaves: bool = False) -> Iterator[Background]:
    """Yields the running loop, and keeps it until the block ends; afterwards as long as `user` lives or stays.

    With `leaves`, the user does not keep it any longer. Raises `InvalidRequest` in the loop's own thread.
    """
    background = _enter(user)
    try:
        yield background
    finally:
        _leave(background, user if leaves else None)


def finish(work: Callable[[], Coroutine[object, object, object]]) -> None:
    """Does the work on the loop if one runs, and waits for nothing. A finalizer may call this, in any thread."""
    # Without the lock: its owner may be waiting for the thread whose finalizer this is.
    background = _current
    if background is not None:
        background.finish(work)


def _enter(user: object) -> Background:
    global _current
    with _lock:
        if _current is None:
            _current = Background()
            _alive.add(_current)
        if _current.is_current_thread:
            problem = "it is used by code that it calls itself, such as `answer`, and would wait for itself forever"
            raise InvalidRequest.field("producer", f"{problem}; use it in a thread of your own")
        _current.calls += 1
        _current.users.add(user)
        return _current


def _leave(background: Background, leaver: object | None) -> None:
    global _current
    with _lock:
        background.calls -= 1
        if leaver is not None:
            background.users.discard(leaver)
        is_last = not background.calls and not background.users
        if is_last and _current is background:
            _current = None
    if is_last:
        background.stop()


def _stop_all() -> None:
    global _current
    with _lock:
        _current, alive = None, list(_alive)
    for background in alive:
        background.stop()


def _begin_anew() -> None:
    """Forgets the loop of the parent in a forked child. Only the thread that forked exists here."""
    global _lock, _current
    _lock = threading.RLock()
    for background in list(_alive):
        background.leave_to_parent()
    _alive.clear()
    _current = None


def _too_late() -> QueueUnavailable:
    problem = "the interpreter is shutting down, and its last threads have ended; use the producer before that"
    return QueueUnavailable(problem, retryable=False)


atexit.register(_stop_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_anew)
