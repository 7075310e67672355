"""Repeated SIGTERMs, as in rolling deploys, which cost no attempt."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from tests.faults.workload import Workload
from tests.helpers.profiles import by_profile

if TYPE_CHECKING:
    from random import Random

    from redis.asyncio import Redis

    from raylane import Producer
    from raylane.testing import FakeRay
    from tests.faults.processes import WorkerProcess, Workers
    from tests.faults.warehouse import Warehouse

DEPLOYS = by_profile(fast=2, ci=2, deep=12)


@pytest.mark.slow
@pytest.mark.timeout(60 + 30 * DEPLOYS)
async def test_rolling_deploys_spend_no_attempt_and_fail_no_job(
    chance: Random, workers: Workers, producer: Producer, redis: Redis, cluster: FakeRay, warehouse: Warehouse
) -> None:
    workload = Workload(chance, warehouse, cluster)
    living: list[WorkerProcess] = []
    stopped: list[WorkerProcess] = []
    for _ in range(DEPLOYS):
        await workload.enqueue(producer, workload.more(25))
        # With no time to drain all running jobs are given back; with a little, some of them end first.
        workers.settings |= {"lanes__drain_s": chance.choice([0, 0.7])}
        fresh = await workers.start_many(2)
        for worker in living:
            for _ in range(chance.choice([1, 1, 2, 3])):
                worker.terminate()
                await asyncio.sleep(chance.uniform(0, 0.2))
        stopped += living
        living = fresh
    await workload.ended(redis)
    await workload.check(producer, redis, attempts=1)
    for worker in living:
        worker.terminate()
    stopped += living
    assert [await worker.ended() for worker in stopped] == [0] * len(stopped)
