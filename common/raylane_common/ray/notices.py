"""Logs the changes of one endpoint, but at most six of them in a minute."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from raylane_common.logs import get_logger

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from raylane_common.ray.probing import Timing
    from raylane_common.ray.tasks import BackgroundTasks

MOST_LINES: Final = 6
"""Changes that are logged in a minute. A path that comes and goes changes every few seconds, for hours."""

PERIOD_S: Final = 60.0

logger = get_logger("raylane.ray")


class Notices:
    """Logs one line for each change, and counts those that are too many."""

    def __init__(self, now: Callable[[], str], timing: Timing, tasks: BackgroundTasks) -> None:
        """`now` returns the endpoint and its present state, for the line that says how many changes were not logged."""
        self._now = now
        self._timing = timing
        self._tasks = tasks
        self._logged_at_s: deque[float] = deque(maxlen=MOST_LINES)
        self._left_out = 0
        self._counting: asyncio.Task[None] | None = None

    def say(self, level: int, line: str) -> None:
        """Logs the line, or only counts it if there were too many in the last minute."""
        now_s = self._timing.now_s()
        if len(self._logged_at_s) < MOST_LINES or now_s - self._logged_at_s[0] >= PERIOD_S:
            self._logged_at_s.append(now_s)
            logger.log(level, "%s", line)
            return
        self._left_out += 1
        if self._counting is None or self._counting.done():
            self._counting = self._tasks.start(self._count())

    async def _count(self) -> None:
        """Logs after a minute how many changes were not logged, so that the last state is in the log."""
        await self._timing.sleep(PERIOD_S)
        logger.warning("%s, after %d more changes within a minute", self._now(), self._left_out)
        self._left_out = 0
