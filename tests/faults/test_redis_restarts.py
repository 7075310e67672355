"""The server of the queue goes away and comes back."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import pytest

from raylane_common.connection import connect
from raylane_common.jobs import JobStatus
from raylane_common.queue import JobQueue
from raylane_common.settings import RedisSettings
from raylane_worker.embedded import embedded_valkey
from tests.lanes import DONE, a_job, worker

if TYPE_CHECKING:
    from pathlib import Path

    from raylane_common.results import DatabasesResult
    from raylane_worker.context import JobContext


@pytest.mark.timeout(120)
async def test_a_worker_outlives_a_restart_while_idle_during_a_job_and_at_its_end(tmp_path: Path) -> None:
    started, finish, runs = asyncio.Event(), asyncio.Event(), 0

    async def wait(request: Any, ctx: JobContext) -> DatabasesResult:
        nonlocal runs
        runs += 1
        started.set()
        await finish.wait()
        return DONE

    async with AsyncExitStack() as server:
        valkey = await server.enter_async_context(embedded_valkey(tmp_path))
        redis = connect(RedisSettings.model_validate({"url": valkey.url}))
        queue = JobQueue(redis)
        try:
            async with worker(redis, wait):
                first = await queue.enqueue(a_job())
                await started.wait()
                await server.aclose()
                # The job ends while nobody can take its result.
                finish.set()
                await server.enter_async_context(embedded_valkey(tmp_path, port=valkey.port))
                assert await queue.result(first, timeout_s=60) == DONE
                assert runs == 1

                await server.aclose()
                await server.enter_async_context(embedded_valkey(tmp_path, port=valkey.port))
                assert await queue.result(await queue.enqueue(a_job()), timeout_s=60) == DONE
            record = await queue.record(first)
            assert (record.status, record.attempt) == (JobStatus.SUCCEEDED, 1)
        finally:
            await redis.aclose()
