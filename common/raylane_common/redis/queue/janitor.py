"""Repairs what a crash may leave. Every worker carries one; the lanes' key lets one at a time work."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final, cast

from raylane_common.redis import keys
from raylane_common.redis.connection import queue_errors

if TYPE_CHECKING:
    from raylane_common.redis.queue.leases import LaneQueue
    from raylane_common.redis.queue.scripts import Argument

logger = logging.getLogger("raylane.queue")

SWEEP_EVERY_S: Final = 15.0
_LONGEST_LIST: Final = 10_000
# The scripts leave no strays; what does is a server that lost its last second. So this may be slow, and costs little.
_TURNS_PER_LOOK: Final = 4
_KEYS_PER_TURN: Final = 300


class Janitor:
    """Sweeps one lane, a bounded piece at a time, from within its workers."""

    def __init__(self, queue: LaneQueue, *, every_s: float = SWEEP_EVERY_S) -> None:
        self._queue = queue
        self._every_ms = int(every_s * 1000)
        self._cursor = 0
        self._turns = 0

    async def sweep(self) -> bool:
        """Sweeps if it is this worker's turn; says whether it was. Raises `QueueUnavailable`."""
        queue = self._queue
        with queue_errors("sweep the lane"):
            # Held for a moment less than a turn, so that one worker alone always finds it free.
            if not await queue.redis.set(keys.janitor(queue.lane), queue.worker, nx=True, px=self._every_ms - 100):
                return False
        arguments: list[Argument] = [queue.lane, queue.per_session, *queue.ttls_ms, _LONGEST_LIST]
        repaired = cast("int", await queue.scripts.run("sweep", arguments))
        if repaired:
            logger.warning("lane %s: %d jobs repaired", queue.lane, repaired)
        if self._turns % _TURNS_PER_LOOK == 0:
            await self._mend_some()
        self._turns += 1
        return True

    async def _mend_some(self) -> None:
        """Looks at the next few records of the keyspace: each live one of the lane must stand in one of its sets."""
        with queue_errors("look for stray jobs"):
            self._cursor, found = await self._queue.redis.scan(self._cursor, match=f"{keys.JOB}*", count=_KEYS_PER_TURN)
        arguments: list[Argument] = [self._queue.lane, int(self._queue.lease_s * 1000)]
        for job_id, part in sorted(key.removeprefix(keys.JOB).partition(":")[::2] for key in found):
            if part in ("", "body"):
                arguments += (job_id, int(part == "body"))
        if len(arguments) > 2:
            mended = cast("list[str]", await self._queue.scripts.run("mend", arguments))
            if mended:
                logger.warning("put back stray jobs, or dropped what they left: %s", ", ".join(mended))
