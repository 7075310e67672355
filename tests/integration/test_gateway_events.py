"""Events over HTTP: with a real queue, real servers, and clients that come and go."""

from __future__ import annotations

import asyncio
import json
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple
from unittest.mock import patch

import pytest

from raylane import Producer
from raylane.testing.memory.worker import MemoryWorker
from raylane_common.errors import NotUnderstood
from raylane_common.settings import Settings
from raylane_common.wire.jobs import Progress
from tests.helpers.queue_keys import keys
from tests.helpers.serving import serving
from tests.helpers.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import httpx
    from redis.asyncio import Redis

    from raylane_common.wire.jobs import JobRecord
    from raylane_worker.embedded import EmbeddedValkey
    from tests.helpers.serving import Running


class Sent(NamedTuple):
    """One event as a client reads it."""

    id: str
    name: str
    data: dict[str, Any]


@pytest.fixture
def settings(valkey: EmbeddedValkey) -> Settings:
    limits = {"requests_per_minute": 0, "requests_at_once": 0, "streams_at_once": 0}
    return Settings.model_validate({"redis": {"url": valkey.url}, "gateway": limits})


@pytest.fixture
async def producer(settings: Settings, redis: Redis) -> AsyncIterator[Producer]:
    async with Producer(settings) as opened:
        yield opened


@pytest.fixture
def worker(redis: Redis) -> MemoryWorker:
    return MemoryWorker(redis)


async def events_of(answer: httpx.Response) -> AsyncIterator[Sent]:
    """Yields the events of a stream, as the standard says to read it."""
    fields: dict[str, str] = {}
    async for line in answer.aiter_lines():
        if not line:
            if "data" in fields:
                yield Sent(fields.get("id", ""), fields["event"], json.loads(fields["data"]))
            fields = {}
        elif not line.startswith(":"):
            name, _, value = line.partition(": ")
            fields[name] = value


async def follow(
    gateway: Running, job_id: str, *, last: str | None = None, count: int | None = None, into: list[Sent] | None = None
) -> list[Sent]:
    """Returns the events after `last`: `count` of them, or all until the stream ends. Adds each one `into` a list."""
    seen = [] if into is None else into
    headers = {} if last is None else {"Last-Event-ID": last}
    async with gateway.client() as client, client.stream("GET", f"/v1/jobs/{job_id}/events", headers=headers) as answer:
        if answer.status_code == 204:
            return []
        assert answer.headers["content-type"].startswith("text/event-stream")
        async for event in events_of(answer):
            seen.append(event)
            if len(seen) == count:
                break
    return seen


def has_seen(seen: list[Sent], line: str) -> bool:
    return bool(seen) and seen[-1].data.get("line") == line


async def test_a_client_sees_each_event_and_then_the_end(
    settings: Settings, producer: Producer, worker: MemoryWorker
) -> None:
    job = await producer.generate("?", session_id="ada")
    async with serving(settings) as gateway:
        following = asyncio.create_task(follow(gateway, job.id))
        await worker.tell(job.id, Progress(stage="writing"), "a line\nand: another\n", "text")
        await worker.end(job.id, NotUnderstood("what?"))
        seen = await following
        known = [event async for event in producer.follow(job.id)]
        assert [event.id for event in seen] == [event.id for event in known]
        assert [event.name for event in seen] == ["status", "status", "progress", "log", "text", "status"]
        assert seen[3].data["line"] == "a line\nand: another\n"
        assert (seen[-1].data["status"], seen[-1].data["error"]["code"]) == ("failed", "not_understood")
        assert await follow(gateway, job.id, last=seen[2].id) == seen[3:]
        assert await follow(gateway, job.id, last=seen[-1].id) == [], "204 tells a browser not to come again"
        async with gateway.client() as client:
            by_query = await client.get(f"/v1/jobs/{job.id}/events", params={"after": seen[4].id})
            assert seen[5].id in by_query.text
            assert seen[4].id not in by_query.text
            wrong = await client.get(f"/v1/jobs/{job.id}/events", headers={"Last-Event-ID": "x"})
            assert (wrong.status_code, wrong.json()["details"]) == (422, {"field": "Last-Event-ID"})
            assert (await client.get("/v1/jobs/none/events")).status_code == 404


async def test_a_client_that_comes_back_after_a_restart_misses_nothing_and_sees_nothing_twice(
    settings: Settings, producer: Producer, worker: MemoryWorker
) -> None:
    job = await producer.generate("?", session_id="ada")
    seen: list[Sent] = []
    port = 0
    for number in range(3):
        async with serving(settings, port=port) as gateway:
            port = gateway.port
            last = seen[-1].id if seen else None
            following = asyncio.create_task(follow(gateway, job.id, last=last, into=seen))
            line = f"served {number}\n"
            await worker.tell(job.id, None, line, None)
            # The client reads on while the server is told to stop, which ends its stream.
            await until(partial(has_seen, seen, line))
            if number == 2:
                await worker.end(job.id, NotUnderstood("what?"))
                await following
        await following
        if number < 2:
            await worker.tell(job.id, None, f"away {number}\n", None)
    assert [event.id for event in seen] == [event.id async for event in producer.follow(job.id)]
    lines = [event.data["line"] for event in seen if event.name == "log"]
    assert lines == ["served 0\n", "away 0\n", "served 1\n", "away 1\n", "served 2\n"]


async def test_events_that_are_no_longer_kept_are_told(
    settings: Settings, producer: Producer, worker: MemoryWorker, redis: Redis
) -> None:
    job = await producer.generate("?", session_id="ada")
    for number in range(5):
        await worker.tell(job.id, None, f"{number}\n", None)
    await worker.end(job.id, NotUnderstood("what?"))
    await redis.xtrim(keys.job_events(job.id), maxlen=2, approximate=False)
    async with serving(settings) as gateway:
        gap, *kept = await follow(gateway, job.id)
        assert (gap.name, gap.data["missing"]) == ("gap", 6)
        assert [event.name for event in kept] == ["log", "status"]
        assert await follow(gateway, job.id, last=gap.id) == kept


async def test_clients_that_go_away_leave_nothing_behind(
    settings: Settings, producer: Producer, worker: MemoryWorker
) -> None:
    job = await producer.generate("?", session_id="ada")
    async with serving(settings) as gateway:
        await follow(gateway, job.id, count=1)
        before = len(asyncio.all_tasks())
        for _ in range(3):
            await asyncio.gather(*(follow(gateway, job.id, count=1) for _ in range(10)))
        async with gateway.client() as client:
            waiting = [asyncio.create_task(client.get(f"/v1/jobs/{job.id}?wait_s=90")) for _ in range(5)]
            await until(lambda: len(asyncio.all_tasks()) > before + 10)
            for each in waiting:
                each.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)
        await until(lambda: len(asyncio.all_tasks()) <= before)
        await worker.end(job.id, NotUnderstood("what?"))


async def test_a_server_that_is_told_to_stop_ends_what_waits(settings: Settings, producer: Producer) -> None:
    job = await producer.generate("?", session_id="ada")
    is_waited_for = asyncio.Event()

    async def wait(job_id: str, timeout_s: float | None) -> JobRecord:
        is_waited_for.set()
        return await producer.wait(job_id, timeout_s)

    async with serving(settings) as gateway, gateway.client() as client:
        async with client.stream("GET", f"/v1/jobs/{job.id}/events") as streaming:
            events = events_of(streaming)
            first = await anext(events)
            with patch.object(gateway.app.state.gateway.producer, "wait", wait):
                waiting = asyncio.create_task(client.get(f"/v1/jobs/{job.id}", params={"wait_s": 90}))
                await is_waited_for.wait()
            gateway.stop()
            assert (first.data["status"], [event async for event in events]) == ("queued", [])
        assert (await waiting).json()["status"] == "queued"
