"""Lists jobs page by page: a page begins after the last job of the one before, whatever was enqueued since.

The jobs of a session have the order in which they were enqueued. Those of all sessions have the order of their last
change, which is their end, or else their beginning. So a job that ends while somebody turns the pages is at the top of
the next list, and on no page twice.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from heapq import nlargest
from typing import TYPE_CHECKING, Final, NamedTuple

from raylane_common.errors import InvalidRequest
from raylane_common.redis.connection import keys_of, queue_errors
from raylane_common.rules import whole_number

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping

    from redis.asyncio import Redis

    from raylane_common.redis.queue.search import JobSearch
    from raylane_common.wire.jobs import JobSummary

# Redis answers for this many jobs within a few milliseconds.
_PAGE: Final = 500
_ENQUEUED: Final = "enqueued_at"
# Jobs with this field only look at the cluster or the catalog. The other sets have none of them.
_LOOK: Final = "look"
_LATEST: Final = 2**53 - 1


class Place(NamedTuple):
    """Where a job is in a list: by its time, and by its id among those of the same time. The latest come first."""

    time: int
    job_id: str

    def cursor(self, scope: str) -> str:
        """Returns the place as text, which a client gives back as it is. `scope` says in which list it is."""
        return base64.urlsafe_b64encode(json.dumps([scope, *self]).encode()).decode().rstrip("=")

    @classmethod
    def of(cls, cursor: str, scope: str) -> Place:
        """Returns the place that a client gives back. Raises `InvalidRequest` for anything else."""
        try:
            given = base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True)
            its_scope, time, job_id = json.loads(given)
        except (ValueError, TypeError, RecursionError):
            its_scope, time, job_id = scope, None, None
        if its_scope != scope:
            raise InvalidRequest.field("cursor", "belongs to another list; use it with the session_id of its page")
        if not isinstance(time, int) or not isinstance(job_id, str) or not 0 <= time <= _LATEST:
            raise InvalidRequest.field("cursor", "must be the next_cursor of the page before, as it was given")
        return cls(time, job_id)


@dataclass(frozen=True)
class JobPage:
    """Some jobs of a list, latest first. `next_cursor` leads to the page after them; None: they are the last ones.

    `complete` is False if there are more unfinished jobs than are looked at, so that some may be on no page.
    """

    jobs: list[JobSummary]
    next_cursor: str | None
    complete: bool = True


class JobPages:
    """Reads pages of jobs. Every method raises `QueueUnavailable` when Redis does not answer in time."""

    def __init__(self, redis: Redis, search: JobSearch) -> None:
        self._redis = redis
        self._keys = keys_of(redis)
        self._search = search

    async def read(
        self,
        by_score: Iterable[str],
        unfinished: Iterable[str],
        wanted: Mapping[str, str | None],
        *,
        limit: int,
        cursor: str | None,
        scope: str,
        most: int,
    ) -> JobPage:
        """Returns up to `limit` jobs that come after the `cursor`; from the beginning if that is None.

        `by_score` are sorted sets whose scores are the times of the jobs. In those of `unfinished` jobs, the scores are
        something else; of each, only `most` jobs are looked at. `wanted` has the values that fields of a job must have;
        None matches any value. Unreadable records are left out, and looks. Raises `InvalidRequest` for a cursor that is
        wrong, or of another `scope`.
        """
        after = None if cursor is None else Place.of(cursor, scope)
        given = {name: value for name, value in wanted.items() if value is not None}
        places: list[Place] = []
        complete = True
        with queue_errors("list jobs"):
            # First, so that jobs that end meanwhile are found where they are then.
            for name in unfinished:
                found, all_seen = await self._unfinished(name, given, after, limit + 1, most)
                places += found
                complete = complete and all_seen
            for name in by_score:
                places += await self._by_score(name, given, after, limit + 1)
            # A job may move from one set to another meanwhile. Its later place counts.
            latest = {place.job_id: place for place in sorted(places)}
            chosen = nlargest(limit + 1, latest.values())
            jobs = await self._search.summaries([place.job_id for place in chosen[:limit]])
        has_more = len(chosen) > limit
        return JobPage(jobs, chosen[limit - 1].cursor(scope) if has_more else None, complete)

    async def _by_score(self, name: str, wanted: Mapping[str, str], after: Place | None, count: int) -> list[Place]:
        """Returns the first `count` places of a set after a place."""
        found: list[Place] = []
        async for page in self._scored(name, "+inf" if after is None else after.time):
            later = [place for place in page if after is None or place < after]
            rows = await self._search.fields([place.job_id for place in later], [_ENQUEUED, *wanted], wanted)
            matching = {job_id for job_id, _ in rows}
            found += [place for place in later if place.job_id in matching]
            if len(found) >= count:
                return found[:count]
        return found

    async def _scored(self, name: str, highest: int | str) -> AsyncIterator[list[Place]]:
        start = 0
        while True:
            with queue_errors("list jobs", name):
                page: list[tuple[str, float]] = await self._redis.zrevrangebyscore(
                    name, highest, "-inf", start=start, num=_PAGE, withscores=True
                )
            if not page:
                return
            start += len(page)
            # Another program may have added anything, even infinity.
            yield [Place(int(min(max(score, 0), _LATEST)), job_id) for job_id, score in page]

    async def _unfinished(
        self, name: str, wanted: Mapping[str, str], after: Place | None, count: int, most: int
    ) -> tuple[list[Place], bool]:
        """Returns the first `count` places of a set after a place, and whether all of its jobs were looked at."""
        found: list[Place] = []
        for start in range(0, most, _PAGE):
            with queue_errors("list jobs", name):
                job_ids: list[str] = await self._redis.zrevrange(name, start, start + _PAGE - 1)
            rows = await self._search.fields(job_ids, [_ENQUEUED, _LOOK, *wanted], wanted)
            places = (
                Place(whole_number(row.get(_ENQUEUED)) or 0, job_id) for job_id, row in rows if not row.get(_LOOK)
            )
            found = nlargest(count, [*found, *(place for place in places if after is None or place < after)])
            if len(job_ids) < _PAGE:
                return found, True
        return found, False
