"""A server without memory (`maxmemory`, noeviction): only enqueueing is refused, and what workers do makes room."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, get_args

import pytest

from raylane_common.errors import QueueUnavailable
from raylane_common.redis.queue import QueueOverview
from raylane_common.redis.queue.heartbeats import ask_to_drain, forget_drain
from raylane_common.redis.queue.scripts import Name, Scripts, calls
from raylane_common.redis.settings_store import SettingsStore
from raylane_common.redis.source_store import SourceStore
from raylane_common.settings import SessionsSettings
from raylane_common.wire.jobs import JobStatus, NewJob, Progress
from raylane_common.wire.sources import FileSource
from raylane_common.wire.upload import UploadRequest
from tests.helpers.claims import PERMANENT, TRANSIENT, claimed, end, error_code, expire, statuses
from tests.helpers.lanes import DONE, a_job
from tests.helpers.queue_keys import keys

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from redis.asyncio import Redis

    from raylane_common.redis.queue import JobQueue, LaneQueue

SOURCE = FileSource(filename="a.csv", s3_uri="s3://b/a.csv", size_bytes=1, rows=1, columns=(), job_id="up")


@asynccontextmanager
async def full(redis: Redis) -> AsyncIterator[None]:
    """The server has no memory left, whatever is freed, until the block ends."""
    await redis.config_set("maxmemory", "1")
    try:
        yield
    finally:
        await redis.config_set("maxmemory", "0")


@pytest.fixture
def scripts_run(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The names of the scripts that the test has run."""
    run, names = Scripts.run, set[str]()

    async def note_and_run(self: Scripts, name: Name, *arguments: object, **options: object) -> object:
        answer = await run(self, name, *arguments, **options)  # type: ignore[arg-type]  # passed on as they came
        names.add(name)
        return answer

    monkeypatch.setattr(Scripts, "run", note_and_run)
    return names


def an_upload(job_id: str) -> NewJob:
    request = UploadRequest(filename="a.csv", size_bytes=1, sha256="0" * 64)
    return NewJob(request=request, session_id="s", id=job_id, body=b"x")


async def test_an_enqueue_is_refused_says_why_and_leaves_nothing(redis: Redis, queue: JobQueue) -> None:
    await queue.enqueue(a_job(id="before"))
    found = sorted(await redis.keys())
    async with full(redis):
        for jobs in (
            [a_job(id="new")],
            [an_upload("new"), a_job(id="next", delay_s=60, expires_s=100, unique="u")],
            [a_job(id="new", after=("before",))],
        ):
            for outcome in await queue.enqueue_many(jobs):
                assert isinstance(outcome.error, QueueUnavailable)
                assert outcome.error.retryable
                assert "Redis is out of memory and cannot enqueue jobs" in outcome.error.message
        # It is there already.
        assert await queue.enqueue(a_job(id="before")) == "before"
    assert sorted(await redis.keys()) == found


async def test_everything_but_enqueueing_goes_through_on_a_full_server(
    redis: Redis, queue: JobQueue, lane: LaneQueue, scripts_run: set[str]
) -> None:
    await queue.enqueue_many([an_upload(name) for name in ("success", "failure", "dead", "retried", "returned")])
    await queue.enqueue_many(
        [a_job(id="held"), a_job(id="queued"), a_job(id="cancelled"), a_job(id="late", delay_s=60)]
    )
    await queue.enqueue_many(
        [a_job(id="after", after=("success",)), a_job(id="stray"), a_job(id="expired", expires_s=60)]
    )
    await expire(redis, "expired")
    sources, settings = SourceStore(redis), SettingsStore(redis)
    async with full(redis):
        assert await queue.cancel("cancelled") is JobStatus.CANCELLED
        leases = {lease.job_id: lease for lease in (await lane.claim(6)).leases}
        assert list(leases) == ["success", "failure", "dead", "retried", "returned", "held"]
        success = leases["success"]
        assert await success.body() == b"x"
        await success.progress(Progress(stage="reading"))
        await success.log("a line", position="run:6")
        assert (await success.take_run_slot("cluster", 1)).is_held
        assert not (await leases["failure"].take_run_slot("cluster", 1)).is_held
        await success.free_run_slot()
        assert (await leases["failure"].take_run_slot("cluster", 1)).is_held
        assert await lane.renew(list(leases.values())) == ["held"] * 6
        assert await queue.cancel("held") is JobStatus.RUNNING
        assert await lane.renew([leases["held"]]) == ["cancel"]
        outcomes = [
            success.succeeded(DONE),
            leases["failure"].failed(PERMANENT),
            leases["dead"].failed(TRANSIENT),
            leases["retried"].retried(TRANSIENT, 600),
            leases["returned"].returned(),
            leases["held"].cancelled(PERMANENT),
        ]
        assert await lane.finish(outcomes) == [True] * len(outcomes)
        await queue.requeue("dead")

        await redis.zrem(keys.queue("upload"), "stray")
        assert await lane.janitor().sweep()
        assert await lane.beat(ttl_s=60) is False
        await ask_to_drain(redis, "w1")
        assert await lane.beat(ttl_s=60) is True
        await forget_drain(redis, "w1")
        await lane.stop_beating()

        await sources.claim("s", calls.FileUpload(SOURCE.filename, SOURCE.job_id, 0, 1), SessionsSettings())
        await sources.put("s", [SOURCE])
        assert await sources.clear("s", await sources.all("s")) == 1
        await sources.put("s", [SOURCE])
        assert (await sources.purge("s", "purge", 1, tables=True)).removed == 1
        assert await sources.reset("s") == 0
        await settings.set("ray.private_url", "http://127.0.0.1:8265")
        assert await settings.all() == {"ray.private_url": "http://127.0.0.1:8265"}
        await settings.unset("ray.private_url")
        await calls.wake_reader(Scripts(redis), "reader", 1, 1000)
        await Scripts(redis).run("mark", [], doing="leave a mark")
        assert len(await QueueOverview(redis).lanes()) == 3
        assert set(await claimed(lane)) == {"returned", "dead", "after", "queued", "stray"}
    assert scripts_run == set(get_args(Name))
    assert await statuses(redis, "success", "failure", "expired") == ["succeeded", "failed", "failed"]
    assert await statuses(redis, "cancelled", "held", "retried") == ["cancelled", "cancelled", "scheduled"]


async def test_followers_learn_of_an_end_without_memory(redis: Redis, queue: JobQueue, lane: LaneQueue) -> None:
    await queue.enqueue_many([a_job(id="good"), a_job(id="bad"), a_job(id="never")])
    early = queue.follow("good")
    assert (await anext(early)).status == "queued"
    async with full(redis):
        good, bad = (await lane.claim(2)).leases
        await good.log("a line")
        assert [(await anext(early)).type for _ in range(2)] == ["status", "log"]
        await end(lane, good.succeeded(DONE))
        await end(lane, bad.failed(PERMANENT))
        await queue.cancel("never")
        rest = [event async for event in early]
        assert [event.status for event in rest] == ["succeeded"]
        gap, *after_it = [event async for event in queue.follow("good")]
        assert (gap.type, after_it) == ("gap", rest)
        assert [event async for event in queue.follow("good", after=rest[0].id)] == []
        [_, failure] = [event async for event in queue.follow("bad")]
        assert failure.error is not None
        assert (failure.status, failure.error.code) == ("failed", PERMANENT.code)
        assert [event.status async for event in queue.follow("never")] == [None, "cancelled"]
        assert await queue.result("good", timeout_s=5) == DONE
        assert await error_code(redis, "bad") == PERMANENT.code


async def test_small_jobs_that_run_without_memory_take_no_more_than_before(
    redis: Redis, queue: JobQueue, lane: LaneQueue
) -> None:
    await queue.enqueue_many([a_job() for _ in range(1000)])
    before = await _used(redis)
    async with full(redis):
        while leases := (await lane.claim(50)).leases:
            await lane.finish([lease.succeeded(DONE) for lease in leases])
    after = await _used(redis)
    assert await redis.zcard(keys.ended("upload")) == 1000
    print(f"{before} bytes before, {after} after")
    assert after < before * 1.5


async def _used(redis: Redis) -> int:
    """Returns how many bytes the keys take."""
    found = [key async for key in redis.scan_iter(count=1000)]
    async with redis.pipeline(transaction=False) as pipe:
        for key in found:
            pipe.memory_usage(key)
        return sum(await pipe.execute())
