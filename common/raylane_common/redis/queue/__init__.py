"""The queue, for the producer (`JobQueue`), the operator (`QueueOverview`) and the worker (`LaneQueue`, `Lease`).

See docs/decisions/0006.
"""

from raylane_common.redis.queue.jobs import JobQueue
from raylane_common.redis.queue.lanes import Claim, LaneQueue
from raylane_common.redis.queue.lease import Lease
from raylane_common.redis.queue.overview import QueueOverview
from raylane_common.redis.queue.scripts.calls import AttemptOutcome

__all__ = ["AttemptOutcome", "Claim", "JobQueue", "LaneQueue", "Lease", "QueueOverview"]
