"""The worker's side of the queue: claim jobs, hold them by a lease, write how their attempts ended."""

from __future__ import annotations

import math
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, cast

from redis.client import NEVER_DECODE

from raylane_common.errors import InternalError, InvalidRequest, LeaseLost, StagedBodyMissing
from raylane_common.redis import keys
from raylane_common.redis.connection import queue_errors
from raylane_common.redis.queue.scripts import DEAD_TTL_MS, Argument, Scripts
from raylane_common.wire.jobs import EventType, JobRecord, Progress

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping, Sequence

    from redis.asyncio import Redis

    from raylane_common.errors import RaylaneError
    from raylane_common.wire.generate import Checkpoint
    from raylane_common.wire.kinds import Result


@dataclass(frozen=True)
class Claim:
    """Jobs that are now this worker's, and how long it may sleep at most before another one comes due (None: idle).

    `unreadable` are jobs whose record breaks the wire format, with what is wrong; they are to be failed.
    """

    leases: list[Lease]
    next_due_s: float | None
    unreadable: list[AttemptOutcome]


@dataclass(frozen=True)
class AttemptOutcome:
    """How one attempt ended, as it is to be written."""

    job_id: str
    token: str
    verdict: Literal["succeeded", "failed", "dead", "cancelled", "retry", "return"]
    value: str
    delay_ms: int = 0


class LaneQueue:
    """One lane as one worker sees it. Every method raises `QueueUnavailable` when Redis does not answer in time."""

    def __init__(
        self,
        redis: Redis,
        lane: str,
        *,
        worker: str,
        lease_s: float,
        max_attempts: Mapping[str, int],
        per_session: int = 0,
        result_ttl_s: float,
        dead_ttl_s: float = DEAD_TTL_MS / 1000,
    ) -> None:
        """`max_attempts`, by kind, holds for jobs that bring no number of their own."""
        self.redis = redis
        self.lane = lane
        self.worker = worker
        self.lease_s = lease_s
        self.per_session = per_session
        self.ttls_ms = (int(result_ttl_s * 1000), int(dead_ttl_s * 1000))
        self.scripts = Scripts(redis)
        self._max_attempts = [part for policy in max_attempts.items() for part in policy]
        self._token = uuid.uuid4().hex

    async def claim(self, limit: int) -> Claim:
        """Takes up to `limit` due jobs in one round trip."""
        token = self._token
        answer = await self.scripts.run(
            "claim",
            [
                *(self.lane, self.worker, token, limit, int(self.lease_s * 1000), self.per_session),
                *self.ttls_ms,
                *self._max_attempts,
            ],
        )
        # Only now: a claim whose answer was lost is asked for again under the same token.
        self._token = uuid.uuid4().hex
        due_ms, *rows = cast("list[int | list[str | list[str]]]", answer)
        leases: list[Lease] = []
        unreadable: list[AttemptOutcome] = []
        for job_id, flat in cast("list[tuple[str, list[str]]]", rows):
            try:
                record = JobRecord.from_hash(job_id, dict(zip(flat[::2], flat[1::2], strict=True)))
            except InvalidRequest as error:
                unreadable.append(AttemptOutcome(job_id, token, "failed", error.info().model_dump_json()))
            else:
                leases.append(Lease(self, record, token))
        due = cast("int", due_ms)
        return Claim(leases, None if due < 0 else due / 1000, unreadable)

    async def renew(self, leases: Sequence[Lease]) -> list[Literal["held", "lost", "cancel"]]:
        """Holds the jobs for another `lease_s`; says of each whether it is still ours, and whether to cancel it."""
        arguments: list[Argument] = [self.lane, int(self.lease_s * 1000)]
        for lease in leases:
            arguments += (lease.job_id, lease.token)
        replies = cast("list[int]", await self.scripts.run("renew", arguments))
        return [("lost", "held", "cancel")[reply] for reply in replies]

    async def finish(self, ends: Sequence[AttemptOutcome]) -> list[bool]:
        """Writes how attempts ended, each in one step; False for a job that is no longer its worker's."""
        arguments: list[Argument] = [*self.ttls_ms]
        for end in ends:
            arguments += (end.job_id, end.token, end.verdict, end.value, end.delay_ms)
        return [bool(reply) for reply in cast("list[int]", await self.scripts.run("finish", arguments))]


class Lease:
    """A worker's right to one job. Every write is fenced: it raises `LeaseLost` once another worker owns the job."""

    def __init__(self, queue: LaneQueue, record: JobRecord, token: str) -> None:
        self.record = record
        self.token = token
        self._queue = queue

    @property
    def job_id(self) -> str:
        """The job's id."""
        return self.record.id

    async def refresh(self) -> None:
        """Reads the record again, with what this attempt has written into it."""
        with queue_errors("read a record"):
            fields = await cast("Awaitable[dict[str, str]]", self._queue.redis.hgetall(keys.job(self.job_id)))
        if not fields:
            raise LeaseLost(f"the record of job {self.job_id} has vanished", details={"job_id": self.job_id})
        self.record = JobRecord.from_hash(self.job_id, fields)

    async def progress(self, progress: Progress) -> None:
        """Replaces the record's progress and announces it."""
        value = progress.model_dump_json(exclude_none=True)
        await self._note("progress", value, EventType.PROGRESS, "progress", value)

    async def log(self, lines: str, *, position: str = "") -> None:
        """Adds whole lines to the job's events, and in the same step `position` to the record, to go on from."""
        await self._note("log_position" if position else "", position, EventType.LOG, "line", lines)

    async def text(self, piece: str) -> None:
        """Adds a piece of generated text to the job's events."""
        await self._note("", "", EventType.TEXT, "text", piece)

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

    def succeeded(self, result: Result) -> AttemptOutcome:
        """The job's end with its result."""
        return AttemptOutcome(self.job_id, self.token, "succeeded", result.model_dump_json())

    def failed(self, error: RaylaneError) -> AttemptOutcome:
        """The job's end with an error; one that lies outside the job makes it a dead letter."""
        dead = error.retryable or isinstance(error, InternalError)
        return AttemptOutcome(self.job_id, self.token, "dead" if dead else "failed", error.info().model_dump_json())

    def cancelled(self, error: RaylaneError) -> AttemptOutcome:
        """The job's end on request."""
        return AttemptOutcome(self.job_id, self.token, "cancelled", error.info().model_dump_json())

    def retried(self, error: RaylaneError, delay_s: float) -> AttemptOutcome:
        """Back into the lane for the next attempt, after `delay_s`."""
        return AttemptOutcome(
            self.job_id, self.token, "retry", error.info().model_dump_json(), math.ceil(delay_s * 1000)
        )

    def returned(self, error: RaylaneError | None = None, delay_s: float = 0) -> AttemptOutcome:
        """Back into the lane, and this attempt does not count."""
        value = error.info().model_dump_json() if error else ""
        return AttemptOutcome(self.job_id, self.token, "return", value, math.ceil(delay_s * 1000))

    async def _note(self, field: str, value: str, event: str, event_field: str, event_value: str) -> None:
        arguments = [self.job_id, self.token, field, value, event, event_field, event_value]
        if not await self._queue.scripts.run("note", arguments):
            raise LeaseLost(f"job {self.job_id} is no longer this worker's", details={"job_id": self.job_id})
