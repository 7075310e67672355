"""A key that another program has overwritten is named to whoever needs it, and stops only its own lane."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import pytest

from raylane_common.errors import InternalError, InvalidRequest, QueueUnavailable
from raylane_common.redis.queue.heartbeats import living_workers
from raylane_common.redis.settings_store import SettingsStore
from raylane_common.redis.source_store import SourceStore
from raylane_common.wire.tables import DatabasesResult
from tests.helpers import queue_keys
from tests.helpers.claims import (
    end,
    patient_lane,
    run,
    take,
)
from tests.helpers.garbage import NOT_UTF_8, overwrite, sweep
from tests.helpers.lanes import DONE, a_job, worker
from tests.helpers.queue_keys import keys
from tests.helpers.waiting import until
from tests.integration.test_queue_newer_versions import CSV, write

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from redis.asyncio import Redis

    from raylane_common.redis.queue import JobQueue, LaneQueue, QueueOverview
    from raylane_worker.context import JobContext

# --- keys of a lane ------------------------------------------------------------------------------------------------

OF_A_LANE: dict[str, str] = {
    "queue": keys.queue("upload"),
    "schedule": keys.schedule("upload"),
    "waiting": keys.waiting("upload"),
    "parked": keys.parked("upload"),
    "running": keys.running("upload"),
    "expiring": queue_keys.expiring("upload"),
    "ended": keys.ended("upload"),
    "looks": keys.looks("upload"),
    "dead": keys.dead("upload"),
    "workers": keys.workers("upload"),
}


@pytest.mark.parametrize("name", OF_A_LANE)
async def test_an_overwritten_key_of_a_lane_is_named_and_nothing_is_written(
    redis: Redis, queue: JobQueue, lane: LaneQueue, name: str
) -> None:
    await queue.enqueue_many([a_job(id="a"), a_job(id="b"), a_job(id="c", after=("b",)), a_job(id="f")])
    lease = await take(lane)
    key = OF_A_LANE[name]
    kept = await redis.dump(key)
    await overwrite(redis, key)
    before = await _everything(redis)
    calls: list[Callable[[], Awaitable[object]]] = [
        lambda: lane.beat(15),
    ]
    if name == "queue":
        calls += [lambda: queue.enqueue(a_job(id="new"))]
    if name != "workers":
        calls += [
            lambda: queue.enqueue(a_job(id="new", expires_s=5)),
            lambda: queue.cancel("b"),
            lambda: lane.claim(5),
            lambda: lane.renew([lease]),
            lambda: lane.finish([lease.succeeded(DONE)]),
            lambda: sweep(redis, lane),
        ]
    for call in calls:
        with pytest.raises(QueueUnavailable, match=f" {key} .*; delete this key") as raised:
            await call()
        assert raised.value.retryable
    assert await _everything(redis) == before
    await redis.delete(key)
    if kept is not None:
        await redis.restore(key, 0, kept)
    await end(lane, lease.succeeded(DONE))
    assert [await run(lane), await run(lane), await run(lane)] == ["b", "c", "f"]


async def _everything(redis: Redis) -> dict[str, object]:
    """All keys with their values, but the one that says who sweeps the lane."""
    found = [key async for key in redis.scan_iter(count=1000) if key != keys.janitor("upload")]
    return {key: await redis.dump(key) for key in sorted(found)}


@pytest.mark.parametrize("name", [name for name in OF_A_LANE if name != "expiring"])
async def test_an_overwritten_key_of_a_lane_is_named_to_whoever_reads_it(
    redis: Redis, overview: QueueOverview, lane: LaneQueue, name: str
) -> None:
    key = OF_A_LANE[name]
    await overwrite(redis, key)
    readings: list[Awaitable[object]] = [] if name == "looks" else [overview.lanes()]
    match name:
        case "workers":
            readings += [living_workers(redis, "host"), lane.stop_beating()]
        case "dead":
            readings += [overview.dead()]
        case "looks":
            readings += [overview.jobs(looks=True)]
        case _:
            readings += [overview.jobs()]
    for reading in readings:
        with pytest.raises(QueueUnavailable, match=f"overwritten {key}; delete this key"):
            await reading


async def test_jobs_of_another_lane_end_while_a_key_of_a_lane_is_overwritten(redis: Redis, queue: JobQueue) -> None:
    ray = patient_lane(redis)
    ray.lane = "ray"
    await queue.enqueue_many([a_job(id="a"), a_job(id="b", after=("a",))])
    await write(redis, "b", lane="ray")
    await redis.zrem(keys.waiting("upload"), "b")
    await redis.zadd(keys.waiting("ray"), {"b": 1})
    await overwrite(redis, keys.queue("ray"))
    assert await run(patient_lane(redis)) == "a"
    await redis.delete(keys.queue("ray"))
    await sweep(redis, ray)
    assert await run(ray) == "b"


async def test_a_lane_continues_when_its_overwritten_key_is_deleted(
    redis: Redis, queue: JobQueue, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Claims, renewals, heartbeats and an outcome all fail meanwhile, many times, and each is logged once."""
    monkeypatch.setattr("raylane_worker.lanes.worker._PAUSE_AFTER_QUEUE_ERROR_S", 0.01)
    monkeypatch.setattr("raylane_worker.lanes.worker.BEAT_EVERY_S", 0.01)
    monkeypatch.setattr("raylane_worker.lanes.outbox._FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr("raylane_worker.lanes.outbox._LONGEST_PAUSE_S", 0.01)
    caplog.set_level(logging.WARNING)
    running, may_end, failures = asyncio.Event(), asyncio.Event(), 0

    async def wait(request: Any, ctx: JobContext) -> DatabasesResult:
        running.set()
        await may_end.wait()
        return DONE

    async with worker(redis, wait) as lane:
        claim = lane.lane_queue.claim

        async def counted(limit: int) -> object:
            nonlocal failures
            try:
                return await claim(limit)
            except QueueUnavailable:
                failures += 1
                raise

        monkeypatch.setattr(lane.lane_queue, "claim", counted)
        await queue.enqueue(a_job(id="a"))
        await running.wait()
        await overwrite(redis, keys.dead("upload"))
        may_end.set()
        await until(lambda: failures >= 20)
        await redis.delete(keys.dead("upload"))
        await queue.enqueue(a_job(id="b"))
        assert [await queue.result(name, timeout_s=60) for name in ("a", "b")] == [DONE, DONE]
    said = [entry.getMessage() for entry in caplog.records]
    assert len(said) == len(set(said))
    assert 0 < len(said) <= 4
    assert all(f"{keys.dead('upload')} " in text for text in said)


async def test_the_janitor_is_not_kept_away_by_a_key_that_never_expires(redis: Redis, lane: LaneQueue) -> None:
    janitor = lane.janitor()
    await redis.hset(keys.janitor("upload"), "x", "y")  # type: ignore[misc]  # redis-py's sync/async union
    assert await janitor.sweep()
    assert not await janitor.sweep()


async def test_a_result_that_is_no_text_fails_its_job_and_not_the_lane(redis: Redis, queue: JobQueue) -> None:
    async def odd(request: Any, ctx: JobContext) -> DatabasesResult:
        return DatabasesResult(databases=(NOT_UTF_8,)) if ctx.job_id == "bad" else DONE

    async with worker(redis, odd):
        await queue.enqueue_many([a_job(id="bad"), a_job(id="good")])
        with pytest.raises(InternalError):
            await queue.result("bad", timeout_s=60)
        assert await queue.result("good", timeout_s=60) == DONE


# --- readers -------------------------------------------------------------------------------------------------------


async def test_an_overwritten_key_of_a_job_is_named_to_whoever_reads_it(
    redis: Redis, queue: JobQueue, lane: LaneQueue
) -> None:
    await queue.enqueue(a_job(id="bad", session_id="s"))
    lease = await take(lane)
    readings: list[tuple[str, Callable[[], Awaitable[object]]]] = [
        (keys.session_jobs("s"), lambda: queue.history("s")),
        (keys.job_attempts("bad"), lambda: queue.attempts("bad")),
        (keys.job_body("bad"), lease.body),
        (keys.job_events("bad"), lambda: queue.wait("bad", 5)),
        (keys.job_events("bad"), lambda: queue.result("bad", 5)),
        (keys.job_events("bad"), lambda: anext(queue.follow("bad"))),
    ]
    for key, reading in readings:
        await overwrite(redis, key)
        with pytest.raises(InvalidRequest, match=f"cannot be read: another program has overwritten {key}; delete"):
            await reading()
        await redis.delete(key)
    await redis.delete(keys.job("bad"))
    await redis.set(keys.job("bad"), "mine", ex=60)
    of_a_record: list[Callable[[], Awaitable[object]]] = [
        lambda: queue.record("bad"),
        lambda: queue.requeue("bad"),
        lambda: queue.wait("bad", 5),
        lambda: anext(queue.follow("bad")),
        lease.refresh,
    ]
    for reading in of_a_record:
        with pytest.raises(InvalidRequest, match=f"job bad cannot be read: .* overwritten {keys.job('bad')}; delete"):
            await reading()


async def test_a_follower_whose_stream_is_overwritten_while_it_waits_is_told(
    redis: Redis, queue: JobQueue, lane: LaneQueue
) -> None:
    await queue.enqueue(a_job(id="j"))
    await take(lane)
    follower = queue.follow("j")
    assert [(await anext(follower)).status, (await anext(follower)).status] == ["queued", "running"]
    await overwrite(redis, keys.job_events("j"))
    with pytest.raises(InvalidRequest, match="events of job j"):
        await anext(follower)


@pytest.mark.parametrize("enqueued_at", ["9" * 5000, "\N{SUPERSCRIPT TWO}", "0", "-1", None])
async def test_the_age_of_a_lane_with_an_odd_job_at_its_head_is_not_known(
    redis: Redis, queue: JobQueue, overview: QueueOverview, enqueued_at: str | None
) -> None:
    await queue.enqueue(a_job(id="bad"))
    if enqueued_at is None:
        await redis.delete(keys.job("bad"))
        await redis.set(keys.job("bad"), "mine", ex=60)
    else:
        await write(redis, "bad", enqueued_at=enqueued_at)
        await queue.cancel("bad") if enqueued_at == "9" * 5000 else None
    [upload] = [lane for lane in await overview.lanes() if lane.lane == "upload"]
    assert upload.oldest_s is None or enqueued_at == "0"


async def test_overwritten_sources_are_named_and_can_be_reset(redis: Redis) -> None:
    store, key = SourceStore(redis), keys.session_sources("s")
    await redis.set(key, "mine", ex=60)
    with pytest.raises(InvalidRequest, match=f"sources of session s cannot be read: .* overwritten {key}; delete"):
        await store.all("s")
    assert await store.clear("s", [CSV]) == 0
    assert await store.reset("s") == 0
    await redis.set(key, "mine", ex=60)
    await store.put("s", [CSV])
    assert await store.all("s") == [CSV]


async def test_overwritten_settings_are_named_and_can_be_set(redis: Redis) -> None:
    store = SettingsStore(redis)
    await redis.set(keys.settings, "mine")
    with pytest.raises(InvalidRequest, match=f"settings cannot be read: .* overwritten {keys.settings}; delete"):
        await store.all()
    await store.set("ray.public_url", "http://h")
    assert await store.all() == {"ray.public_url": "http://h"}
    await redis.delete(keys.settings)
    await redis.set(keys.settings, "mine")
    await store.unset("ray.public_url")
    assert await store.all() == {}
