"""The queue, for the producer (`JobQueue`), the operator (`QueueOverview`) and the worker (`LaneQueue`, `Lease`).

Each is loaded when it is first used. See docs/decisions/0006.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from raylane_common.redis.queue.jobs import JobQueue
    from raylane_common.redis.queue.lanes import Claim, LaneQueue
    from raylane_common.redis.queue.lease import Lease
    from raylane_common.redis.queue.overview import QueueOverview
    from raylane_common.redis.queue.scripts.calls import AttemptOutcome

_HOME_OF: Final = {
    "AttemptOutcome": "scripts.calls",
    "Claim": "lanes",
    "JobQueue": "jobs",
    "LaneQueue": "lanes",
    "Lease": "lease",
    "QueueOverview": "overview",
}


def __getattr__(name: str) -> object:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return globals().setdefault(name, getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name))


__all__ = ["AttemptOutcome", "Claim", "JobQueue", "LaneQueue", "Lease", "QueueOverview"]
