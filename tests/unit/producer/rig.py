"""A producer, and what a test does in place of a worker: once in memory, once on an in-process Redis."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from raylane.backend import RedisBackend
from raylane.producer import Producer
from raylane.testing import MemoryProducer
from raylane_common.errors import RaylaneError
from raylane_common.redis.source_store import SourceStore
from raylane_common.wire.jobs import JobStatus
from tests.unit.producer.hand import Hand
from tests.unit.producer.samples import CSV, TABLE

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from raylane_common.wire.kinds import Result
    from tests.unit.producer.hand import Held


class Rig(Protocol):
    """Both sides of one queue."""

    @property
    def producer(self) -> Producer:
        """What the tested service holds."""

    async def start(self, job_id: str) -> None:
        """Begins an attempt of the job, and of no other."""

    async def end(self, job_id: str, outcome: Result | RaylaneError) -> None:
        """Ends the job, with no attempt left after an error; begins the attempt if need be."""

    async def put_both_sources(self, session_id: str) -> None:
        """Gives the session a CSV and a table."""


class MemoryRig:
    def __init__(self) -> None:
        self.producer = self.memory = MemoryProducer()

    async def start(self, job_id: str) -> None:
        self.memory.start(job_id)

    async def end(self, job_id: str, outcome: Result | RaylaneError) -> None:
        if isinstance(outcome, RaylaneError):
            self.memory.fail(job_id, outcome)
        else:
            self.memory.succeed(job_id, outcome)

    async def put_both_sources(self, session_id: str) -> None:
        await self.memory.put_sources(session_id, TABLE, CSV)


class RedisRig:
    def __init__(self, redis: Redis) -> None:
        self.producer = Producer(backend=RedisBackend(redis, block_s=0.05))
        self._redis = redis
        self._hand = Hand(redis)
        self._held: dict[str, Held] = {}

    async def start(self, job_id: str) -> None:
        record = await self.producer.record(job_id)
        if record.status is not JobStatus.RUNNING:
            for held in await self._hand.claim(record.lane):
                if held.job_id == job_id:
                    self._held[job_id] = held
                else:
                    await held.give_back()

    async def end(self, job_id: str, outcome: Result | RaylaneError) -> None:
        await self.start(job_id)
        held = self._held[job_id]
        if isinstance(outcome, RaylaneError):
            await held.fail(outcome)
        else:
            await held.succeed(outcome)

    async def put_both_sources(self, session_id: str) -> None:
        await SourceStore(self._redis).put(session_id, [TABLE, CSV])
