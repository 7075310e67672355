"""Repairs what a crash may leave behind in a lane. Every worker has a janitor, but only one sweeps at a time.

See docs/decisions/0006.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from raylane_common.logs import get_logger
from raylane_common.redis.connection import keys_of, queue_errors
from raylane_common.redis.keys import PARTS
from raylane_common.redis.queue.scripts import calls
from raylane_common.rules import printable
from raylane_common.wire.base import JobKind
from raylane_common.wire.registry import lane_of

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from raylane_common.redis.queue.scripts import Scripts
    from raylane_common.redis.queue.scripts.calls import Retention

logger = get_logger("raylane.queue")

# The longest time that a stuck job waits for its repair. A sweep takes the server about a millisecond.
SWEEP_EVERY_S: Final = 15.0
# How many ended jobs of a lane `raylane jobs` can search.
_LONGEST_LIST: Final = 10_000
# A stray job is in no set of its lane. Only a server that lost its last second of writes leaves some, which is rare, so
# the search is slow.
_SWEEPS_PER_SEARCH: Final = 4
_KEYS_PER_SEARCH: Final = 300


class Janitor:
    """Sweeps one lane, a bounded part at a time. Use `LaneQueue.janitor` to make one."""

    def __init__(
        self,
        redis: Redis,
        scripts: Scripts,
        *,
        lane: str,
        worker: str,
        lease_ms: int,
        per_session: int,
        retention: Retention,
        every_s: float,
    ) -> None:
        self._redis = redis
        self._keys = keys_of(redis)
        self._scripts = scripts
        self._lane = lane
        self._worker = worker
        self._lease_ms = lease_ms
        self._per_session = per_session
        self._retention = retention
        self._every_ms = int(every_s * 1000)
        self._kinds = [kind for kind in JobKind if lane_of(kind) == lane]
        self._cursor = 0
        self._sweeps = 0

    async def sweep(self) -> bool:
        """Sweeps if a sweep is due and no other worker has it; returns whether it did. Raises `QueueUnavailable`."""
        repaired = await calls.sweep(
            self._scripts,
            self._lane,
            worker=self._worker,
            # Just before the next sweep is due, so that a worker that is alone is never locked out.
            every_ms=self._every_ms - 100,
            per_session=self._per_session,
            retention=self._retention,
            longest_list=_LONGEST_LIST,
        )
        if repaired is None:
            return False
        if repaired:
            logger.warning("lane %s: repaired %d jobs", self._lane, repaired)
        if self._sweeps % _SWEEPS_PER_SEARCH == 0:
            await self._mend_some()
        self._sweeps += 1
        return True

    async def _mend_some(self) -> None:
        """Checks the next few keys of the database for stray jobs: unfinished ones that are in no set of the lane."""
        with queue_errors("search for stray jobs"):
            self._cursor, found = await self._redis.scan(
                self._cursor, match=self._keys.job("*"), count=_KEYS_PER_SEARCH
            )
        jobs = []
        for key in sorted(found):
            job_id, suffix = self._keys.parts_of_job(key)
            if suffix in ("", *PARTS):
                jobs.append((job_id, bool(suffix)))
        if jobs:
            mended = await calls.mend(self._scripts, self._lane, self._lease_ms, self._kinds, jobs)
            if mended:
                logger.warning(
                    "restored stray jobs, or deleted what was left of them: %s",
                    ", ".join(printable(job_id)[:64] for job_id in mended),
                )
