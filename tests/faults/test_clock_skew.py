"""Clocks that are wrong by five minutes in either direction have no effect, since all times are those of Redis."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from raylane_common.wire.jobs import JobStatus
from tests.faults.workload import Workload
from tests.helpers.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

    from redis.asyncio import Redis

    from raylane import Producer
    from raylane.testing import FakeRay
    from tests.faults.processes import Workers
    from tests.faults.warehouse import Warehouse

SKEW_S = 300
# Shorter than the skew: a job that waited for a slow clock would exceed it.
TIMEOUT_S = 240
RECOVERY_S = 15


@contextmanager
def own_clock_off_by(seconds: float) -> Iterator[None]:
    """Shifts the clock of this process, which is the producer's."""
    real_time, real_time_ns = time.time, time.time_ns
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "time", lambda: real_time() + seconds)
        patch.setattr(time, "time_ns", lambda: real_time_ns() + int(seconds * 1e9))
        yield


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_wrong_clocks_change_no_delay_no_order_and_no_lease(
    chance: Random, workers: Workers, producer: Producer, redis: Redis, cluster: FakeRay, warehouse: Warehouse
) -> None:
    # Runs outlast the lease, and no other worker may take it for expired.
    workload = Workload(chance, warehouse, cluster, longest_run_s=6, sessions=40)
    workers.settings |= {"lanes__lease_s": 4}
    for skew_s in (SKEW_S, -SKEW_S, 0):
        await workers.launch(skew_s=skew_s)
    for producer_skew_s in (0, SKEW_S, -SKEW_S):
        with own_clock_off_by(producer_skew_s):
            await workload.enqueue(producer, workload.more(20))
    await workload.ended(redis, timeout_s=TIMEOUT_S)
    await workload.check(producer, redis, attempts=1)


@pytest.mark.parametrize("skew_s", [SKEW_S, -SKEW_S])
async def test_jobs_expire_and_start_in_order_by_the_servers_clock(
    skew_s: float, workers: Workers, producer: Producer
) -> None:
    in_line, due_too_late = [], []
    for number in range(8):
        with own_clock_off_by(skew_s if number % 2 else -skew_s):
            in_line.append(await producer.cluster.status(expires_s=60))
            due_too_late.append(await producer.cluster.status(delay_s=3600, expires_s=0.5))
    await workers.start(skew_s=skew_s, lanes__ray__concurrency=1)
    for job in due_too_late:
        record = await job.wait(TIMEOUT_S)
        assert record.error is not None
        assert (record.error.code, record.attempt) == ("expired", 0)
    records = [await job.wait(TIMEOUT_S) for job in in_line]
    assert {record.status for record in records} == {JobStatus.SUCCEEDED}
    starts = [record.started_at or 0 for record in records]
    assert starts == sorted(starts)


@pytest.mark.parametrize("skew_s", [SKEW_S, -SKEW_S])
@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_a_worker_with_another_time_takes_over_the_jobs_of_a_killed_one(
    skew_s: float, workers: Workers, producer: Producer, cluster: FakeRay
) -> None:
    workers.settings |= {"lanes__lease_s": 2}
    killed = await workers.start(skew_s=skew_s)
    jobs = [await producer.cluster.submit(f"print({number})") for number in range(4)]
    await until(lambda: len(cluster.jobs) == len(jobs))
    taker = await workers.start(skew_s=-skew_s)
    assert {(await job.record()).worker for job in jobs} == {killed.name}
    killed.kill()

    async def taken_over() -> bool:
        return {(await job.record()).worker for job in jobs} == {taker.name}

    await until(taken_over, timeout_s=RECOVERY_S)
    for run_id in list(cluster.jobs):
        cluster.end(run_id)
    for job in jobs:
        record = await job.wait(TIMEOUT_S)
        assert (record.status, record.attempt) == (JobStatus.SUCCEEDED, 2)
    assert cluster.submissions == len(jobs)
