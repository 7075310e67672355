"""Draining a worker from outside: it takes no more jobs, finishes the running ones and stops."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
from typing import TYPE_CHECKING, Any

from raylane_common.ray.models import RayVersion
from raylane_common.redis.queue import JobQueue, LaneQueue
from raylane_common.redis.queue.heartbeats import ask_to_drain, living_workers
from raylane_common.settings import Settings
from raylane_common.wire.base import JobKind, Lane
from raylane_common.wire.jobs import NewJob
from raylane_common.wire.ray import RayStatusRequest, RayStatusResult
from raylane_worker import app
from raylane_worker.context import Handler
from raylane_worker.lanes import worker as lanes
from tests.helpers.claims import patient_lane, statuses
from tests.helpers.queue_keys import keys
from tests.helpers.waiting import until
from tests.integration.test_worker_cli import ended, start

if TYPE_CHECKING:
    import pytest
    from redis.asyncio import Redis

    from raylane_worker.context import JobContext
    from raylane_worker.embedded import EmbeddedValkey

HOST = socket.gethostname()
STATUS = RayStatusResult(version=RayVersion(ray_version="2.60.0"), endpoint="private", endpoints=())


def a_lane(redis: Redis, name: str) -> LaneQueue:
    return patient_lane(redis, name=name)


async def test_without_a_living_worker_there_is_nothing_to_drain(redis: Redis, valkey: EmbeddedValkey) -> None:
    code, stdout, stderr = await ended(await start("drain", RAYLANE_REDIS__URL=valkey.url))
    assert (code, stdout, stderr) == (1, "", f"no living worker on {HOST}\n")
    code, _, stderr = await ended(await start("drain", f"{HOST}-0", RAYLANE_REDIS__URL=valkey.url))
    assert (code, stderr) == (1, f"no living worker {HOST}-0\n")


async def test_drain_names_the_worker_that_still_works_when_its_time_is_up(
    redis: Redis, valkey: EmbeddedValkey
) -> None:
    for name in (f"{HOST}-1", f"{HOST}-2", "elsewhere-3"):
        await a_lane(redis, name).beat(ttl_s=60)
    code, stdout, stderr = await ended(
        await start("drain", f"{HOST}-2", "--timeout", "0.1", RAYLANE_REDIS__URL=valkey.url)
    )
    assert (code, stdout, stderr) == (1, f"draining {HOST}-2\n", f"still running: {HOST}-2\n")
    assert [await a_lane(redis, name).beat(ttl_s=60) for name in (f"{HOST}-1", f"{HOST}-2")] == [False, True]
    code, stdout, _ = await ended(await start("drain", "elsewhere-3", "--timeout", "0", RAYLANE_REDIS__URL=valkey.url))
    assert (code, stdout) == (1, "draining elsewhere-3\n")


async def test_drain_reports_that_redis_does_not_answer() -> None:
    address = {
        "RAYLANE_REDIS__URL": "redis://127.0.0.1:1/0",
        "RAYLANE_REDIS__GIVE_UP_S": "1.1",
        "RAYLANE_REDIS__SOCKET_TIMEOUT_S": "1.05",
        "RAYLANE_LANES__POLL_S": "1",
    }
    code, stdout, stderr = await ended(await start("drain", **address))
    assert (code, stdout) == (69, "")
    assert stderr.startswith("error: cannot look for workers: Redis cannot be reached at 127.0.0.1:1")
    assert "Traceback" not in stderr


async def test_check_prints_the_workers_of_this_host_with_their_lanes(redis: Redis, valkey: EmbeddedValkey) -> None:
    for lane, name in (("upload", f"{HOST}-1"), ("ray", f"{HOST}-1"), ("ray", f"{HOST}-2"), ("ray", "elsewhere-1")):
        queue = LaneQueue(redis, lane, worker=name, lease_s=60, max_attempts={}, result_ttl_s=60)
        await queue.beat(ttl_s=60)
    await redis.zadd(keys.workers("ray"), {f"{HOST}-3": 1})
    code, stdout, stderr = await ended(await start("check", RAYLANE_REDIS__URL=valkey.url))
    assert (code, stdout, stderr) == (0, f"{HOST}-1 upload ray\n{HOST}-2 ray\n", "")


async def test_a_drained_process_stops_and_the_other_one_keeps_working(redis: Redis, valkey: EmbeddedValkey) -> None:
    workers = [await start("run", "--lanes", "ray", RAYLANE_REDIS__URL=valkey.url) for _ in range(2)]
    names = [f"{HOST}-{worker.pid}" for worker in workers]

    async def both_live() -> bool:
        return set(names) <= set(await living_workers(redis, HOST))

    try:
        await until(both_live, timeout_s=60)
        code, stdout, stderr = await ended(await start("drain", names[0], RAYLANE_REDIS__URL=valkey.url))
        assert (code, stdout, stderr) == (0, f"draining {names[0]}\n", "")
        code, _, stderr = await ended(workers[0])
        assert code == 0, stderr
        assert json.loads(stderr.splitlines()[-1])["message"] == "stopped"
        assert workers[1].returncode is None
        assert list(await living_workers(redis, HOST)) == [names[1]]
    finally:
        for worker in workers:
            if worker.returncode is None:
                worker.send_signal(signal.SIGTERM)
        assert [(await ended(worker))[0] for worker in workers if worker.returncode is None] == [0]


async def test_a_worker_that_is_asked_to_drain_finishes_its_jobs_takes_no_more_and_returns(
    redis: Redis, valkey: EmbeddedValkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes, "BEAT_EVERY_S", 0.1)
    settings = Settings(_env_file=None, redis={"url": valkey.url})
    started, finish, ready = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def hold(request: Any, ctx: JobContext) -> RayStatusResult:
        started.set()
        await finish.wait()
        return STATUS

    queue = JobQueue(redis)
    await queue.enqueue(NewJob(id="running", request=RayStatusRequest()))
    stop = asyncio.Event()
    working = asyncio.create_task(
        app.run(settings, [Lane.RAY], ready=ready, stop=stop, handlers={JobKind.RAY: Handler(hold)})
    )
    await asyncio.wait_for(started.wait(), 20)
    await ask_to_drain(redis, f"{HOST}-{os.getpid()}")
    await asyncio.wait_for(stop.wait(), 20)
    await queue.enqueue(NewJob(id="late", request=RayStatusRequest()))
    assert f"{HOST}-{os.getpid()}" in await living_workers(redis, HOST), "the worker is alive until its jobs have ended"
    finish.set()
    await asyncio.wait_for(working, 20)
    assert await statuses(redis, "running", "late") == ["succeeded", "queued"]
    assert await living_workers(redis, HOST) == {}


async def test_a_request_to_drain_does_not_stop_the_next_worker_of_that_name(
    redis: Redis, valkey: EmbeddedValkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes, "BEAT_EVERY_S", 0.1)
    settings = Settings(_env_file=None, redis={"url": valkey.url})
    beats = 0

    beat = LaneQueue.beat

    async def counted(queue: LaneQueue, ttl_s: float, about: str = "") -> bool:
        nonlocal beats
        beats += 1
        return await beat(queue, ttl_s, about)

    monkeypatch.setattr(LaneQueue, "beat", counted)
    # In containers every worker has the same process id, and one may be killed before it has drained.
    await ask_to_drain(redis, f"{HOST}-{os.getpid()}")
    ready, stop = asyncio.Event(), asyncio.Event()
    working = asyncio.create_task(app.run(settings, [Lane.RAY], ready=ready, stop=stop))
    await until(lambda: beats > 3)
    assert not stop.is_set()
    stop.set()
    await asyncio.wait_for(working, 20)
