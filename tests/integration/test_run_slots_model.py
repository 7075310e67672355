"""Random histories of jobs that take run slots, on a real server; what must always hold is checked after every step."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Final

import pytest

from raylane_common.errors import JobCancelled, LeaseLost
from raylane_common.wire.jobs import JobStatus
from tests.helpers.claims import TRANSIENT
from tests.helpers.lanes import DONE, a_job, lane_queue
from tests.helpers.profiles import by_profile, seed
from tests.helpers.queue_keys import keys

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from raylane_common.redis.queue import AttemptOutcome, JobQueue, Lease

HISTORIES: Final = by_profile(fast=5, ci=20, deep=500)
STEPS: Final = 80
CLUSTERS: Final = ("one", "two")
SESSIONS: Final = ("a", "a", "b", "c", None)
ENDS: Final = ("succeeded", "failed", "cancelled", "retried", "retried later", "returned")
ACTIONS: Final = ("ask", "ask", "ask", "ask elsewhere", "free", "kill", "cancel", "renew", "vanish")


class History:
    """Jobs of a few sessions, their last leases, and who holds a slot of which cluster."""

    def __init__(self, redis: Redis, queue: JobQueue, number: int) -> None:
        self.chance = Random(f"{seed()} {number}")
        self.limit = self.chance.randint(1, 4)
        self.steps: list[str] = []
        self.taken = 0
        self._redis = redis
        self._queue = queue
        # Nothing happens by itself: steps do what time would do.
        self._lane = lane_queue(redis, lease_s=1000, max_attempts=1000)
        self._job_ids: list[str] = []
        self._leases: dict[str, Lease] = {}
        self._held: dict[str, str] = {}

    async def step(self) -> None:
        match self.chance.randrange(10):
            case 0 | 1:
                await self._enqueue()
            case 2 | 3:
                await self._claim_and_ask(self.chance.randint(1, 4))
            case 4:
                await self._raise_limit_and_sweep()
            case _ if self._leases:
                await self._act(self.chance.choice(sorted(self._leases)), self.chance.choice((*ENDS, *ACTIONS)))

    async def _enqueue(self) -> None:
        session, job_id = self.chance.choice(SESSIONS), f"j{len(self._job_ids):03}"
        self.steps.append(f"enqueue {job_id} of {session}")
        self._job_ids.append(job_id)
        priority = self.chance.choice(["normal", "normal", "high"])
        await self._queue.enqueue(a_job(id=job_id, session_id=session, priority=priority))

    async def _claim_and_ask(self, limit: int) -> None:
        for lease in (await self._lane.claim(limit)).leases:
            self._leases[lease.job_id] = lease
            await self._ask(lease.job_id, CLUSTERS[0])

    async def _raise_limit_and_sweep(self) -> None:
        self.limit = max(self.limit, self.chance.randint(1, 4))
        self.steps.append(f"limit {self.limit}, sweep")
        await self._redis.delete(keys.janitor("upload"))
        assert await self._lane.janitor().sweep()

    async def _act(self, job_id: str, what: str) -> None:
        """Something happens to a job, or its present or former owner does something."""
        self.steps.append(f"{what} {job_id}")
        lease = self._leases[job_id]
        match what:
            case "ask":
                await self._ask(job_id, CLUSTERS[0])
            case "ask elsewhere":
                await self._ask(job_id, CLUSTERS[1])
            case "free":
                await self._free(job_id)
            case "kill":
                await self._redis.zadd(keys.running("upload"), {job_id: 1}, xx=True)
            case "cancel":
                if await self._redis.exists(keys.job(job_id)):
                    await self._queue.cancel(job_id)
            case "renew":
                await self._lane.renew([lease])
            case "vanish":
                await self._redis.delete(keys.job(job_id))
            case _:
                await self._lane.finish([_outcome(lease, what)])

    async def _ask(self, job_id: str, cluster: str) -> None:
        try:
            slot = await self._leases[job_id].take_run_slot(cluster, self.limit)
        except LeaseLost:
            return
        assert slot.is_held or self._held.get(job_id) != cluster, "a job loses its slot only by its end"
        self._held.pop(job_id, None)
        self.steps.append(f"{job_id} asks {cluster}: {slot.is_held}")
        if slot.is_held:
            self.taken += 1
            self._held[job_id] = cluster

    async def _free(self, job_id: str) -> None:
        try:
            await self._leases[job_id].free_run_slot()
        except LeaseLost:
            return
        self._held.pop(job_id, None)

    async def check(self) -> None:
        """No cluster has more holders than slots, who holds one still does, and each record agrees with the sets."""
        for cluster in CLUSTERS:
            holders = set(await self._redis.zrange(keys.run_slots(cluster), 0, -1))
            waiting = set(await self._redis.zrange(keys.run_line(cluster), 0, -1))
            assert len(holders) <= self.limit
            assert not holders & waiting
            for job_id in holders | waiting:
                status = await self._field(job_id, "status")
                if status is not None:
                    assert not JobStatus(status).is_final, f"{job_id} has ended and keeps its slot or its place in line"
                    assert await self._field(job_id, "run_slot") == (cluster if job_id in holders else None)
        for job_id, cluster in list(self._held.items()):
            status = await self._field(job_id, "status")
            if status is None or JobStatus(status).is_final:
                del self._held[job_id]
            else:
                assert await self._redis.zscore(keys.run_slots(cluster), job_id) is not None

    async def end(self) -> None:
        """From any state, every job that is left gets a slot and ends, and then nothing is held."""
        for _ in self._job_ids:
            for due in (keys.running("upload"), keys.schedule("upload")):
                for job_id in await self._redis.zrange(due, 0, -1):
                    await self._redis.zadd(due, {job_id: 1}, xx=True)
            leases = (await self._lane.claim(1000)).leases
            if not leases:
                break
            # Who asks early may find all slots with jobs that have not asked yet.
            for _ in range(2):
                slots = [await lease.take_run_slot(CLUSTERS[0], self.limit) for lease in leases]
            cancelled = [lease for lease in leases if lease.record.cancel_requested_at is not None]
            served = [lease for lease, slot in zip(leases, slots, strict=True) if slot.is_held]
            assert served or cancelled, f"{len(leases)} jobs wait, and none gets a slot"
            ending = {lease.job_id: lease for lease in (*served, *cancelled)}
            await self._lane.finish([lease.succeeded(DONE) for lease in ending.values()])
        for job_id in self._job_ids:
            assert await self._field(job_id, "status") in (None, "succeeded", "failed", "cancelled")
        await self._raise_limit_and_sweep()
        for cluster in CLUSTERS:
            assert await self._redis.exists(keys.run_slots(cluster), keys.run_line(cluster)) == 0

    async def _field(self, job_id: str, name: str) -> str | None:
        found: str | None = await self._redis.hget(keys.job(job_id), name)  # type: ignore[misc]  # redis-py's union
        return found


def _outcome(lease: Lease, end: str) -> AttemptOutcome:
    match end:
        case "succeeded":
            return lease.succeeded(DONE)
        case "failed":
            return lease.failed(TRANSIENT)
        case "cancelled":
            return lease.cancelled(JobCancelled("cancelled"))
        case "returned":
            return lease.returned()
        case _:
            return lease.retried(TRANSIENT, 600 if end == "retried later" else 0)


@pytest.mark.chaos
@pytest.mark.timeout(900)
async def test_no_history_leaks_a_slot_exceeds_the_limit_or_starves_a_job(redis: Redis, queue: JobQueue) -> None:
    taken = steps = 0
    for number in range(HISTORIES):
        await redis.flushdb()
        history = History(redis, queue, number)
        try:
            for _ in range(STEPS):
                await history.step()
                await history.check()
            await history.end()
        except AssertionError as error:
            error.add_note("\n".join(history.steps))
            raise
        taken += history.taken
        steps += len(history.steps)
    print(f"{HISTORIES} histories, {steps} steps, {taken} times a job held a slot")
