"""SAQ: its own worker program (logs warnings only, its default) and `Queue`.

Given: the better concurrency for each figure (no-ops: its default of 10). It has no batch for fire-and-forget jobs, so
a hundred `enqueue` side by side. Results: `Queue.apply` with a look every millisecond instead of every 500. For the
recovery a job may run three times: by default SAQ drops a job whose worker died.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from saq import Queue

from tests.bench import driver, work

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class _Saq:
    def __init__(self, queue: Any) -> None:
        self._queue = queue

    async def enqueue(self, job: str) -> object:
        options = {"retries": 3} if job == work.LONG else {}
        return await self._queue.enqueue(job, **options)

    async def enqueue_many(self, job: str, count: int) -> None:
        await driver.gather_many(partial(self.enqueue, job), count)

    async def call(self) -> object:
        return await self._queue.apply(work.NOOP, poll_interval=0.001)


@asynccontextmanager
async def connect() -> AsyncIterator[_Saq]:
    queue = Queue.from_url(driver.url())
    await queue.connect()
    yield _Saq(queue)
    await queue.disconnect()


async def noop(ctx: Any) -> None:
    await work.noop()


async def sleep50(ctx: Any) -> None:
    await work.sleep50()


async def long(ctx: Any) -> None:
    await work.long()


def settings() -> dict[str, Any]:
    """What SAQ's worker program asks for."""
    options = {"concurrency": at_once} if (at_once := driver.concurrency()) else {}
    return {"queue": Queue.from_url(driver.url()), "functions": [noop, sleep50, long], **options}


if __name__ == "__main__":
    driver.main(connect, partial(driver.exec_command, "saq", "tests.bench.systems.saq.settings"))
