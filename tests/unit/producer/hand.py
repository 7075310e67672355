"""The worker's side of a lane, driven by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raylane_common.errors import JobCancelled, LeaseLost
from raylane_common.redis.queue import LaneQueue, Lease
from raylane_common.wire.base import JobKind

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from raylane_common.errors import RaylaneError
    from raylane_common.redis.queue import AttemptOutcome
    from raylane_common.wire.kinds import Result


class Held(Lease):
    """A lease whose holder writes the job's end at once."""

    async def succeed(self, result: Result) -> None:
        await self._end(self.succeeded(result))

    async def fail(self, error: RaylaneError) -> None:
        await self._end(self.cancelled(error) if isinstance(error, JobCancelled) else self.failed(error))

    async def is_to_stop(self) -> bool:
        """Renews the lease, and asks whether the job was cancelled."""
        return await self._queue.renew([self]) == ["cancel"]

    async def give_back(self) -> None:
        await self._end(self.returned())

    async def _end(self, end: AttemptOutcome) -> None:
        [written] = await self._queue.finish([end])
        if not written:
            raise LeaseLost(f"job {self.job_id} is another worker's")


class Hand:
    """Claims jobs on one client, as worker `w`."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def claim(self, lane: str) -> list[Held]:
        """All jobs that are due in the lane."""
        attempts = {kind.value: 3 for kind in JobKind}
        queue = LaneQueue(self._redis, lane, worker="w", lease_s=10, max_attempts=attempts, result_ttl_s=60)
        return [Held(queue, lease.record, lease.token) for lease in (await queue.claim(100)).leases]
