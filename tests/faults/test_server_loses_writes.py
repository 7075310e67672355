"""The server loses its last writes: its machine dies before they are on disk, or a replica without them takes over."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import pytest

from raylane_common.errors import InvalidRequest, JobIdTaken, JobNotFound, QueueUnavailable, WriteNotConfirmed
from raylane_common.redis.connection import connect
from raylane_common.redis.queue import JobQueue
from raylane_common.settings import RedisSettings, Settings
from raylane_common.wire.base import Lane
from raylane_common.wire.jobs import JobStatus
from raylane_worker.app import run
from tests.faults.server import Server
from tests.helpers.claims import end, patient_lane, take
from tests.helpers.lanes import DONE, a_job, succeed, worker
from tests.helpers.profiles import by_profile
from tests.helpers.queue_keys import keys
from tests.helpers.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path
    from random import Random

    from redis.asyncio import Redis

    from raylane_common.wire.tables import DatabasesResult
    from raylane_worker.context import JobContext

TRIALS = by_profile(fast=2, ci=4, deep=20)


class Runs:
    """A handler that counts its runs and waits until `may_end`."""

    def __init__(self) -> None:
        self.count = 0
        self.started, self.may_end = asyncio.Event(), asyncio.Event()

    async def __call__(self, request: Any, ctx: JobContext) -> DatabasesResult:
        self.count += 1
        self.started.set()
        await self.may_end.wait()
        return DONE


def client(server: Server, **settings: object) -> Redis:
    return connect(RedisSettings.model_validate({"url": server.url} | settings))


@pytest.fixture
async def waitaof(server: Server) -> AsyncIterator[Redis]:
    """A client whose writes must be on disk."""
    redis = client(server, durability="waitaof", durability_timeout_s=0.5)
    yield redis
    await redis.aclose()


async def test_a_finished_job_that_the_server_lost_is_finished_again_and_does_not_run_again(
    server: Server, redis: Redis
) -> None:
    queue, runs = JobQueue(redis), Runs()
    # Otherwise a slow disk delays the start of the job, and it is not in what is kept.
    await redis.config_set("appendfsync", "always")
    async with worker(redis, runs):
        job_id = await queue.enqueue(a_job())
        await runs.started.wait()
        kept_bytes = server.log_bytes
        runs.may_end.set()
        assert await queue.result(job_id, timeout_s=60) == DONE
        await server.lose_power(kept_bytes)
        await server.start()
        assert await queue.result(job_id, timeout_s=60) == DONE
    record = await queue.record(job_id)
    assert (runs.count, record.status, record.attempt) == (1, JobStatus.SUCCEEDED, 1)
    assert await queue.attempts(job_id) == []


async def test_a_finished_job_whose_worker_is_gone_runs_again_but_no_worker_is_said_to_have_died(
    server: Server, redis: Redis
) -> None:
    queue, runs = JobQueue(redis), Runs()
    async with worker(redis, runs):
        job_id = await queue.enqueue(a_job(max_attempts=1))
        await runs.started.wait()
        kept_bytes = server.log_bytes
        runs.may_end.set()
        assert await queue.result(job_id, timeout_s=60) == DONE
    await server.lose_power(kept_bytes)
    await server.start()
    async with worker(redis, runs, name="w2"):
        assert await queue.result(job_id, timeout_s=60) == DONE
    record = await queue.record(job_id)
    assert (runs.count, record.worker, record.attempt) == (2, "w2", 1)
    assert await queue.attempts(job_id) == []


async def test_an_outcome_is_kept_until_it_is_confirmed_and_holds_up_no_other_job(
    server: Server, redis: Redis, waitaof: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    queue, runs = JobQueue(redis), Runs()
    await redis.config_set("appendfsync", "no")
    async with worker(waitaof, runs, concurrency=1, drain_s=5):
        job_ids = [await queue.enqueue(a_job()) for _ in range(3)]
        await until(lambda: runs.count > 0)
        kept_bytes = server.log_bytes
        runs.may_end.set()
        for job_id in job_ids:
            assert await queue.result(job_id, timeout_s=60) == DONE
        await until(lambda: "not confirmed" in caplog.text)
        # The jobs' starts are lost, too, but for the first one.
        await server.lose_power(kept_bytes)
        await server.start()
        for job_id in job_ids:
            assert await queue.result(job_id, timeout_s=60) == DONE
    assert {(await queue.record(job_id)).attempt for job_id in job_ids} == {1}


async def test_a_server_that_does_not_write_to_its_disk_confirms_nothing(
    server: Server, redis: Redis, waitaof: Redis
) -> None:
    queue = JobQueue(waitaof)
    await redis.config_set("appendfsync", "no")
    kept_bytes = server.log_bytes
    with pytest.raises(WriteNotConfirmed, match=r"job j: .* repeat it with the same id") as raised:
        await queue.enqueue(a_job(id="j"))
    assert raised.value.retryable
    assert raised.value.details == {"job_id": "j"}
    outcomes = await queue.enqueue_many([a_job(id=f"many-{number}") for number in range(500)])
    assert {type(outcome.error) for outcome in outcomes} == {WriteNotConfirmed}
    with pytest.raises(WriteNotConfirmed):
        await queue.cancel("many-0")
    assert await redis.zcard(keys.queue("upload")) == 500, "they are written all the same"

    await redis.config_set("appendfsync", "always")
    assert await queue.enqueue(a_job(id="j")) == "j"
    assert await queue.cancel("many-0") is JobStatus.CANCELLED
    await queue.requeue("many-0")
    outcomes = await queue.enqueue_many([a_job(id=f"many-{number}") for number in range(500)])
    assert [outcome.error for outcome in outcomes] == [None] * 500
    assert server.log_bytes > kept_bytes
    await server.lose_power(server.log_bytes)
    await server.start()
    assert await redis.zcard(keys.queue("upload")) == 501
    async with worker(redis, succeed):
        await until(lambda: _is_empty(redis))


@pytest.mark.slow
@pytest.mark.parametrize("durability", ["wait", "waitaof"])
async def test_a_repeated_call_is_confirmed_only_when_the_first_one_is_kept(
    server: Server, redis: Redis, tmp_path: Path, durability: str
) -> None:
    server.keeps_jobs = True
    # A replica says once a second what it has on its disk.
    options = {"durability": durability, "durability_replicas": 1, "durability_timeout_s": 2}
    async with AsyncExitStack() as stack:
        replica = await stack.enter_async_context(Server(tmp_path / "replica"))
        direct, first, second = [
            await stack.enter_async_context(each)
            for each in (client(replica), client(server, **options), client(server, **options))
        ]
        await direct.execute_command("REPLICAOF", "127.0.0.1", server.port)  # type: ignore[no-untyped-call]  # as in redis-py
        await until(lambda: _is_in_sync(direct))
        await direct.config_set("appendfsync", "always")
        await JobQueue(first).enqueue(a_job(id="before"))
        outcome = (await take(patient_lane(redis))).succeeded(DONE)
        replica.pause()
        for each in (first, second):
            # The second connection finds the write of the first one, and has written nothing itself.
            with pytest.raises(WriteNotConfirmed):
                await JobQueue(each).enqueue(a_job(id="j"))
        await end(patient_lane(redis), outcome)
        with pytest.raises(WriteNotConfirmed):
            await patient_lane(second).confirm([outcome])
        replica.resume()
        assert await JobQueue(second).enqueue(a_job(id="j")) == "j"
        await patient_lane(second).confirm([outcome])


async def _is_empty(redis: Redis) -> bool:
    return not await redis.exists(keys.queue("upload"), keys.running("upload"))


@pytest.mark.slow
@pytest.mark.timeout(60 + 30 * TRIALS)
@pytest.mark.parametrize("durability", ["none", "waitaof"])
async def test_no_acknowledged_job_is_lost_if_the_server_had_to_confirm_it(
    chance: Random, server: Server, redis: Redis, durability: str
) -> None:
    """The disk stalls at a random moment, and then the machine dies. The file ends where the disk stalled."""
    lost, acknowledged = 0, 0
    for trial in range(TRIALS):
        await redis.config_set("appendfsync", "always")
        async with worker(redis, succeed):
            sending = client(server, durability=durability, durability_timeout_s=0.5)
            queue, accepted = JobQueue(sending), list[str]()

            async def send(
                number: int, trial: int = trial, queue: JobQueue = queue, accepted: list[str] = accepted
            ) -> None:
                for nth in range(10):
                    try:
                        accepted.append(await queue.enqueue(a_job(id=f"{trial}-{number}-{nth}")))
                    except QueueUnavailable:
                        return

            senders = [asyncio.create_task(send(number)) for number in range(10)]
            stall_after = chance.randrange(5, 60)
            await until(lambda: len(accepted) >= stall_after)  # noqa: B023  # it is awaited in the same round
            # Without writes in progress, all that is in the file is on disk.
            await redis.execute_command("CLIENT", "PAUSE", 10_000, "WRITE")  # type: ignore[no-untyped-call]  # as in redis-py
            kept_bytes = server.log_bytes
            await redis.config_set("appendfsync", "no")
            await redis.execute_command("CLIENT", "UNPAUSE")  # type: ignore[no-untyped-call]  # as above
            await asyncio.gather(*senders)
            await server.lose_power(kept_bytes)
            await server.start()
            await sending.aclose()
            found = [job_id for job_id in accepted if await redis.exists(keys.job(job_id))]
            for job_id in found:
                record = await JobQueue(redis).wait(job_id, timeout_s=60)
                assert (record.status, record.attempt) == (JobStatus.SUCCEEDED, 1)
            await until(lambda: _is_empty(redis))
        lost, acknowledged = lost + len(accepted) - len(found), acknowledged + len(accepted)
    print(f"{durability}: {lost} of {acknowledged} acknowledged jobs lost in {TRIALS} trials")
    assert (lost > 0) == (durability == "none")


@pytest.mark.slow
@pytest.mark.timeout(60 + 30 * TRIALS)
async def test_a_promoted_replica_has_every_job_that_it_had_to_confirm(
    chance: Random, server: Server, redis: Redis, tmp_path: Path
) -> None:
    server.keeps_jobs = True
    async with Server(tmp_path / "replica") as replica:
        direct = client(replica)
        await direct.execute_command("REPLICAOF", "127.0.0.1", server.port)  # type: ignore[no-untyped-call]  # as in redis-py
        await until(lambda: _is_in_sync(direct))
        sending = client(server, durability="wait", durability_timeout_s=0.5)
        queue = JobQueue(sending)
        accepted: list[str] = []
        refused: list[str] = []

        async def send(number: int) -> None:
            for nth in range(20):
                job_id = f"{number}-{nth}"
                try:
                    accepted.append(await queue.enqueue(a_job(id=job_id)))
                except WriteNotConfirmed:
                    refused.append(job_id)
                    return

        senders = [asyncio.create_task(send(number)) for number in range(10)]
        behind_after = chance.randrange(20, 150)
        await until(lambda: len(accepted) >= behind_after)
        replica.pause()
        await asyncio.gather(*senders)
        assert refused, "the replica had them all"
        await server.kill()
        replica.resume()
        await direct.execute_command("REPLICAOF", "NO", "ONE")  # type: ignore[no-untyped-call]  # as above
        missing = [job_id for job_id in accepted if not await direct.exists(keys.job(job_id))]
        print(f"{len(accepted)} acknowledged, {len(refused)} not confirmed")
        assert missing == []
        await sending.aclose()
        await direct.aclose()


async def _is_in_sync(replica: Redis) -> bool:
    return bool((await replica.info("replication"))["master_link_status"] == "up")


async def test_a_replica_is_waited_for_and_named_when_there_is_none(server: Server) -> None:
    alone = client(server, durability="wait", durability_timeout_s=0.1)
    with pytest.raises(WriteNotConfirmed, match="0 of 1 replicas"):
        await JobQueue(alone).enqueue(a_job(id="j"))
    assert await JobQueue(alone).record("j")
    server.keeps_jobs = True
    await alone.aclose()


async def test_a_call_that_redis_refuses_does_not_say_that_it_was_carried_out(server: Server) -> None:
    server.keeps_jobs = True
    alone = client(server, durability="wait", durability_timeout_s=0.1)
    queue = JobQueue(alone)
    with pytest.raises(JobNotFound):
        await queue.cancel("unknown")
    with pytest.raises(WriteNotConfirmed):
        await queue.enqueue(a_job(id="j"))
    with pytest.raises(JobIdTaken):
        await queue.enqueue(a_job(id="j", session_id="another"))
    with pytest.raises(InvalidRequest, match="unknown"):
        await queue.enqueue(a_job(id="k", after=("unknown",)))
    taken, written = await queue.enqueue_many([a_job(id="j", session_id="another"), a_job(id="new")])
    assert [type(taken.error), type(written.error)] == [WriteNotConfirmed] * 2, "one confirmation for both"
    await alone.aclose()


async def test_a_server_without_an_append_only_file_is_refused_before_the_first_write(
    server: Server, redis: Redis, waitaof: Redis
) -> None:
    await redis.config_set("appendonly", "no")
    with pytest.raises(QueueUnavailable, match="RAYLANE_REDIS__DURABILITY=waitaof needs `appendonly yes`") as raised:
        await JobQueue(waitaof).enqueue(a_job(id="j"))
    assert not raised.value.retryable
    settings = Settings(redis=RedisSettings.model_validate({"url": server.url, "durability": "waitaof"}))
    with pytest.raises(QueueUnavailable, match=r"start the worker: .*RAYLANE_REDIS__DURABILITY"):
        await run(settings, [Lane.RAY], ready=asyncio.Event(), stop=asyncio.Event())
    assert await redis.keys() == []
    await redis.config_set("appendonly", "yes")
