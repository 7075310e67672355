"""A worker for tests: it claims jobs when the test says so and writes their ends at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from raylane_common.errors import JobCancelled, LeaseLost
from raylane_common.redis.queue import LaneQueue
from raylane_common.wire.base import JobKind

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from raylane_common.errors import RaylaneError
    from raylane_common.redis.queue import AttemptOutcome, Lease
    from raylane_common.wire.jobs import JobRecord
    from raylane_common.wire.kinds import Result


@dataclass(frozen=True)
class ClaimedJob:
    """A job that is held by its lease until the test ends it."""

    lane: LaneQueue
    lease: Lease

    @property
    def record(self) -> JobRecord:
        return self.lease.record

    async def succeed(self, result: Result) -> None:
        await self._end(self.lease.succeeded(result))

    async def fail(self, error: RaylaneError) -> None:
        is_cancelled = isinstance(error, JobCancelled)
        await self._end(self.lease.cancelled(error) if is_cancelled else self.lease.failed(error))

    async def is_cancelled(self) -> bool:
        """Renews the lease, and asks whether the job was cancelled."""
        return await self.lane.renew([self.lease]) == ["cancel"]

    async def _end(self, outcome: AttemptOutcome) -> None:
        [written] = await self.lane.finish([outcome])
        if not written:
            raise LeaseLost(f"job {self.lease.job_id} belongs to another worker")


async def claim_all(redis: Redis, lane: str) -> list[ClaimedJob]:
    """Claims all jobs that are due in the lane, as the living worker `w`."""
    attempts = {kind.value: 3 for kind in JobKind}
    queue = LaneQueue(redis, lane, worker="w", lease_s=10, max_attempts=attempts, result_ttl_s=60)
    await queue.beat(ttl_s=60)
    return [ClaimedJob(queue, lease) for lease in (await queue.claim(100)).leases]
