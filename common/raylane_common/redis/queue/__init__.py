"""The queue: producer's side (`JobQueue`), operator's (`QueueOverview`), worker's (`LaneQueue`, `Lease`)."""

from raylane_common.redis.queue.jobs import JobQueue
from raylane_common.redis.queue.leases import AttemptOutcome, Claim, LaneQueue, Lease
from raylane_common.redis.queue.overview import QueueOverview

__all__ = ["AttemptOutcome", "Claim", "JobQueue", "LaneQueue", "Lease", "QueueOverview"]
