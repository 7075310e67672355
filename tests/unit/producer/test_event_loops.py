"""What is made at the level of a module meets more than one event loop: it works, or says what to do."""

from __future__ import annotations

import asyncio
import threading

import pytest
from fakeredis import FakeAsyncRedis

from raylane import DatabasesResult, InvalidRequest, JobStatus, Producer
from raylane.backend import RedisBackend
from raylane.ray import RayClient, RaySettings
from raylane.testing import Address, FakeRay, MemoryProducer


def test_a_memory_producer_serves_one_loop_after_the_other() -> None:
    producer = MemoryProducer()

    async def use() -> list[JobStatus | None]:
        jobs = [await producer.tables.databases() for _ in range(3)]

        async def end() -> None:
            await asyncio.gather(*(producer.start(job.id) for job in jobs))  # they wait for each other
            for job in jobs:
                await producer.succeed(job.id, DatabasesResult(databases=()))

        ending = asyncio.create_task(end())
        events = [event.status async for event in jobs[0].follow()]
        await ending
        return events

    assert asyncio.run(use()) == asyncio.run(use()) == [JobStatus.QUEUED, JobStatus.RUNNING, JobStatus.SUCCEEDED]
    assert len(producer.enqueued) == 6


def test_a_memory_producer_says_that_another_loop_uses_it() -> None:
    producer = MemoryProducer()
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(producer.sources("ada"), loop).result(30)
        with pytest.raises(InvalidRequest, match="producer: it is used in an event loop that still runs"):
            asyncio.run(producer.sources("ada"))
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def test_a_client_of_the_callers_says_that_it_belongs_to_another_loop() -> None:
    producer = Producer(backend=RedisBackend(FakeAsyncRedis(decode_responses=True)))

    async def use() -> None:
        await producer.tables.databases()

    asyncio.run(use())
    with pytest.raises(InvalidRequest, match=r"redis: the client cannot .* in this event loop; pass a URL"):
        asyncio.run(use())


def test_a_ray_client_says_that_it_belongs_to_another_loop() -> None:
    ray = FakeRay()

    async def first() -> RayClient:
        async with Address(ray) as address:
            client = RayClient(RaySettings(private_url=address.url))
            assert await client.version()
            await client.aclose()
            return client

    async def second(client: RayClient) -> None:
        async with client:
            for call in (client.version(), client.submit(submission_id="a", entrypoint="true"), client.logs("a")):
                with pytest.raises(InvalidRequest, match="make one RayClient for each event loop"):
                    await call

    asyncio.run(second(asyncio.run(first())))
