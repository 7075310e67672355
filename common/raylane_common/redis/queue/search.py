"""Searches sorted sets of job ids for jobs with certain fields.

For a job that does not match, only the compared fields are read. For a match, all fields are read except the request,
the result and the checkpoint, which may be long. See docs/decisions/0016.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pydantic import ValidationError

from raylane_common.errors import ErrorInfo, InvalidRequest
from raylane_common.redis.connection import keys_of, queue_errors, readable
from raylane_common.rules import printable
from raylane_common.wire.jobs import JobList, JobSummary

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from redis.asyncio import Redis

# Redis answers for this many jobs within a few milliseconds.
_PAGE: Final = 500
# A set of unfinished jobs is rarely larger.
_COMPARED: Final = 200
# A longer request contains code or files, and is not transferred only to describe it in a few words.
_LONGEST_REQUEST: Final = 64 * 1024
_FIELDS: Final = [name for name in JobSummary.model_fields if name not in ("id", "what")]


class JobSearch:
    """Finds jobs. Every method raises `QueueUnavailable` when Redis does not answer in time."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._keys = keys_of(redis)

    async def newest(
        self,
        sets: Iterable[str],
        wanted: Mapping[str, str | None],
        *,
        limit: int,
        most: int | None,
        looks: bool = False,
        unfinished: Iterable[str] = (),
    ) -> JobList:
        """Returns up to `limit` jobs of the `sets` and the `unfinished` sets, newest first; without unreadable records.

        The scores of the `sets` are times. Those of the `unfinished` sets are not, so of each at least 200 matching
        jobs are compared by their time; which ones, if there are more, is left to the scores.

        `wanted` has the values that fields of a job must have, and the code for `error`; None matches any value. Only
        the `most` ids with the highest scores of each set are searched; None searches all. Looks are left out unless
        `looks` is set.
        """
        given = {name: value for name, value in wanted.items() if value is not None}
        found: dict[str, JobSummary] = {}
        complete = True
        with queue_errors("look for jobs"):
            # Jobs that end meanwhile are found where they are then.
            counts = [(name, max(limit, _COMPARED)) for name in unfinished] + [(name, limit) for name in sets]
            for name, count in counts:
                jobs, all_seen = await self._of_set(name, given, count, most, looks=looks)
                found |= {job.id: job for job in jobs}
                complete = complete and all_seen
            newest = sorted(found.values(), key=lambda job: job.finished_at or job.enqueued_at, reverse=True)
            return JobList(await self._described(newest[:limit]), complete=complete)

    async def fields(
        self, job_ids: Sequence[str], names: list[str], wanted: Mapping[str, str]
    ) -> list[tuple[str, dict[str, str]]]:
        """Returns the ids of those jobs that match, with the named fields of their records."""
        with queue_errors("look for jobs"):
            return await self._rows(job_ids, names, wanted)

    async def summaries(self, job_ids: Sequence[str]) -> list[JobSummary]:
        """Returns the jobs in the same order, without those whose record has expired or cannot be read."""
        found: list[JobSummary] = []
        with queue_errors("look for jobs"):
            for start in range(0, len(job_ids), _PAGE):
                rows = await self._rows(job_ids[start : start + _PAGE], _FIELDS, {})
                found += [job for row in rows if (job := _summary(*row)) is not None]
            return await self._described(found)

    async def _of_set(
        self, name: str, wanted: Mapping[str, str], limit: int, most: int | None, *, looks: bool
    ) -> tuple[list[JobSummary], bool]:
        """Returns up to `limit` jobs of one set, and False if it stopped at `most` before it had looked at all ids."""
        found: list[JobSummary] = []
        looked_at, page = 0, _PAGE if wanted else min(limit, _PAGE)
        while len(found) < limit:
            with queue_errors("look for jobs", name):
                job_ids = await self._redis.zrevrange(name, looked_at, looked_at + page - 1)
            if not job_ids:
                break
            if most is not None and looked_at >= most:
                return found, False
            looked_at += len(job_ids)
            if wanted:
                job_ids = [job_id for job_id, _ in await self._rows(job_ids, list(wanted), wanted)]
            while job_ids and len(found) < limit:
                missing = limit - len(found)
                rows = await self._rows(job_ids[:missing], _FIELDS, wanted)
                found += [job for row in rows if (job := _summary(*row)) is not None and (looks or not job.look)]
                job_ids = job_ids[missing:]
        return found, True

    async def _rows(
        self, job_ids: Sequence[str], names: list[str], wanted: Mapping[str, str]
    ) -> list[tuple[str, dict[str, str]]]:
        """Returns the ids that match, with the named fields of their records."""
        async with self._redis.pipeline(transaction=False) as pipe:
            for job_id in job_ids:
                pipe.hmget(self._keys.job(job_id), names)
            answers = await pipe.execute(raise_on_error=False)
        rows = readable(
            {name: value for name, value in zip(names, answer, strict=True) if value is not None}
            if isinstance(answer, list)
            else answer
            for answer in answers
        )
        return [(job_id, row) for job_id, row in zip(job_ids, rows, strict=True) if row and _matches(row, wanted)]

    async def _described(self, jobs: Sequence[JobSummary]) -> list[JobSummary]:
        """Adds to the jobs what they were asked to do, unless the request is long."""
        async with self._redis.pipeline(transaction=False) as pipe:
            for job in jobs:
                pipe.hstrlen(self._keys.job(job.id), "payload")
            lengths = await pipe.execute(raise_on_error=False)
            short = [isinstance(length, int) and length <= _LONGEST_REQUEST for length in lengths]
            for job in (job for job, is_short in zip(jobs, short, strict=True) if is_short):
                pipe.hget(self._keys.job(job.id), "payload")
            requests = iter(await pipe.execute(raise_on_error=False))
        return [
            job.with_request(request) if is_short and isinstance(request := next(requests), str) else job
            for job, is_short in zip(jobs, short, strict=True)
        ]


def _matches(row: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    return all((_code(row) if name == "error" else row.get(name)) == value for name, value in wanted.items())


def _code(row: Mapping[str, str]) -> str | None:
    try:
        return ErrorInfo.model_validate_json(row.get("error", "")).code
    except ValidationError:
        return None


def _summary(job_id: str, row: Mapping[str, str]) -> JobSummary | None:
    try:
        return JobSummary.from_hash(printable(job_id), row)
    except InvalidRequest:
        # Another program has broken it. The job fails when a worker claims it.
        return None
