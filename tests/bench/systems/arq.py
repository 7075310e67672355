"""arq as it comes: its own worker program with its two log lines per job, 10 jobs at once, a poll every 500 ms.

It has no batch, so a hundred `enqueue_job` side by side. Results: `Job.result`, which polls every 500 ms.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from arq.connections import ArqRedis, RedisSettings, create_pool

from tests.bench import driver, work

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


REDIS: Final = RedisSettings.from_dsn(driver.url())


class Arq:
    """A producer; `poll_s` is the pause between two looks for a result."""

    def __init__(self, pool: ArqRedis, poll_s: float) -> None:
        self._pool = pool
        self._poll_s = poll_s

    async def enqueue(self, job: str) -> object:
        return await self._pool.enqueue_job(job)

    async def enqueue_many(self, job: str, count: int) -> None:
        await driver.gather_many(partial(self.enqueue, job), count)

    async def call(self) -> object:
        job = await self._pool.enqueue_job(work.NOOP)
        assert job is not None
        return await job.result(poll_delay=self._poll_s)


@asynccontextmanager
async def connect(poll_s: float = 0.5) -> AsyncIterator[Arq]:
    """A connected producer."""
    pool = await create_pool(REDIS)
    yield Arq(pool, poll_s)
    await pool.aclose()


async def noop(ctx: dict[Any, Any]) -> None:
    await work.noop()


async def sleep50(ctx: dict[Any, Any]) -> None:
    await work.sleep50()


async def long(ctx: dict[Any, Any]) -> None:
    await work.long()


FUNCTIONS: Final = (noop, sleep50, long)


class WorkerSettings:
    """What arq's worker program asks for."""

    functions = FUNCTIONS
    redis_settings = REDIS


if __name__ == "__main__":
    driver.main(connect, partial(driver.exec_command, "arq", "tests.bench.systems.arq.WorkerSettings"))
