"""A worker for tests: it claims jobs when the test says so and writes their ends at once."""

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


class ClaimedJob(Lease):
    """A lease whose holder writes the job's end at once."""

    async def succeed(self, result: Result) -> None:
        await self._end(self.succeeded(result))

    async def fail(self, error: RaylaneError) -> None:
        await self._end(self.cancelled(error) if isinstance(error, JobCancelled) else self.failed(error))

    async def is_cancelled(self) -> bool:
        """Renews the lease, and asks whether the job was cancelled."""
        return await self._queue.renew([self]) == ["cancel"]

    async def _end(self, outcome: AttemptOutcome) -> None:
        [written] = await self._queue.finish([outcome])
        if not written:
            raise LeaseLost(f"job {self.job_id} belongs to another worker")


async def claim_all(redis: Redis, lane: str) -> list[ClaimedJob]:
    """Claims all jobs that are due in the lane, as worker `w`."""
    attempts = {kind.value: 3 for kind in JobKind}
    queue = LaneQueue(redis, lane, worker="w", lease_s=10, max_attempts=attempts, result_ttl_s=60)
    return [ClaimedJob(queue, lease.record, lease.token) for lease in (await queue.claim(100)).leases]
