"""One client in several processes, event loops and threads: each has its own connections, and gets its own answers."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from raylane import Producer
from raylane.backend import RedisBackend
from raylane_common.redis import pool
from raylane_common.redis.connection import connect
from raylane_common.redis.queue import JobQueue
from raylane_common.settings import RedisSettings
from raylane_common.wire.jobs import JobEvent, NewJob
from raylane_common.wire.tables import ListTablesRequest
from tests.helpers.waiting import until

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from redis.asyncio import Redis

    from raylane_worker.embedded import EmbeddedValkey

NAMES = [f"j{number}" for number in range(10)]


@pytest.fixture
def client(valkey: EmbeddedValkey) -> Redis:
    """A client that no event loop has used yet."""
    return connect(RedisSettings.model_validate({"url": valkey.url}))


async def enqueue_all(queue: JobQueue) -> None:
    """Jobs whose records show which id they belong to."""
    await queue.enqueue_many([NewJob(request=ListTablesRequest(database=name), id=name) for name in NAMES])


async def read_all(queue: JobQueue, rounds: int = 20) -> None:
    """Reads all records at once, again and again; an answer to another question fails."""
    for _ in range(rounds):
        records = await asyncio.gather(*(queue.record(name) for name in NAMES))
        assert [record.payload["database"] for record in records] == NAMES


async def connection_ids(redis: Redis) -> set[str]:
    return {each["id"] for each in await redis.client_list()}


@contextmanager
def forked(task: Callable[[], Awaitable[None]]) -> Iterator[int]:
    """A child process that runs the task in a new event loop; yields its process id, and ends it if it still runs."""
    pid = os.fork()
    if pid == 0:
        failed = 1
        try:
            asyncio.run(_bounded(task))
            failed = 0
        finally:
            os._exit(failed)
    try:
        yield pid
    finally:
        try:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        except (ProcessLookupError, ChildProcessError):
            pass  # it has ended, and was reaped


async def _bounded(task: Callable[[], Awaitable[None]]) -> None:
    async with asyncio.timeout(30):
        await task()


async def exit_code(pid: int) -> int:
    """Waits for the child's end."""
    ended: list[int] = []

    def reaped() -> bool:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            ended.append(os.waitstatus_to_exitcode(status))
        return bool(found)

    await until(reaped, timeout_s=40)
    return ended[0]


async def test_parent_and_forked_children_get_their_own_answers_at_the_same_time(redis: Redis) -> None:
    queue = JobQueue(redis)
    await enqueue_all(queue)
    await read_all(queue, 1)
    before = await connection_ids(redis)
    with (
        forked(lambda: read_all(queue)) as first,
        forked(lambda: read_all(queue)) as second,
        forked(lambda: read_all(queue)) as third,
    ):
        await read_all(queue)
        assert [await exit_code(pid) for pid in (first, second, third)] == [0, 0, 0]
    await read_all(queue)
    assert before <= await connection_ids(redis), "a child has closed a connection of its parent"


async def test_a_fork_during_a_command_leaves_the_answer_to_the_parent(redis: Redis) -> None:
    queue = JobQueue(redis, block_s=2)
    await enqueue_all(queue)
    following = asyncio.create_task(first_event(queue, NAMES[0]))
    waiting = asyncio.create_task(queue.wait(NAMES[1], timeout_s=20))
    await until(lambda: _is_blocked(redis))
    with forked(lambda: read_all(queue)) as child:
        assert await exit_code(child) == 0
    await queue.cancel(NAMES[1])
    assert (await waiting).status == "cancelled"
    assert (await following).status == "queued"


async def first_event(queue: JobQueue, job_id: str) -> JobEvent:
    return await anext(queue.follow(job_id, after="1-0"))


async def _is_blocked(redis: Redis) -> bool:
    return bool((await redis.info("clients"))["blocked_clients"])


async def test_a_child_that_closes_the_client_leaves_the_parents_connections_open(redis: Redis) -> None:
    queue = JobQueue(redis)
    await enqueue_all(queue)
    await read_all(queue, 1)
    before = await connection_ids(redis)
    with forked(lambda: redis.aclose(close_connection_pool=True)) as child:
        assert await exit_code(child) == 0
    await read_all(queue)
    assert before <= await connection_ids(redis)


def test_a_client_serves_one_event_loop_after_the_other(client: Redis) -> None:
    queue = JobQueue(client)

    async def first() -> int:
        await client.flushall()
        await enqueue_all(queue)
        await read_all(queue, 1)
        return int(await client.client_id())

    async def second(old: int) -> None:
        await read_all(queue, 1)
        await until(lambda: _is_closed(str(old)))
        await client.aclose(close_connection_pool=True)

    async def _is_closed(number: str) -> bool:
        return number not in await connection_ids(client)

    asyncio.run(second(asyncio.run(first())))


def test_a_producer_serves_one_event_loop_after_the_other(valkey: EmbeddedValkey) -> None:
    producer = Producer(backend=RedisBackend.connect(RedisSettings.model_validate({"url": valkey.url})))

    async def enqueue() -> str:
        return (await producer.tables.databases()).id

    async def look(job_id: str) -> str:
        async with producer:
            return (await producer.record(job_id)).id

    job_id = asyncio.run(enqueue())
    assert asyncio.run(look(job_id)) == job_id


def test_a_client_serves_two_event_loops_in_two_threads(client: Redis) -> None:
    queue = JobQueue(client)
    failures: list[BaseException] = []

    async def read_and_close() -> None:
        await read_all(queue)
        await client.aclose(close_connection_pool=True)

    def in_a_thread() -> None:
        try:
            asyncio.run(_bounded(read_and_close))
        except BaseException as error:  # the test's own thread must see it
            failures.append(error)

    async def prepare() -> None:
        await client.flushall()
        await enqueue_all(queue)

    asyncio.run(prepare())
    threads = [threading.Thread(target=in_a_thread) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []


async def test_connections_of_a_burst_are_closed_when_they_are_no_longer_used(
    redis: Redis, valkey: EmbeddedValkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = connect(RedisSettings.model_validate({"url": valkey.url}))

    async def connected() -> int:
        return int((await redis.info("clients"))["connected_clients"])

    before = await connected()
    try:
        await asyncio.gather(*(service.ping() for _ in range(20)))
        await asyncio.gather(*(service.ping() for _ in range(3)))
        assert await connected() == before + 20
        monkeypatch.setattr(pool, "_KEPT_IDLE_S", 0.0)
        for _ in range(25):
            await service.ping()
        await until(lambda: has(connected, before + 1))
    finally:
        await service.aclose()


async def has(count: Callable[[], Awaitable[int]], expected: int) -> bool:
    return await count() == expected
