"""The jobs that a lane holds just now: their leases are renewed together, and one that must stop is told why."""

from __future__ import annotations

import asyncio
import logging
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NoReturn

from raylane_common.errors import QueueUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from raylane_common.redis.queue import LaneQueue, Lease

logger = logging.getLogger("raylane.worker")


@dataclass(eq=False)
class HeldLease:
    """One job held. `stopped` says why its task was cancelled; None: because the worker stops.

    Once the attempt is `over` only its end is left to write, which nothing may interrupt.
    """

    lease: Lease
    task: asyncio.Task[Any]
    stopped: Literal["lost", "cancel"] | None = None
    over: bool = False

    def stop(self, reason: Literal["lost", "cancel"]) -> None:
        """Cancels the attempt, unless it is over or has been told before."""
        if not self.over and self.stopped is None:
            self.stopped = reason
            self.task.cancel()


class HeldLeases:
    """All jobs that one lane of one worker holds."""

    def __init__(self, queue: LaneQueue) -> None:
        self._queue = queue
        self._holds: set[HeldLease] = set()

    @contextmanager
    def held(self, lease: Lease) -> Iterator[HeldLease]:
        """Holds the job for the running task."""
        task = asyncio.current_task()
        assert task is not None
        hold = HeldLease(lease, task)
        self._holds.add(hold)
        try:
            yield hold
        finally:
            self._holds.discard(hold)

    def cancel(self, job_id: str) -> None:
        """Stops a job at its user's request, if it is held here."""
        for hold in [hold for hold in self._holds if hold.lease.job_id == job_id]:
            hold.stop("cancel")

    async def renew_for_ever(self) -> NoReturn:
        """Renews all leases three times in a lease's length; stops the jobs that were lost or are to be cancelled.

        A Redis that is away loses nothing by itself: only a new owner does.
        """
        while True:
            await asyncio.sleep(self._queue.lease_s / 3)
            holds = list(self._holds)
            if not holds:
                continue
            try:
                answers = await self._queue.renew([hold.lease for hold in holds])
            except QueueUnavailable as error:
                logger.warning("lane %s: %d leases not renewed: %s", self._queue.lane, len(holds), error)
                continue
            for hold, answer in zip(holds, answers, strict=True):
                if answer != "held":
                    hold.stop(answer)
