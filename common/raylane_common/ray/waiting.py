"""Describes what a run waits for, from Ray's answers about the run and its cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from raylane_common.ray.models import RunStatus

if TYPE_CHECKING:
    from raylane_common.ray.models import ClusterStatus, RayRun

# The states of Ray's tasks that show whether a run waits.
WAITING: Final = "PENDING_NODE_ASSIGNMENT"
RUNNING: Final = "RUNNING"
# What a task asks for unless it says otherwise. Ray reports what tasks ask for seconds later than what is free.
_USUAL: Final = {"CPU": 1.0}
_GIB: Final = 1024.0**3


def reason(job: RayRun, status: ClusterStatus) -> str | None:
    """Returns what a run waits for, as in "waits for …"; None if Ray does not know.

    The run has not started, or it has tasks that wait and none that runs.
    """
    is_pending = job.status is RunStatus.PENDING
    # These words are in the message of a job that asked for resources.
    if is_pending and "resources" not in (job.message or ""):
        return "Ray to set up its environment"
    return _shortage(status) or ("resources of the cluster" if is_pending else None)


def _shortage(status: ClusterStatus) -> str | None:
    if not status.total:
        return None
    for name, wanted in {**_USUAL, **status.demand}.items():
        free, total = status.free.get(name), status.total.get(name)
        # Ray spells some custom resources differently in its two lists.
        if free is None or total is None:
            return f"{name} on the cluster"
        if wanted > free:
            unit, scale = (" GiB", _GIB) if "memory" in name else ("", 1.0)
            return f"{name} on the cluster: {free / scale:.3g} of {total / scale:.3g}{unit} free"
    return None
