"""The operator's side of the queue: the state of the lanes, jobs by filter, and dead letters.

See docs/decisions/0006.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

from pydantic import ValidationError

from raylane_common.redis.connection import keys_of, queue_errors
from raylane_common.redis.facts import clock_of, facts_of
from raylane_common.redis.keys import Keys
from raylane_common.redis.queue.pages import JobPage, JobPages
from raylane_common.redis.queue.search import JobSearch
from raylane_common.redis.replies import WrongType
from raylane_common.rules import printable, whole_number
from raylane_common.wire.base import JobKind, Lane
from raylane_common.wire.jobs import (
    ClusterRuns,
    EndedJobs,
    JobList,
    JobStatus,
    LaneOverview,
    WorkerAbout,
    WorkerOverview,
)
from raylane_common.wire.registry import lane_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from redis.asyncio import Redis

    from raylane_common.redis.facts import ClockReading, ServerFacts

# A minute smooths out single jobs and still shows a change in load.
_RATE_OVER_MS: Final = 60_000
# More than the 10,000 ended jobs that a lane keeps. Searching this many takes a second or two.
_MOST_SEARCHED: Final = 20_000

# As jobs.lua writes them.
_LABELS_OF_COUNTS: Final = 4
_NO_CODE: Final = "-"

_SETS: Final[dict[JobStatus, tuple[Callable[[Keys, str], str], ...]]] = {
    JobStatus.WAITING: (Keys.waiting,),
    JobStatus.SCHEDULED: (Keys.schedule,),
    JobStatus.QUEUED: (Keys.queue, Keys.parked),
    JobStatus.RUNNING: (Keys.running,),
    JobStatus.SUCCEEDED: (Keys.ended,),
    JobStatus.FAILED: (Keys.ended,),
    JobStatus.CANCELLED: (Keys.ended,),
}


class QueueOverview:
    """All lanes as an operator sees them. Every method raises `QueueUnavailable` when Redis does not answer in time."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._keys = keys_of(redis)
        self._search = JobSearch(redis)
        self._pages = JobPages(redis, self._search)

    async def lanes(self) -> list[LaneOverview]:
        """Returns how many jobs each lane has in each state now, and its living workers."""
        with queue_errors("look at the lanes"):
            seconds, micros = await self._redis.time()
            now_ms = seconds * 1000 + micros // 1000
            return [await self._lane(lane, now_ms) for lane in Lane]

    async def workers(self) -> list[WorkerOverview]:
        """Returns the living workers, with their lanes and versions."""
        lanes: dict[str, list[str]] = {}
        until_ms: dict[str, float] = {}
        with queue_errors("look for workers"):
            seconds, micros = await self._redis.time()
            now_ms = seconds * 1000 + micros // 1000
            for lane in Lane:
                key = self._keys.workers(lane)
                for worker, end_ms in await self._redis.zrangebyscore(key, now_ms, "+inf", withscores=True):
                    lanes.setdefault(worker, []).append(lane.value)
                    until_ms[worker] = max(end_ms, until_ms.get(worker, 0))
            async with self._redis.pipeline(transaction=False) as pipe:
                for worker in lanes:
                    pipe.get(self._keys.worker_about(worker))
                told = await pipe.execute(raise_on_error=False)
        found = []
        for (worker, its), text in zip(lanes.items(), told, strict=True):
            about = _about(text)
            ahead_s = None if about is None else _ahead_s(about, until_ms[worker])
            found.append(WorkerOverview(printable(worker), tuple(its), about, ahead_s))
        return sorted(found, key=lambda worker: worker.name)

    async def server(self) -> ServerFacts:
        """Returns what the server says of itself. Not every user may ask."""
        return await facts_of(self._redis)

    async def clock(self) -> ClockReading:
        """Compares the server's clock with ours."""
        return await clock_of(self._redis)

    async def ping(self) -> None:
        """Returns once Redis answers."""
        with queue_errors("answer"):
            await self._redis.ping()

    async def cluster_runs(self) -> list[ClusterRuns]:
        """Returns how many run slots of each Ray cluster are taken. A cluster without runs may be missing."""
        with queue_errors("look at the run slots", self._keys.run_limits):
            limits = await cast("Awaitable[dict[str, str]]", self._redis.hgetall(self._keys.run_limits))
            async with self._redis.pipeline(transaction=False) as pipe:
                for cluster in limits:
                    pipe.zcard(self._keys.run_slots(cluster))
                    pipe.zcard(self._keys.run_line(cluster))
                counts = await pipe.execute()
        return [
            ClusterRuns(printable(cluster), taken, whole_number(limit) or 0, waiting)
            for (cluster, limit), taken, waiting in zip(limits.items(), counts[::2], counts[1::2], strict=True)
        ]

    async def ended_jobs(self) -> list[EndedJobs]:
        """Returns how many jobs have ended since Redis began to count them, in any lane and wherever they ended."""
        with queue_errors("look at the ends of jobs", self._keys.counts):
            counts = await cast("Awaitable[dict[str, str]]", self._redis.hgetall(self._keys.counts))
        return [ended for field, count in sorted(counts.items()) if (ended := _ended(field, count)) is not None]

    async def jobs(
        self,
        *,
        status: JobStatus | None = None,
        session_id: str | None = None,
        kind: JobKind | None = None,
        limit: int = 50,
        looks: bool = False,
    ) -> JobList:
        """Returns up to `limit` jobs that match all filters, newest first.

        The jobs of a session are those of its history. Otherwise the search covers the last 20,000 jobs of each state
        in each lane; the list says if there are more. If more than 200 jobs of a lane have the same state and have not
        ended, and have several priorities or delays, the newest ones may be missing; `page` always has them. Unreadable
        records are left out, and looks unless `looks` is set.
        """
        ended, unfinished = self._sets(status, kind, session_id)
        if looks and session_id is None and (status is None or status.is_final):
            ended += [self._keys.looks(lane) for lane in _lanes(kind)]
        wanted = {"status": status, "session_id": session_id, "kind": kind}
        return await self._search.newest(
            ended, wanted, limit=limit, most=_MOST_SEARCHED, looks=looks, unfinished=unfinished
        )

    async def page(
        self,
        *,
        status: JobStatus | None = None,
        session_id: str | None = None,
        kind: JobKind | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> JobPage:
        """Returns up to `limit` jobs that match all filters and come after the `cursor`, the `next_cursor` of a page.

        Of all sessions, the search covers what `jobs` covers. Raises `InvalidRequest` for a wrong cursor.
        """
        by_score, unfinished = self._sets(status, kind, session_id)
        wanted = {"status": status, "session_id": session_id, "kind": kind}
        return await self._pages.read(
            by_score, unfinished, wanted, limit=limit, cursor=cursor, scope=session_id or "", most=_MOST_SEARCHED
        )

    def _sets(
        self, status: JobStatus | None, kind: JobKind | None, session_id: str | None
    ) -> tuple[list[str], list[str]]:
        """Returns the sets that have the jobs: those whose scores are times, and those of unfinished jobs.

        The latter have the order in which a job goes through them, so that one that moves meanwhile is found.
        """
        if session_id is not None:
            return [self._keys.session_jobs(session_id)], []
        sets = dict.fromkeys(set_of for state in ([status] if status else JobStatus) for set_of in _SETS[state])
        by_score = [self._keys.ended(lane) for lane in _lanes(kind) if Keys.ended in sets]
        return by_score, [
            set_of(self._keys, lane) for set_of in sets if set_of is not Keys.ended for lane in _lanes(kind)
        ]

    async def dead(
        self,
        *,
        kind: JobKind | None = None,
        code: str | None = None,
        session_id: str | None = None,
        limit: int = 50,
        exhaustive: bool = False,
    ) -> JobList:
        """Returns up to `limit` dead letters that match all filters, latest failure first.

        `code` is an error code. The search covers the last 20,000 dead letters of each lane, or all if `exhaustive`.
        """
        wanted = {"kind": kind, "error": code, "session_id": session_id}
        sets = [self._keys.dead(lane) for lane in _lanes(kind)]
        return await self._search.newest(sets, wanted, limit=limit, most=None if exhaustive else _MOST_SEARCHED)

    async def _lane(self, lane: Lane, now_ms: int) -> LaneOverview:
        async with self._redis.pipeline(transaction=False) as pipe:
            for set_of in (Keys.waiting, Keys.schedule, Keys.queue, Keys.parked, Keys.running, Keys.dead):
                pipe.zcard(set_of(self._keys, lane))
            pipe.zcount(self._keys.ended(lane), now_ms - _RATE_OVER_MS, "+inf")
            pipe.zrangebyscore(self._keys.workers(lane), now_ms, "+inf")
            pipe.zrange(self._keys.queue(lane), 0, 0)
            waiting, scheduled, queued, parked, running, dead, ended, workers, head = await pipe.execute()
        since = await self._ready_at(head[0]) if head else None
        return LaneOverview(
            lane=lane,
            waiting=waiting,
            scheduled=scheduled,
            queued=queued + parked,
            parked=parked,
            running=running,
            dead=dead,
            oldest_s=None if since is None else max(0, now_ms - since) / 1000,
            ended_per_s=ended * 1000 / _RATE_OVER_MS,
            workers=tuple(sorted(map(printable, workers))),
        )

    async def _ready_at(self, job_id: str) -> int | None:
        """Returns since when (epoch ms) a queued job could run; None if that is unknown.

        A job whose attempt has failed was ready again some time after that attempt had started.
        """
        names = ["enqueued_at", "at", "started_at"]
        try:
            enqueued_at, *later = await self._redis.hmget(self._keys.job(job_id), names)  # type: ignore[misc]  # redis-py's sync/async union
        except WrongType:
            return None
        known = whole_number(enqueued_at)
        return None if known is None else max(known, *(whole_number(each) or 0 for each in later))


def _lanes(kind: JobKind | None) -> list[Lane]:
    return [lane_of(kind)] if kind else list(Lane)


def _ended(field: str, count: str) -> EndedJobs | None:
    """Returns one count; None if another program has written it."""
    labels, number = field.split(" "), whole_number(count)
    if len(labels) != _LABELS_OF_COUNTS or number is None:
        return None
    lane, kind, outcome, code = labels
    return EndedJobs(lane, kind, outcome, "" if code == _NO_CODE else code, number)


def _ahead_s(about: WorkerAbout, until_ms: float) -> float | None:
    """Returns how much a worker's clock is ahead of that of Redis, which wrote until when its last heartbeat lasts."""
    if about.at_ms is None or about.beat_ms is None:
        return None
    return (about.at_ms - (until_ms - about.beat_ms)) / 1000


def _about(text: object) -> WorkerAbout | None:
    """Returns what a worker says; None if it says nothing, or another program has overwritten it."""
    try:
        return WorkerAbout.model_validate_json(text) if isinstance(text, str) else None
    except ValidationError:
        return None
