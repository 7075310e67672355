"""The worker's side of the queue: claim jobs, hold them by a lease, end them or give them back."""

from __future__ import annotations

import math
import uuid
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, cast

from redis.client import NEVER_DECODE

from raylane_common import keys
from raylane_common.connection import queue_errors
from raylane_common.errors import InvalidRequest, LeaseLost, RaylaneError, StagedBodyMissing
from raylane_common.jobs import Checkpoint, EventType, JobRecord, JobStatus, Progress
from raylane_common.queue.scripts import EVENTS_MAX, PENDING_TTL_MS, Scripts

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence

    from redis.asyncio import Redis

    from raylane_common.results import Result


@dataclass(frozen=True)
class Claim:
    """Jobs that are now this worker's, and how long it may sleep at most before another one comes due (None: idle)."""

    leases: list[Lease]
    next_due_s: float | None


class LaneQueue:
    """One lane as one worker sees it. Every method raises `QueueUnavailable` when Redis does not answer in time."""

    def __init__(
        self, redis: Redis, lane: str, *, worker: str, lease_s: float, max_attempts: int, result_ttl_s: float
    ) -> None:
        """`max_attempts` holds for jobs that bring no number of their own."""
        self.redis = redis
        self.lane = lane
        self.lease_s = lease_s
        self.result_ttl_ms = int(result_ttl_s * 1000)
        self.scripts = Scripts(redis)
        self._worker = worker
        self._max_attempts = max_attempts

    async def claim(self, limit: int) -> Claim:
        """Takes up to `limit` due jobs in one round trip. A job whose record is unreadable is failed at once."""
        token = uuid.uuid4().hex
        answer = await self.scripts.run(
            "claim",
            [keys.queue(self.lane)],
            [
                limit,
                self._worker,
                token,
                int(self.lease_s * 1000),
                self._max_attempts,
                PENDING_TTL_MS,
                self.result_ttl_ms,
                EVENTS_MAX,
                keys.JOB_PREFIX,
                keys.EVENTS_SUFFIX,
                keys.BODY_SUFFIX,
                keys.ARQ_JOB_PREFIX,
                keys.ARQ_LEASE_PREFIX,
            ],
        )
        due_ms, *rows = cast("list[int | list[str | list[str]]]", answer)
        leases: list[Lease] = []
        for job_id, flat in cast("list[tuple[str, list[str]]]", rows):
            lease = Lease(self, job_id, token)
            try:
                lease.record = JobRecord.from_hash(job_id, dict(zip(flat[::2], flat[1::2], strict=True)))
            except InvalidRequest as error:
                with suppress(LeaseLost):
                    await lease.fail(error)
            else:
                leases.append(lease)
        due = cast("int", due_ms)
        return Claim(leases, None if due < 0 else due / 1000)


class Lease:
    """A worker's right to one job. Every write is fenced: it raises `LeaseLost` once another worker owns the job."""

    record: JobRecord

    def __init__(self, queue: LaneQueue, job_id: str, token: str) -> None:
        self.job_id = job_id
        self._queue = queue
        self._token = token

    async def renew(self) -> None:
        """Holds the job for another `lease_s`."""
        await self._run(
            "renew",
            [keys.job(self.job_id), keys.lease(self.job_id), keys.queue(self._queue.lane)],
            [self.job_id, self._token, int(self._queue.lease_s * 1000)],
        )

    async def progress(self, progress: Progress) -> None:
        """Replaces the record's progress and announces it."""
        value = progress.model_dump_json(exclude_none=True)
        await self._note("progress", value, EventType.PROGRESS, "progress", value)

    async def log(self, line: str) -> None:
        """Adds one line to the job's events."""
        await self._note("", "", EventType.LOG, "line", line)

    async def checkpoint(self, checkpoint: Checkpoint) -> None:
        """Replaces the record's checkpoint, which the next attempt of this job is given."""
        await self._note("checkpoint", checkpoint.model_dump_json(), "", "", "")

    async def body(self) -> bytes:
        """The bytes staged with the job. Raises `StagedBodyMissing`."""
        with queue_errors("read a staged body"):
            found = await cast(
                "Awaitable[bytes | None]",
                self._queue.redis.execute_command(  # type: ignore[no-untyped-call]  # redis-py leaves it untyped
                    "GET", keys.job_body(self.job_id), **{NEVER_DECODE: True}
                ),
            )
        if found is None:
            raise StagedBodyMissing(f"the bytes of job {self.job_id} are no longer in Redis; upload the file again")
        return found

    async def succeed(self, result: Result) -> None:
        """Ends the job with its result."""
        await self._finish(JobStatus.SUCCEEDED, "result", result.model_dump_json())

    async def fail(self, error: RaylaneError) -> None:
        """Ends the job with an error."""
        await self._finish(JobStatus.FAILED, "error", error.info().model_dump_json())

    async def give_back(self, *, delay_s: float = 0, error: RaylaneError | None = None, refund: bool = False) -> None:
        """Lets the job run again after `delay_s`; with `refund` this attempt does not count."""
        await self._run(
            "give_back",
            [
                keys.job(self.job_id),
                keys.job_events(self.job_id),
                keys.queue(self._queue.lane),
                keys.lease(self.job_id),
            ],
            [
                self.job_id,
                self._token,
                math.ceil(delay_s * 1000),
                int(refund),
                error.info().model_dump_json() if error else "",
                EVENTS_MAX,
                keys.wake(self._queue.lane),
            ],
        )

    async def _note(self, field: str, value: str, event: str, event_field: str, event_value: str) -> None:
        await self._run(
            "note",
            [keys.job(self.job_id), keys.job_events(self.job_id)],
            [self._token, field, value, EVENTS_MAX, event, event_field, event_value],
        )

    async def _finish(self, status: JobStatus, field: str, value: str) -> None:
        await self._run(
            "finish",
            [
                keys.job(self.job_id),
                keys.job_events(self.job_id),
                keys.arq_job(self.job_id),
                keys.queue(self._queue.lane),
                keys.job_body(self.job_id),
                keys.lease(self.job_id),
            ],
            [self.job_id, self._token, status, field, value, self._queue.result_ttl_ms, EVENTS_MAX],
        )

    async def _run(
        self,
        name: Literal["renew", "note", "finish", "give_back"],
        script_keys: Sequence[str],
        arguments: list[str | int],
    ) -> None:
        if not await self._queue.scripts.run(name, script_keys, arguments):
            raise LeaseLost(f"job {self.job_id} is no longer this worker's", details={"job_id": self.job_id})
