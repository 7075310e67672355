"""Redis Sentinel: the primary is found by its name, and found again after a failover."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from raylane_common.errors import ClusterUnsupported, QueueUnavailable
from raylane_common.redis.connection import queue_errors
from raylane_common.redis.queue import JobQueue
from raylane_common.redis.queue.wake import listen
from tests.helpers.claims import patient_lane, run
from tests.helpers.lanes import DONE, a_job
from tests.helpers.through import jobs_through
from tests.helpers.topologies import NAME, Sentinels
from tests.helpers.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from redis.asyncio import Redis

    from raylane_worker.embedded import EmbeddedValkey
    from tests.helpers.topologies import Node


OPERATIONS = Path(__file__).parents[2] / "docs" / "operations.md"


@pytest.fixture
async def sentinels(tmp_path: Path) -> AsyncIterator[Sentinels]:
    async with Sentinels(tmp_path) as running:
        yield running


async def refused(client: Redis) -> ClusterUnsupported:
    with pytest.raises(ClusterUnsupported) as raised, queue_errors("look"):
        await client.get("k")
    assert not raised.value.retryable
    return raised.value


async def test_the_primary_is_found_by_its_name(sentinels: Sentinels, opened: Any) -> None:
    client = await opened(sentinels.url)
    queue, lane = JobQueue(client), patient_lane(client)
    await queue.enqueue(a_job(id="j"))
    assert await run(lane) == "j"
    assert await queue.result("j", timeout_s=10) == DONE
    assert (await client.role())[0] == "master"


async def test_what_a_url_gets_wrong_is_said_at_connect(
    sentinels: Sentinels, opened: Any, valkey: EmbeddedValkey
) -> None:
    hosts = ",".join(map(str, sentinels.sentinels))
    unknown = await refused(await opened(f"redis+sentinel://{hosts}/other"))
    assert "watches no primary 'other'" in unknown.message
    plain = await refused(await opened(f"redis://{sentinels.sentinels[0]}/0"))
    assert "the server is a sentinel: write redis+sentinel://" in plain.message
    no_sentinel = await refused(await opened(f"redis+sentinel://127.0.0.1:{valkey.port}/{NAME}"))
    assert "neither a sentinel nor a node of a cluster" in no_sentinel.message


async def test_sentinels_may_need_a_login_of_their_own(tmp_path: Path, opened: Any) -> None:
    async with Sentinels(tmp_path, password="s3cret") as guarded:
        assert await (await opened(guarded.url, sentinel_password="s3cret")).ping()
        client = await opened(guarded.url)
        with pytest.raises(QueueUnavailable, match="RAYLANE_REDIS__SENTINEL_PASSWORD") as raised, queue_errors("look"):
            await client.get("k")
        assert not raised.value.retryable
        rules = re.search(r"of the sentinels need only `(.*)`", OPERATIONS.read_text(encoding="utf-8"))
        assert rules is not None
        for sentinel in guarded.sentinels:
            await sentinel.ask("ACL", "SETUSER", "watcher", "on", ">word", *rules[1].split())
        assert await (await opened(guarded.url, sentinel_username="watcher", sentinel_password="word")).ping()


@pytest.mark.parametrize("durability", ["none", "wait"])
async def test_no_job_is_lost_when_the_primary_is_killed(sentinels: Sentinels, durability: str) -> None:
    async def kill() -> None:
        await (await sentinels.primary()).kill()

    await jobs_through(sentinels.url, kill, durability=durability)


async def test_no_job_is_lost_when_the_primary_falls_silent(sentinels: Sentinels) -> None:
    silent = await sentinels.primary()

    async def freeze() -> None:
        os.kill(silent.pid, signal.SIGSTOP)

    try:
        await jobs_through(sentinels.url, freeze)
    finally:
        os.kill(silent.pid, signal.SIGCONT)


async def test_a_planned_failover_is_not_noticed(sentinels: Sentinels) -> None:
    async def fail_over() -> None:
        before = await sentinels.primary()
        await sentinels.sentinels[0].ask("SENTINEL", "FAILOVER", NAME, "COORDINATED")
        await until(partial(_is_replica, before))

    await jobs_through(sentinels.url, fail_over)


async def _is_replica(node: Node) -> bool:
    return bool((await node.ask("ROLE"))[0] == "slave")


async def test_listeners_subscribe_again_after_a_failover(sentinels: Sentinels, opened: Any) -> None:
    client, other = await opened(sentinels.url), await opened(sentinels.url)
    heard: list[str] = []
    listening = asyncio.create_task(listen(client, {"c": heard.append}))
    await until(lambda: heard == [""])
    await (await sentinels.primary()).kill()
    await until(lambda: len(heard) > 1)
    assert await other.publish("c", "after") == 1
    await until(lambda: "after" in heard)
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)


async def test_a_dead_sentinel_is_passed_over(sentinels: Sentinels, opened: Any) -> None:
    await sentinels.sentinels[0].kill()
    for _ in range(3):
        assert await (await opened(sentinels.url)).ping()
