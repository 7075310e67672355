"""Ours, as its users run it: `Producer`, and a worker of the ray lane with records, events, leases and its log.

Given: 100 jobs at once where the peers have it too; all else as it comes, one INFO line at a job's start and one at its
end included. The handlers are the benchmark's, so that no Ray cluster is measured: a request to delete a run names the
job that is done instead. Batches: `Producer.enqueue_many`. Results: `JobHandle.result`.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from raylane import Producer, new_job
from raylane_common.settings import Settings
from raylane_common.telemetry.logs import LogLevel, log_to_stderr
from raylane_common.wire.base import JobKind, Lane
from raylane_common.wire.ray import RayDeleteRequest, RayDeleteResult
from raylane_worker.app import run, stop_on_signals
from raylane_worker.context import Handler
from tests.bench import driver, work

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from raylane_worker.context import JobContext


class _Raylane:
    def __init__(self, producer: Producer) -> None:
        self._producer = producer

    async def enqueue(self, job: str) -> object:
        return await self._producer.cluster.delete(job)

    async def enqueue_many(self, job: str, count: int) -> None:
        jobs = (new_job(RayDeleteRequest(submission_id=job)) for _ in range(count))
        for outcome in await self._producer.enqueue_many(jobs):
            if outcome.error is not None:
                raise outcome.error

    async def call(self) -> object:
        job = await self._producer.cluster.delete(work.NOOP)
        return await job.result()


@asynccontextmanager
async def connect() -> AsyncIterator[_Raylane]:
    async with Producer(redis_url=driver.url()) as producer:
        yield _Raylane(producer)


async def handle(request: RayDeleteRequest, ctx: JobContext) -> RayDeleteResult:
    await driver.JOBS[request.submission_id]()
    return RayDeleteResult(deleted=True)


async def work_on() -> None:
    lanes = {"ray": {"concurrency": at_once}} if (at_once := driver.concurrency()) else {}
    settings = Settings.model_validate({"redis": {"url": driver.url()}, "lanes": lanes})
    log_to_stderr(LogLevel.INFO)
    stop = asyncio.Event()
    stop_on_signals(stop)
    await run(settings, [Lane.RAY], ready=asyncio.Event(), stop=stop, handlers={JobKind.RAY: Handler(handle)})


if __name__ == "__main__":
    driver.main(connect, lambda: asyncio.run(work_on()))
