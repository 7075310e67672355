"""What everybody who scrapes wants to know of the queue: read from Redis at most every few seconds, however many ask.

A number that is not known now is absent, because 0 jobs and 0 workers have a meaning of their own. See
docs/decisions/0048.
"""

from __future__ import annotations

import asyncio
import math
import time
from typing import TYPE_CHECKING, Final, TypeVar

from raylane_common.errors import RaylaneError
from raylane_common.telemetry.definitions import (
    QUEUE_JOBS,
    QUEUE_OLDEST,
    QUEUE_UP,
    QUEUE_WANTED,
    QUEUE_WORKERS,
    RUN_SLOTS,
    RUN_SLOTS_TAKEN,
    RUN_SLOTS_WAITING,
)
from raylane_common.telemetry.ended import EndedCounters
from raylane_common.telemetry.metrics import Reading

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence

    from raylane_common.wire.jobs import ClusterRuns, EndedJobs, LaneOverview

T = TypeVar("T")

# Shorter than any usual interval between scrapes, so that one scraper always gets new numbers.
KEPT_S: Final = 5.0
# A scraper waits ten seconds for everything.
_LIMIT_S: Final = 3.0
# Of a lane's target, however late its oldest job already is: with less, one late job would ask for any number.
_SHORTEST_SHARE: Final = 0.1


class QueueLook:
    """The last look at the queue of one process."""

    def __init__(
        self,
        lanes: Callable[[], Awaitable[Sequence[LaneOverview]]],
        runs: Callable[[], Awaitable[Sequence[ClusterRuns]]],
        ended: Callable[[], Awaitable[Sequence[EndedJobs]]],
        *,
        places: Mapping[str, int],
        target_wait_s: float,
    ) -> None:
        """`lanes`, `runs` and `ended` read the queue. `places` is how many jobs a worker runs at once, by lane."""
        self._read_lanes = lanes
        self._read_runs = runs
        self._read_ended = ended
        self._places = places
        self._target_wait_s = target_wait_s
        self._looking: asyncio.Task[None] | None = None
        self._looked_at_s = float("-inf")
        self._lanes: Sequence[LaneOverview] | None = None
        self._runs: Sequence[ClusterRuns] | None = None
        self._ended = EndedCounters()
        self._has_ended = False

    async def refresh(self) -> None:
        """Looks again if the last look is older than five seconds. All callers share one look. Never raises."""
        if self._looking is None:
            if time.monotonic() - self._looked_at_s < KEPT_S:
                return
            self._looking = asyncio.create_task(self._look(), name="look at the queue")
        # A scraper that goes away must not end the look of another.
        await asyncio.shield(self._looking)

    def readings(self) -> Iterator[Reading]:
        """Yields what the last look found; only that the queue is away if it failed."""
        yield Reading(QUEUE_UP, int(self._lanes is not None))
        for lane in self._lanes or ():
            yield from self._of_lane(lane)
        for runs in self._runs or ():
            yield Reading(RUN_SLOTS, runs.limit, (runs.cluster,))
            yield Reading(RUN_SLOTS_TAKEN, runs.taken, (runs.cluster,))
            yield Reading(RUN_SLOTS_WAITING, runs.waiting, (runs.cluster,))
        if self._has_ended:
            yield from self._ended.readings()

    async def _look(self) -> None:
        try:
            self._lanes = await _bounded(self._read_lanes())
            # A server that did not answer is not asked twice.
            self._runs = None if self._lanes is None else await _bounded(self._read_runs())
            ended = None if self._runs is None else await _bounded(self._read_ended())
            self._has_ended = ended is not None
            if ended is not None:
                self._ended.update(ended)
        finally:
            self._looked_at_s = time.monotonic()
            self._looking = None

    def _of_lane(self, lane: LaneOverview) -> Iterator[Reading]:
        name, ready = lane.lane, lane.queued - lane.parked
        states = {
            "waiting": lane.waiting,
            "scheduled": lane.scheduled,
            "queued": ready,
            "parked": lane.parked,
            "running": lane.running,
            "dead": lane.dead,
        }
        for state, count in states.items():
            yield Reading(QUEUE_JOBS, count, (name, state))
        yield Reading(QUEUE_WORKERS, len(lane.workers), (name,))
        # The jobs are counted and the oldest is read one after the other, so a job may have come or gone.
        oldest_s = 0.0 if not ready else lane.oldest_s
        if oldest_s is None:
            return
        yield Reading(QUEUE_OLDEST, oldest_s, (name,))
        wanted = wanted_workers(
            ready,
            lane.running,
            ended_per_s=lane.ended_per_s,
            oldest_s=oldest_s,
            places=self._places[name],
            target_wait_s=self._target_wait_s,
        )
        yield Reading(QUEUE_WANTED, wanted, (name,))


def wanted_workers(
    queued: int, running: int, *, ended_per_s: float, oldest_s: float, places: int, target_wait_s: float
) -> int:
    """Returns how many workers would start each queued job within `target_wait_s` seconds of its enqueueing.

    `running` jobs of which `ended_per_s` end in a second take `running / ended_per_s` seconds each (Little's law). In
    the time that is left to the oldest job, which has waited for `oldest_s`, one place therefore starts several short
    jobs, or less than one long job. If no job has ended lately, each queued job gets a place of its own. There are
    never more places than jobs. `places` is how many jobs a worker runs at once.
    """
    left_s = max(target_wait_s - oldest_s, target_wait_s * _SHORTEST_SHARE)
    mean_s = running / ended_per_s if ended_per_s > 0 else left_s
    needed = running + min(float(queued), queued * mean_s / left_s)
    return max(math.ceil(needed / places), 1 if queued else 0)


async def _bounded(looking: Awaitable[T]) -> T | None:
    """Returns what the look finds; None if Redis does not answer in time, or refuses."""
    try:
        async with asyncio.timeout(_LIMIT_S):
            return await looking
    except (RaylaneError, TimeoutError):
        return None
