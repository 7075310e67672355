"""Redis Cluster: all keys of a deployment are in one slot, whose node is found, and found again when it changes."""

from __future__ import annotations

import asyncio
import re
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from raylane_common.errors import ClusterUnsupported, QueueUnavailable
from raylane_common.redis.connection import keys_of, queue_errors
from raylane_common.redis.queue import JobQueue, QueueOverview
from raylane_common.redis.queue.wake import listen
from tests.helpers.acl import PRODUCER, WORKER, documented_rules, password_of
from tests.helpers.claims import patient_lane, run
from tests.helpers.lanes import DONE, a_job
from tests.helpers.through import jobs_through
from tests.helpers.topologies import Cluster
from tests.helpers.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from redis.asyncio import Redis

    from raylane_worker.embedded import EmbeddedValkey
    from tests.helpers.topologies import Node


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[Cluster]:
    async with Cluster(tmp_path) as running:
        yield running


async def another(cluster: Cluster) -> Node:
    """Returns a primary that does not have the slot of the jobs."""
    mine = await cluster.primary()
    return next(node for node in cluster.nodes[:3] if node is not mine)


async def refused(client: Redis, key: str = "k") -> ClusterUnsupported:
    with pytest.raises(ClusterUnsupported) as raised, queue_errors("look"):
        await client.get(key)
    assert not raised.value.retryable
    return raised.value


async def test_every_node_leads_to_the_one_with_the_keys(cluster: Cluster, opened: Any) -> None:
    for number, node in enumerate(cluster.nodes):
        client = await opened(f"redis+cluster://{node}")
        queue, lane = JobQueue(client), patient_lane(client)
        await queue.enqueue(a_job(id=f"j{number}", session_id="s"))
        assert await run(lane) == f"j{number}"
        assert await queue.result(f"j{number}", timeout_s=10) == DONE
    primary = await cluster.primary()
    assert await primary.ask("CLUSTER", "COUNTKEYSINSLOT", cluster.slot) == await primary.ask("DBSIZE") > 0


async def test_followers_of_many_jobs_share_a_read_of_the_cluster(cluster: Cluster, opened: Any) -> None:
    client = await opened(f"redis+cluster://{await another(cluster)}")
    queue, lane = JobQueue(client), patient_lane(client)
    names = [f"j{number}" for number in range(30)]
    await queue.enqueue_many([a_job(id=name, session_id="s") for name in names])
    waiting = [asyncio.create_task(queue.result(name, timeout_s=60)) for name in names[:-1]]
    joined = queue.follow(names[-1])
    assert (await anext(joined)).status == "queued"
    for _ in names:
        await run(lane)
    assert await asyncio.gather(*waiting) == [DONE] * len(waiting)
    assert [event.status async for event in joined] == ["running", "succeeded"]
    assert len(await QueueOverview(client).jobs(session_id="s")) == len(names)


async def test_what_a_url_gets_wrong_is_said_at_connect(cluster: Cluster, opened: Any, valkey: EmbeddedValkey) -> None:
    elsewhere = await another(cluster)
    plain = await refused(await opened(f"redis://{elsewhere}/0"))
    assert "the server is a node of a cluster: write redis+sentinel:// or redis+cluster://" in plain.message
    moved = await opened(f"redis://{elsewhere}/0", prefix="raylane")
    assert "MOVED" in (await refused(moved, keys_of(moved).job("j"))).message
    single = await refused(await opened(f"redis+cluster://127.0.0.1:{valkey.port}"))
    assert "is not a node of a cluster: write redis://" in single.message


async def test_the_documented_users_need_one_more_right(cluster: Cluster, opened: Any) -> None:
    for node in cluster.nodes:
        for user, rules in documented_rules("acme").items():
            await node.ask("ACL", "SETUSER", user, *rules)
    login = {"prefix": "acme", "username": PRODUCER, "password": password_of(PRODUCER)}
    with pytest.raises(QueueUnavailable, match=r"cluster\|slots.*docs/operations\.md"):
        await JobQueue(await opened(cluster.url, **login)).enqueue(a_job(id="j"))
    for node in cluster.nodes:
        for user in (PRODUCER, WORKER):
            await node.ask("ACL", "SETUSER", user, "+cluster|slots")
    await JobQueue(await opened(cluster.url, **login)).enqueue(a_job(id="j"))
    login = {"prefix": "acme", "username": WORKER, "password": password_of(WORKER)}
    assert await run(patient_lane(await opened(cluster.url, **login))) == "j"


async def test_a_plain_url_with_a_prefix_leads_to_the_node_with_its_keys(cluster: Cluster, opened: Any) -> None:
    client = await opened(f"redis://{await cluster.primary()}/0", prefix="raylane")
    await JobQueue(client).enqueue(a_job(id="j"))
    assert await run(patient_lane(client)) == "j"


async def test_no_job_is_lost_when_the_primary_is_killed(cluster: Cluster) -> None:
    async def kill() -> None:
        await (await cluster.primary()).kill()

    await jobs_through(cluster.url, kill)


async def test_jobs_continue_while_their_slot_is_migrated(cluster: Cluster) -> None:
    async def migrate() -> None:
        await cluster.migrate(await another(cluster))

    seen = await jobs_through(cluster.url, migrate)
    assert seen.run_again == []


async def test_a_script_waits_while_half_of_the_keys_are_elsewhere(cluster: Cluster, opened: Any) -> None:
    client = await opened(cluster.url)
    queue = JobQueue(client)
    await queue.enqueue_many([a_job(id=f"j{number}") for number in range(50)])
    source, target = await cluster.primary(), await another(cluster)
    await cluster.begin_migration(source, target)
    await cluster.move_keys(source, target, most=60)
    claiming = asyncio.create_task(patient_lane(client).claim(100))
    writing = asyncio.create_task(queue.enqueue(a_job(id="late")))
    await until(partial(_has_refused_both, source))
    assert not claiming.done()
    assert not writing.done()
    await cluster.move_keys(source, target)
    await cluster.end_migration(source, target)
    claimed = [lease.job_id for lease in (await claiming).leases]
    assert await writing == "late"
    assert len(set(claimed) - {"late"}) == 50


async def _has_refused_both(source: Node) -> bool:
    found = re.search(r"errorstat_ASK:count=(\d+)", await source.ask("INFO", "errorstats"))
    return found is not None and int(found[1]) > 3


async def test_listeners_hear_messages_before_and_after_a_migration(cluster: Cluster, opened: Any) -> None:
    client, other = await opened(cluster.url), await opened(cluster.url)
    heard: list[str] = []
    channel = keys_of(client).wake("upload")
    listening = asyncio.create_task(listen(client, {channel: heard.append}))
    await until(lambda: heard == [""])
    await JobQueue(other).enqueue(a_job(id="before"))
    await until(lambda: "before" in heard)
    await cluster.migrate(await another(cluster))
    await JobQueue(other).enqueue(a_job(id="after"))
    await until(lambda: "after" in heard)
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)
