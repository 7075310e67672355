"""Listing jobs costs what is found, not what is queued: measured in commands and bytes, not in time."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from raylane_common.redis.queue import JobQueue, QueueOverview, search
from raylane_common.wire.base import JobKind
from raylane_common.wire.generate import GenerateRequest
from raylane_common.wire.jobs import JobStatus, NewJob
from raylane_common.wire.upload import UploadRequest
from tests.helpers.claims import PERMANENT, TRANSIENT, end, take
from tests.helpers.lanes import a_job
from tests.helpers.profiles import by_profile
from tests.helpers.queue_keys import keys

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from raylane_common.redis.queue import LaneQueue
    from raylane_common.wire.jobs import JobList

LONG = json.dumps({"prompt": "x" * 10_000})
RESULT = json.dumps({"type": "databases", "databases": ["y" * 20_000]})


FILL = """
for number = tonumber(ARGV[1]), ARGV[2] - 1 do
  local id, record = 'hay' .. number, KEYS[1] .. 'hay' .. number
  redis.call('HSET', record, 'v', 1, 'kind', 'upload', 'lane', 'upload', 'session_id', 's' .. number % 1000,
    'attempt', 0, 'enqueued_at', number + 1, 'payload', ARGV[3], 'status', ARGV[4], unpack(ARGV, 5))
  redis.call('EXPIRE', record, 600)
  redis.call('ZADD', KEYS[2], number, id)
end
"""


async def fill(redis: Redis, *, queued: int, ended: int, payload: str = LONG) -> None:
    """Writes jobs of the upload lane with long results, straight and fast."""
    done = ("succeeded", "finished_at", "5", "result", RESULT)
    for first, last, name, fields in (
        (0, queued, keys.queue("upload"), ("queued",)),
        (queued, queued + ended, keys.ended("upload"), done),
    ):
        for start in range(first, last, 5000):
            numbers = (str(start), str(min(start + 5000, last)))
            await redis.eval(FILL, 2, keys.job(""), name, *numbers, payload, *fields)  # type: ignore[misc]  # redis-py's sync/async union
    await redis.expire(keys.ended("upload"), 600)


class Cost:
    """Commands that the server has executed, and bytes that it has sent, since the last reset."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def reset(self) -> None:
        await self._redis.config_resetstat()

    async def of(self, command: str) -> int:
        found = (await self._redis.info("commandstats")).get(f"cmdstat_{command}", {"calls": 0})
        return int(found["calls"])

    async def bytes_sent(self) -> int:
        return int((await self._redis.info("stats"))["total_net_output_bytes"])


@pytest.fixture
def cost(redis: Redis) -> Cost:
    return Cost(redis)


def ids(jobs: JobList) -> list[str]:
    return [job.id for job in jobs]


async def test_the_few_jobs_of_a_session_are_found_without_looking_at_the_others(
    redis: Redis, queue: JobQueue, overview: QueueOverview, cost: Cost
) -> None:
    await fill(redis, queued=2000, ended=500)
    await queue.enqueue_many([a_job(id="one", session_id="needle"), a_job(id="two", session_id="needle")])
    await cost.reset()
    assert sorted(ids(await overview.jobs(session_id="needle"))) == ["one", "two"]
    assert ids(await overview.jobs(session_id="needle", status=JobStatus.QUEUED, kind=JobKind.UPLOAD)) == []
    assert await cost.of("hgetall") == 0
    assert await cost.of("hmget") < 20
    assert await cost.bytes_sent() < 20_000


async def test_a_search_through_a_whole_lane_transfers_only_the_fields_that_decide(
    redis: Redis, queue: JobQueue, overview: QueueOverview, cost: Cost
) -> None:
    await fill(redis, queued=2000, ended=500)
    await queue.enqueue(a_job(id="needle"))
    await cost.reset()
    found = await overview.jobs(kind=JobKind.TABLES)
    assert (ids(found), found.complete) == (["needle"], True)
    assert await overview.jobs(status=JobStatus.FAILED) == []
    assert await cost.of("hgetall") == 0
    assert await cost.bytes_sent() < 3000 * 100


async def test_a_list_transfers_no_result(redis: Redis, overview: QueueOverview, cost: Cost) -> None:
    await fill(redis, queued=0, ended=200)
    await cost.reset()
    assert len(await overview.jobs(status=JobStatus.SUCCEEDED, limit=5)) == 5
    assert await cost.bytes_sent() < 5 * (len(LONG) + 2000)


async def test_a_search_that_was_cut_says_so(
    redis: Redis, queue: JobQueue, overview: QueueOverview, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "_PAGE", 100)
    await queue.enqueue(a_job(id="oldest"))
    await fill(redis, queued=300, ended=0)
    await redis.zadd(keys.queue("upload"), {"oldest": -1})
    wanted = {"kind": "tables"}
    found = await search.JobSearch(redis).newest([keys.queue("upload")], wanted, limit=5, most=200)
    assert (ids(found), found.complete) == ([], False)
    found = await search.JobSearch(redis).newest([keys.queue("upload")], wanted, limit=5, most=None)
    assert (ids(found), found.complete) == (["oldest"], True)


async def test_a_cut_search_still_returns_the_newest_jobs_that_match(
    redis: Redis, queue: JobQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "_PAGE", 100)
    await fill(redis, queued=300, ended=0)
    await queue.enqueue(a_job(id="newest"))
    found = await search.JobSearch(redis).newest([keys.queue("upload")], {"kind": "tables"}, limit=5, most=200)
    assert (ids(found), found.complete) == (["newest"], False)


async def test_dead_letters_are_filtered_by_their_small_fields(
    redis: Redis, queue: JobQueue, lane: LaneQueue, overview: QueueOverview, cost: Cost
) -> None:
    upload = UploadRequest(filename="a.csv", size_bytes=1, sha256="0" * 64)
    await queue.enqueue_many([NewJob(request=upload, session_id="s", id=f"j{n}", body=b"x") for n in range(50)])
    for number in range(50):
        await end(lane, (await take(lane)).failed(TRANSIENT if number else PERMANENT))
    for number in range(50):
        await redis.hset(keys.job(f"j{number}"), "payload", LONG)  # type: ignore[misc]  # redis-py's sync/async union
    await cost.reset()
    assert len(await overview.dead(code="storage_unavailable", session_id="s", limit=3)) == 3
    assert await overview.dead(code="internal_error") == []
    assert await cost.of("hgetall") == 0
    assert await cost.bytes_sent() < 50 * 1000 + 3 * len(LONG)


async def test_a_listed_job_says_in_a_few_words_what_it_was_asked_unless_the_request_is_long(
    redis: Redis, queue: JobQueue, overview: QueueOverview, cost: Cost
) -> None:
    await queue.enqueue_many(
        [
            NewJob(request=GenerateRequest(prompt="how many rows"), session_id="s", id="short"),
            NewJob(request=GenerateRequest(prompt="x"), session_id="s", id="long"),
            NewJob(request=GenerateRequest(prompt="x"), session_id="s", id="broken"),
        ]
    )
    await redis.hset(keys.job("long"), "payload", json.dumps({"prompt": "x" * 100_000}))  # type: ignore[misc]  # as above
    await redis.hset(keys.job("broken"), "payload", "{")  # type: ignore[misc]  # as above
    await cost.reset()
    listed = await overview.jobs(session_id="s")
    assert {job.id: job.what for job in listed} == {"short": "how many rows", "long": "", "broken": ""}
    assert await cost.bytes_sent() < 10_000
    assert (await queue.record("short")).what == "how many rows"


async def test_a_history_of_large_records_is_read_in_parts(redis: Redis, queue: JobQueue, cost: Cost) -> None:
    await queue.enqueue_many([a_job(id=f"j{number}", session_id="s") for number in range(120)])
    assert [record.id for record in await queue.history("s", limit=110)] == [f"j{n}" for n in range(119, 9, -1)]


@pytest.mark.slow
@pytest.mark.chaos
async def test_hundreds_of_thousands_of_queued_jobs_do_not_slow_a_search_down(
    redis: Redis, queue: JobQueue, overview: QueueOverview, cost: Cost
) -> None:
    await fill(redis, queued=by_profile(fast=60_000, ci=60_000, deep=300_000), ended=10_000, payload="{}")
    await queue.enqueue_many([a_job(id="one", session_id="needle"), a_job(id="two", session_id="needle")])
    searches: list[tuple[dict[str, Any], int]] = [
        ({"session_id": "needle"}, 20),
        ({"kind": JobKind.TABLES}, 40_000),
        ({"status": JobStatus.FAILED}, 11_000),
        ({"status": JobStatus.QUEUED}, 800),
        ({}, 1000),
    ]
    for filters, most in searches:
        await cost.reset()
        await overview.jobs(**filters)
        assert await cost.of("hgetall") == 0
        assert await cost.of("hmget") < most, filters
    await redis.flushall()
