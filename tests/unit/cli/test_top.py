"""`raylane top`: one look for programs and pipes, and a live view on a terminal."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from datetime import datetime
from typing import TYPE_CHECKING

import pytest

from raylane import Producer
from raylane.backend import RedisBackend
from raylane.cli.live import View
from raylane.cli.snapshots import Snapshot
from raylane_common.errors import QueueUnavailable
from raylane_common.wire.names import Lane
from tests.faults.proxy import Proxy
from tests.helpers.queue_keys import keys
from tests.helpers.screens import on_a_terminal
from tests.helpers.waiting import until
from tests.unit.producer.claiming import claim_all

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from raylane_worker.embedded import EmbeddedValkey
    from tests.unit.cli.conftest import Cli

RAYLANE = (sys.executable, "-c", "from raylane.cli import main; main()")


@pytest.fixture
async def producer(redis: Redis) -> Producer:
    return Producer(backend=RedisBackend(redis))


async def _fill(producer: Producer, redis: Redis) -> None:
    """One job runs, one waits, and one look is of no interest. One cluster has runs."""
    await producer.generate("sum of amount", session_id="ada", job_id="running")
    await claim_all(redis, Lane.GENERATE)
    await producer.generate("mean of amount", session_id="ada", job_id="queued")
    await producer.cluster.status(job_id="look")
    await redis.hset(keys.run_limits, "session_2026", "4")  # type: ignore[misc]  # redis-py's sync/async union
    await redis.expire(keys.run_limits, 60)


async def test_without_a_terminal_it_is_one_look(cli: Cli, producer: Producer, redis: Redis) -> None:
    await _fill(producer, redis)
    shown = (await cli("top")).stdout.split("\n\n")
    heads = [part.split()[0] for part in shown]
    assert heads == ["lane", "cluster", "worker", "job"]
    assert shown[1].splitlines()[1].split() == ["session_2026", "0", "4", "0"]
    assert shown[2].splitlines()[1].split() == ["w", "generate"]
    jobs = [line.split()[:2] for line in shown[3].splitlines()[1:]]
    assert jobs == [["running", "running"], ["queued", "queued"]]
    once = (await cli("top", "--once")).stdout.split("\n\n")
    assert [part.split()[0] for part in once] == heads


async def test_on_a_terminal_that_cannot_go_back_it_is_one_look(
    valkey: EmbeddedValkey, producer: Producer, redis: Redis
) -> None:
    await _fill(producer, redis)
    async with on_a_terminal(*RAYLANE, "top", env={"RAYLANE_REDIS__URL": valkey.url, "TERM": "dumb"}) as screen:
        await screen.ended()
        assert await screen.process.wait() == 0
        assert ["running", "running"] in [line.split()[:2] for line in screen.lines]


async def test_for_programs_it_is_one_document(cli: Cli, producer: Producer, redis: Redis) -> None:
    await _fill(producer, redis)
    document = json.loads((await cli("top", "--json")).stdout)
    assert list(document) == ["at", "lanes", "runs", "workers", "jobs"]
    assert document["workers"] == [{"worker": "w", "lanes": ["generate"]}]
    assert [job["id"] for job in document["jobs"]] == ["running", "queued"]
    empty = await cli("top", "--json", "--redis-url", "redis://127.0.0.1:1")
    assert (empty.exit_code, json.loads(empty.stdout)["code"]) == (69, "queue_unavailable")


async def test_on_a_terminal_it_lives_through_an_outage_and_q_ends_it(
    valkey: EmbeddedValkey, redis: Redis, producer: Producer
) -> None:
    await _fill(producer, redis)
    limits = {"RAYLANE_REDIS__SOCKET_TIMEOUT_S": "1.5", "RAYLANE_REDIS__GIVE_UP_S": "1.5"}
    async with Proxy(valkey.port) as proxy:
        env = {"RAYLANE_REDIS__URL": proxy.url, **limits}
        async with on_a_terminal(*RAYLANE, "top", env=env) as screen:
            await until(lambda: "queued" in screen.text, timeout_s=30)
            assert screen.lines[0].startswith("raylane top  ")
            assert screen.lines[0].endswith("q quits")
            assert ["running", "running"] in [line.split()[:2] for line in screen.lines]
            proxy.refuse()
            await until(lambda: "because Redis did not answer" in screen.text, timeout_s=30)
            assert "queued" in screen.text
            assert not screen.echoes
            await producer.generate("max of amount", session_id="ada", job_id="later")
            proxy.mend()
            await until(lambda: "later" in screen.text and "because" not in screen.text, timeout_s=30)
            screen.type(b"\x1b[Ax")
            screen.type(b"q")
            async with asyncio.timeout(30):
                assert await screen.process.wait() == 0
            assert screen.echoes, "the terminal is as it was"


async def test_sigterm_leaves_the_terminal_as_it_was(valkey: EmbeddedValkey, redis: Redis, producer: Producer) -> None:
    async with on_a_terminal(*RAYLANE, "top", env={"RAYLANE_REDIS__URL": valkey.url}) as screen:
        await until(lambda: "q quits" in screen.text, timeout_s=30)
        screen.process.terminate()
        async with asyncio.timeout(30):
            assert await screen.process.wait() == -signal.SIGTERM
            await screen.ended()
        assert screen.echoes
        assert screen.shows_cursor


async def test_a_view_is_never_higher_or_wider_than_the_terminal(producer: Producer, redis: Redis) -> None:
    await _fill(producer, redis)
    for number in range(30):
        await producer.generate("sum of \x1b[2J amount", session_id="ada", job_id=f"j{number}")
    view = View("redis://127.0.0.1:1", await Snapshot.take(producer))
    for width, height in ((60, 10), (80, 24), (200, 100), (20, 3), (1, 1)):
        lines = view.lines(width, height, datetime.now())
        assert len(lines) <= height
        assert "\x1b" not in "".join(lines)
        if width >= 60:
            assert all(len(line) <= width for line in lines)
    assert view.lines(80, 10, datetime.now())[-1].startswith("… ")


async def test_the_last_look_stays_while_redis_is_away(producer: Producer, redis: Redis) -> None:
    await _fill(producer, redis)
    view = View("here", await Snapshot.take(producer))
    async with Producer(redis_url="redis://127.0.0.1:1") as away:
        with pytest.raises(QueueUnavailable):
            await Snapshot.take(away)
        await view.look(away)
    lines = view.lines(120, 40, datetime.now())
    assert "nothing listens there" in lines[1]
    assert any("running" in line for line in lines[2:])
    await view.look(producer)
    assert "because" not in view.lines(120, 40, datetime.now())[1]
