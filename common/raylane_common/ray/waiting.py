"""Describes in a few words what a run waits for on the cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from raylane_common.ray.models import RunStatus

if TYPE_CHECKING:
    from raylane_common.ray.models import ClusterStatus, RayRun

# The states of Ray's tasks that show whether a run waits.
WAITING: Final = "PENDING_NODE_ASSIGNMENT"
RUNNING: Final = "RUNNING"
# What a task asks for by default. It is always compared, because Ray reports the demand seconds after what is free.
_USUAL: Final = {"CPU": 1.0}
_GIB: Final = 1024.0**3


def reason(job: RayRun, status: ClusterStatus) -> str | None:
    """Returns what a run waits for, as the end of the sentence "waits for …"; None if Ray does not know.

    `job` must be a run that waits: it has not started, or it has waiting tasks and none that runs.
    """
    is_pending = job.status is RunStatus.PENDING
    # This word is in the message of a job that waits for the resources that it reserves.
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
