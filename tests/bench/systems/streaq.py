"""streaq: `Worker.run_sync` and its client side.

Given: `enqueue_many` (one pipeline) for batches, `Task.result` (pub/sub) for results, the better concurrency for each
figure (no-ops: its default of 16), and warnings only, which its own worker program has no switch for.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from streaq import Worker

from tests.bench import driver, work

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

worker = Worker(redis_url=driver.url(), concurrency=driver.concurrency() or 16)
tasks = {name: worker.task(name=name)(job) for name, job in driver.JOBS.items()}


class _Streaq:
    async def enqueue(self, job: str) -> object:
        return await tasks[job].enqueue()

    async def enqueue_many(self, job: str, count: int) -> None:
        await worker.enqueue_many([tasks[job].enqueue() for _ in range(count)])

    async def call(self) -> object:
        task = await tasks[work.NOOP].enqueue()
        return await task.result()


@asynccontextmanager
async def connect() -> AsyncIterator[_Streaq]:
    async with worker:
        yield _Streaq()


if __name__ == "__main__":
    driver.main(connect, worker.run_sync)
