"""docket (pydocket): `Worker.run`, which is its own worker program, and `Docket`.

Given: `add_many` for batches, `get_result` (pub/sub) for results, warnings only instead of a log line per task. Its
rate hangs on concurrency and `minimum_check_interval`: for no-ops 10 jobs at once and a look every 5 ms were best (nine
times its default), for sleeping jobs its default of a look every 100 ms. All else is measured at its defaults.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

from docket import Docket, Worker

from tests.bench import driver, work

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

tasks = list(driver.JOBS.values())


class _Docket:
    def __init__(self, docket: Docket) -> None:
        self._docket = docket

    async def enqueue(self, job: str) -> object:
        return await self._docket.add(driver.JOBS[job])()

    async def enqueue_many(self, job: str, count: int) -> None:
        await self._docket.add_many(self._docket.call(driver.JOBS[job])() for _ in range(count))

    async def call(self) -> object:
        execution = await self._docket.add(work.noop)()
        return await execution.get_result()


@asynccontextmanager
async def connect() -> AsyncIterator[_Docket]:
    async with Docket(url=driver.url()) as docket:
        yield _Docket(docket)


async def work_on() -> None:
    at_once = driver.concurrency() or 10
    await Worker.run(
        url=driver.url(),
        tasks=["tests.bench.systems.docket:tasks"],
        concurrency=at_once,
        minimum_check_interval=timedelta(milliseconds=driver.poll_ms() or 100),
    )


if __name__ == "__main__":
    driver.main(connect, lambda: asyncio.run(work_on()))
