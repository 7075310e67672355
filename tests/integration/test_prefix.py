"""Deployments with different prefixes share one server and never see each other."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import pytest

from raylane_common.errors import JobNotFound
from raylane_common.redis.connection import connect, keys_of
from raylane_common.redis.keys import Keys
from raylane_common.redis.queue import JobQueue, QueueOverview
from raylane_common.redis.queue.heartbeats import ask_to_drain, living_workers
from raylane_common.redis.queue.wake import listen
from raylane_common.redis.settings_store import SettingsStore
from raylane_common.redis.source_store import SourceStore
from raylane_common.settings import RedisSettings
from raylane_common.wire.sources import Column, ColumnType, FileSource
from tests.helpers.claims import claimed, fail, patient_lane, run, statuses
from tests.helpers.lanes import a_job, succeed, worker
from tests.helpers.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from redis.asyncio import Redis

    from raylane_worker.embedded import EmbeddedValkey

SOURCE = FileSource(
    filename="a.csv",
    s3_uri="s3://b/sessions/s/csv/a.csv",
    size_bytes=3,
    rows=1,
    columns=(Column(name="x", type=ColumnType.INTEGER, native_type="int64"),),
    job_id="j",
)


@pytest.fixture
async def clients(redis: Redis, valkey: EmbeddedValkey) -> AsyncIterator[tuple[Redis, Redis, Redis]]:
    """Clients of three deployments on one server; the last has no prefix."""
    async with AsyncExitStack() as stack:
        settings = [RedisSettings.model_validate({"url": valkey.url, "prefix": prefix}) for prefix in ("a", "a.b", "")]
        first, second, third = [await stack.enter_async_context(connect(each)) for each in settings]
        yield first, second, third


async def use_everything(redis: Redis) -> None:
    """Leaves jobs in every state, a session, a setting and a worker."""
    queue, lane = JobQueue(redis, block_s=0.05), patient_lane(redis, per_session=1)
    await queue.enqueue_many(
        [
            a_job(id="done", session_id="s", unique="u"),
            a_job(id="failed"),
            a_job(id="running", session_id="s"),
            a_job(id="parked", session_id="s"),
        ]
    )
    assert [await run(lane), await fail(lane)] == ["done", "failed"]
    assert await claimed(lane) == ["running"]
    await queue.enqueue_many(
        [
            a_job(id="queued", priority="low"),
            a_job(id="later", delay_s=60),
            a_job(id="waiting", after=("queued",), expires_s=600),
        ]
    )
    assert await queue.cancel("later") == "cancelled"
    await queue.requeue("later")
    assert [event.status async for event in queue.follow("done")][-1] == "succeeded"
    await SourceStore(redis).put("s", [SOURCE])
    await SettingsStore(redis).set("ray.public_url", "https://ray.example.org")
    await lane.beat(ttl_s=60)
    assert await lane.janitor(every_s=60).sweep()
    await ask_to_drain(redis, "w1")


async def look(redis: Redis) -> dict[str, object]:
    """Returns what each part of Raylane shows of a deployment."""
    [upload] = [lane for lane in await QueueOverview(redis).lanes() if lane.lane == "upload"]
    return {
        "jobs": sorted(job.id for job in await QueueOverview(redis).jobs()),
        "history": sorted(job.id for job in await JobQueue(redis).history("s")),
        "sources": len(await SourceStore(redis).all("s")),
        "settings": await SettingsStore(redis).all(),
        "workers": upload.workers,
        "dead": upload.dead,
        "drain": bool(await redis.exists(keys_of(redis).worker_drain("w1"))),
    }


async def test_every_key_of_a_deployment_begins_with_its_prefix(clients: tuple[Redis, Redis, Redis]) -> None:
    await use_everything(clients[0])
    found = [key async for key in clients[0].scan_iter()]
    assert len(found) > 25
    assert [key for key in found if not key.startswith("{a}:")] == []
    assert [key for key in found if key == keys_of(clients[0]).route] == []


async def test_deployments_never_see_each_other(clients: tuple[Redis, Redis, Redis]) -> None:
    mine, *others = clients
    empty = [await look(each) for each in others]
    await use_everything(mine)
    assert [await look(each) for each in others] == empty
    seen = await look(mine)
    with pytest.raises(JobNotFound):
        await JobQueue(others[0]).record("done")
    for other in others:
        # The same ids, sessions and worker names are free.
        await use_everything(other)
        assert await look(other) == seen
        await SourceStore(other).reset("s")
        await SettingsStore(other).unset("ray.public_url")
        for job_id in ("running", "parked", "queued", "later"):
            await JobQueue(other).cancel(job_id)
    assert await look(mine) == seen
    assert await statuses(mine, "running", "parked", "queued", "waiting") == ["running", "queued", "queued", "waiting"]


async def test_a_janitor_restores_only_jobs_of_its_own_deployment(clients: tuple[Redis, Redis, Redis]) -> None:
    for redis in clients:
        await JobQueue(redis).enqueue(a_job(id="stray"))
        await redis.delete(keys_of(redis).queue("upload"))
    mine, *others = clients
    for _ in range(9):
        await mine.delete(keys_of(mine).janitor("upload"))
        janitor = patient_lane(mine).janitor(every_s=60)
        assert await janitor.sweep()
    assert await claimed(patient_lane(mine)) == ["stray"]
    assert [await claimed(patient_lane(each)) for each in others] == [[], []]


async def test_workers_of_two_deployments_run_their_own_jobs_and_are_woken_for_them(
    clients: tuple[Redis, Redis, Redis],
) -> None:
    first, second, _ = clients
    heard: list[str] = []
    keys = keys_of(second)
    wakes, cancels = (lambda _: heard.append("wake")), (lambda _: heard.append("cancel"))
    channels = {keys.wake("upload"): wakes, keys.cancel("upload"): cancels}
    listening = asyncio.create_task(listen(second, channels))
    await until(lambda: len(heard) == len(channels))
    heard.clear()
    async with worker(first, succeed):
        for redis in (first, second):
            await JobQueue(redis).enqueue_many([a_job(id=f"j{number}") for number in range(20)])
        await asyncio.gather(*(JobQueue(first).result(f"j{number}", timeout_s=60) for number in range(20)))
        assert await statuses(second, "j0", "j19") == ["queued", "queued"]
        async with worker(second, succeed):
            await asyncio.gather(*(JobQueue(second).result(f"j{number}", timeout_s=60) for number in range(20)))
    await until(lambda: bool(heard))
    assert set(heard) == {"wake"}
    assert len(heard) == 1, "one call to enqueue, one message"
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)


async def test_only_workers_of_the_same_deployment_are_alive(clients: tuple[Redis, Redis, Redis]) -> None:
    await patient_lane(clients[0], name="host-1").beat(ttl_s=60)
    assert [await living_workers(each, "host") for each in clients] == [{"host-1": ["upload"]}, {}, {}]


def test_a_client_that_is_not_ours_has_no_prefix(redis: Redis) -> None:
    assert keys_of(redis).prefix == Keys().prefix == ""
