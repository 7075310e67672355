"""The worker's side of one lane: claim jobs, renew their leases, write the outcomes of attempts, send heartbeats.

See docs/decisions/0001 and 0006.
"""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from raylane_common.errors import InvalidRequest
from raylane_common.redis.connection import keys_of, queue_errors
from raylane_common.redis.queue.janitor import SWEEP_EVERY_S, Janitor
from raylane_common.redis.queue.lease import Lease
from raylane_common.redis.queue.scripts import DEAD_TTL_MS, Scripts, calls
from raylane_common.redis.queue.scripts.calls import AttemptOutcome, Retention
from raylane_common.wire.jobs import JobRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from redis.asyncio import Redis

    from raylane_common.redis.queue.scripts.calls import LeaseState


@dataclass(frozen=True)
class Claim:
    """The jobs that one claim took.

    `next_due_s` is the time in seconds until the next job is due; None if no job is scheduled. `unreadable` holds
    outcomes for claimed jobs whose record cannot be read; the worker writes them like any other outcome.
    """

    leases: list[Lease]
    next_due_s: float | None
    unreadable: list[AttemptOutcome]


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
        """`worker` is a name that no other living worker has. A lease lasts `lease_s` seconds unless it is renewed.

        `max_attempts`, by kind, applies to jobs that were enqueued without a number of their own. `per_session` is how
        many jobs of one session may run at once; 0 means no limit. The records of ended jobs are kept for
        `result_ttl_s` seconds, those of dead letters for `dead_ttl_s` seconds.

        `server` is the run id of the server that answered last, which changes with each start and with a failover, and
        `answered_at_s` the time of that by the monotonic clock. `on_answer` is called after each claim and renewal.
        """
        self.lane = lane
        self.lease_s = lease_s
        self._redis = redis
        self._scripts = Scripts(redis)
        self._worker = worker
        self._lease_ms = int(lease_s * 1000)
        self._max_attempts = max_attempts
        self._per_session = per_session
        self._retention = Retention(int(result_ttl_s * 1000), int(dead_ttl_s * 1000))
        self._token = uuid.uuid4().hex
        self.server = ""
        self.answered_at_s = float("-inf")
        self.on_answer: Callable[[], None] = lambda: None

    @property
    def needs_confirmation(self) -> bool:
        """Whether the settings ask for a confirmation of outcomes: see `confirm`."""
        return self._scripts.needs_confirmation

    async def claim(self, limit: int) -> Claim:
        """Takes up to `limit` due jobs in one round trip."""
        token = self._token
        reply = await calls.claim(
            self._scripts,
            self.lane,
            worker=self._worker,
            token=token,
            limit=limit,
            lease_ms=self._lease_ms,
            per_session=self._per_session,
            retention=self._retention,
            max_attempts=self._max_attempts,
        )
        self._note_server(reply.server)
        # Replaced only after an answer: if it was lost, the next claim repeats the token and gets the same jobs.
        self._token = uuid.uuid4().hex
        leases: list[Lease] = []
        unreadable: list[AttemptOutcome] = []
        for job_id, fields, waited_ms in reply.jobs:
            try:
                record = JobRecord.from_hash(job_id, fields)
            except InvalidRequest as error:
                unreadable.append(AttemptOutcome(job_id, token, "failed", error.info().model_dump_json()))
            else:
                leases.append(Lease(self._redis, self._scripts, record, token, waited_ms=waited_ms))
        next_due_s = None if reply.next_due_ms is None else reply.next_due_ms / 1000
        return Claim(leases, next_due_s, unreadable)

    async def renew(self, leases: Sequence[Lease]) -> list[LeaseState]:
        """Extends the leases by another `lease_s`; returns for each "held", "lost", or "cancel" for a cancelled job."""
        held = [(lease.job_id, lease.token) for lease in leases]
        server, states = await calls.renew(self._scripts, self.lane, self._lease_ms, held)
        self._note_server(server)
        return states

    async def finish(self, outcomes: Sequence[AttemptOutcome]) -> list[bool]:
        """Writes the outcomes, each in one atomic step; returns False for each job that another worker owns now."""
        return await calls.finish(self._scripts, self.lane, self._retention, outcomes)

    async def confirm(self, outcomes: Sequence[AttemptOutcome]) -> None:
        """Writes outcomes that the server may not have, and waits until it confirms them.

        Raises `WriteNotConfirmed`.
        """
        await calls.finish_confirmed(self._scripts, self.lane, self._retention, outcomes)

    def _note_server(self, server: str) -> None:
        self.server = server
        self.answered_at_s = time.monotonic()
        self.on_answer()

    async def beat(self, ttl_s: float, about: str = "") -> bool:
        """Sends a heartbeat, valid for `ttl_s` seconds; returns whether an operator asked the worker to drain.

        `about` is what the worker says of itself: the JSON of `WorkerAbout`.
        """
        return await calls.beat(self._scripts, self.lane, self._worker, int(ttl_s * 1000), about)

    async def stop_beating(self) -> None:
        """Removes the worker's heartbeat, so that a worker that has stopped no longer counts as alive."""
        key = keys_of(self._redis).workers(self.lane)
        with queue_errors("remove a heartbeat", key):
            await self._redis.zrem(key, self._worker)

    def janitor(self, *, every_s: float = SWEEP_EVERY_S) -> Janitor:
        """Returns a janitor for this lane. One of the janitors of all workers sweeps every `every_s` seconds."""
        return Janitor(
            self._redis,
            self._scripts,
            lane=self.lane,
            worker=self._worker,
            lease_ms=self._lease_ms,
            per_session=self._per_session,
            retention=self._retention,
            every_s=every_s,
        )
