"""Connections to Redis under faults: a short one goes unnoticed, one that lasts is an error."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from raylane import Producer
from raylane.backend import RedisBackend
from raylane_common.errors import InvalidRequest, QueueUnavailable
from raylane_common.redis.connection import connect, queue_errors
from raylane_common.settings import RedisSettings
from raylane_worker.embedded import HOST, SilentEndpoint, embedded_valkey
from tests.faults.proxy import Proxy
from tests.helpers.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine
    from pathlib import Path

    from redis.asyncio import Redis

    from raylane_worker.embedded import EmbeddedValkey

    Ask = Callable[[Redis], Coroutine[Any, Any, Any]]
    Answer = Callable[[list[bytes]], bytes]

HASTY = {"connect_timeout_s": 0.3, "socket_timeout_s": 1.1, "give_up_s": 1.2}
NEVER = b""
CUT = b"cut"


@asynccontextmanager
async def client_of(url: str, **settings: Any) -> AsyncIterator[Redis]:
    client = connect(RedisSettings.model_validate({"url": url, **settings}))
    try:
        yield client
    finally:
        await client.aclose()


@asynccontextmanager
async def redis_like(answer: Answer) -> AsyncIterator[str]:
    """The URL of a server with answers from the test. `NEVER` is no answer; one that ends with `CUT` is the last."""
    writers: set[asyncio.StreamWriter] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.add(writer)
        try:
            while head := await reader.readline():
                words = []
                for _ in range(int(head[1:])):
                    size = int((await reader.readline())[1:])
                    words.append((await reader.readexactly(size + 2))[:size])
                reply = b"+OK\r\n" if words[0] == b"CLIENT" else answer(words)
                writer.write(reply.removesuffix(CUT))
                await writer.drain()
                if reply.endswith(CUT):
                    return
        except OSError:
            pass  # the client is gone
        finally:
            writer.close()

    server = await asyncio.start_server(serve, HOST, 0)
    try:
        yield f"redis://{HOST}:{server.sockets[0].getsockname()[1]}/0"
    finally:
        server.close()
        for writer in writers:
            writer.close()
        await server.wait_closed()


async def command(client: Redis) -> Any:
    return await client.get("k")


async def pipeline(client: Redis) -> Any:
    async with client.pipeline(transaction=False) as pipe:
        pipe.get("k")
        pipe.get("k")
        return await pipe.execute()


async def transaction(client: Redis) -> Any:
    async with client.pipeline(transaction=True) as pipe:
        pipe.get("k")
        pipe.get("k")
        return await pipe.execute()


async def write(client: Redis) -> Any:
    return await client.set("k", "v", ex=60)


async def blocking_read(client: Redis) -> Any:
    return await client.xread({"s": "0"}, block=500)


async def subscription(client: Redis) -> Any:
    async with client.pubsub() as pubsub:
        await pubsub.subscribe("c")
        while await pubsub.get_message(timeout=0.5) is None:
            pass


def errors(answer: bytes) -> Answer:
    return lambda _: answer


async def large_write(client: Redis) -> Any:
    return await client.set("large", "v" * 16_000_000, ex=60)


ASKS: list[Ask] = [command, pipeline, transaction, blocking_read, subscription, large_write]
ASKING = pytest.mark.parametrize("ask", ASKS)


async def gives_up(client: Redis, ask: Ask = command) -> QueueUnavailable:
    """Returns the error. It must come within ten times the configured bound, because the machine may be slow."""
    async with asyncio.timeout(12):
        with pytest.raises(QueueUnavailable) as raised, queue_errors("look"):
            await ask(client)
    return raised.value


async def all_give_up(client: Redis, asks: list[Ask] = ASKS) -> str:
    """Sends all kinds of commands at the same time; returns one of the messages."""
    given_up = await asyncio.gather(*(gives_up(client, ask) for ask in asks))
    assert all(error.retryable for error in given_up)
    return given_up[0].message


# --- given up within a bounded time ----------------------------------------------------------------------------------


async def test_a_server_that_went_away_is_given_up_with_what_to_check(valkey: EmbeddedValkey) -> None:
    async with Proxy(valkey.port) as proxy, client_of(proxy.url, **HASTY) as client:
        await command(client)
        proxy.refuse()
        message = await all_give_up(client)
        proxy.mend()
    assert "did not answer while trying to look" in message
    assert "RAYLANE_REDIS__GIVE_UP_S" in message
    assert "RAYLANE_REDIS__URL" in message


async def test_a_server_that_never_answers_a_connect_is_given_up() -> None:
    async with SilentEndpoint() as silent, client_of(f"redis://127.0.0.1:{silent.port}", **HASTY) as client:
        await all_give_up(client)


async def test_a_server_that_reads_commands_and_never_answers_is_given_up() -> None:
    async with redis_like(errors(NEVER)) as url, client_of(url, **HASTY) as client:
        await all_give_up(client)


async def test_a_server_that_hangs_is_given_up(tmp_path: Path) -> None:
    async with embedded_valkey(tmp_path) as valkey, client_of(valkey.url, **HASTY) as client:
        await asyncio.gather(*(command(client) for _ in ASKS))
        os.kill(valkey.pid, signal.SIGSTOP)
        try:
            await all_give_up(client)
        finally:
            os.kill(valkey.pid, signal.SIGCONT)


async def test_a_path_that_dies_under_open_connections_is_given_up(valkey: EmbeddedValkey) -> None:
    async with Proxy(valkey.port) as proxy, client_of(proxy.url, **HASTY) as client:
        await asyncio.gather(*(command(client) for _ in ASKS))
        proxy.freeze()
        await all_give_up(client)
        proxy.mend()


async def test_an_answer_that_never_ends_is_given_up() -> None:
    async with redis_like(errors(b"$1000000\r\nx")) as url, client_of(url, **HASTY) as client:
        await all_give_up(client)


@pytest.mark.parametrize(
    "answer",
    [
        "LOADING Redis is loading the dataset in memory",
        "READONLY You can't write against a read only replica.",
        "ERR Error running script (call to f_1): @user_script:1: -READONLY You can't write",
        "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
        "CLUSTERDOWN The cluster is down",
        "BUSY Redis is busy running a script.",
        "NOREPLICAS Not enough good replicas to write.",
        "ERR max number of clients reached",
    ],
)
async def test_a_server_that_keeps_refusing_is_given_up_with_its_own_message(answer: str) -> None:
    async with redis_like(errors(f"-{answer}\r\n".encode())) as url, client_of(url, **HASTY) as client:
        message = await all_give_up(client, [command, pipeline, transaction])
    assert answer.split(" ", 1)[1] in message


async def test_every_call_of_a_producer_fails_in_time(valkey: EmbeddedValkey, redis: Redis) -> None:
    async with Proxy(valkey.port) as proxy:
        settings = RedisSettings.model_validate({"url": proxy.url, **HASTY})
        async with Producer(backend=RedisBackend.connect(settings)) as producer:
            job = await producer.cluster.status()
            proxy.freeze()
            asked = [producer.cluster.status(), job.record(), job.wait(), job.cancel(), producer.history("s")]
            async with asyncio.timeout(12):
                answers = await asyncio.gather(*asked, return_exceptions=True)
            assert [type(answer) for answer in answers] == [QueueUnavailable] * len(asked)
            proxy.mend()


# --- unnoticed ---------------------------------------------------------------------------------------------------


@ASKING
async def test_a_restart_goes_unnoticed(tmp_path: Path, ask: Ask) -> None:
    async with AsyncExitStack() as server:
        valkey = await server.enter_async_context(embedded_valkey(tmp_path))
        async with client_of(valkey.url) as client:
            await client.xadd("s", {"f": "v"})
            await server.aclose()
            asking = asyncio.create_task(ask(client))
            await server.enter_async_context(embedded_valkey(tmp_path, port=valkey.port))
            await asking


@ASKING
async def test_cut_connections_and_a_short_refusal_go_unnoticed(valkey: EmbeddedValkey, redis: Redis, ask: Ask) -> None:
    await redis.xadd("s", {"f": "v"})
    await redis.expire("s", 60)
    async with Proxy(valkey.port) as proxy, client_of(proxy.url) as client:
        await command(client)
        proxy.refuse()
        asking = asyncio.create_task(ask(client))
        await asyncio.sleep(0)
        proxy.mend()
        await asking


@pytest.mark.parametrize(
    "answer",
    [
        b"-LOADING Redis is loading the dataset in memory\r\n",
        b"-UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)\r\n",
        b"-MASTERDOWN Link with MASTER is down\r\n",
        b"-CLUSTERDOWN Hash slot not served\r\n",
        b"$5\r\nhe" + CUT,
        CUT,
        NEVER,
    ],
)
async def test_a_single_fault_goes_unnoticed(answer: bytes) -> None:
    answers = [answer]
    async with (
        redis_like(lambda _: answers.pop() if answers else b"$5\r\nhello\r\n") as url,
        client_of(url, socket_timeout_s=1.1) as client,
    ):
        assert await client.get("k") == "hello"


async def test_a_failover_goes_unnoticed(tmp_path: Path) -> None:
    increment = "return redis.call('INCR', KEYS[1])"

    async def count_to_three(client: Redis) -> None:
        async with client.pipeline(transaction=True) as pipe:
            pipe.incr("n")
            pipe.eval(increment, 1, "n")
            await pipe.execute()
        await client.eval(increment, 1, "n")  # type: ignore[misc]  # redis-py's sync/async union

    async def was_refused(operator: Redis) -> bool:
        return any("READONLY" in name for name in await operator.info("errorstats"))

    async with embedded_valkey(tmp_path) as valkey, client_of(valkey.url) as operator, client_of(valkey.url) as client:
        await command(client)
        await operator.replicaof(HOST, "1")
        counting = asyncio.create_task(count_to_three(client))
        await until(lambda: was_refused(operator))
        await operator.replicaof("NO", "ONE")
        await counting
        assert await client.get("n") == "3"


async def test_dead_connections_in_the_pool_are_not_tried(
    valkey: EmbeddedValkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with client_of(valkey.url) as watch, Proxy(valkey.port) as proxy, client_of(proxy.url) as client:
        await asyncio.gather(*(command(client) for _ in range(30)))
        before = (await watch.info("stats"))["total_connections_received"]
        proxy.cut()
        await until(lambda: has_clients(watch, 1))
        # A second try would come too late.
        monkeypatch.setattr("raylane_common.redis.retrying._LONGEST_PAUSE_S", 3600.0)
        monkeypatch.setattr("raylane_common.redis.retrying._FIRST_PAUSE_S", 3600.0)
        await command(client)
        assert (await watch.info("stats"))["total_connections_received"] == before + 1


async def has_clients(watch: Redis, number: int) -> bool:
    return len(await watch.client_list()) == number


async def test_silent_connections_in_the_pool_cost_one_timeout_and_not_one_each(valkey: EmbeddedValkey) -> None:
    async with (
        Proxy(valkey.port) as proxy,
        client_of(proxy.url, socket_timeout_s=2) as client,
        AsyncExitStack() as held,
    ):
        await asyncio.gather(*(command(client) for _ in range(30)))
        proxy.forget()
        async with asyncio.timeout(30):
            for _ in range(30):
                # Each pipeline watches on its own connection.
                pipe = await held.enter_async_context(client.pipeline())
                await pipe.watch("k")


# --- subscriptions -----------------------------------------------------------------------------------------------


async def receive(subscriber: Any, publisher: Redis) -> None:
    """Returns once a message arrives. Until a lost subscription is back, messages are lost too."""
    async with asyncio.timeout(30):
        while True:
            await publisher.publish("c", "hello")
            message = await subscriber.get_message(timeout=0.2)
            if message is not None and message["data"] == "hello":
                return


@pytest.mark.parametrize("fault", [Proxy.cut, Proxy.forget])
async def test_a_subscription_comes_back(valkey: EmbeddedValkey, fault: Callable[[Proxy], None]) -> None:
    async with (
        client_of(valkey.url) as publisher,
        Proxy(valkey.port) as proxy,
        client_of(proxy.url, socket_timeout_s=1.1) as client,
        client.pubsub(ignore_subscribe_messages=True) as subscriber,
    ):
        client.connection_pool.connection_kwargs["health_check_interval"] = 1
        await subscriber.subscribe("c")
        await receive(subscriber, publisher)
        fault(proxy)
        await receive(subscriber, publisher)


async def test_waiting_for_a_message_is_not_a_failure(valkey: EmbeddedValkey) -> None:
    async with client_of(valkey.url, **HASTY) as client, client.pubsub() as subscriber:
        await subscriber.subscribe("c")
        assert await subscriber.get_message(timeout=1)
        assert await subscriber.get_message(timeout=2 * HASTY["give_up_s"]) is None


# --- no use in trying again --------------------------------------------------------------------------------------


async def test_a_full_memory_is_a_retryable_error_that_says_so(tmp_path: Path) -> None:
    async with embedded_valkey(tmp_path) as valkey, client_of(valkey.url) as client:
        await client.config_set("maxmemory", "1")
        error = await gives_up(client, write)
    assert error.retryable
    assert "maxmemory" in error.message


async def test_a_key_of_another_type_says_that_another_program_writes_here(redis: Redis) -> None:
    await redis.set("s", "v", ex=60)
    error = await gives_up(redis, blocking_read)
    assert not error.retryable
    assert "another program" in error.message


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (b"-MOVED 3999 127.0.0.1:6381\r\n", "redis+cluster://"),
        (b"-MISCONF Errors writing to the AOF file: No space left on device\r\n", "disk"),
        (b"-ERR unknown command 'GET'\r\n", "unknown command"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "RAYLANE_REDIS__URL"),
    ],
)
async def test_a_lasting_refusal_is_passed_on_with_what_to_do(answer: bytes, hint: str) -> None:
    asked: list[list[bytes]] = []

    def once(words: list[bytes]) -> bytes:
        asked.append(words)
        return answer

    async with redis_like(once) as url, client_of(url) as client:
        error = await gives_up(client)
    assert hint in error.message
    assert error.retryable == answer.startswith(b"-MISCONF")
    assert len(asked) == 1


# --- settings ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"url": "redis://:s3cret/word@127.0.0.1"}, "cannot be read"),
        ({"url": "redis://127.0.0.1?socket_timeout=3600"}, "socket_timeout"),
        ({"url": "rediss://127.0.0.1?ssl_cert_reqs=none"}, "ssl_cert_reqs"),
        ({"url": "redis://127.0.0.1", "ca_file": __file__}, "rediss://"),
    ],
)
def test_the_error_about_an_unusable_url_names_the_field_and_no_secret(settings: Any, problem: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        connect(RedisSettings.model_validate(settings))
    assert raised.value.details == {"field": "redis.url"}
    assert problem in raised.value.message
    assert "s3cret" not in raised.value.message
    assert raised.value.__cause__ is None


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"give_up_s": 2, "socket_timeout_s": 3}, "give_up_s must not be below socket_timeout_s"),
        ({"ca_file": "/nonexistent/ca.pem"}, "ca_file"),
        ({"client_key_file": __file__}, "client_key_file needs client_cert_file"),
    ],
)
def test_settings_that_do_not_fit_together_are_refused(settings: Any, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        RedisSettings.model_validate(settings)


# --- cancellation ------------------------------------------------------------------------------------------------


async def test_a_cancellation_is_not_lost_whatever_the_connection_is_doing(valkey: EmbeddedValkey) -> None:
    async def ask_for_ever(client: Redis) -> None:
        while True:
            await transaction(client)
            await client.xread({"nothing": "0"}, block=2000)

    lost = []
    for steps in range(80):
        async with client_of(valkey.url) as client:
            asking = asyncio.create_task(ask_for_ever(client))
            for _ in range(steps):
                await asyncio.sleep(0)
            asking.cancel()
            await asyncio.wait({asking}, timeout=1)
            if not asking.done():
                lost.append(steps)
                asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
    assert lost == []


async def test_a_cancellation_arrives_between_two_tries() -> None:
    settings = RedisSettings.model_validate({"url": "redis://127.0.0.1:1/0", "give_up_s": 600})
    async with connect(settings, is_patient=True) as client:
        asking = asyncio.create_task(command(client))
        for _ in range(100):
            await asyncio.sleep(0)
        asking.cancel()
        async with asyncio.timeout(10):
            with pytest.raises(asyncio.CancelledError):
                await asking
