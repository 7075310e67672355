"""The client against a real Ray head."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from raylane_common.errors import RayAuth, RayJobExists, RayJobNotFound, RayRejected
from raylane_common.ray.client import RayClient
from raylane_common.ray.models import RayJobStatus
from raylane_common.ray.package import build_package
from raylane_common.requests import RaySubmitRequest
from raylane_common.settings import RaySettings, Settings
from raylane_common.sources import SourceStore
from raylane_worker.context import Resources
from raylane_worker.embedded import EmbeddedRay, embedded_ray
from tests.attempts import Cut, Job
from tests.servers import Background
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from redis.asyncio import Redis

CODE = """\
import sys

def divide(value):
    return value / 0

print("before it breaks: ü")
divide(1)
"""


@pytest.fixture(scope="module")
def head() -> Iterator[EmbeddedRay]:
    with Background() as background:
        yield background.enter(embedded_ray())


@asynccontextmanager
async def connected(head: EmbeddedRay, **changes: str) -> AsyncIterator[RayClient]:
    settings = {"private_url": head.url, "token": head.token, "poll_interval_s": 0.2} | changes
    async with RayClient(RaySettings.model_validate(settings)) as client:
        yield client


async def has_status(client: RayClient, submission_id: str, *wanted: RayJobStatus) -> bool:
    return (await client.job(submission_id)).status in wanted


async def test_a_shipped_script_runs_and_its_traceback_shows_the_source(head: EmbeddedRay) -> None:
    package = build_package({"main.py": CODE})
    metadata = {"raylane_job_id": "a", "raylane_session_id": "s"}
    async with connected(head) as client:
        for _ in range(2):
            submission = await client.submit(
                submission_id="rl-a-1", entrypoint="python main.py", package=package, metadata=metadata
            )
            assert (submission.submission_id, submission.endpoint) == ("rl-a-1", "private")
        with pytest.raises(RayJobExists):
            await client.submit(submission_id="rl-a-1", entrypoint="python other.py", metadata=metadata)
        with pytest.raises(RayJobExists):
            await client.submit(submission_id="rl-a-1", entrypoint="python main.py", metadata={"raylane_job_id": "b"})

        await until(lambda: has_status(client, "rl-a-1", RayJobStatus.FAILED), timeout_s=60)
        job = await client.job("rl-a-1")
        assert (job.driver_exit_code, job.metadata, job.entrypoint) == (1, metadata, "python main.py")
        logs = await client.logs("rl-a-1")
        assert "before it breaks: ü" in logs.text
        assert 'main.py", line 4, in divide' in logs.text
        assert "return value / 0" in logs.text
        assert "ZeroDivisionError" in logs.text
        tail = await client.logs("rl-a-1", max_bytes=40)
        assert tail.truncated
        assert logs.text.endswith(tail.text)
        assert "rl-a-1" in [job.submission_id for job in await client.jobs()]


async def has_ended_before(client: RayClient, submission_id: str) -> bool:
    return await client.stop(submission_id) is False


async def test_a_running_job_is_stopped_and_forgotten(head: EmbeddedRay) -> None:
    async with connected(head) as client:
        await client.submit(submission_id="rl-b-1", entrypoint="sleep 120", env_vars={"A": "1"})
        await until(lambda: has_status(client, "rl-b-1", RayJobStatus.RUNNING), timeout_s=60)
        with pytest.raises(RayRejected, match="non-terminal"):
            await client.delete("rl-b-1")
        assert await client.stop("rl-b-1") is True
        await until(lambda: has_status(client, "rl-b-1", RayJobStatus.STOPPED), timeout_s=60)
        # Ray says STOPPED a moment before the job's supervisor is gone, and "stopped" for as long as that is there.
        await until(lambda: has_ended_before(client, "rl-b-1"), timeout_s=60)
        assert await client.delete("rl-b-1") is True
        for call in (client.job, client.logs, client.stop, client.delete):
            with pytest.raises(RayJobNotFound, match="rl-b-1 does not exist"):
                await call("rl-b-1")


@pytest.mark.parametrize("token", ["", "wrong"])
async def test_a_missing_or_wrong_token_is_refused(head: EmbeddedRay, token: str) -> None:
    async with connected(head, token=token, public_url=head.url) as client:
        with pytest.raises(RayAuth, match="RAYLANE_RAY__TOKEN"):
            await client.version()
        with pytest.raises(RayAuth):
            await client.submit(submission_id="rl-c-1", entrypoint="true")
    async with connected(head) as client:
        assert (await client.version()).session_name
        with pytest.raises(RayJobNotFound):
            await client.job("rl-c-1")


@pytest.mark.parametrize("stage", ["submitting", "running"])
async def test_a_run_is_stopped_as_early_as_its_job_is_cancelled(head: EmbeddedRay, redis: Redis, stage: str) -> None:
    request = RaySubmitRequest(code="import time\ntime.sleep(600)\n")
    async with connected(head) as client:
        resources = Resources(settings=Settings(), ray=client, sources=SourceStore(redis))
        job = Job(request, resources, Cut(), round=["submitting", "running"].index(stage))
        attempt = asyncio.create_task(job.run())
        await until(lambda: job.stage == stage)
        attempt.cancel()
        with pytest.raises(asyncio.CancelledError):
            await attempt
        await job.clean_up()
        runs = [run for run in await client.jobs() if (run.metadata or {}).get("raylane_job_id") == "job1"]
        assert [run.status for run in runs if not run.status.is_final] == []
        assert stage == "submitting" or RayJobStatus.STOPPED in [run.status for run in runs]
