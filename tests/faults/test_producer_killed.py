"""SIGKILL of a producer in the middle of a batch: each job is enqueued completely or not at all."""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING

import pytest

from raylane_common.wire.base import JobKind
from raylane_common.wire.jobs import JobStatus
from raylane_worker.embedded.child import guarded
from raylane_worker.embedded.environment import environment
from tests.faults import enqueuer
from tests.faults.proxy import Proxy
from tests.helpers import queue_keys
from tests.helpers.profiles import by_profile
from tests.helpers.queue_keys import keys
from tests.helpers.waiting import until

if TYPE_CHECKING:
    from pathlib import Path
    from random import Random

    from redis.asyncio import Redis

    from raylane import Producer
    from raylane_common.wire.jobs import NewJob
    from tests.faults.server import Server

COUNT = 800
KILLS = by_profile(fast=1, ci=2, deep=15)
SET_OF = {JobStatus.QUEUED: keys.queue, JobStatus.SCHEDULED: keys.schedule, JobStatus.WAITING: keys.waiting}


@pytest.mark.timeout(60 + 20 * KILLS)
async def test_a_batch_cut_short_holds_whole_jobs_and_is_completed_by_the_same_ids(
    chance: Random, server: Server, producer: Producer, redis: Redis, tmp_path: Path
) -> None:
    server.keeps_jobs = True
    seed = str(chance.randrange(10**6))
    async with Proxy(server.port) as proxy:
        assert await exit_code_of_enqueuer(proxy, seed, tmp_path, kill_after_bytes=None) == 0
        bytes_per_size = proxy.sent_bytes / size_of(enqueuer.batch(seed, COUNT))
        assert await count_enqueued(redis, enqueuer.batch(seed, COUNT)) == COUNT
        for _ in range(KILLS):
            seed = str(chance.randrange(10**6))
            # The first batch may have been sent in part twice, by a retry, and each batch has a size of its own.
            whole_bytes = int(bytes_per_size * size_of(enqueuer.batch(seed, COUNT)))
            cut_at = int(whole_bytes * chance.uniform(0.1, 0.6))
            assert await exit_code_of_enqueuer(proxy, seed, tmp_path, kill_after_bytes=cut_at) == 128 + signal.SIGKILL
            jobs = enqueuer.batch(seed, COUNT)
            found = await count_enqueued(redis, jobs)
            print(f"killed after {cut_at} of about {whole_bytes} bytes: {found} of {COUNT} jobs are there")
            answers = await producer.enqueue_many(jobs)
            assert [answer.error for answer in answers if answer.error is not None] == []
            assert [answer.id for answer in answers] == [job.id for job in jobs]
            assert sum(answer.created for answer in answers) == COUNT - found
            assert await count_enqueued(redis, jobs) == COUNT


def size_of(jobs: list[NewJob]) -> int:
    return sum(len(job.request.model_dump_json()) + len(job.body) for job in jobs)


async def exit_code_of_enqueuer(proxy: Proxy, seed: str, directory: Path, *, kill_after_bytes: int | None) -> int:
    """Runs a process that enqueues a batch, and kills it once this many bytes have arrived; returns its exit code."""
    command = [sys.executable, "-P", enqueuer.__file__, proxy.url, seed, str(COUNT)]
    async with guarded("enqueuer", command, directory / f"{seed}.log", environment(), remove=None) as child:
        if kill_after_bytes is not None:
            proxy.freeze_after(kill_after_bytes)
            await until(lambda: proxy.is_frozen or child.guardian.returncode is not None)
            os.kill(child.pid, signal.SIGKILL)
            await child.guardian.wait()
            proxy.cut()
            proxy.mend()
        code = await child.guardian.wait()
    await until(lambda: not proxy.is_used)
    return code


async def count_enqueued(redis: Redis, jobs: list[NewJob]) -> int:
    """Returns how many of the jobs are in Redis. Fails if one is there only in part, or twice."""
    names = {name async for name in redis.scan_iter(count=5000)}
    sets = {name: set(await redis.zrange(name, 0, -1)) async for name in redis.scan_iter(count=5000, _type="zset")}
    async with redis.pipeline(transaction=False) as pipe:
        for job in jobs:
            pipe.hget(keys.job(job.id), "status")
        answers = await pipe.execute()
    found = 0
    for job, status in zip(jobs, answers, strict=True):
        parts = parts_of(job) & names
        found_in = {name for name, members in sets.items() if job.id in members}
        if status is None:
            assert (parts, found_in) == (set(), set()), f"{job.id} is there in part"
            continue
        found += 1
        assert parts == parts_of(job), f"{job.id} lacks a part"
        expected = {SET_OF[JobStatus(status)](job.lane)}
        assert found_in == expected | ({keys.session_jobs(job.session_id)} if job.session_id else set()), job.id
    return found


def parts_of(job: NewJob) -> set[str]:
    """Returns the keys of a job that has not started."""
    parts = {keys.job(job.id), queue_keys.arq_job(job.id)}
    if job.kind is JobKind.UPLOAD:
        parts.add(keys.job_body(job.id))
    if job.after:
        parts.add(queue_keys.job_after(job.id))
    return parts
