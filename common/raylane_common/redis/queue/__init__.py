"""The queue, from three sides: producer (`JobQueue`), operator (`QueueOverview`), worker (`LaneQueue`, `Lease`)."""

from raylane_common.redis.queue.jobs import JobQueue
from raylane_common.redis.queue.lanes import Claim, LaneQueue
from raylane_common.redis.queue.lease import Lease
from raylane_common.redis.queue.overview import QueueOverview
from raylane_common.redis.queue.scripts.calls import AttemptOutcome

__all__ = ["AttemptOutcome", "Claim", "JobQueue", "LaneQueue", "Lease", "QueueOverview"]
