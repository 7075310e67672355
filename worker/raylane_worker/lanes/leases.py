"""The leases that a lane holds. They are renewed together; an attempt stops if its lease is lost or job cancelled.

See docs/decisions/0001 and 0006.
"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NoReturn

from raylane_common.errors import QueueUnavailable
from raylane_common.logs import get_logger
from raylane_worker.lanes.recurring import Recurring

if TYPE_CHECKING:
    from collections.abc import Iterator

    from raylane_common.redis.queue import LaneQueue, Lease

logger = get_logger("raylane.worker")

StopReason = Literal["lost", "cancel"]


@dataclass(eq=False)
class HeldLease:
    """A lease and the task that runs its attempt.

    `stop_reason` says why the task was cancelled; if it is None, the worker is stopping. Once `attempt_ended` is set,
    only the outcome has to be written, and `stop` no longer cancels the task.
    """

    lease: Lease
    task: asyncio.Task[Any]
    stop_reason: StopReason | None = None
    attempt_ended: bool = False

    def stop(self, reason: StopReason) -> None:
        """Cancels the attempt unless it has already ended or been stopped."""
        if not self.attempt_ended and self.stop_reason is None:
            self.stop_reason = reason
            self.task.cancel()


class HeldLeases:
    """All leases that one lane of one worker holds."""

    def __init__(self, queue: LaneQueue) -> None:
        self._queue = queue
        self._held: set[HeldLease] = set()
        self._problems = Recurring(logger)

    @contextmanager
    def hold(self, lease: Lease) -> Iterator[HeldLease]:
        """Holds the lease for the running task until the block ends."""
        task = asyncio.current_task()
        assert task is not None
        held = HeldLease(lease, task)
        self._held.add(held)
        try:
            yield held
        finally:
            self._held.discard(held)

    def cancel(self, job_id: str) -> None:
        """Stops the job's attempt at its user's request, if this lane runs it."""
        for held in self._held:
            if held.lease.job_id == job_id:
                held.stop("cancel")

    async def keep_renewed(self) -> NoReturn:
        """Renews all leases until cancelled, and stops the attempts of jobs that were lost or cancelled.

        Attempts continue while Redis does not answer, because a lease is lost only when another worker claims the job.
        """
        while True:
            # Three renewals per lease, so that one may fail.
            await asyncio.sleep(self._queue.lease_s / 3)
            held = list(self._held)
            if not held:
                continue
            try:
                answers = await self._queue.renew([each.lease for each in held])
            except QueueUnavailable as error:
                self._problems.warning(f"lane {self._queue.lane}: leases not renewed", error)
                continue
            for each, answer in zip(held, answers, strict=True):
                if answer != "held":
                    each.stop(answer)
