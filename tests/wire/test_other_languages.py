"""Enqueueing without Raylane's Python: the commands on the wire format page, and the script as it is printed."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from redis.exceptions import ResponseError

from raylane_common.errors import InvalidRequest
from raylane_common.redis.queue import JobQueue, LaneQueue, QueueOverview
from raylane_common.redis.queue.batches import outcome_of
from raylane_common.redis.queue.scripts import LOOK_TTL_MS, source
from raylane_common.redis.queue.scripts.calls import EnqueueReply
from raylane_common.wire.jobs import JobStatus, NewJob, parse_request
from raylane_common.wire.tables import ListDatabasesRequest
from tests.helpers import queue_keys
from tests.helpers.claims import TRANSIENT, claimed, end, patient_lane, record, take
from tests.helpers.lanes import DONE
from tests.helpers.queue_keys import keys

if TYPE_CHECKING:
    from redis.asyncio import Redis

DOCS = Path(__file__).parents[2] / "docs"
ID = "from-cli"


@pytest.fixture
def queue(redis: Redis) -> JobQueue:
    return JobQueue(redis, block_s=0.05)


@pytest.fixture
def lane(redis: Redis) -> LaneQueue:
    return patient_lane(redis)


def commands_on_the_page(block: int = 0) -> list[list[str]]:
    blocks = re.findall(r"```redis\n(.*?)```", (DOCS / "wire-format.md").read_text(encoding="utf-8"), re.DOTALL)
    return [shlex.split(line) for line in blocks[block].strip().splitlines()]


async def enqueue_by_hand(redis: Redis) -> bool:
    """Sends the transaction on the page; returns whether the job is new, by the page's own rule."""
    first, *commands, last = commands_on_the_page()
    assert (first, last) == (["MULTI"], ["EXEC"])
    async with redis.pipeline(transaction=True) as pipe:
        for command in commands:
            pipe.execute_command(*command)
        answers = await pipe.execute()
    return bool(answers[0])


async def statuses(queue: JobQueue) -> list[str | None]:
    return [event.status async for event in queue.follow(ID)]


# --- the commands on the page --------------------------------------------------------------------------------------


async def test_the_commands_on_the_page_enqueue_a_job(redis: Redis, queue: JobQueue, lane: LaneQueue) -> None:
    assert await enqueue_by_hand(redis)
    assert (await queue.record(ID)).status is JobStatus.QUEUED
    lease = await take(lane)
    assert parse_request(lease.record) == ListDatabasesRequest()
    await end(lane, lease.succeeded(DONE))
    assert await statuses(queue) == ["queued", "running", "succeeded"]
    assert await queue.result(ID, timeout_s=5) == DONE


async def test_a_job_with_a_session_is_in_its_history_after_the_commands_on_the_page(
    redis: Redis, queue: JobQueue
) -> None:
    await enqueue_by_hand(redis)
    await redis.hset(keys.job(ID), "session_id", "s1")  # type: ignore[misc]  # redis-py's sync/async union
    for command in commands_on_the_page(1):
        await redis.execute_command(*command)  # type: ignore[no-untyped-call]  # redis-py leaves it untyped
    assert [record.id for record in await queue.history("s1")] == [ID]
    assert [job.id for job in await QueueOverview(redis).jobs(session_id="s1")] == [ID]


async def test_one_more_command_on_the_page_makes_the_job_a_look(
    redis: Redis, queue: JobQueue, lane: LaneQueue
) -> None:
    await enqueue_by_hand(redis)
    for command in commands_on_the_page(2):
        await redis.execute_command(*command)  # type: ignore[no-untyped-call]  # as above
    overview = QueueOverview(redis)
    assert (await overview.jobs(), [job.id for job in await overview.jobs(looks=True)]) == ([], [ID])
    lease = await take(lane)
    await end(lane, lease.failed(TRANSIENT))
    assert (await overview.jobs(), await overview.dead()) == ([], [])
    assert await redis.pttl(keys.job(ID)) <= LOOK_TTL_MS


async def test_the_commands_run_twice_are_one_job_that_runs_once(
    redis: Redis, queue: JobQueue, lane: LaneQueue
) -> None:
    assert [await enqueue_by_hand(redis), await enqueue_by_hand(redis)] == [True, False]
    lease = await take(lane)
    assert await claimed(lane) == []
    await end(lane, lease.succeeded(DONE))
    assert (await record(redis, ID)).attempt == 1
    assert await statuses(queue) == ["queued", "running", "succeeded"]


async def test_the_commands_change_nothing_while_the_job_runs(redis: Redis, queue: JobQueue, lane: LaneQueue) -> None:
    await enqueue_by_hand(redis)
    lease = await take(lane)
    before = await record(redis, ID)
    assert not await enqueue_by_hand(redis)
    assert await claimed(lane) == []
    assert await record(redis, ID) == before
    await end(lane, lease.succeeded(DONE))
    assert await statuses(queue) == ["queued", "running", "succeeded"]


@pytest.mark.parametrize("verdict", ["succeeded", "dead"])
async def test_the_commands_change_nothing_after_the_jobs_end(
    redis: Redis, queue: JobQueue, lane: LaneQueue, verdict: str
) -> None:
    await enqueue_by_hand(redis)
    lease = await take(lane)
    await end(lane, lease.succeeded(DONE) if verdict == "succeeded" else lease.failed(TRANSIENT))
    before, kept_s = await record(redis, ID), await redis.ttl(keys.job(ID))
    followed = await statuses(queue)
    assert not await enqueue_by_hand(redis)
    assert await claimed(lane) == []
    assert await record(redis, ID) == before
    assert kept_s - await redis.ttl(keys.job(ID)) < 3600
    assert await statuses(queue) == followed
    assert await redis.exists(queue_keys.arq_job(ID)) == 0
    [upload] = [each for each in await QueueOverview(redis).lanes() if each.lane == "upload"]
    assert (upload.queued, upload.running, upload.scheduled) == (0, 0, 0)


def test_the_documented_producer_may_send_the_commands_on_the_page() -> None:
    rules = re.search(r"^user raylane-producer (.*)$", (DOCS / "operations.md").read_text(encoding="utf-8"), re.M)
    assert rules is not None
    assert {f"+{command[0].lower()}" for command in commands_on_the_page()} <= set(rules.group(1).split())


# --- the script as it is printed -----------------------------------------------------------------------------------


def test_a_printed_script_begins_with_what_it_takes_and_returns() -> None:
    command = [sys.executable, "-m", "raylane_common.redis.queue.scripts", "enqueue"]
    printed = subprocess.run(command, capture_output=True, check=True, text=True, timeout=60).stdout
    head = re.match(r"(?:--.*\n)+", printed)
    assert head is not None
    for part in ("KEYS", "ARGV", "Options", "Returns", "max_attempts", "'missing'", "'option'", "INVALIDARGS"):
        assert part in head.group(0)
    assert printed == source("enqueue", "")
    printed = subprocess.run([*command, "acme"], capture_output=True, check=True, text=True, timeout=60).stdout
    assert printed == source("enqueue", "acme")
    assert "'{acme}:raylane:job:'" in printed
    refused = subprocess.run([*command, "no'quotes"], capture_output=True, text=True, timeout=60, check=False)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.startswith("usage: ")


async def run_script(redis: Redis, *arguments: str | int) -> Any:
    return await redis.eval(source("enqueue", keys.prefix), 1, keys.route, *map(str, arguments))  # type: ignore[misc]  # redis-py's sync/async union


def a_group(*job_ids: str, options: Any = "") -> list[str | int]:
    """A group of jobs that list databases, as the script takes it."""
    text = options if isinstance(options, str) else json.dumps(options)
    jobs = [part for job_id in job_ids for part in (job_id, '{"action":"databases"}', "")]
    return [len(job_ids), "tables", "upload", "", text, *jobs]


async def all_keys(redis: Redis) -> list[str]:
    return [key async for key in redis.scan_iter()]


async def test_the_script_writes_groups_with_and_without_options(redis: Redis, lane: LaneQueue) -> None:
    options = {"max_attempts": 2, "priority": "high", "unique": "u", "traceparent": "00-ab", "expires_ms": 60000}
    answers = await run_script(redis, 1, *a_group("a", "b"), *a_group("c", options=options))
    assert answers == [1, 1, 1]
    assert await claimed(lane) == ["c", "a", "b"]


@pytest.mark.parametrize(
    ("options", "name", "problem"),
    [
        ({"prioritty": "high"}, "prioritty", "is not known; known are after, at_ms, .*unique"),
        ({"priority": "urgent"}, "priority", "must be 'high', 'normal' or 'low'"),
        ({"priority": None}, "priority", "must be 'high'"),
        ({"after": "a"}, "after", "must be a list of job ids"),
        ({"after": {"a": "b"}}, "after", "must be a list of job ids"),
        ({"after": [1]}, "after", "must be a list of job ids"),
        ({"delay_ms": "60000"}, "delay_ms", "must be a whole number"),
        ({"delay_ms": -1}, "delay_ms", "must be a whole number"),
        ({"at_ms": 1.5}, "at_ms", "must be a whole number"),
        ({"at_ms": 1e300}, "at_ms", "must be a whole number"),
        ({"expires_ms": True}, "expires_ms", "must be a whole number"),
        ({"max_attempts": [3]}, "max_attempts", "must be a whole number"),
        ({"unique": 1}, "unique", "must be text"),
        ({"traceparent": {}}, "traceparent", "must be text"),
        ({"tracestate": 1}, "tracestate", "must be text"),
        ({"look": 1}, "look", "must be true or false"),
        ("{", "options", "must be a JSON object"),
        ('"high"', "options", "must be a JSON object"),
        ('["high"]', "1", "is not known"),
    ],
)
async def test_an_option_that_the_script_does_not_take_is_named_and_leaves_nothing_behind(
    redis: Redis, lane: LaneQueue, options: Any, name: str, problem: str
) -> None:
    first, second, last = await run_script(redis, 1, *a_group("a", "b", options=options), *a_group("c"))
    assert (first, last) == (second, 1)
    verdict, named, said = first
    assert (verdict, named) == ("option", name)
    assert re.match(problem, said)
    assert await claimed(lane) == ["c"]
    assert await redis.exists(keys.job("a"), keys.job("b")) == 0


def test_a_refused_option_is_an_invalid_request_that_names_it() -> None:
    job = NewJob(request=ListDatabasesRequest(), id="j")
    outcome = outcome_of(job, EnqueueReply("option", "prioritty", "is not known"))
    assert isinstance(outcome.error, InvalidRequest)
    assert outcome.error.details == {"field": "prioritty"}
    assert outcome.error.message == "prioritty: is not known"


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ([], "no wire version"),
        ([1, 1], "the group at argument 2 has 1 jobs and needs 8 arguments, but only 1 are left"),
        (
            [1, *a_group("a"), *a_group("b")[:-1]],
            "the group at argument 10 has 1 jobs and needs 8 arguments, but only 7",
        ),
        ([1, *a_group("a"), "left over"], "argument 10 must be the number of jobs in a group, not left over"),
        ([1, "many", *a_group("a")[1:]], "argument 2 must be the number of jobs in a group, not many"),
        ([1, 0, *a_group("a")[1:]], "argument 2 must be the number of jobs"),
        ([1, -1, *a_group("a")[1:]], "argument 2 must be the number of jobs"),
        ([1, 1.5, *a_group("a")[1:]], "argument 2 must be the number of jobs"),
        ([1, "nan", *a_group("a")[1:]], "argument 2 must be the number of jobs"),
        ([1, "1e300", *a_group("a")[1:]], "the group at argument 2"),
    ],
)
async def test_arguments_in_another_form_are_an_error_that_says_where_and_nothing_is_written(
    redis: Redis, arguments: list[Any], problem: str
) -> None:
    with pytest.raises(ResponseError) as raised:
        await run_script(redis, *arguments)
    assert str(raised.value).startswith(f"INVALIDARGS enqueue: {problem}")
    assert await all_keys(redis) == []
