"""A worker's right to one job, and everything that the worker may write while it has that right.

See docs/decisions/0001.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, cast

from redis.client import NEVER_DECODE

from raylane_common.errors import LeaseLost, StagedBodyMissing
from raylane_common.redis.connection import keys_of, owned_key, queue_errors
from raylane_common.redis.queue.scripts import calls
from raylane_common.redis.queue.scripts.calls import AttemptOutcome, Verdict
from raylane_common.wire.jobs import EventType, JobRecord, Progress

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from redis.asyncio import Redis

    from raylane_common.errors import RaylaneError
    from raylane_common.redis.queue.scripts import Scripts
    from raylane_common.redis.queue.scripts.calls import RunSlot
    from raylane_common.wire.generate import Checkpoint
    from raylane_common.wire.kinds import Result


class Lease:
    """A worker's right to one job. `token` proves it.

    `waited_s` is how long the job has waited for its first start; None if this is not the first.

    Every write raises `LeaseLost` once another worker owns the job. Every asynchronous method raises `QueueUnavailable`
    when Redis does not answer in time.
    """

    def __init__(
        self, redis: Redis, scripts: Scripts, record: JobRecord, token: str, *, waited_ms: int | None = None
    ) -> None:
        self.record = record
        self.token = token
        self.waited_s = None if waited_ms is None else max(0, waited_ms) / 1000
        self._redis = redis
        self._keys = keys_of(redis)
        self._scripts = scripts

    @property
    def job_id(self) -> str:
        """The job's id."""
        return self.record.id

    async def refresh(self) -> None:
        """Reads the record again, including everything that this attempt has written."""
        key = self._keys.job(self.job_id)
        with queue_errors("read a record"), owned_key(f"the record of job {self.job_id}", "record", key):
            fields = await cast("Awaitable[dict[str, str]]", self._redis.hgetall(key))
        if not fields:
            raise LeaseLost(f"the record of job {self.job_id} no longer exists", details={"job_id": self.job_id})
        self.record = JobRecord.from_hash(self.job_id, fields)

    async def progress(self, progress: Progress) -> None:
        """Replaces the record's progress and announces it to followers."""
        value = progress.model_dump_json(exclude_none=True)
        await self._note(field=("progress", value), event=(EventType.PROGRESS, "progress", value))

    async def log(self, lines: str, *, position: str = "") -> None:
        """Adds whole lines to the job's events and, in the same step, writes `position` for the next attempt."""
        field = ("log_position", position) if position else ("", "")
        await self._note(field=field, event=(EventType.LOG, "line", lines))

    async def text(self, piece: str) -> None:
        """Adds a piece of generated text to the job's events."""
        await self._note(event=(EventType.TEXT, "text", piece))

    async def checkpoint(self, checkpoint: Checkpoint) -> None:
        """Replaces the record's checkpoint. The job's next attempt continues from it."""
        await self._note(field=("checkpoint", checkpoint.model_dump_json()))

    async def body(self) -> bytes:
        """Returns the bytes staged with the job. Raises `StagedBodyMissing`."""
        key = self._keys.job_body(self.job_id)
        with queue_errors("read a staged body"), owned_key(f"the staged bytes of job {self.job_id}", "body", key):
            found = await cast(
                "Awaitable[bytes | None]",
                self._redis.execute_command(  # type: ignore[no-untyped-call]  # redis-py leaves it untyped
                    "GET", key, **{NEVER_DECODE: True}
                ),
            )
        if found is None:
            raise StagedBodyMissing(f"the bytes of job {self.job_id} are no longer in Redis; upload the file again")
        return found

    async def take_run_slot(self, cluster: str, limit: int) -> RunSlot:
        """Takes one of the `limit` run slots of the `cluster`, or a place in line for one.

        The job keeps its slot until its end, whichever worker runs it. Safe to repeat.
        """
        slot = await calls.take_run_slot(self._scripts, self.job_id, self.token, cluster, limit)
        if slot.is_held is None:
            raise self._lost()
        return slot

    async def free_run_slot(self) -> None:
        """Frees the job's run slot, if it has one. Safe to repeat."""
        if not await calls.free_run_slot(self._scripts, self.job_id, self.token):
            raise self._lost()

    def succeeded(self, result: Result) -> AttemptOutcome:
        """Returns the outcome of a job that ends with its result."""
        return AttemptOutcome(self.job_id, self.token, "succeeded", result.model_dump_json())

    def failed(self, error: RaylaneError) -> AttemptOutcome:
        """Returns the outcome of a job that ends with an error: a dead letter if the job is not at fault."""
        return self._outcome("dead" if error.outside_job else "failed", error)

    def cancelled(self, error: RaylaneError) -> AttemptOutcome:
        """Returns the outcome of a job that its user cancelled."""
        return self._outcome("cancelled", error)

    def retried(self, error: RaylaneError, delay_s: float) -> AttemptOutcome:
        """Returns the outcome of an attempt that failed; the next one starts after `delay_s` seconds."""
        return self._outcome("retry", error, delay_s)

    def returned(self, error: RaylaneError | None = None, delay_s: float = 0) -> AttemptOutcome:
        """Returns the outcome of an attempt that does not count; the next one starts after `delay_s` seconds."""
        return self._outcome("return", error, delay_s)

    def _outcome(
        self,
        verdict: Verdict,
        error: RaylaneError | None,
        delay_s: float = 0,
    ) -> AttemptOutcome:
        value = error.info().model_dump_json() if error else ""
        return AttemptOutcome(self.job_id, self.token, verdict, value, math.ceil(delay_s * 1000))

    async def _note(self, *, field: tuple[str, str] = ("", ""), event: tuple[str, str, str] = ("", "", "")) -> None:
        if not await calls.note(self._scripts, self.job_id, self.token, field=field, event=event):
            raise self._lost()

    def _lost(self) -> LeaseLost:
        return LeaseLost(f"job {self.job_id} belongs to another worker now", details={"job_id": self.job_id})
