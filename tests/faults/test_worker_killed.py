"""SIGKILL of workers at random moments, with the default lease: their jobs run again within the promised 15 s."""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import TYPE_CHECKING

import pytest

from raylane_common.wire.jobs import EventType, JobStatus
from tests.faults.workload import Workload
from tests.helpers.profiles import by_profile
from tests.helpers.queue_keys import keys
from tests.helpers.waiting import until

if TYPE_CHECKING:
    from random import Random

    from redis.asyncio import Redis

    from raylane import Producer
    from raylane.testing import FakeRay
    from tests.faults.processes import Workers
    from tests.faults.warehouse import Warehouse

RECOVERY_S = 15
KILLS = by_profile(fast=1, ci=2, deep=20)
# A kill spends an attempt, and one job may be hit by every kill.
ENOUGH_ATTEMPTS = {f"retries__{kind}__max_attempts": KILLS + 1 for kind in ("upload", "tables", "generate", "ray")}
# Few jobs run at once, so that others wait at each kill.
FEW_SLOTS = {"lanes__upload__concurrency": 3, "lanes__generate__concurrency": 3, "lanes__ray__concurrency": 4}


@pytest.mark.slow
@pytest.mark.timeout(60 + 30 * KILLS)
async def test_jobs_of_all_kinds_take_effect_once_however_often_their_workers_are_killed(
    chance: Random, workers: Workers, producer: Producer, redis: Redis, cluster: FakeRay, warehouse: Warehouse
) -> None:
    workload = Workload(chance, warehouse, cluster)
    workers.settings |= ENOUGH_ATTEMPTS | FEW_SLOTS
    living = await workers.start_many(3)
    async with asyncio.TaskGroup() as recoveries:
        for _ in range(KILLS):
            jobs = workload.more(24)
            await workload.enqueue(producer, jobs)
            begun = await workload.one_begins(redis, jobs)
            await asyncio.sleep(chance.uniform(0, 0.3))
            busy = (await producer.record(begun)).worker
            victim = chance.choice([*living, *(worker for worker in living if worker.name == busy)])
            living.remove(victim)
            victim.kill()
            killed_at = monotonic()
            assert await victim.ended() == 128 + 9
            orphans = await running_on(redis, victim.name, [job.id for job in workload.jobs])
            recoveries.create_task(recovered(producer, redis, victim.name, orphans, killed_at))
            living.append(await workers.start())
    await workload.ended(redis)
    await workload.check(producer, redis)
    assert all(worker.is_running for worker in living)


async def running_on(redis: Redis, worker: str, job_ids: list[str]) -> list[str]:
    """Returns those of the jobs that this worker is running."""
    async with redis.pipeline(transaction=False) as pipe:
        for job_id in job_ids:
            pipe.hmget(keys.job(job_id), ["status", "worker"])
        found = await pipe.execute()
    return [job_id for job_id, held in zip(job_ids, found, strict=True) if held == ["running", worker]]


async def recovered(producer: Producer, redis: Redis, dead: str, orphans: list[str], killed_at: float) -> None:
    """Waits until every orphaned job runs again; fails if that takes longer than promised."""
    missing = set(orphans)

    async def taken_over(job_id: str) -> None:
        newest = await redis.xrevrange(keys.job_events(job_id), count=1)
        async for event in producer.follow(job_id, after=newest[0][0]):
            if event.type is EventType.STATUS and event.status is JobStatus.RUNNING:
                break
        missing.discard(job_id)

    watching = [asyncio.create_task(taken_over(job_id)) for job_id in orphans]
    try:
        await until(lambda: not missing, timeout_s=RECOVERY_S)
    except TimeoutError:
        raise AssertionError(f"jobs of {dead} that do not run again {RECOVERY_S} s after its end: {missing}") from None
    finally:
        for task in watching:
            task.cancel()
        await asyncio.gather(*watching, return_exceptions=True)
    print(f"{dead}: {len(orphans)} jobs were running again after {monotonic() - killed_at:.1f} s")
