"""Running workers use the addresses that are set in Redis."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from raylane import Producer
from raylane.testing import Address, FakeRay, MemoryProducer
from raylane_common.errors import InvalidRequest, WrongCluster
from raylane_common.ray.client import RayClient
from raylane_common.ray.settings import RaySettings
from raylane_common.redis.connection import connect
from raylane_common.redis.settings_store import SettingsStore, applied, check
from raylane_common.redis.source_store import SourceStore
from raylane_common.settings import RedisSettings, Settings
from raylane_common.wire.base import Lane
from raylane_worker.app import run
from raylane_worker.context import CurrentSettings, Resources
from raylane_worker.embedded import HOST
from raylane_worker.live_settings import LiveSettings
from raylane_worker.run_slots import RunSlots
from tests.helpers.queue_keys import keys
from tests.helpers.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from redis.asyncio import Redis

    from raylane_worker.embedded import EmbeddedValkey


TOKEN = "the-token-of-the-cluster"


@asynccontextmanager
async def running(valkey: EmbeddedValkey, private_url: str, *allowed_hosts: str) -> AsyncIterator[None]:
    """Runs a worker of the ray lane."""
    ray = {"private_url": private_url, "allowed_hosts": allowed_hosts, "token": TOKEN}
    settings = Settings.model_validate({"redis": {"url": valkey.url}, "ray": ray})
    ready, stop = asyncio.Event(), asyncio.Event()
    working = asyncio.create_task(run(settings, [Lane.RAY], ready=ready, stop=stop))
    await asyncio.wait_for(ready.wait(), 10)
    try:
        yield
    finally:
        stop.set()
        await working


async def urls(producer: Producer) -> list[str]:
    found = await (await producer.cluster.endpoints()).result(60)
    return [report.url for report in found.endpoints if report.state == "up"]


def operator(valkey: EmbeddedValkey, *allowed_hosts: str) -> Producer:
    """A producer whose environment names the hosts that it may set."""
    return Producer(Settings.model_validate({"redis": {"url": valkey.url}, "ray": {"allowed_hosts": allowed_hosts}}))


def host_of(address: Address) -> str:
    return address.url.removeprefix("http://")


async def test_a_running_worker_uses_a_new_address_until_it_is_unset(redis: Redis, valkey: EmbeddedValkey) -> None:
    ray = FakeRay()
    async with (
        Address(ray) as first,
        Address(ray) as second,
        running(valkey, first.url, host_of(second)),
        operator(valkey, host_of(second)) as producer,
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
    async with Address(FakeRay()) as address, operator(valkey, HOST) as producer:
        await producer.settings.set("ray.public_url", address.url)
        async with running(valkey, "http://127.0.0.1:1", HOST):
            assert await urls(producer) == [address.url]
        await producer.settings.unset("ray.public_url")


async def test_whoever_may_write_the_settings_does_not_receive_the_token(
    redis: Redis, valkey: EmbeddedValkey, caplog: pytest.LogCaptureFixture
) -> None:
    async with Address(FakeRay(token=TOKEN)) as cluster, Address(FakeRay()) as listener:
        async with Producer(redis_url=valkey.url) as producer:
            with pytest.raises(InvalidRequest, match="RAYLANE_RAY__ALLOWED_HOSTS"):
                await producer.settings.set("ray.private_url", listener.url)
        async with running(valkey, cluster.url, "10.0.0.9"), operator(valkey, "10.0.0.9") as producer:
            assert await urls(producer) == [cluster.url]
            written = SettingsStore(redis)
            await written.set("ray.private_url", listener.url)
            await written.set("ray.public_url", listener.url.replace("127.0.0.1", "2130706433"))
            await producer.settings.set("ray.max_runs", "3")
            await until(lambda: "ray.max_runs=3" in caplog.text)
            assert await urls(producer) == [cluster.url]
        async with running(valkey, cluster.url), Producer(redis_url=valkey.url) as producer:
            assert await urls(producer) == [cluster.url], "a worker that starts does not use it either"
        assert (listener.requests, listener.headers) == ([], [])
        await redis.delete(keys.settings)
    refused = [record.message for record in caplog.records if record.levelno == logging.ERROR]
    assert len(refused) == 4, "two values, and each worker says so once"
    assert sum("RAYLANE_RAY__ALLOWED_HOSTS" in line for line in refused) == 2
    assert sum("2130706433 must be an address" in line for line in refused) == 2


async def test_a_value_that_must_not_be_used_leaves_the_one_before_in_use(
    redis: Redis, valkey: EmbeddedValkey, caplog: pytest.LogCaptureFixture
) -> None:
    started_with = RaySettings(private_url="http://10.0.0.1:8265", allowed_hosts=("10.0.0.2", "8.8.8.8"))
    async with RayClient(started_with) as ray:
        live = LiveSettings(redis, ray, CurrentSettings(Settings(ray=started_with)))
        for value, in_use in (
            ("http://8.8.8.8:8265", "http://10.0.0.1:8265"),
            ("http://10.0.0.2:8265", "http://10.0.0.2:8265"),
            ("http://8.8.8.8:8265", "http://10.0.0.2:8265"),
            ("http://10.0.0.2:8265\nforged line", "http://10.0.0.2:8265"),
        ):
            await SettingsStore(redis).set("ray.private_url", value)
            for _ in range(3):
                await live.take()
            assert ray.settings.private_url == in_use
        errors = [record.message for record in caplog.records if record.levelno == logging.ERROR]
        assert ["must be https" in line for line in errors] == [True, True, False]
        assert all(line.isprintable() for line in errors)
        await SettingsStore(redis).set("ray.max_runs", "5")
        await live.take()
        assert (ray.settings.max_runs, ray.settings.private_url) == (5, "http://10.0.0.2:8265"), "one bad value"
        await redis.delete(keys.settings)
        await live.take()
        assert ray.settings == started_with


async def test_a_new_address_that_leads_to_another_cluster_gets_no_calls(redis: Redis, valkey: EmbeddedValkey) -> None:
    ours, other = FakeRay(), FakeRay(session_name="session_other")
    async with Address(ours) as first, Address(other) as second:
        started_with = RaySettings(private_url=first.url, allowed_hosts=(HOST,))
        async with RayClient(started_with) as ray:
            live, store = LiveSettings(redis, ray, CurrentSettings(Settings(ray=started_with))), SettingsStore(redis)
            await ray.version()
            await store.set("ray.private_url", second.url)
            await live.take()
            with pytest.raises(WrongCluster, match=r"session_other.*ray\.new_cluster"):
                await ray.submit(submission_id="a", entrypoint="true")
            assert set(second.requests) == {"GET /api/version"}
            await store.set("ray.new_cluster", "session_of_a_third")
            await live.take()
            with pytest.raises(WrongCluster):
                await ray.cluster_name()

            await store.set("ray.new_cluster", "session_other")
            await live.take()
            assert await ray.cluster_name() == "session_other"
            await ray.submit(submission_id="a", entrypoint="true")
            await store.unset("ray.private_url")
            await live.take()
            with pytest.raises(WrongCluster):
                await ray.version()
        assert (ours.submissions, other.submissions) == (0, 1)
        await redis.delete(keys.settings)


@pytest.mark.parametrize("memory", [False, True], ids=["redis", "memory"])
async def test_only_values_that_a_worker_can_use_are_set(
    redis: Redis, valkey: EmbeddedValkey, memory: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAYLANE_RAY__ALLOWED_HOSTS", '["ray.example.org", "8.8.8.8"]')
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
    listed = RaySettings.model_validate(
        {"endpoints": [{"name": "a", "url": "http://10.0.0.1"}], "token": "t", "allowed_hosts": ["10.0.0.2"]}
    )
    started_with = Settings(ray=listed)
    changed = applied(started_with, {"ray.private_url": "http://10.0.0.2"}).ray
    assert (changed.endpoints, changed.private_url, changed.token) == ((), "http://10.0.0.2", listed.token)
    assert applied(started_with, {}) is started_with
    limited = applied(started_with, {"ray.max_runs": "8"}).ray
    assert (limited.endpoints, limited.max_runs) == (listed.endpoints, 8), "only an address replaces the list"


async def test_limits_and_the_bucket_are_changed_for_attempts_that_begin_later(redis: Redis) -> None:
    started_with = Settings.model_validate({"storage": {"bucket": "first", "allowed_buckets": ["second"]}})
    async with RayClient(started_with.ray) as ray:
        current = CurrentSettings(started_with)
        resources = Resources(started_with, ray, SourceStore(redis), RunSlots(ray), current=current)
        live, store = LiveSettings(redis, ray, current), SettingsStore(redis)
        running = resources.now()
        await store.set("storage.bucket", "second")
        await store.set("sessions.max_sources", "7")
        await store.set("uploads.part_bytes", str(8 * 1024 * 1024))
        await live.take()
        later = resources.now().settings
        assert (later.storage.bucket, later.sessions.max_sources) == ("second", 7)
        assert (later.uploads.part_bytes, later.storage.allowed_buckets) == (8 * 1024 * 1024, ("first", "second"))
        assert running.settings == started_with
        await store.set("storage.bucket", "a-bucket-of-somebody-else")
        await live.take()
        assert resources.now().settings.storage.bucket == "second"
        await redis.delete(keys.settings)
        await live.take()
        assert resources.now().settings == started_with


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        (
            "storage.bucket",
            "other",
            r"storage.bucket: 'other' is not allowed; .*ALLOWED_BUCKETS in the environment of work",
        ),
        ("storage.bucket", "x", "storage.bucket: "),
        ("sessions.max_sources", "-1", "sessions.max_sources: must be at least 0"),
        ("sessions.max_bytes", "1 GB", "sessions.max_bytes: must be a whole number"),
        ("uploads.part_bytes", "1", "uploads.part_bytes: must be at least"),
        ("storage.endpoint_url", "http://10.0.0.1", "'storage.endpoint_url' is not one of"),
        ("aws.endpoint_url", "http://10.0.0.1", "'aws.endpoint_url' is not one of"),
    ],
)
def test_a_value_that_no_worker_would_use_is_refused(name: str, value: str, problem: str) -> None:
    with pytest.raises(InvalidRequest, match=problem):
        check(Settings(), name, value)


async def test_a_change_without_a_name_makes_the_worker_read_all_settings(valkey: EmbeddedValkey, redis: Redis) -> None:
    client = connect(RedisSettings.model_validate({"url": valkey.url}))
    started_with = RaySettings(private_url="http://10.0.0.1:8265", allowed_hosts=("10.0.0.2", "8.8.8.8"))
    try:
        async with RayClient(started_with) as ray:
            live = LiveSettings(client, ray, CurrentSettings(Settings(ray=started_with)))
            following = asyncio.create_task(live.follow())
            await redis.hset(keys.settings, "ray.private_url", "http://10.0.0.2:8265")  # type: ignore[misc]  # redis-py's types
            live.changed("")
            await until(lambda: ray.endpoints()[0].url == "http://10.0.0.2:8265")
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
            await redis.delete(keys.settings)
    finally:
        await client.aclose()
