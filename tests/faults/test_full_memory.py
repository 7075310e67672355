"""A server that was filled until it refused more: a worker drains it, and all other calls still work."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import pytest

from raylane.given_files import new_upload
from raylane.options import new_job
from raylane_common.errors import QueueUnavailable
from raylane_common.wire.generate import GenerateResult
from raylane_common.wire.jobs import JobStatus
from raylane_common.wire.ray import RayStatusRequest
from tests.faults.processes import COMMAND
from tests.helpers.bound import bound
from tests.helpers.waiting import until

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redis.asyncio import Redis

    from raylane import Producer
    from raylane.testing import FakeRay
    from raylane_common.wire.jobs import NewJob
    from tests.faults.processes import Workers

MIB = 1024 * 1024
CSV = b"city,amount\n" + b"oslo,1\n" * (MIB // 2 // 7)


async def enqueue_until_refused(producer: Producer, jobs: Sequence[NewJob]) -> list[NewJob]:
    """Enqueues jobs until the server refuses one; returns those that it accepted."""
    outcomes = await producer.enqueue_many(jobs)
    refused = [outcome.error for outcome in outcomes if outcome.error is not None]
    assert refused, "the server was not filled"
    for error in refused:
        assert isinstance(error, QueueUnavailable)
        assert error.retryable
        assert "out of memory" in error.message
    return [job for job, outcome in zip(jobs, outcomes, strict=True) if outcome.error is None]


@pytest.mark.slow
@pytest.mark.timeout(240)
async def test_a_full_server_drains_by_itself(
    redis: Redis, producer: Producer, workers: Workers, cluster: FakeRay
) -> None:
    small = await producer.upload_bytes(b"city,amount\noslo,1\n", filename="small.csv", session_id="ask")
    question = await producer.generate("how many rows", session_id="ask", after=[small])
    await redis.config_set("maxmemory", "16mb")
    accepted = [new_job(RayStatusRequest()) for _ in range(1000)]
    assert not any(outcome.error for outcome in await producer.enqueue_many(accepted))
    uploads = [new_upload(CSV, filename=f"{number}.csv", session_id="big") for number in range(40)]
    accepted += await enqueue_until_refused(producer, uploads)
    accepted += await enqueue_until_refused(producer, [new_job(RayStatusRequest()) for _ in range(2000)])
    cancelled = accepted.pop()
    assert await producer.cancel(cancelled.id) is JobStatus.CANCELLED
    print(f"{len(accepted)} jobs on a full server")

    await workers.start()
    # The worker of this test counts as alive for `check` because it runs on this host.
    check = await asyncio.create_subprocess_exec(
        *bound(COMMAND, "check"), env=os.environ | {"RAYLANE_REDIS__URL": str(workers.settings["redis__url"])}
    )

    async def all_have_ended() -> bool:
        lanes = await producer.operator.lanes()
        return not any(lane.waiting or lane.scheduled or lane.queued or lane.running for lane in lanes)

    async with asyncio.timeout(60):
        assert await check.wait() == 0
        events = [event async for event in producer.follow(accepted[0].id)]
    assert events[-1].status is JobStatus.SUCCEEDED
    await until(all_have_ended, timeout_s=180)
    for job in accepted:
        assert (await producer.record(job.id)).status is JobStatus.SUCCEEDED
    answer = await question.result(timeout_s=30)
    assert isinstance(answer, GenerateResult)
    assert len(await producer.sources("big")) == len([job for job in accepted if job.kind == "upload"])
    # There is room again.
    assert (await (await producer.cluster.status()).wait(timeout_s=30)).status is JobStatus.SUCCEEDED
