"""A client that cannot reach its server from the beginning says so at once; one that could rides the outage out."""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from raylane import Producer
from raylane_common.errors import QueueUnavailable
from raylane_common.redis import contact
from raylane_common.redis.connection import connect, queue_errors
from raylane_common.settings import RedisSettings
from raylane_worker.embedded import HOST, SilentEndpoint
from tests.faults.proxy import Proxy
from tests.helpers.redis_clients import client_of
from tests.helpers.tls import Authority, Terminator, an_authority
from tests.helpers.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from redis.asyncio import Redis

    from raylane_worker.embedded import EmbeddedValkey

WHERE = "set RAYLANE_REDIS__URL to the address of Redis"


@pytest.fixture
def one_try(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second try would come after the time limit, and its error would say "gave up"."""
    monkeypatch.setattr("raylane_common.redis.retrying._LONGEST_PAUSE_S", 3600.0)
    monkeypatch.setattr("raylane_common.redis.retrying._FIRST_PAUSE_S", 3600.0)


@pytest.fixture
def ours(tmp_path: Path) -> Authority:
    return an_authority(tmp_path, "ours")


async def told(client: Redis) -> str:
    with pytest.raises(QueueUnavailable) as raised, queue_errors("look"):
        await client.get("k")
    assert "gave up" not in raised.value.message
    return raised.value.message


async def nothing(client: Redis) -> Any:
    return await client.get("nothing")


@asynccontextmanager
async def cutting() -> AsyncIterator[str]:
    """The URL of a server that closes every connection."""
    server = await asyncio.start_server(lambda _, writer: writer.close(), HOST, 0)
    async with server:
        yield f"redis://{HOST}:{server.sockets[0].getsockname()[1]}"


@pytest.mark.usefixtures("one_try")
@pytest.mark.parametrize(
    ("url", "said"),
    [
        (
            "redis://127.0.0.1:1",
            f"Redis cannot be reached at 127.0.0.1:1: nothing listens there; start it there, or {WHERE}",
        ),
        (
            "redis://localhost:1",
            f"Redis cannot be reached at localhost:1: nothing listens there; start it there, or {WHERE}",
        ),
        ("redis://[::1]:1", "Redis cannot be reached at [::1]:1: "),
        ("rediss://127.0.0.1:1", "Redis cannot be reached at 127.0.0.1:1: nothing listens there"),
        ("unix:///nowhere/redis.sock", f"there is no socket /nowhere/redis.sock; start Redis there, or {WHERE}"),
        ("redis+sentinel://127.0.0.1:1,127.0.0.1:2/main", "no server knows where the primary is (127.0.0.1:1: "),
        ("redis+cluster://127.0.0.1:1", "no server knows where the primary is (127.0.0.1:1: "),
    ],
)
async def test_a_server_that_is_not_there_is_told_at_once(url: str, said: str) -> None:
    async with client_of(url) as client:
        message = await told(client)
    assert message.startswith(f"cannot look: {said}")
    assert message.endswith(WHERE)


@pytest.mark.usefixtures("one_try")
async def test_an_unknown_host_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    async with client_of("redis://redis.example:6379") as client:
        assert "the host redis.example of Redis is unknown here" in await told(client)


@pytest.mark.usefixtures("one_try")
async def test_a_wrong_login_is_told_at_once_with_the_address(valkey: EmbeddedValkey) -> None:
    async with client_of(valkey.url.replace("redis://", "redis://ada:wrong@")) as client:
        message = await told(client)
    assert f"at {HOST}:{valkey.port}: " in message
    assert "RAYLANE_REDIS__PASSWORD" in message
    assert "wrong@" not in message


@pytest.mark.usefixtures("one_try")
async def test_tls_to_a_server_without_it_is_told_at_once(valkey: EmbeddedValkey) -> None:
    async with client_of(valkey.url.replace("redis://", "rediss://")) as client:
        message = await told(client)
    assert message == (
        f"cannot look: {HOST}:{valkey.port} does not speak TLS; write redis:// and not rediss:// in RAYLANE_REDIS__URL"
    )


async def test_a_server_with_tls_is_told_at_once_if_the_url_has_none(valkey: EmbeddedValkey, ours: Authority) -> None:
    with Terminator(valkey, ours) as server:
        async with client_of(server.url.replace("rediss://", "redis://")) as client:
            assert "write rediss:// if" in await told(client)


async def test_a_slow_beginning_of_tls_is_not_taken_for_none(
    valkey: EmbeddedValkey, ours: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("raylane_common.redis.retrying.FIRST_HANDSHAKE_S", 1e-6)
    with Terminator(valkey, ours) as server:
        async with client_of(server.url, ca_file=ours.file) as client:
            assert await client.set("k", "v", ex=60)


async def test_a_server_that_closes_every_connection_is_told_after_a_few_tries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("raylane_common.redis.retrying._LONGEST_PAUSE_S", 0.01)
    async with cutting() as url, client_of(url) as client:
        message = await told(client)
    assert "closes every connection before it answers" in message


async def test_a_silent_server_is_tried_until_the_limit() -> None:
    async with SilentEndpoint() as silent:
        limits: dict[str, Any] = {"connect_timeout_s": 0.3, "socket_timeout_s": 1.1, "give_up_s": 1.2}
        for scheme in ("redis", "rediss"):
            async with client_of(f"{scheme}://{HOST}:{silent.port}", **limits) as client:
                with pytest.raises(QueueUnavailable, match="gave up after"), queue_errors("look"):
                    await client.get("k")


async def test_a_client_whose_server_comes_later_can_be_used_again(valkey: EmbeddedValkey) -> None:
    async with Proxy(valkey.port) as proxy, client_of(proxy.url) as client:
        proxy.refuse()
        await told(client)
        proxy.mend()
        assert await client.get("nothing") is None
        proxy.refuse()
        asking = asyncio.create_task(nothing(client))
        await asyncio.sleep(0)
        proxy.mend()
        assert await asking is None


async def test_a_patient_client_waits_for_its_server_and_logs_why(
    valkey: EmbeddedValkey, caplog: pytest.LogCaptureFixture
) -> None:
    async with Proxy(valkey.port) as proxy:
        client = connect(RedisSettings.model_validate({"url": proxy.url}), is_patient=True)
        proxy.refuse()
        asking = asyncio.create_task(nothing(client))
        await until(lambda: bool(caplog.messages))
        proxy.mend()
        assert await asking is None
        await client.aclose()
    [message] = caplog.messages
    assert message.startswith(proxy.url.removeprefix("redis://").removesuffix("/0"))
    assert message.endswith("trying again until RAYLANE_REDIS__GIVE_UP_S have passed")


async def test_a_producer_tells_it_at_once_and_whoever_asks_again_may_succeed() -> None:
    async with Producer(redis_url="redis://127.0.0.1:1") as producer:
        with pytest.raises(QueueUnavailable, match=r"127\.0\.0\.1:1") as raised:
            await producer.cluster.status()
    assert raised.value.retryable


async def test_only_a_plain_answer_is_plain(valkey: EmbeddedValkey) -> None:
    assert await contact.speaks_plainly(HOST, valkey.port)
    async with cutting() as url:
        assert not await contact.speaks_plainly(HOST, int(url.rpartition(":")[2]))
    assert not await contact.speaks_plainly(HOST, 1)
