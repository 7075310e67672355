"""The queue: the producer's side (`JobQueue`) and the worker's (`LaneQueue`, `Lease`), over arq's keys."""

from raylane_common.queue.jobs import JobQueue
from raylane_common.queue.leases import Claim, LaneQueue, Lease

__all__ = ["Claim", "JobQueue", "LaneQueue", "Lease"]
