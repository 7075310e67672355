"""Redis behind TLS."""

from __future__ import annotations

import asyncio
import os
import ssl
from typing import TYPE_CHECKING

import pytest

from raylane_common.errors import QueueUnavailable
from raylane_common.redis.connection import connect, queue_errors
from raylane_common.settings import RedisSettings
from tests.helpers.redis_clients import client_of, refused
from tests.helpers.tls import Authority, Terminator, an_authority

if TYPE_CHECKING:
    from pathlib import Path

    from raylane_worker.embedded import EmbeddedValkey


@pytest.fixture
def ours(tmp_path: Path) -> Authority:
    return an_authority(tmp_path, "ours")


@pytest.fixture
def theirs(tmp_path: Path) -> Authority:
    return an_authority(tmp_path, "theirs")


async def test_commands_pipelines_and_subscriptions_go_through_tls(valkey: EmbeddedValkey, ours: Authority) -> None:
    with Terminator(valkey, ours) as server:
        async with client_of(server.url, ca_file=ours.file) as client, client.pubsub() as subscriber:
            async with client.pipeline(transaction=True) as pipe:
                pipe.set("k", "v" * 100_000, ex=60)
                pipe.get("k")
                assert (await pipe.execute())[1] == "v" * 100_000
            await subscriber.subscribe("c")
            await client.publish("c", "hello")
            async with asyncio.timeout(10):
                while (await subscriber.get_message(timeout=1) or {}).get("data") != "hello":
                    pass


async def test_an_authority_that_is_not_ours_is_refused_at_once_with_the_setting(
    valkey: EmbeddedValkey, ours: Authority, theirs: Authority
) -> None:
    with Terminator(valkey, ours) as server:
        async with client_of(server.url, ca_file=theirs.file) as client:
            assert "RAYLANE_REDIS__CA_FILE" in await refused(client)
        async with client_of(server.url) as client:
            assert "certificate verify failed" in await refused(client)
        assert server.connects == 2
        async with client_of(server.url, tls_verify="none") as client:
            assert await client.set("k", "v", ex=60)


async def test_a_certificate_for_another_host_is_refused_unless_only_the_authority_counts(
    valkey: EmbeddedValkey, ours: Authority
) -> None:
    with Terminator(valkey, ours, "127.0.0.9") as server:
        async with client_of(server.url, ca_file=ours.file) as client:
            assert "RAYLANE_REDIS__TLS_VERIFY" in await refused(client)
        async with client_of(server.url, ca_file=ours.file, tls_verify="ca") as client:
            assert await client.set("k", "v", ex=60)


async def test_a_server_that_asks_for_a_certificate_gets_ours(
    valkey: EmbeddedValkey, ours: Authority, theirs: Authority
) -> None:
    with Terminator(valkey, ours, clients=theirs) as server:
        async with client_of(server.url, ca_file=ours.file) as client:
            assert "RAYLANE_REDIS__CLIENT_CERT_FILE" in await refused(client)
        cert, key = ours.sign()
        async with client_of(server.url, ca_file=ours.file, client_cert_file=cert, client_key_file=key) as client:
            assert "unknown ca" in await refused(client)
        cert, key = theirs.sign()
        async with client_of(server.url, ca_file=ours.file, client_cert_file=cert, client_key_file=key) as client:
            assert await client.set("k", "v", ex=60)


async def test_a_file_that_was_replaced_is_read_again(
    valkey: EmbeddedValkey, ours: Authority, theirs: Authority, tmp_path: Path
) -> None:
    trusted = tmp_path / "trusted.pem"
    trusted.write_bytes(theirs.file.read_bytes())
    os.utime(trusted, (1, 1))
    with Terminator(valkey, ours) as server:
        async with client_of(server.url, ca_file=trusted) as client:
            await refused(client)
            trusted.write_bytes(ours.file.read_bytes())
            assert await client.set("k", "v", ex=60)


async def test_connections_that_are_cut_while_tls_begins_go_unnoticed(valkey: EmbeddedValkey, ours: Authority) -> None:
    with Terminator(valkey, ours, cuts=2) as server:
        async with client_of(server.url, ca_file=ours.file) as client:
            assert await client.set("k", "v", ex=60)
        assert server.connects == 3


async def test_a_tls_error_that_the_caller_is_handling_is_not_taken_for_one_of_redis(
    valkey: EmbeddedValkey, ours: Authority
) -> None:
    with Terminator(valkey, ours, cuts=1000) as server:
        plain = server.url.replace("rediss", "redis")
        async with client_of(plain, socket_timeout_s=1.1, give_up_s=1.2) as client:
            try:
                raise ssl.SSLCertVerificationError("of somebody else")
            except ssl.SSLError:
                with pytest.raises(QueueUnavailable) as raised, queue_errors("look"):
                    await client.get("k")
        assert raised.value.retryable


async def test_a_client_can_be_closed_while_its_server_is_silent(valkey: EmbeddedValkey, ours: Authority) -> None:
    with Terminator(valkey, ours) as server:
        client = connect(RedisSettings.model_validate({"url": server.url, "ca_file": ours.file}))
        await client.set("k", "v", ex=60)
        server.hangs = True
        await client.aclose()
