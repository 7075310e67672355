"""Connections to the queue that are dead, cut or refused."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from raylane import Producer, QueueUnavailable, RaylaneError
from raylane.options import new_job
from raylane_common.redis.connection import connect
from raylane_common.redis.queue import JobQueue
from raylane_common.settings import RedisSettings, Settings
from raylane_common.wire.jobs import JobStatus
from raylane_common.wire.ray import RayStatusRequest
from raylane_worker.embedded import HOST, SilentEndpoint
from tests.faults.proxy import Proxy
from tests.faults.workload import Workload
from tests.helpers import queue_keys
from tests.helpers.lanes import DONE, a_job, lane_queue
from tests.helpers.profiles import by_profile
from tests.helpers.waiting import until

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from random import Random

    from redis.asyncio import Redis

    from raylane.testing import FakeRay
    from tests.faults.processes import Workers
    from tests.faults.server import Server
    from tests.faults.warehouse import Warehouse

FAULTS = by_profile(fast=2, ci=3, deep=25)
SHORT_TIMEOUTS = {"connect_timeout_s": 0.3, "socket_timeout_s": 1.2, "give_up_s": 1.5}
SHORT_WORKER_TIMEOUTS = {"redis__socket_timeout_s": 2, "redis__give_up_s": 3, "lanes__poll_s": 1}


def producer_with_short_timeouts(url: str) -> Producer:
    # Only workers use `poll_s`, but the settings must be consistent: it is shorter than the time limits.
    return Producer(Settings.model_validate({"redis": {"url": url, **SHORT_TIMEOUTS}, "lanes": {"poll_s": 0.5}}))


async def is_refused(producer: Producer) -> None:
    """Checks that every kind of call raises `QueueUnavailable`."""
    (answer,) = await producer.enqueue_many([new_job(RayStatusRequest())])
    assert isinstance(answer.error, QueueUnavailable)
    calls = [producer.cluster.status(), producer.record("job"), producer.wait("job"), producer.sources("session")]
    raised = await asyncio.gather(*(_error_of(call) for call in [*calls, producer.operator.lanes()]))
    assert [type(error) for error in raised] == [QueueUnavailable] * 5


async def _error_of(call: Coroutine[Any, Any, object]) -> Exception | None:
    try:
        await call
    except RaylaneError as error:
        return error
    return None


async def test_a_producer_with_a_dead_connection_gets_errors_and_works_again_once_it_is_repaired(
    server: Server,
) -> None:
    server.keeps_jobs = True
    async with Proxy(server.port) as proxy, producer_with_short_timeouts(proxy.url) as producer:
        job = await producer.cluster.status()
        proxy.freeze()
        await is_refused(producer)
        proxy.mend()
        assert (await job.record()).status is JobStatus.QUEUED
        proxy.refuse()
        await is_refused(producer)
        proxy.mend()
        # An unanswered request may have been carried out, so the same id is used to find out.
        assert (await producer.cluster.status(job_id=job.id)).id == job.id


async def test_a_producer_of_a_server_that_accepts_no_connections_gets_errors() -> None:
    async with SilentEndpoint() as silent, producer_with_short_timeouts(f"redis://{HOST}:{silent.port}/0") as producer:
        await is_refused(producer)


@pytest.mark.slow
@pytest.mark.timeout(120 + 10 * FAULTS)
async def test_workers_survive_connections_that_are_cut_refused_frozen_or_forgotten(
    chance: Random,
    server: Server,
    workers: Workers,
    producer: Producer,
    redis: Redis,
    cluster: FakeRay,
    warehouse: Warehouse,
) -> None:
    workload = Workload(chance, warehouse, cluster)
    async with Proxy(server.port) as proxy:
        workers.settings |= SHORT_WORKER_TIMEOUTS | {"redis__url": proxy.url}
        living = await workers.start_many(2)
        for _ in range(FAULTS):
            await workload.enqueue(producer, workload.more(16))
            await asyncio.sleep(chance.uniform(0, 0.5))
            fault = chance.choice([proxy.cut, proxy.refuse, proxy.freeze, proxy.forget])
            print(fault.__name__)
            fault()
            await asyncio.sleep(chance.uniform(0, 1.5))
            proxy.mend()
        await workload.ended(redis)
        await workload.check(producer, redis, attempts=1)
        assert all(worker.is_running for worker in living)


@pytest.mark.slow
@pytest.mark.timeout(120)
async def test_a_worker_cut_off_from_its_queue_stops_when_asked_and_another_takes_over(
    server: Server, workers: Workers, producer: Producer, cluster: FakeRay
) -> None:
    workers.settings |= SHORT_WORKER_TIMEOUTS | {"lanes__lease_s": 2, "lanes__drain_s": 0}
    async with Proxy(server.port) as proxy:
        cut_off = await workers.start(redis__url=proxy.url)
        jobs = [await producer.cluster.submit(f"print({number})") for number in range(3)]
        await until(lambda: len(cluster.jobs) == len(jobs))
        proxy.freeze()
        cut_off.terminate()
        assert await cut_off.ended() == 0
    await workers.start()
    for job in jobs:
        cluster.end(f"rl-{job.id}-1")
        assert (await job.wait(60)).status is JobStatus.SUCCEEDED
    assert cluster.submissions == len(jobs)


async def test_a_claim_answered_after_its_lease_hands_out_each_job_once(server: Server, redis: Redis) -> None:
    """Another worker renews meanwhile, so the server was not away; its slots are full, so it takes nothing over."""
    jobs, other = JobQueue(redis), lane_queue(redis, name="other")
    await jobs.enqueue(a_job())
    held = (await other.claim(1)).leases
    claimed_ids = [await jobs.enqueue(a_job()) for _ in range(3)]
    async with (
        Proxy(server.port) as proxy,
        connect(RedisSettings.model_validate({"url": proxy.url, **SHORT_TIMEOUTS})) as through,
    ):
        unanswered = lane_queue(through, name="unanswered")
        await unanswered.renew([])
        proxy.hold_answers()

        async def leases_have_run_out() -> bool:
            await other.renew(held)
            return not await redis.exists(*map(queue_keys.lease, claimed_ids))

        with pytest.raises(QueueUnavailable):
            await unanswered.claim(5)
        assert [(await jobs.record(job_id)).worker for job_id in claimed_ids] == ["unanswered"] * 3
        await until(leases_have_run_out)
        proxy.mend()
        leases = (await unanswered.claim(5)).leases
        assert sorted(lease.job_id for lease in leases) == sorted(claimed_ids)
        assert [lease.record.attempt for lease in leases] == [1, 1, 1]
        assert await unanswered.renew(leases) == ["held"] * 3
        outcomes = [lease.succeeded(DONE) for lease in leases]
        assert await unanswered.finish(outcomes) == [True] * 3
        assert await other.finish([lease.succeeded(DONE) for lease in held]) == [True]
