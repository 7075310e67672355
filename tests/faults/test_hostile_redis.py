"""Random garbage in Redis: only typed errors come out of any call, and every job that it did not harm succeeds."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from contextlib import suppress
from random import Random
from typing import TYPE_CHECKING, Any, Final

import pytest
from pydantic import ValidationError

from raylane import Producer
from raylane.backend import RedisBackend
from raylane_common.errors import ErrorInfo, QueueUnavailable, RaylaneError
from raylane_common.redis.queue import JobQueue, LaneQueue
from raylane_common.wire.base import JobKind, Lane
from raylane_common.wire.generate import GenerateRequest
from raylane_common.wire.jobs import NewJob, Priority, Progress
from raylane_common.wire.ray import RayStatusRequest
from raylane_common.wire.registry import lane_of
from raylane_common.wire.sources import Column, ColumnType, FileSource
from raylane_common.wire.tables import ListDatabasesRequest
from raylane_common.wire.upload import UploadRequest
from tests.faults.hostile import CLUSTER, Hostile
from tests.helpers.claims import PERMANENT, TRANSIENT
from tests.helpers.lanes import DONE
from tests.helpers.profiles import by_profile, seed
from tests.helpers.queue_keys import keys
from tests.helpers.waiting import until

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from redis.asyncio import Redis

    from raylane_common.redis.queue import AttemptOutcome, Lease
    from raylane_common.wire.kinds import Request
    from tests.faults.processes import Workers

WRITES_PER_ROUND: Final = 180
ROUNDS: Final = by_profile(fast=5, ci=15, deep=556)
SESSIONS: Final = ("s0", "s1", "s2")
# Enough for every chain of dependencies and retries, with one slot per session.
MOST_CLAIMS: Final = 60
SOURCE: Final = FileSource(
    filename="a.csv",
    s3_uri="s3://b/sessions/s/csv/a.csv",
    size_bytes=3,
    rows=1,
    columns=(Column(name="x", type=ColumnType.INTEGER, native_type="int64"),),
    job_id="j",
)


@pytest.mark.slow
@pytest.mark.timeout(1800)
async def test_garbage_in_redis_fails_alone(chance: Random, redis: Redis, caplog: pytest.LogCaptureFixture) -> None:
    """Each round has its own seed, so that a round that failed can be repeated alone."""
    caplog.set_level(logging.ERROR, logger="raylane.queue")
    outcomes: Counter[str] = Counter()
    for number in range(ROUNDS):
        world = World(redis, Random(f"{seed()} {number}"))
        try:
            await world.live()
        except BaseException as error:
            error.add_note(f"in round {number} of RAYLANE_SEED={seed()}")
            raise
        outcomes += world.outcomes
    print(f"{ROUNDS * WRITES_PER_ROUND} writes with RAYLANE_SEED={seed()}: {dict(outcomes.most_common())}")
    await redis.flushall()


@pytest.mark.slow
async def test_a_worker_outlives_garbage(chance: Random, workers: Workers, producer: Producer, redis: Redis) -> None:
    """A real process gets 2,000 writes, half of them before it starts, and has to wait for a key of each lane."""
    bad, good = [f"g{number}" for number in range(300)], [f"c{number}" for number in range(40)]
    hostile = Hostile(chance, bad, SESSIONS, largest=1024 * 1024)
    requests: list[Request] = [ListDatabasesRequest(), RayStatusRequest()]
    jobs = [NewJob(request=chance.choice(requests), id=job_id, session_id="s0") for job_id in (*bad, *good[:20])]
    await producer.enqueue_many(chance.sample(jobs, k=len(jobs)))
    await hostile.write(redis, 1000)
    worker = await workers.start()
    for _ in range(10):
        await hostile.write(redis, 100)
    for lane in Lane:
        await redis.delete(keys.dead(lane))
        await redis.set(keys.dead(lane), "mine")
    await until(lambda: all(f"{keys.dead(lane)} holds" in worker.log_text for lane in Lane), timeout_s=60)
    await redis.delete(*(keys.dead(lane) for lane in Lane))
    await producer.enqueue_many([NewJob(request=chance.choice(requests), id=job_id) for job_id in good[20:]])
    async with asyncio.timeout(90):
        results = await asyncio.gather(*(producer.wait(job_id) for job_id in good))
    assert [record.error for record in results] == [None] * len(good)
    assert worker.is_running
    worker.terminate()
    assert await worker.ended() == 0
    assert "Traceback" not in worker.log_text
    async with redis.pipeline(transaction=False) as pipe:
        for job_id in bad:
            pipe.hget(keys.job(job_id), "status")
        ends = Counter(str(end) for end in await pipe.execute(raise_on_error=False))
    print(f"RAYLANE_SEED={seed()}: {dict(ends.most_common(3))}, {len(worker.log_text.splitlines())} lines of log")
    await redis.flushall()


class World:
    """Some jobs that are harmed and some that are not, on a server without anything else.

    `outcomes` counts what the calls returned or raised, and how the harmed jobs ended.
    """

    def __init__(self, redis: Redis, chance: Random) -> None:
        self.outcomes: Counter[str] = Counter()
        self._redis = redis
        self._chance = chance
        self._backend = RedisBackend(redis, queue=JobQueue(redis, block_s=0.005))
        self._producer = Producer(backend=self._backend)
        self._lanes = [
            LaneQueue(
                redis,
                lane.value,
                worker="host-1",
                lease_s=60,
                max_attempts={kind.value: 3 for kind in JobKind if lane_of(kind) is lane},
                per_session=1,
                result_ttl_s=600,
            )
            for lane in Lane
        ]
        self._janitors = [lane.janitor() for lane in self._lanes]
        self._leases: list[tuple[LaneQueue, Lease]] = []
        self._bad = [f"g{number}" for number in range(30)]
        self._good = [f"c{number}" for number in range(8)]
        self._hostile = Hostile(chance, self._bad, SESSIONS, largest=chance.choice([1, 1, 1, 17]) * 1024 * 1024)

    async def live(self) -> None:
        """Builds a valid state, harms it at each stage of the jobs' lives, and checks how they end."""
        await self._redis.flushall()
        await self._producer.settings.set("ray.max_runs", "100")
        for session in SESSIONS:
            await self._backend.sources.put(session, [SOURCE])
        enqueued = await self._producer.enqueue_many(self._jobs())
        assert [outcome.error for outcome in enqueued if outcome.error is not None] == []
        for stage in (self._enqueue_and_claim, self._work, self._operate):
            await self._hostile.write(self._redis, WRITES_PER_ROUND // 3)
            overwritten = await self._overwrite_a_lane()
            await stage()
            if overwritten is not None:
                await self._redis.delete(overwritten)
            await self._read()
        await self._end_all()
        await self._count_ends()

    def _jobs(self) -> list[NewJob]:
        chance = self._chance
        jobs: list[NewJob] = []
        for job_id in chance.sample([*self._bad, *self._good], k=len(self._bad) + len(self._good)):
            is_good = job_id in self._good
            kinds = [ListDatabasesRequest(), RayStatusRequest(), GenerateRequest(prompt="count"), "upload"]
            request = chance.choices(kinds, [4, 2, 2, 2])[0]
            body = b"" if request != "upload" else b"a,b"
            if isinstance(request, str):
                request = UploadRequest(filename="a.csv", size_bytes=3, sha256="0" * 64)
            fields: dict[str, Any] = {"session_id": chance.choice(SESSIONS)}
            earlier = [job.id for job in jobs if job.id in self._good or not is_good]
            if earlier and chance.random() < 0.3:
                fields["after"] = tuple(chance.sample(earlier, k=min(2, len(earlier))))
            if chance.random() < 0.2:
                fields["delay_s"] = chance.choice([0.001, 600])
            if not is_good and chance.random() < 0.2:
                fields |= {"unique": job_id}
            if chance.random() < 0.2:
                fields |= {"expires_s": 3600, "priority": chance.choice(list(Priority))}
            jobs.append(NewJob(request=request, id=job_id, body=body, **fields))
        return jobs

    async def _overwrite_a_lane(self) -> bytes | None:
        if self._chance.random() >= 0.15:
            return None
        key, commands = self._hostile.overwrite_a_lane()
        for command in commands:
            await self._redis.execute_command(*command)  # type: ignore[no-untyped-call]  # redis-py leaves it untyped
        return key

    async def _enqueue_and_claim(self) -> None:
        again = [NewJob(request=ListDatabasesRequest(), session_id="s0", id=f"g{n}", unique="u0") for n in (0, 29)]
        await self._try(self._producer.enqueue_many(again))
        for lane in self._lanes:
            await self._try(lane.beat(15))
            await self._claim(lane, 3)
        await self._sweep()

    async def _claim(self, lane: LaneQueue, limit: int) -> int:
        """Claims jobs and ends unreadable ones; returns how many there were."""
        claim = await self._try(lane.claim(limit))
        if claim is None:
            return 0
        self._leases += [(lane, lease) for lease in claim.leases]
        if claim.unreadable:
            await self._try(lane.finish(claim.unreadable))
        return len(claim.leases) + len(claim.unreadable)

    async def _work(self) -> None:
        for lane in self._lanes:
            held = [lease for owner, lease in self._leases if owner is lane]
            await self._try(lane.renew(held))
            for lease in held:
                await self._try(lease.progress(Progress(stage="reading")))
                await self._try(lease.log("a line", position="r:7"))
                await self._try(lease.refresh())
                await self._try(lease.body())
                await self._try(lease.take_run_slot(CLUSTER, 2))
                if self._chance.random() < 0.5:
                    await self._try(lease.free_run_slot())
            await self._finish(lane, [self._outcome(lease) for lease in held])
        await self._sweep()

    def _outcome(self, lease: Lease) -> AttemptOutcome:
        if lease.job_id in self._good:
            return self._chance.choice([lease.succeeded(DONE), lease.retried(TRANSIENT, 0), lease.returned()])
        choices = [lease.succeeded(DONE), lease.failed(PERMANENT), lease.failed(TRANSIENT), lease.retried(TRANSIENT, 9)]
        return self._chance.choice([*choices, lease.cancelled(PERMANENT), lease.returned()])

    async def _finish(self, lane: LaneQueue, outcomes: list[AttemptOutcome]) -> None:
        """Writes outcomes; keeps the leases if a key of the lane is overwritten, as a worker does."""
        answer = await self._try(lane.finish(outcomes))
        if answer is not None:
            self._leases = [held for held in self._leases if held[0] is not lane]

    async def _operate(self) -> None:
        operator = self._producer.operator
        await self._try(operator.requeue_dead())
        for job_id in self._chance.sample(self._bad, k=8):
            await self._try(self._producer.requeue(job_id))
        for job_id in self._chance.sample(self._bad, k=8):
            await self._try(self._producer.cancel(job_id))
        if self._chance.random() < 0.3:
            await self._try(self._producer.reset(self._chance.choice(SESSIONS)))
            await self._try(self._producer.settings.unset("ray.public_url"))
        await self._sweep()

    async def _sweep(self) -> None:
        for lane, janitor in zip(self._lanes, self._janitors, strict=True):
            await self._redis.delete(keys.janitor(lane.lane))
            await self._try(janitor.sweep())

    async def _read(self) -> None:
        """Everything that only reads, at once."""
        producer = self._producer
        reads: list[Awaitable[object]] = [
            producer.operator.lanes(),
            producer.operator.cluster_runs(),
            producer.operator.ended_jobs(),
            producer.operator.jobs(),
            producer.operator.jobs(session_id="s0", status="failed"),
            producer.operator.dead_letters(),
            producer.settings.all(),
            *(producer.history(session) for session in SESSIONS),
            *(producer.sources(session) for session in SESSIONS),
            *(producer.attempts(job_id) for job_id in self._bad),
            *(producer.record(job_id) for job_id in self._bad),
            *(producer.result(job_id, 0) for job_id in self._bad),
            *(self._follow(job_id) for job_id in self._chance.sample(self._bad, k=10)),
        ]
        await asyncio.gather(*map(self._try, reads))

    async def _follow(self, job_id: str) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(0.02):
                async for event in self._producer.follow(job_id):
                    event.model_dump_json()

    async def _try(self, call: Awaitable[Any]) -> Any:
        """Returns what the call returns; None if it raises a typed error, which can be shown and stored."""
        try:
            answer = await call
        except RaylaneError as error:
            assert error.info().model_dump_json()
            assert not (isinstance(error, QueueUnavailable) and not error.retryable), error
            self.outcomes[error.code] += 1
            return None
        for record in answer if isinstance(answer, list) else [answer]:
            if hasattr(record, "model_dump_json"):
                record.model_dump_json()
        self.outcomes["returned"] += 1
        return answer

    async def _end_all(self) -> None:
        """Lets time pass and workers work, until no jobs are left that can be claimed."""
        for lane, held in [(lane, [lease for owner, lease in self._leases if owner is lane]) for lane in self._lanes]:
            await self._finish(lane, [lease.succeeded(DONE) for lease in held])
        for _ in range(4):
            await self._sweep()
        for _ in range(MOST_CLAIMS):
            claimed = 0
            for lane in self._lanes:
                await self._let_time_pass(lane.lane)
                claimed += await self._claim(lane, 10)
                held = [lease for owner, lease in self._leases if owner is lane]
                await self._finish(lane, [lease.succeeded(DONE) for lease in held])
            if not claimed:
                await self._sweep()
                if await self._unfinished() == 0:
                    break
        left = {job_id: await self._status(job_id) for job_id in self._good}
        assert left == dict.fromkeys(self._good, "succeeded")

    async def _let_time_pass(self, lane: str) -> None:
        """Makes every lease run out and every scheduled job due."""
        for name in (keys.running(lane), keys.schedule(lane)):
            async with self._redis.pipeline(transaction=False) as pipe:
                for job_id in await self._redis.zrange(name, 0, -1):
                    pipe.zadd(name, {job_id: 1})
                await pipe.execute()

    async def _unfinished(self) -> int:
        names = [
            of_lane(lane.value)
            for lane in Lane
            for of_lane in (keys.queue, keys.schedule, keys.running, keys.parked, keys.waiting)
        ]
        return sum([await self._redis.zcard(name) for name in names])

    async def _status(self, job_id: str) -> str:
        return str(await self._redis.hget(keys.job(job_id), "status"))  # type: ignore[misc]  # redis-py's union

    async def _count_ends(self) -> None:
        for job_id in self._bad:
            kind = await self._redis.type(keys.job(job_id))
            end = await self._status(job_id) if kind == "hash" else f"no record ({kind})"
            if end == "failed":
                error = await self._redis.hget(keys.job(job_id), "error")  # type: ignore[misc]  # redis-py's union
                end = f"failed ({self._code(error)})"
            self.outcomes[f"ended: {end[:40]}"] += 1

    def _code(self, error: str | None) -> str:
        try:
            return ErrorInfo.model_validate_json(error or "").code
        except ValidationError:
            return "error overwritten"
