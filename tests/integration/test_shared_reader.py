"""Many followers share one blocking read: nothing is lost, doubled or held up, and few connections are open."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from raylane_common.errors import InvalidRequest, JobNotFound, QueueUnavailable, WaitTimeout
from raylane_common.redis.connection import connect
from raylane_common.redis.queue import JobQueue
from raylane_common.redis.queue.reader import SharedReader
from raylane_common.settings import RedisSettings
from raylane_common.wire.jobs import JobStatus
from tests.helpers.claims import end, take
from tests.helpers.lanes import DONE, a_job
from tests.helpers.queue_keys import keys
from tests.helpers.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from redis.asyncio import Redis

    from raylane_common.redis.queue import LaneQueue, Lease
    from raylane_common.wire.jobs import JobEvent
    from raylane_worker.embedded import EmbeddedValkey

# Fewer than one per follower by far: one waits, one asks about jobs, one wakes, and one was cut.
MOST_CONNECTIONS = 5


class Service:
    """A producer's queue with connections of its own, that can be counted and cut."""

    def __init__(self, server: Redis, client: Redis, block_s: float) -> None:
        self.queue = JobQueue(client, block_s=block_s)
        self._server = server
        self._client = client

    async def connections(self) -> list[dict[str, str]]:
        """Its connections, as the server sees them."""
        mine = await self._client.client_info()
        return [client for client in await self._server.client_list() if client["user"] == mine["user"]]

    async def reads(self) -> list[dict[str, str]]:
        """Its connections that wait in a blocking read."""
        return [client for client in await self.connections() if client["cmd"] == "xread" and "b" in client["flags"]]

    async def cut(self) -> None:
        """Kills the connections that wait in a blocking read."""

        async def found() -> bool:
            waiting = await self.reads()
            for client in waiting:
                await self._server.client_kill_filter(_id=client["id"])
            return bool(waiting)

        await until(found)


@asynccontextmanager
async def a_service(redis: Redis, valkey: EmbeddedValkey, block_s: float = 2.5) -> AsyncIterator[Service]:
    await redis.acl_setuser("service", enabled=True, nopass=True, categories=["+@all"], keys=["*"], channels=["*"])
    client = connect(RedisSettings.model_validate({"url": valkey.url, "username": "service", "password": "any"}))
    try:
        yield Service(redis, client, block_s)
    finally:
        await client.aclose()
        await redis.acl_deluser("service")


@pytest.fixture
async def service(redis: Redis, valkey: EmbeddedValkey) -> AsyncIterator[Service]:
    async with a_service(redis, valkey) as service:
        yield service


def contents(events: list[JobEvent]) -> list[str]:
    return [str(event.line or event.status) for event in events]


async def events_of(queue: JobQueue, job_id: str) -> list[JobEvent]:
    async with asyncio.timeout(60):
        return [event async for event in queue.follow(job_id)]


async def test_500_followers_share_a_few_connections_and_each_sees_everything_once_over_cut_connections(
    queue: JobQueue, lane: LaneQueue, service: Service
) -> None:
    names = [f"j{number}" for number in range(500)]
    await queue.enqueue_many([a_job(id=name) for name in names])
    following = {name: asyncio.create_task(events_of(service.queue, name)) for name in names}
    waiting = [asyncio.create_task(service.queue.result(name, 60)) for name in names]
    most = 0
    leases: list[Lease] = []
    while len(leases) < len(names):
        leases += (await lane.claim(100)).leases
        most = max(most, len(await service.connections()))
    for number in range(5):
        await service.cut()
        await asyncio.gather(*(lease.log(str(number)) for lease in leases))
        most = max(most, len(await service.connections()))
    await service.cut()
    for start in range(0, len(leases), 100):
        assert all(await lane.finish([lease.succeeded(DONE) for lease in leases[start : start + 100]]))
        most = max(most, len(await service.connections()))
    for task in following.values():
        assert contents(await task) == ["queued", "running", *"01234", "succeeded"]
    assert await asyncio.gather(*waiting) == [DONE] * len(names)
    assert most <= MOST_CONNECTIONS


async def test_a_stream_of_another_type_fails_its_own_follower_alone(
    redis: Redis, queue: JobQueue, lane: LaneQueue, service: Service
) -> None:
    await queue.enqueue_many([a_job(id=name) for name in ("a", "bad", "z")])
    followers = {name: asyncio.create_task(events_of(service.queue, name)) for name in ("a", "bad", "z")}
    await until(lambda: _is_read(redis, service, 3))
    await redis.set(keys.job_events("bad"), "mine", ex=60)
    # The next read finds it.
    late = asyncio.create_task(service.queue.wait("z", 30))
    with pytest.raises(InvalidRequest, match="overwritten raylane:job:bad:events"):
        await followers["bad"]
    for lease in (await lane.claim(3)).leases:
        await lane.finish([lease.succeeded(DONE)])
    assert contents(await followers["a"]) == contents(await followers["z"]) == ["queued", "running", "succeeded"]
    assert (await late).status is JobStatus.SUCCEEDED


async def _is_read(redis: Redis, service: Service, streams: int) -> bool:
    """Whether a blocking read waits for so many streams."""
    reads = await service.reads()
    return [int(client["argv-mem"]) > 0 for client in reads] == [True] and await _blocking_keys(redis) > streams


async def _blocking_keys(redis: Redis) -> int:
    return int((await redis.info("clients"))["total_blocking_keys"])


async def test_a_reader_replaces_its_own_stream_if_another_program_overwrites_it(
    redis: Redis, queue: JobQueue, lane: LaneQueue, service: Service
) -> None:
    await queue.enqueue_many([a_job(id="a"), a_job(id="b")])
    followers = [asyncio.create_task(events_of(service.queue, "a"))]
    await until(lambda: _is_read(redis, service, 1))
    followers.append(asyncio.create_task(events_of(service.queue, "b")))
    await until(lambda: _is_read(redis, service, 2))
    [own] = await redis.keys(keys.reader("*"))
    await redis.set(own, "mine", ex=60)
    late = asyncio.create_task(service.queue.wait("b", 30))
    for lease in (await lane.claim(2)).leases:
        await lane.finish([lease.succeeded(DONE)])
    for events in await asyncio.wait_for(asyncio.gather(*followers), 20):
        assert contents(events) == ["queued", "running", "succeeded"]
    assert (await late).status is JobStatus.SUCCEEDED


async def test_a_follower_that_joins_does_not_wait_for_the_running_read_to_end(
    redis: Redis, queue: JobQueue, lane: LaneQueue, valkey: EmbeddedValkey
) -> None:
    await queue.enqueue_many([a_job(id="quiet", delay_s=600), a_job(id="j")])
    # The read blocks for longer than this test may take.
    async with a_service(redis, valkey, block_s=5) as service:
        quiet = asyncio.create_task(events_of(service.queue, "quiet"))
        await until(lambda: _is_read(redis, service, 1))
        async with asyncio.timeout(4):
            joined = service.queue.follow("j")
            assert contents([await anext(joined)]) == ["queued"]
            lease = await take(lane)
            assert contents([await anext(joined)]) == ["running"]
            await end(lane, lease.succeeded(DONE))
            assert contents([await anext(joined)]) == ["succeeded"]
        quiet.cancel()


async def test_a_cancelled_follower_leaves_the_others_alone_and_the_last_one_closes_the_read(
    redis: Redis, queue: JobQueue, lane: LaneQueue, service: Service
) -> None:
    await queue.enqueue_many([a_job(id="a"), a_job(id="b")])
    first, second, third = (asyncio.create_task(events_of(service.queue, name)) for name in ("a", "b", "b"))
    await until(lambda: _is_read(redis, service, 2))
    second.cancel()
    await asyncio.gather(second, return_exceptions=True)
    assert len(await service.reads()) == 1
    for _ in range(2):
        await end(lane, (await take(lane)).succeeded(DONE))
    assert contents(await first) == contents(await third) == ["queued", "running", "succeeded"]
    await queue.enqueue(a_job(id="c"))
    last = asyncio.create_task(events_of(service.queue, "c"))
    await until(lambda: _is_read(redis, service, 1))
    last.cancel()
    await asyncio.gather(last, return_exceptions=True)
    await until(lambda: _is_idle(service))
    assert [task for task in asyncio.all_tasks() if "Rounds" in repr(task.get_coro())] == []


async def _is_idle(service: Service) -> bool:
    return await service.reads() == []


async def test_two_followers_of_a_stream_at_different_positions_each_get_what_follows_theirs(redis: Redis) -> None:
    reader = SharedReader(redis, block_s=2.5)
    for number in range(1, 9):
        await redis.xadd("stream", {"n": str(number)}, id=f"{number}-0")
    await redis.expire("stream", 60)
    answers = await asyncio.gather(*(reader.wait("stream", f"{after}-0") for after in (5, 1, 7)))
    numbers = [[int(fields["n"]) for _, fields in answer.entries] for answer in answers]
    assert numbers == [[6, 7, 8], [2, 3, 4, 5, 6, 7, 8], [8]]


async def test_waiting_in_vain_over_and_over_leaves_nothing_open(queue: JobQueue, service: Service) -> None:
    await queue.enqueue(a_job(id="j"))
    for _ in range(20):
        with pytest.raises(WaitTimeout):
            await service.queue.wait("j", 0.01)
    assert await service.reads() == []
    assert len(await service.connections()) <= MOST_CONNECTIONS


async def test_a_slow_consumer_holds_up_nobody_and_misses_nothing(
    queue: JobQueue, lane: LaneQueue, service: Service
) -> None:
    await queue.enqueue_many([a_job(id="slow"), a_job(id="fast")])
    leases = {lease.job_id: lease for lease in (await lane.claim(2)).leases}
    go_on = asyncio.Event()
    seen: list[JobEvent] = []

    async def read_slowly() -> None:
        async for event in service.queue.follow("slow"):
            seen.append(event)
            await go_on.wait()

    reading = asyncio.create_task(read_slowly())
    await until(lambda: bool(seen))
    fast = asyncio.create_task(events_of(service.queue, "fast"))
    for number in range(500):
        await leases["slow"].log(str(number))
    await leases["fast"].log("x")
    for lease in leases.values():
        await end(lane, lease.succeeded(DONE))
    assert contents(await fast) == ["queued", "running", "x", "succeeded"]
    assert len(seen) == 1
    go_on.set()
    await asyncio.wait_for(reading, 30)
    assert contents(seen) == ["queued", "running", *map(str, range(500)), "succeeded"]


async def test_one_follower_among_busy_ones_still_looks_at_its_job_again(
    redis: Redis, queue: JobQueue, lane: LaneQueue, valkey: EmbeddedValkey
) -> None:
    await queue.enqueue_many([a_job(id="busy"), a_job(id="vanishing", delay_s=600)])
    lease = await take(lane)
    async with a_service(redis, valkey, block_s=0.2) as service:
        busy = asyncio.create_task(events_of(service.queue, "busy"))
        vanishing = service.queue.follow("vanishing")
        assert contents([await anext(vanishing)]) == ["scheduled"]
        next_event = asyncio.ensure_future(anext(vanishing))
        await redis.delete(keys.job("vanishing"), keys.job_events("vanishing"))
        while not next_event.done():
            await lease.log("x")
        with pytest.raises(JobNotFound):
            await next_event
        await end(lane, lease.succeeded(DONE))
        assert contents(await busy)[-1] == "succeeded"


async def test_an_error_of_redis_reaches_every_follower(redis: Redis, valkey: EmbeddedValkey, queue: JobQueue) -> None:
    names = [f"j{number}" for number in range(40)]
    await queue.enqueue_many([a_job(id=name) for name in names])
    async with a_service(redis, valkey, block_s=0.2) as service:
        following = [asyncio.create_task(events_of(service.queue, name)) for name in names]
        await until(lambda: _is_read(redis, service, len(names)))
        await redis.acl_setuser("service", enabled=True, commands=["-xread"])
        failed = await asyncio.wait_for(asyncio.gather(*following, return_exceptions=True), 20)
    assert {type(error) for error in failed} == {QueueUnavailable}


async def test_followers_in_two_event_loops_of_one_queue(redis: Redis, lane: LaneQueue, valkey: EmbeddedValkey) -> None:
    client = connect(RedisSettings.model_validate({"url": valkey.url}))
    shared = JobQueue(client, block_s=1)
    await shared.enqueue_many([a_job(id="a"), a_job(id="b")])

    async def follow_and_close() -> list[str]:
        try:
            return contents(await events_of(shared, "b"))
        finally:
            await client.aclose()

    elsewhere = asyncio.create_task(asyncio.to_thread(asyncio.run, follow_and_close()))
    here = asyncio.create_task(events_of(shared, "a"))
    for lease in (await lane.claim(2)).leases:
        await end(lane, lease.succeeded(DONE))
    for events in (contents(await here), await elsewhere):
        assert events[-1] == "succeeded"
        assert len(events) == len(set(events))
    await client.aclose()
