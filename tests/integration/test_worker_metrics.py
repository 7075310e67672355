"""A real worker is scraped while it runs real jobs: its numbers are those of the jobs."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from raylane import Producer
from raylane.testing import Address, FakeRay
from raylane_common.errors import InvalidRequest, JobCancelled, RunNotFound, StorageRejected, StorageUnavailable
from raylane_common.settings import Settings
from raylane_common.wire.base import JobKind, Lane
from raylane_common.wire.ray import RayDeleteRequest, RayDeleteResult
from raylane_worker.app import run
from raylane_worker.context import Handler
from raylane_worker.handlers import HANDLERS
from tests.helpers.scrape import address_in, probe, scrape
from tests.helpers.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from redis.asyncio import Redis

    from raylane_worker.context import Handlers, JobContext
    from raylane_worker.embedded import EmbeddedValkey

RETRIES = {"ray": {"max_attempts": 2, "backoff_base_s": 0.01, "backoff_cap_s": 0.02}}


@asynccontextmanager
async def working(
    valkey: EmbeddedValkey,
    caplog: pytest.LogCaptureFixture,
    lanes: list[Lane],
    handlers: Handlers = HANDLERS,
    **settings: Any,
) -> AsyncIterator[str]:
    """Runs a worker with metrics at a free port; yields its address."""
    caplog.set_level("INFO", logger="raylane")
    given = {"redis": {"url": valkey.url}, "telemetry": {"port": 0}, "retries": RETRIES} | settings
    ready, stop = asyncio.Event(), asyncio.Event()
    running = asyncio.create_task(
        run(Settings.model_validate(given), lanes, ready=ready, stop=stop, handlers=handlers)
    )
    try:
        await asyncio.wait({running, asyncio.ensure_future(ready.wait())}, return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            running.result()
        yield address_in(caplog)
    finally:
        stop.set()
        await running


class Script:
    """A handler that does what the id of the run to delete says, and counts its calls."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.release = asyncio.Event()

    async def run(self, request: Any, ctx: JobContext) -> RayDeleteResult:
        assert isinstance(request, RayDeleteRequest)
        what = request.submission_id
        self.calls.append(what)
        match what:
            case "waits":
                await self.release.wait()
            case "fails":
                raise StorageRejected("no such bucket")
            case "dies":
                raise StorageUnavailable("try again")
            case "recovers" if self.calls.count(what) == 1:
                raise RunNotFound("not yet", retryable=True)
            case "bug":
                raise ZeroDivisionError
        return RayDeleteResult(deleted=True)

    @property
    def handlers(self) -> Handlers:
        return {JobKind.RAY: Handler(self.run)}


async def test_the_counts_of_a_worker_are_those_of_its_jobs(
    redis: Redis, valkey: EmbeddedValkey, caplog: pytest.LogCaptureFixture
) -> None:
    script = Script()
    async with (
        working(valkey, caplog, [Lane.RAY], script.handlers) as url,
        Producer(redis_url=valkey.url) as producer,
    ):
        before = await scrape(url)
        outcomes = ("succeeded", "failed", "dead", "cancelled")
        assert [before("raylane_jobs_ended_total", lane="ray", kind="ray", outcome=it) for it in outcomes] == [0] * 4

        names = ["ok", "ok", "ok", "recovers", "fails", "dies", "bug", "waits"]
        jobs = [await producer.cluster.delete(name) for name in names]
        await until(lambda: "waits" in script.calls)
        await jobs[-1].cancel()
        for job, expected in zip(jobs, [None] * 4 + [StorageRejected, StorageUnavailable, Exception, JobCancelled], strict=True):
            if expected is None:
                await job.result(30)
            else:
                with pytest.raises(expected):
                    await job.result(30)

        async def all_are_counted() -> bool:
            return sum((await scrape(url)).of("raylane_jobs_ended_total").values()) == len(jobs)

        await until(all_are_counted)
        found = await scrape(url)

    ended = {it: found("raylane_jobs_ended_total", lane="ray", kind="ray", outcome=it) for it in outcomes}
    assert ended == {"succeeded": 4, "failed": 1, "dead": 2, "cancelled": 1}
    attempts = {dict(labels)["outcome"]: value for labels, value in found.of("raylane_attempts_total").items()}
    assert attempts == {"succeeded": 4, "failed": 3, "cancelled": 1, "retried": 2, "returned": 0, "lost": 0}
    errors = {dict(labels)["code"]: value for labels, value in found.of("raylane_job_errors_total").items()}
    assert errors == {"storage_rejected": 1, "storage_unavailable": 2, "internal_error": 1, "run_not_found": 1}
    assert found("raylane_job_wait_seconds_count", lane="ray", kind="ray") == len(jobs)
    assert found("raylane_attempt_seconds_count", lane="ray", kind="ray") == len(script.calls) == sum(attempts.values())
