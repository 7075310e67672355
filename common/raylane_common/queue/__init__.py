"""The queue: producer's side (`JobQueue`), operator's (`QueueOverview`), worker's (`LaneQueue`, `Lease`)."""

from raylane_common.queue.jobs import JobQueue
from raylane_common.queue.leases import Claim, End, LaneQueue, Lease
from raylane_common.queue.overview import QueueOverview

__all__ = ["Claim", "End", "JobQueue", "LaneQueue", "Lease", "QueueOverview"]
