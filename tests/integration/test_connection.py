"""Connections to Redis under conditions that a user meets."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from raylane_common.connection import connect
from raylane_common.errors import QueueUnavailable
from raylane_common.jobs import NewJob
from raylane_common.queue import JobQueue
from raylane_common.requests import RayStatusRequest
from raylane_common.settings import RedisSettings
from raylane_worker.embedded import SilentEndpoint

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from raylane_worker.embedded import EmbeddedValkey


async def test_a_cancellation_is_not_lost_whatever_the_connection_is_doing(
    redis: Redis, valkey: EmbeddedValkey
) -> None:
    async def follow(queue: JobQueue, job_id: str) -> None:
        async for _ in queue.follow(job_id):
            pass

    lost = []
    for steps in range(80):
        client = connect(RedisSettings.model_validate({"url": valkey.url}))
        queue = JobQueue(client)
        following = asyncio.create_task(follow(queue, await queue.enqueue(NewJob(request=RayStatusRequest()))))
        for _ in range(steps):
            await asyncio.sleep(0)
        following.cancel()
        await asyncio.wait({following}, timeout=1)
        if not following.done():
            lost.append(steps)
            following.cancel()
        await asyncio.gather(following, return_exceptions=True)
        await client.aclose()
    assert lost == []


@pytest.mark.parametrize("url", ["redis://127.0.0.1:1/0", "unix:///nonexistent/redis.sock"])
async def test_a_server_that_is_not_there_is_an_error_that_says_what_was_tried(url: str) -> None:
    client = connect(RedisSettings.model_validate({"url": url, "retries": 1, "retry_cap_s": 0.1}))
    try:
        with pytest.raises(QueueUnavailable, match="read a record"):
            await JobQueue(client).record("j")
    finally:
        await client.aclose()


async def test_a_server_that_never_answers_is_given_up() -> None:
    async with SilentEndpoint() as silent:
        settings = {"url": f"redis://127.0.0.1:{silent.port}", "connect_timeout_s": 0.1, "retries": 1}
        client = connect(RedisSettings.model_validate(settings))
        try:
            with pytest.raises(QueueUnavailable, match="Redis did not answer"):
                await JobQueue(client).record("j")
        finally:
            await client.aclose()


async def test_a_server_that_takes_the_command_and_is_silent_is_given_up() -> None:
    async def swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(swallow, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    settings = {"url": f"redis://127.0.0.1:{port}", "socket_timeout_s": 1.1, "retries": 0}
    client = connect(RedisSettings.model_validate(settings))
    try:
        with pytest.raises(QueueUnavailable, match="Redis did not answer"):
            await JobQueue(client).record("j")
    finally:
        await client.aclose()
        server.close()
        await server.wait_closed()
