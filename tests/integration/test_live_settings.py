"""Running workers use the addresses that are set in Redis."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from raylane import Producer
from raylane.testing import Address, FakeRay, MemoryProducer
from raylane_common.errors import InvalidRequest
from raylane_common.ray.client import RayClient
from raylane_common.ray.settings import RaySettings
from raylane_common.redis.connection import connect
from raylane_common.redis.settings_store import SettingsStore, applied
from raylane_common.settings import RedisSettings, Settings
from raylane_common.wire.base import Lane
from raylane_worker.app import run
from raylane_worker.live_settings import LiveSettings
from tests.helpers.queue_keys import keys
from tests.helpers.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from redis.asyncio import Redis

    from raylane_worker.embedded import EmbeddedValkey


@asynccontextmanager
async def running(valkey: EmbeddedValkey, private_url: str) -> AsyncIterator[None]:
    """Runs a worker of the ray lane."""
    settings = Settings.model_validate({"redis": {"url": valkey.url}, "ray": {"private_url": private_url}})
    ready, stop = asyncio.Event(), asyncio.Event()
    working = asyncio.create_task(run(settings, [Lane.RAY], ready=ready, stop=stop))
    await asyncio.wait_for(ready.wait(), 10)
    try:
        yield
    finally:
        stop.set()
        await working


async def urls(producer: Producer) -> list[str]:
    found = await (await producer.cluster.endpoints()).result(20)
    return [report.url for report in found.endpoints if report.state == "up"]


async def test_a_running_worker_uses_a_new_address_until_it_is_unset(redis: Redis, valkey: EmbeddedValkey) -> None:
    one, two = FakeRay(), FakeRay(session_name="another")
    async with (
        Address(one) as first,
        Address(two) as second,
        running(valkey, first.url),
        Producer(redis_url=valkey.url) as producer,
    ):

        async def uses(address: Address) -> bool:
            return await urls(producer) == [address.url]

        assert await uses(first)
        await producer.settings.set("ray.private_url", second.url)
        await until(lambda: uses(second))
        assert await producer.settings.all() == {"ray.private_url": second.url}
        await producer.settings.unset("ray.private_url")
        await until(lambda: uses(first))


async def test_a_worker_that_starts_uses_the_settings_in_redis(redis: Redis, valkey: EmbeddedValkey) -> None:
    async with Address(FakeRay()) as address, Producer(redis_url=valkey.url) as producer:
        await producer.settings.set("ray.public_url", address.url)
        async with running(valkey, "http://127.0.0.1:1"):
            assert await urls(producer) == [address.url]
        await producer.settings.unset("ray.public_url")


async def test_a_value_that_cannot_be_used_leaves_the_settings_as_they_were(
    redis: Redis, valkey: EmbeddedValkey, caplog: pytest.LogCaptureFixture
) -> None:
    async with Address(FakeRay()) as address:
        started_with = RaySettings(private_url=address.url)
        async with RayClient(started_with) as ray:
            live = LiveSettings(redis, ray, started_with)
            await SettingsStore(redis).set("ray.private_url", "http://8.8.8.8:8265")
            await live.take()
            assert (await ray.version()).endpoint == "private"
            [line] = [record for record in caplog.records if record.levelno == logging.ERROR]
            assert "must be https" in line.message
            await redis.delete(keys.settings)


@pytest.mark.parametrize("memory", [False, True], ids=["redis", "memory"])
async def test_only_values_that_a_worker_can_use_are_set(redis: Redis, valkey: EmbeddedValkey, memory: bool) -> None:
    producer = MemoryProducer() if memory else Producer(redis_url=valkey.url)
    async with producer:
        for name, value, problem in (
            ("ray.token", "t", "'ray.token' is not one of"),
            ("ray.private_url", "ray:8265", "ray.private_url: must start with http"),
            ("ray.public_url", "http://8.8.8.8", "ray.public_url: .*must be https"),
        ):
            with pytest.raises(InvalidRequest, match=problem):
                await producer.settings.set(name, value)
        with pytest.raises(InvalidRequest):
            await producer.settings.unset("ray.token")
        assert await producer.settings.all() == {}
        await producer.settings.set("ray.public_url", "https://ray.example.org/")
        assert await producer.settings.all() == {"ray.public_url": "https://ray.example.org/"}
        await producer.settings.unset("ray.public_url")
        assert await producer.settings.all() == {}


async def test_addresses_in_redis_replace_a_list_of_endpoints() -> None:
    listed = RaySettings.model_validate({"endpoints": [{"name": "a", "url": "http://10.0.0.1"}], "token": "t"})
    changed = applied(listed, {"ray.private_url": "http://10.0.0.2"})
    assert (changed.endpoints, changed.private_url, changed.token) == ((), "http://10.0.0.2", listed.token)
    assert applied(listed, {}) is listed
    limited = applied(listed, {"ray.max_runs": "8"})
    assert (limited.endpoints, limited.max_runs) == (listed.endpoints, 8), "only an address replaces the list"


async def test_a_change_without_a_name_makes_the_worker_read_all_settings(valkey: EmbeddedValkey, redis: Redis) -> None:
    client = connect(RedisSettings.model_validate({"url": valkey.url}))
    started_with = RaySettings(private_url="http://10.0.0.1:8265")
    try:
        async with RayClient(started_with) as ray:
            live = LiveSettings(client, ray, started_with)
            following = asyncio.create_task(live.follow())
            await redis.hset(keys.settings, "ray.private_url", "http://10.0.0.2:8265")  # type: ignore[misc]  # redis-py's types
            live.changed("")
            await until(lambda: ray.endpoints()[0].url == "http://10.0.0.2:8265")
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
            await redis.delete(keys.settings)
    finally:
        await client.aclose()
