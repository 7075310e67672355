"""Waits for a run slot of the cluster, while the attempt keeps its place in the lane.

See docs/decisions/0019.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Final

from raylane_worker.context import GivesWay

if TYPE_CHECKING:
    from raylane_common.redis.queue.scripts.calls import RunSlot
    from raylane_common.settings import LaneSettings
    from raylane_worker.context import JobContext

# A message wakes the job when it gets its slot. The poll covers lost messages, and slots whose jobs have vanished.
_POLL_S: Final = 1.0
# If jobs are queued in the lane, a waiting job gives its place to one of them after this time.
_TURN_S: Final = 15.0
# Longer than a claim takes, so that another job gets the place.
_AWAY_S: Final = 1.0
# The part of an attempt's time limit that a wait may use. After that the job gets another attempt, with a new limit.
_LONGEST_PART: Final = 0.1
_REPORT_EVERY_S: Final = 5.0
_WAITING: Final = "waiting"


async def wait_for_slot(ctx: JobContext) -> None:
    """Returns once the job holds a run slot of the cluster in use. The job keeps the slot until its end.

    Raises `GivesWay` if other jobs need the job's place in the lane, or if the worker stops. The next attempt then has
    the same place in line. Raises what `RayClient.cluster_name` and `JobPort` raise.
    """
    slots = ctx.resources.run_slots
    lane: LaneSettings = getattr(ctx.resources.settings.lanes, ctx.record.lane)
    began_s = time.monotonic()
    progress = _Progress(ctx)
    with slots.waiting(ctx.job_id) as granted:
        while True:
            granted.clear()
            cluster, runs = await slots.limit()
            slot = await ctx.port.take_run_slot(cluster, runs)
            if slot.is_held:
                return
            if slots.is_draining:
                raise GivesWay(delay_s=0)
            waited_s = time.monotonic() - began_s
            longest_s = lane.timeout_s * _LONGEST_PART
            turn_s = longest_s if slot.is_in_the_way == "no" else min(_TURN_S, longest_s)
            if slot.is_in_the_way == "now" or waited_s >= turn_s:
                raise GivesWay(delay_s=_AWAY_S)
            await progress.report(slot, runs)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_POLL_S):
                    await granted.wait()


class _Progress:
    """Reports the wait to the job's followers, at most every few seconds."""

    def __init__(self, ctx: JobContext) -> None:
        self._ctx = ctx
        self._message = ""
        self._at_s = float("-inf")

    async def report(self, slot: RunSlot, runs: int) -> None:
        """Reports the numbers, if they have changed and the last report is old enough."""
        message = f"waits for a run slot: {slot.taken} of {runs} taken, {slot.waiting} in line"
        if message != self._message and time.monotonic() >= self._at_s + _REPORT_EVERY_S:
            self._message, self._at_s = message, time.monotonic()
            await self._ctx.progress(_WAITING, message)
