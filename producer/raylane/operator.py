"""The queue as its operator sees it: lanes, jobs of all sessions, dead letters."""

from __future__ import annotations

from graphlib import TopologicalSorter
from typing import TYPE_CHECKING, Final, NamedTuple

from raylane import checks
from raylane_common.errors import JobNotFound, JobNotRequeued, RaylaneError
from raylane_common.wire.base import JobKind
from raylane_common.wire.jobs import JobStatus

if TYPE_CHECKING:
    from raylane.ports import OverviewPort, QueuePort
    from raylane_common.wire.jobs import JobRecord, LaneOverview

_MOST_REQUEUED: Final = 10_000


class Requeued(NamedTuple):
    """What became of one dead letter: `error` is None if the job is back in the queue."""

    id: str
    error: RaylaneError | None


class OperatorActions:
    """The queue as a whole, as `producer.queue`. One job is cancelled and requeued by the producer itself."""

    def __init__(self, queue: QueuePort, overview: OverviewPort) -> None:
        self._queue = queue
        self._overview = overview

    async def lanes(self) -> list[LaneOverview]:
        """All lanes: how many jobs stand where, how fast they end, and which workers there are."""
        return await self._overview.lanes()

    async def jobs(
        self,
        *,
        status: JobStatus | str | None = None,
        session_id: str | None = None,
        kind: JobKind | str | None = None,
        limit: int = 50,
    ) -> list[JobRecord]:
        """Jobs of this status, session and kind, newest first: up to `limit`, 1 to 1000.

        Of jobs that have ended, the last 10,000 of each lane are looked through.
        """
        return await self._overview.jobs(
            status=checks.member("status", JobStatus, status),
            session_id=None if session_id is None else checks.session_id(session_id),
            kind=checks.member("kind", JobKind, kind),
            limit=checks.limit(limit),
        )

    async def dead_letters(
        self,
        *,
        kind: JobKind | str | None = None,
        code: str | None = None,
        session_id: str | None = None,
        limit: int = 50,
    ) -> list[JobRecord]:
        """Jobs whose attempts are used up, or that failed by a defect or with a job they waited for; newest first.

        Of this kind, error code and session: up to `limit`, 1 to 1000. They are kept for 30 days.
        """
        return await self._dead(kind, code, session_id, checks.limit(limit))

    async def requeue_dead(
        self, *, kind: JobKind | str | None = None, code: str | None = None, session_id: str | None = None
    ) -> list[Requeued]:
        """Puts the dead letters of this kind, error code and session back into the queue; all, if none is given.

        Oldest first, and a job before those that come after it; up to 10,000 at once, the newest ones. What is wrong
        with one job stands in its `error` and holds up no other.
        """
        newest_first = await self._dead(kind, code, session_id, _MOST_REQUEUED)
        found = {record.id: record for record in reversed(newest_first)}
        # Their times do not tell: a job fails in the same millisecond as the one that it waited for.
        graph = {job_id: found.keys() & set(record.after) for job_id, record in found.items()}
        return [await self._requeue(job_id) for job_id in TopologicalSorter(graph).static_order()]

    async def _dead(
        self, kind: JobKind | str | None, code: str | None, session_id: str | None, limit: int
    ) -> list[JobRecord]:
        return await self._overview.dead(
            kind=checks.member("kind", JobKind, kind),
            code=code,
            session_id=None if session_id is None else checks.session_id(session_id),
            limit=limit,
        )

    async def _requeue(self, job_id: str) -> Requeued:
        try:
            await self._queue.requeue(job_id)
        except (JobNotFound, JobNotRequeued) as error:
            return Requeued(job_id, error)
        return Requeued(job_id, None)
