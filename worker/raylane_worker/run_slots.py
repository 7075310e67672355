"""Finds out how many runs the cluster may have at once, and wakes this worker's attempts that wait for a run slot.

See docs/decisions/0019.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, NamedTuple

from raylane_common.errors import RayError
from raylane_common.logs import get_logger

if TYPE_CHECKING:
    from collections.abc import Iterator

    from raylane_common.ray.client import RayClient

logger = get_logger("raylane.worker")

# A head whose own node has no CPUs can still run a few scripts: they mostly wait for tasks on other nodes.
FEWEST_RUNS: Final = 2
# Nodes take minutes to join and leave.
_COUNT_CPUS_EVERY_S: Final = 60.0
# Heads that do not name their session share one limit, so that none gets more runs than it should.
_NAMELESS: Final = "nameless"
_PLAIN_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,128}")


class ClusterLimit(NamedTuple):
    """The cluster in use, by the name of its session, and how many runs it may have at once."""

    cluster: str
    runs: int


class RunSlots:
    """The limit of runs as one worker sees it. The slots themselves are in Redis, so that all workers share them."""

    def __init__(self, ray: RayClient) -> None:
        self.is_draining: bool = False
        self._ray = ray
        self._limiting = asyncio.Lock()
        self._known: ClusterLimit | None = None
        self._count_again_at_s = 0.0
        self._waiting: dict[str, asyncio.Event] = {}

    async def limit(self) -> ClusterLimit:
        """Returns the limit of the cluster in use: `ray.max_runs`, or one run per CPU.

        Raises what `RayClient.cluster_name` raises if no cluster has answered yet.
        """
        async with self._limiting:
            cluster = await self._cluster()
            configured = self._ray.settings.max_runs
            if configured is not None:
                self._known = None
                return ClusterLimit(cluster, configured)
            known = self._known if self._known is not None and self._known.cluster == cluster else None
            if known is None or time.monotonic() >= self._count_again_at_s:
                known = ClusterLimit(cluster, await self._runs_by_cpus(known.runs if known else FEWEST_RUNS))
                self._known, self._count_again_at_s = known, time.monotonic() + _COUNT_CPUS_EVERY_S
            return known

    @contextmanager
    def waiting(self, job_id: str) -> Iterator[asyncio.Event]:
        """Yields an event that is set when the job has got a slot, or when all waiting jobs must check."""
        event = self._waiting[job_id] = asyncio.Event()
        try:
            yield event
        finally:
            if self._waiting.get(job_id) is event:
                del self._waiting[job_id]

    def wake(self, job_id: str = "") -> None:
        """Wakes the attempt of the job, if it waits here. '' wakes all attempts: messages may have been missed."""
        for waiting, event in self._waiting.items():
            if job_id in ("", waiting):
                event.set()

    def drain(self) -> None:
        """Makes all waiting attempts return to their lanes, because the worker stops."""
        self.is_draining = True
        self.wake()

    async def _cluster(self) -> str:
        name = await self._ray.cluster_name()
        if name is None:
            return _NAMELESS
        # The name becomes part of a Redis key, and comes from whatever answers at the address.
        return name if _PLAIN_NAME.fullmatch(name) else hashlib.sha256(name.encode(errors="replace")).hexdigest()

    async def _runs_by_cpus(self, known: int) -> int:
        """Returns one run for each CPU of the cluster, and at least two; `known` if Ray does not answer."""
        try:
            nodes = await self._ray.nodes()
        except RayError as error:
            logger.warning("the cluster's CPUs are not known, so it gets %d runs at once: %s", known, error)
            return known
        cpus = sum(node.resources_total.get("CPU", 0) for node in nodes if node.state == "ALIVE")
        return max(FEWEST_RUNS, int(cpus))
