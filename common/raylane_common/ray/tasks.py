"""Background tasks that have an owner, so that none outlives the client."""

from __future__ import annotations

import asyncio
from contextvars import copy_context
from typing import TYPE_CHECKING, TypeVar

from raylane_common.logs import get_logger

if TYPE_CHECKING:
    from collections.abc import Coroutine

_T = TypeVar("_T")

logger = get_logger("raylane.ray")


class BackgroundTasks:
    """Starts tasks, and cancels those that still run when it is closed.

    Their context is that in which it was made, because they serve all callers: ids on lines of the log, and spans.
    """

    def __init__(self) -> None:
        self._context = copy_context()
        self._tasks: set[asyncio.Task[object]] = set()
        self._closed = False

    def start(self, work: Coroutine[object, object, _T]) -> asyncio.Task[_T]:
        """Starts a task. Its exception is logged; after `aclose()` the task is cancelled at once."""
        task = asyncio.create_task(work, context=self._context.copy())
        if self._closed:
            task.cancel()
        self._tasks.add(task)
        task.add_done_callback(self._ended, context=self._context)
        return task

    async def aclose(self) -> None:
        """Cancels every task and waits until all have ended."""
        self._closed = True
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _ended(self, task: asyncio.Task[object]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("a background probe of Ray's endpoints failed", exc_info=error)
