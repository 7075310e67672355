"""The blocking producer on a real server: many threads, forked children, running event loops, Ctrl-C, and the end."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from raylane import InvalidRequest, JobNotFound, WaitTimeout
from raylane.sync import Producer, background
from raylane_common.redis.queue import JobQueue, LaneQueue
from raylane_common.wire.tables import DatabasesResult
from tests.helpers.bound import bound
from tests.helpers.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from redis.asyncio import Redis

    from raylane_worker.embedded import EmbeddedValkey

PROGRAM = Path(__file__).with_name("sync_program.py")


@pytest.fixture
def url(valkey: EmbeddedValkey, redis: Redis) -> str:
    """The address of an empty server."""
    return valkey.url


@pytest.fixture
def producer(url: str) -> Iterator[Producer]:
    gc.collect()  # what earlier tests have dropped keeps the thread until it is collected
    with Producer(redis_url=url) as opened:
        yield opened
    assert our_threads() == []


def our_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("raylane")]


async def in_thread(function: Callable[[], object]) -> None:
    """Runs what blocks while the test's own loop runs."""
    await asyncio.to_thread(function)


@contextmanager
def forked(task: Callable[[], None]) -> Iterator[int]:
    """A child process that runs the task; yields its process id."""
    pid = os.fork()
    if pid == 0:
        failed = 1
        try:
            task()
            failed = 0
        finally:
            os._exit(failed)
    yield pid


def exit_code(pid: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def mixed_calls(producer: Producer, name: str, rounds: int = 5) -> None:
    """Enqueues, looks, follows, cancels and waits; each answer must be that of its own question."""
    for number in range(rounds):
        job_id = f"{name}-{number}"
        job = producer.tables.list(job_id, job_id=job_id)
        assert job.id == job_id
        assert producer.record(job_id).payload["database"] == job_id
        assert next(iter(job.follow())).status == "queued"
        assert producer.sources(name) == []
        with pytest.raises(JobNotFound):
            producer.record(f"{job_id}-none")
        assert job.cancel() == "cancelled"
        assert [event.status for event in producer.follow(job_id)] == ["queued", "cancelled"]
        assert job.wait(timeout_s=20).id == job_id


def test_twenty_threads_share_one_producer(producer: Producer) -> None:
    with ThreadPoolExecutor(20) as pool:
        for done in [pool.submit(mixed_calls, producer, f"t{number}") for number in range(20)]:
            done.result(60)
    assert our_threads() == ["raylane"]


def test_parent_and_children_use_it_at_the_same_time(producer: Producer) -> None:
    mixed_calls(producer, "before", 1)
    with (
        forked(lambda: mixed_calls(producer, "first")) as first,
        forked(lambda: mixed_calls(producer, "second")) as second,
    ):
        mixed_calls(producer, "parent")
        assert [exit_code(first), exit_code(second)] == [0, 0]
    mixed_calls(producer, "after", 1)


def test_a_fork_while_other_threads_wait_leaves_them_their_answers(producer: Producer) -> None:
    with ThreadPoolExecutor(4) as pool:
        jobs = [producer.tables.list("shop", job_id=f"waiting-{number}") for number in range(4)]
        waiting = [pool.submit(job.wait, 30) for job in jobs]
        with forked(lambda: mixed_calls(producer, "child")) as child:
            assert exit_code(child) == 0
        for job in jobs:
            job.cancel()
        assert [done.result(30).id for done in waiting] == [job.id for job in jobs]


def test_a_child_continues_to_follow_where_its_parent_was(producer: Producer) -> None:
    job = producer.tables.list("shop")
    events = job.follow()
    assert next(events).status == "queued"
    job.cancel()

    def child() -> None:
        assert [event.status for event in events] == ["cancelled"]

    with forked(child) as pid:
        assert exit_code(pid) == 0
    assert [event.status for event in events] == ["cancelled"]


def test_what_a_child_drops_does_not_make_the_parent_deaf(url: str) -> None:
    holder = [Producer(redis_url=url)]
    job = holder[0].tables.list("shop")
    following = job.follow()
    next(following)

    def child() -> None:
        nonlocal following, job
        del following, job
        holder.clear()
        gc.collect()

    with forked(child) as pid:
        assert exit_code(pid) == 0
    job.cancel()
    assert [event.status for event in following] == ["cancelled"]
    holder[0].close()


def test_a_child_of_a_child_has_its_own_loop(producer: Producer) -> None:
    mixed_calls(producer, "parent", 1)

    def child() -> None:
        mixed_calls(producer, "child", 1)
        with forked(lambda: mixed_calls(producer, "grandchild", 1)) as grandchild:
            assert exit_code(grandchild) == 0
        mixed_calls(producer, "child-again", 1)
        producer.close()
        assert our_threads() == []

    with forked(child) as pid:
        assert exit_code(pid) == 0


async def test_it_works_where_an_event_loop_runs(url: str) -> None:
    with Producer(redis_url=url) as producer:
        mixed_calls(producer, "in-a-loop", 1)
    with Producer(redis_url=url) as producer:
        await in_thread(lambda: mixed_calls(producer, "in-a-thread", 1))


def test_closing_ends_the_thread_and_a_later_call_opens_again(url: str) -> None:
    first, second = Producer(redis_url=url), Producer(redis_url=url)
    assert our_threads() == []
    mixed_calls(first, "first", 1)
    mixed_calls(second, "second", 1)
    first.close()
    first.close()
    assert our_threads() == ["raylane"]
    second.close()
    assert our_threads() == []
    mixed_calls(first, "again", 1)
    assert our_threads() == ["raylane"]
    first.close()


def test_a_follower_goes_on_after_the_producer_was_closed(url: str) -> None:
    producer = Producer(redis_url=url)
    job = producer.tables.list("shop")
    events = job.follow()
    assert next(events).status == "queued"
    producer.close()
    job.cancel()
    assert [event.status for event in events] == ["cancelled"]
    producer.close()


async def test_a_producer_that_is_dropped_closes_its_connections(url: str, redis: Redis) -> None:
    async def connections() -> int:
        return len(await redis.client_list())

    with Producer(redis_url=url) as other:
        other.sources("ada")
        before = await connections()
        job = Producer(redis_url=url).tables.databases()
        assert await connections() > before, "the handle needs its connections"
        job.cancel()
        del job
        gc.collect()

        async def closed() -> bool:
            return await connections() == before

        await until(closed)


def test_two_threads_that_open_and_close_do_not_disturb_each_other(url: str) -> None:
    def open_and_close(name: str) -> None:
        for number in range(20):
            with Producer(redis_url=url) as producer:
                mixed_calls(producer, f"{name}-{number}", 1)

    with ThreadPoolExecutor(3) as pool:
        for done in [pool.submit(open_and_close, name) for name in ("a", "b", "c")]:
            done.result(60)
    assert our_threads() == []


def test_waiting_is_bounded(producer: Producer) -> None:
    job = producer.tables.databases()
    with pytest.raises(WaitTimeout):
        job.result(timeout_s=0.01)
    with pytest.raises(WaitTimeout):
        producer.wait(job.id, timeout_s=0)
    with pytest.raises(InvalidRequest, match="timeout_s"):
        job.wait(timeout_s=float("nan"))


async def test_a_result_arrives_with_its_type(url: str, redis: Redis) -> None:
    with Producer(redis_url=url) as producer:
        job = producer.tables.databases()
        lane = LaneQueue(redis, "upload", worker="w", lease_s=10, max_attempts={"tables": 3}, result_ttl_s=60)
        waiting = asyncio.create_task(asyncio.to_thread(job.result, 20))
        [lease] = (await lane.claim(1)).leases
        await lane.finish([lease.succeeded(DatabasesResult(databases=("shop",)))])
        assert (await waiting).databases == ("shop",)


def test_arguments_are_checked_in_the_callers_thread(producer: Producer) -> None:
    with pytest.raises(InvalidRequest, match="job_id: "):
        producer.follow("no id")
    with pytest.raises(InvalidRequest, match="after: "):
        producer.follow("a", after="no event")
    with pytest.raises(TypeError, match="unknown option 'delay'"):
        producer.tables.databases(delay=3)  # type: ignore[call-arg]  # as a caller may write it


def test_a_generator_of_arguments_runs_in_the_callers_thread(producer: Producer) -> None:
    here = threading.get_ident()

    def jobs() -> Iterator[str]:
        for name in ("a", "b"):
            assert threading.get_ident() == here
            yield producer.tables.list(name, job_id=name).id

    assert producer.record(producer.tables.list("c", after=jobs()).id).after == ("a", "b")


def test_the_module_has_nothing_open_when_nobody_uses_it() -> None:
    assert background._current is None
    assert background._alive == set()


@asynccontextmanager
async def program(mode: str, url: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A program in a process of its own, where everything that is left open shows on stderr."""
    command = bound(sys.executable, "-W", "error", PROGRAM, mode, url)
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(60):
            yield process
            assert (await process.wait(), await read_all(process.stderr)) == (0, "")
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def read_all(stream: asyncio.StreamReader | None) -> str:
    assert stream is not None
    return (await stream.read()).decode()


async def read_line(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    return (await process.stdout.readline()).decode().strip()


async def test_a_program_that_leaves_everything_open_ends_without_a_word(url: str) -> None:
    async with program("left_open", url) as process:
        assert await read_line(process) == "thread []"
        assert await read_line(process) in ("hook []", "hook queue_unavailable")


async def test_ctrl_c_ends_the_waiting_and_not_the_job(url: str, redis: Redis) -> None:
    async with program("interrupted", url) as process:
        job_id = await read_line(process)

        async def is_waiting() -> bool:
            return bool((await redis.info("clients"))["blocked_clients"])

        await until(is_waiting)
        process.send_signal(signal.SIGINT)
        assert await read_line(process) == "queued"
        assert await read_line(process) == "queued", "the first event"
        await until(is_waiting)
        process.send_signal(signal.SIGINT)
        assert await read_line(process) == "cancelled"
    assert (await JobQueue(redis).record(job_id)).status == "cancelled"


async def test_ctrl_c_just_before_a_thread_blocks_ends_the_waiting(url: str, redis: Redis) -> None:
    async with program("missed", url) as process:
        await read_line(process)

        async def is_waiting() -> bool:
            return bool((await redis.info("clients"))["blocked_clients"])

        await until(is_waiting)
        process.send_signal(signal.SIGINT)
        assert await read_line(process) == "interrupted"


async def test_workers_that_are_forked_from_a_loaded_server_serve_and_end(url: str) -> None:
    async with program("preforked", url) as process:
        assert (await read_all(process.stdout)).split() == ["0", "0", "0", "0", "0", "[]"]
