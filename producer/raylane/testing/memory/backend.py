"""The rest of the backend in memory: the queue's overview, the sessions' sources, and settings."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final

from raylane.testing.memory.job import now_ms
from raylane_common.wire.base import Lane
from raylane_common.wire.jobs import JobStatus, LaneOverview

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from raylane.testing.memory.queue import MemoryQueue
    from raylane_common.wire.base import JobKind
    from raylane_common.wire.jobs import JobRecord
    from raylane_common.wire.sources import AnySource

_RATE_OVER_S: Final = 60


class MemoryBackend:
    """Queue, overview, sources and settings of one `MemoryProducer`."""

    def __init__(self, queue: MemoryQueue) -> None:
        self.queue = queue
        self.overview = MemoryOverview(queue)
        self.sources = MemorySources(queue)
        self.settings = MemorySettings()

    async def aclose(self) -> None:
        """Holds nothing open."""


class MemorySettings:
    """`SettingsStore` in memory."""

    def __init__(self) -> None:
        self._values: dict[str, str] = {}

    async def all(self) -> dict[str, str]:
        """What is set, by name."""
        return dict(self._values)

    async def set(self, name: str, value: str) -> None:
        """Sets one."""
        self._values[name] = value

    async def unset(self, name: str) -> None:
        """Takes one back."""
        self._values.pop(name, None)


class MemoryOverview:
    """`QueueOverview` over the jobs in memory."""

    def __init__(self, queue: MemoryQueue) -> None:
        self._queue = queue

    async def lanes(self) -> list[LaneOverview]:
        """All lanes; nothing is parked, and there are no workers."""
        return [self._lane(lane) for lane in Lane]

    async def jobs(
        self,
        *,
        status: JobStatus | None = None,
        session_id: str | None = None,
        kind: JobKind | None = None,
        limit: int = 50,
    ) -> list[JobRecord]:
        """The jobs that match, newest first."""
        records = [job.record for job in self._queue.jobs.values()]
        return _newest(records, limit, status=status, session_id=session_id, kind=kind)

    async def dead(
        self, *, kind: JobKind | None = None, code: str | None = None, session_id: str | None = None, limit: int = 50
    ) -> list[JobRecord]:
        """The dead letters that match, the last to fail first."""
        dead = (job.record for job in self._queue.jobs.values() if job.dead)
        records = [record for record in dead if code is None or (record.error and record.error.code == code)]
        return _newest(records, limit, session_id=session_id, kind=kind)

    def _lane(self, lane: Lane) -> LaneOverview:
        jobs = [job for job in self._queue.jobs.values() if job.record.lane == lane]
        counts = dict.fromkeys(JobStatus, 0)
        for job in jobs:
            counts[job.status] += 1
        now = now_ms()
        since = [job.record.enqueued_at for job in jobs if job.status is JobStatus.QUEUED]
        ended = [job for job in jobs if (job.record.finished_at or 0) >= now - _RATE_OVER_S * 1000]
        return LaneOverview(
            lane=lane,
            waiting=counts[JobStatus.WAITING],
            scheduled=counts[JobStatus.SCHEDULED],
            queued=counts[JobStatus.QUEUED],
            parked=0,
            running=counts[JobStatus.RUNNING],
            dead=sum(job.dead for job in jobs),
            oldest_s=(now - min(since)) / 1000 if since else None,
            ended_per_s=len(ended) / _RATE_OVER_S,
            workers=(),
        )


class MemorySources:
    """`SourceStore` over dictionaries."""

    def __init__(self, queue: MemoryQueue) -> None:
        self._queue = queue
        self._sessions: dict[str, dict[tuple[str, str], AnySource]] = {}

    async def put(self, session_id: str, sources: Sequence[AnySource]) -> None:
        """Adds the sources, or replaces those of the same name."""
        known = self._sessions.setdefault(session_id, {})
        known.update({(source.type, source.name): source for source in sources})

    async def all(self, session_id: str) -> list[AnySource]:
        """The session's sources by name."""
        known = self._sessions.get(session_id, {})
        return [known[key] for key in sorted(known)]

    async def reset(self, session_id: str) -> int:
        """Forgets the session's sources and history; returns how many sources it had."""
        self._queue.sessions.pop(session_id, None)
        return len(self._sessions.pop(session_id, {}))


def _newest(records: Iterable[JobRecord], limit: int, **wanted: str | None) -> list[JobRecord]:
    filters = {name: value for name, value in wanted.items() if value is not None}
    newest = sorted(records, key=lambda record: record.finished_at or record.enqueued_at)[::-1]
    matching = (record for record in newest if all(getattr(record, name) == value for name, value in filters.items()))
    return list(islice(matching, limit))
