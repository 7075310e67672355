"""The queue's server is stopped, killed, or paused for longer than a lease, and comes back."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from raylane_common.redis.queue import JobQueue
from raylane_common.wire.jobs import JobStatus
from tests.faults.workload import Workload
from tests.helpers.lanes import DONE, a_job, worker
from tests.helpers.profiles import by_profile
from tests.helpers.waiting import until

if TYPE_CHECKING:
    from random import Random

    from redis.asyncio import Redis

    from raylane import Producer
    from raylane.testing import FakeRay
    from raylane_common.wire.tables import DatabasesResult
    from raylane_worker.context import JobContext
    from tests.faults.processes import Workers
    from tests.faults.server import Server
    from tests.faults.warehouse import Warehouse

# Longer than a lease (10 s) and than a worker's commands to Redis (8 s).
PAUSE_S = 12
LEASE_S = 5
ROUNDS = by_profile(fast=1, ci=1, deep=4)


async def test_a_worker_survives_a_restart_while_idle_during_a_job_and_at_its_end(server: Server, redis: Redis) -> None:
    started, finish, runs = asyncio.Event(), asyncio.Event(), 0

    async def wait(request: Any, ctx: JobContext) -> DatabasesResult:
        nonlocal runs
        runs += 1
        started.set()
        await finish.wait()
        return DONE

    queue = JobQueue(redis)
    async with worker(redis, wait):
        first = await queue.enqueue(a_job())
        await started.wait()
        await server.stop()
        # The job ends while its result cannot be written.
        finish.set()
        await server.start()
        assert await queue.result(first, timeout_s=60) == DONE
        assert runs == 1

        await server.stop()
        await server.start()
        assert await queue.result(await queue.enqueue(a_job()), timeout_s=60) == DONE
    record = await queue.record(first)
    assert (record.status, record.attempt) == (JobStatus.SUCCEEDED, 1)


@pytest.mark.slow
@pytest.mark.timeout(60 + 120 * ROUNDS)
async def test_running_jobs_survive_a_server_that_is_stopped_and_killed(
    chance: Random,
    server: Server,
    workers: Workers,
    producer: Producer,
    redis: Redis,
    cluster: FakeRay,
    warehouse: Warehouse,
) -> None:
    workload = Workload(chance, warehouse, cluster, longest_run_s=4)
    workers.settings |= {"lanes__lease_s": LEASE_S}
    living = await workers.start_many(3)
    for stop_server in chance.sample([server.stop, server.kill, server.kill] * ROUNDS, k=3 * ROUNDS):
        # Otherwise a killed server loses what it confirmed and had not written, and this is not what the test is about.
        await redis.config_set("appendfsync", "always")
        jobs = workload.more(20)
        await workload.enqueue(producer, jobs)
        await workload.one_begins(redis, jobs)
        away_s = chance.uniform(0, LEASE_S + 1)
        print(f"{stop_server.__name__}, away for {away_s:.1f} s")
        await stop_server()
        await asyncio.sleep(away_s)
        await server.start()
    await workload.ended(redis)
    await workload.check(producer, redis, attempts=1)
    assert all(worker.is_running for worker in living)


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_a_pause_of_the_server_that_is_longer_than_every_lease_spends_no_attempt(
    chance: Random,
    server: Server,
    workers: Workers,
    producer: Producer,
    redis: Redis,
    cluster: FakeRay,
    warehouse: Warehouse,
) -> None:
    # Most runs end within the pause; a session runs one of them at a time.
    workload = Workload(chance, warehouse, cluster, longest_run_s=PAUSE_S + 5, sessions=40)
    living = await workers.start_many(3)
    await workload.enqueue(producer, workload.more(50))

    async def runs_have_started() -> bool:
        return len(cluster.jobs) > 5

    await until(runs_have_started)
    server.pause()
    try:
        await asyncio.sleep(PAUSE_S)
    finally:
        server.resume()
    workload.end_runs()
    await workload.ended(redis)
    await workload.check(producer, redis, attempts=1)
    assert all(worker.is_running for worker in living)
