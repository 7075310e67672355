"""What a newer version or another program wrote: it is kept or left out, and never an exception of a library."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from raylane_common.errors import InvalidRequest
from raylane_common.redis.queue.events import read_event
from raylane_common.redis.settings_store import SettingsStore
from raylane_common.redis.source_store import SourceStore
from raylane_common.wire.base import OpaqueResult
from raylane_common.wire.jobs import EventType, JobEvent, JobStatus
from raylane_common.wire.sources import Column, ColumnType, FileSource, OpaqueSource
from tests.helpers.claims import PERMANENT, end, let_expire, run, take
from tests.helpers.lanes import DONE, a_job
from tests.helpers.queue_keys import keys

if TYPE_CHECKING:
    from redis.asyncio import Redis
    from redis.typing import EncodableT, FieldT

    from raylane_common.redis.queue import JobQueue, LaneQueue, QueueOverview

NEWER_RESULT = '{"type":"exported","files":["s3://b/a"],"rows":3}'
NEWER_SOURCE = '{"type":"iceberg","table":"sales","snapshot":7,"job_id":"j0"}'
UNREADABLE = '{"a":'
TOO_DEEP = "[" * 100_000


async def events_of(queue: JobQueue, job_id: str) -> list[JobEvent]:
    """All events up to the job's end, which must come."""
    async with asyncio.timeout(20):
        return [event async for event in queue.follow(job_id)]


async def write(redis: Redis, job_id: str, **fields: str) -> None:
    await redis.hset(keys.job(job_id), mapping=fields)  # type: ignore[misc]  # redis-py's sync/async union


# --- events --------------------------------------------------------------------------------------------------------


async def test_an_event_type_of_a_newer_version_is_kept_and_the_follower_goes_on(
    redis: Redis, queue: JobQueue, lane: LaneQueue
) -> None:
    await queue.enqueue(a_job(id="j"))
    lease = await take(lane)
    await redis.xadd(keys.job_events("j"), {"type": "metric", "at": "1", "value": "3"})
    await end(lane, lease.succeeded(DONE))
    events = await events_of(queue, "j")
    assert [event.type for event in events] == ["status", "status", "metric", "status"]
    assert events[2].at == 1
    assert not isinstance(events[2].type, EventType)


async def test_an_event_before_the_jobs_first_change_reaches_its_follower(
    redis: Redis, queue: JobQueue, lane: LaneQueue
) -> None:
    await queue.enqueue(a_job(id="j"))
    await redis.xadd(keys.job_events("j"), {"type": "metric", "at": "1"}, id="99999999999999-0")
    await redis.expire(keys.job_events("j"), 60)
    follower = queue.follow("j")
    assert (await anext(follower)).type == "metric"
    await run(lane)
    async with asyncio.timeout(20):
        assert [event.status async for event in follower] == ["running", "succeeded"]


async def test_a_final_status_in_an_event_of_another_type_does_not_end_the_follower(
    redis: Redis, queue: JobQueue, lane: LaneQueue
) -> None:
    await queue.enqueue(a_job(id="j"))
    lease = await take(lane)
    await redis.xadd(keys.job_events("j"), {"type": "step", "status": "failed", "at": "1"})
    await lease.log("still running")
    await end(lane, lease.succeeded(DONE))
    assert (await events_of(queue, "j"))[-1].status is JobStatus.SUCCEEDED


GARBAGE: list[dict[FieldT, EncodableT]] = [
    {"x": "y"},
    {"type": "", "at": ""},
    {"type": "status"},
    {"type": "status", "at": "soon", "status": "queued"},
    {"type": "status", "at": "1.5e400", "status": "dancing", "attempt": "first"},
    {"type": "status", "at": "9" * 5000, "error": '{"code":1}'},
    {"type": "progress", "at": "1", "progress": UNREADABLE},
    {"type": "progress", "at": "1", "progress": TOO_DEEP},
    {"type": "progress", "at": "1", "progress": "NaN"},
    {"type": "progress", "at": "1", "progress": '"half"'},
    {"type": "log", "at": "1"},
    {"id": "5-0", "type": "text", "at": "1", "text": "x"},
]


async def test_entries_that_cannot_be_read_become_events_with_what_is_readable(
    redis: Redis, queue: JobQueue, lane: LaneQueue
) -> None:
    await queue.enqueue(a_job(id="j"))
    lease = await take(lane)
    ids = [await redis.xadd(keys.job_events("j"), entry) for entry in GARBAGE]
    await end(lane, lease.failed(PERMANENT))
    events = await events_of(queue, "j")
    assert [event.id for event in events[2:-1]] == ids
    assert events[-1].error == PERMANENT.info()


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"x": "y"}, {"type": "unknown", "at": 7}),
        ({"type": "status", "at": "soon", "status": "queued"}, {"type": "status", "at": 7, "status": "queued"}),
        ({"type": "status", "at": "1", "status": "dancing", "attempt": "2"}, {"type": "status", "at": 1, "attempt": 2}),
        ({"type": "progress", "at": "1", "progress": UNREADABLE}, {"type": "progress", "at": 1}),
        ({"type": "log", "line": "x", "error": UNREADABLE}, {"type": "log", "at": 7, "line": "x"}),
    ],
)
def test_an_event_keeps_each_field_that_can_be_read(fields: dict[str, str], expected: dict[str, Any]) -> None:
    assert read_event("7-1", fields) == JobEvent.model_validate({"id": "7-1", **expected})


async def test_an_end_whose_error_cannot_be_read_is_still_the_end(
    redis: Redis, queue: JobQueue, lane: LaneQueue
) -> None:
    await queue.enqueue(a_job(id="j"))
    lease = await take(lane)
    await redis.xadd(
        keys.job_events("j"), {"type": "status", "status": "failed", "at": "1", "error": UNREADABLE, "attempt": "1"}
    )
    events = await events_of(queue, "j")
    assert (events[-1].status, events[-1].error, events[-1].attempt) == (JobStatus.FAILED, None, 1)
    assert lease.job_id == "j"


async def test_text_that_is_not_utf_8_reaches_the_follower(redis: Redis, queue: JobQueue, lane: LaneQueue) -> None:
    await queue.enqueue(a_job(id="j"))
    lease = await take(lane)
    await redis.xadd(keys.job_events("j"), {"type": "log", "at": "1", "line": b"caf\xe9"})
    await redis.xadd(keys.job_events("j"), {"type": b"\xff", "at": "1"})
    await end(lane, lease.succeeded(DONE))
    log, odd = (await events_of(queue, "j"))[2:4]
    assert (log.type, log.line) == (EventType.LOG, "caf\N{REPLACEMENT CHARACTER}")
    assert odd.type == "\N{REPLACEMENT CHARACTER}"


@pytest.mark.parametrize("status", ["dancing", "", "paused"])
async def test_a_follower_of_a_job_with_a_status_of_a_newer_version_ends_with_the_job(
    redis: Redis, queue: JobQueue, status: str
) -> None:
    await queue.enqueue(a_job(id="j"))
    await write(redis, "j", status=status)
    following = asyncio.create_task(events_of(queue, "j"))
    await asyncio.sleep(0)
    assert await queue.cancel("j") is JobStatus.CANCELLED
    assert (await following)[-1].status is JobStatus.CANCELLED


async def test_a_follower_of_a_job_without_a_readable_time_ends_with_the_job(
    redis: Redis, queue: JobQueue, lane: LaneQueue
) -> None:
    await queue.enqueue_many([a_job(id="a"), a_job(id="b"), a_job(id="c")])
    await write(redis, "a", enqueued_at="yesterday")
    await write(redis, "c", cleared_events="9" * 5000)
    await redis.hdel(keys.job("b"), "enqueued_at")  # type: ignore[misc]  # redis-py's sync/async union
    following = [asyncio.create_task(events_of(queue, name)) for name in ("a", "b", "c")]
    for name in ("a", "b", "c"):
        await queue.cancel(name)
    assert [events[-1].status for events in await asyncio.gather(*following)] == ["cancelled"] * 3


@pytest.mark.parametrize("after", ["yesterday", "-", "1-x", "1-2-3"])
async def test_a_position_that_is_no_event_id_is_refused(queue: JobQueue, after: str) -> None:
    await queue.enqueue(a_job(id="j"))
    with pytest.raises(InvalidRequest, match="after: must be the id of an event"):
        await anext(queue.follow("j", after=after))


async def test_the_whole_stream_can_be_asked_for_in_short(queue: JobQueue, lane: LaneQueue) -> None:
    await queue.enqueue(a_job(id="j"))
    await run(lane)
    assert [event.status async for event in queue.follow("j", after="0")] == ["queued", "running", "succeeded"]


# --- records -------------------------------------------------------------------------------------------------------


async def test_a_result_of_a_newer_version_is_kept(
    redis: Redis, queue: JobQueue, lane: LaneQueue, overview: QueueOverview
) -> None:
    await queue.enqueue(a_job(id="j", session_id="s"))
    await run(lane)
    await write(redis, "j", result=NEWER_RESULT)
    record = await queue.record("j")
    assert isinstance(record.result, OpaqueResult)
    assert record.result.model_dump() == {"type": "exported", "files": ["s3://b/a"], "rows": 3}
    assert await queue.result("j", timeout_s=5) == record.result
    assert await queue.history("s") == [record]
    assert [job.id for job in await overview.jobs()] == ["j"]


async def test_a_source_of_a_newer_version_in_a_checkpoint_is_kept(redis: Redis, queue: JobQueue) -> None:
    await queue.enqueue(a_job(id="j"))
    await write(redis, "j", checkpoint=f'{{"sources_used":[{NEWER_SOURCE}],"generator":"template"}}')
    record = await queue.record("j")
    assert record.checkpoint is not None
    [found] = record.checkpoint.sources_used
    assert isinstance(found, OpaqueSource)
    assert found.type == "iceberg"


@pytest.mark.parametrize(
    "fields", [{"status": "dancing"}, {"error": UNREADABLE}, {"result": TOO_DEEP}, {"enqueued_at": "yesterday"}]
)
async def test_a_record_that_cannot_be_read_names_its_field_and_hides_no_other(
    redis: Redis, queue: JobQueue, lane: LaneQueue, overview: QueueOverview, fields: dict[str, str]
) -> None:
    await queue.enqueue_many([a_job(id="good", session_id="s"), a_job(id="bad", session_id="s")])
    await write(redis, "bad", **fields)
    with pytest.raises(InvalidRequest, match=next(iter(fields))):
        await queue.record("bad")
    assert [record.id for record in await queue.history("s")] == ["good"]
    # A list is made without the results.
    readable = {"good", "bad"} if "result" in fields else {"good"}
    assert {job.id for job in await overview.jobs()} == readable


@pytest.mark.parametrize("payload", [b"\xff\xfe\x00", b'{"action":"databases","x":"caf\xe9"}'])
async def test_a_record_that_is_not_utf_8_fails_alone(
    redis: Redis, queue: JobQueue, lane: LaneQueue, payload: bytes
) -> None:
    await queue.enqueue_many([a_job(id="bad"), a_job(id="good")])
    await redis.hset(keys.job("bad"), "payload", payload)  # type: ignore[arg-type, misc]  # redis-py knows no bytes here
    claim = await lane.claim(10)
    assert [lease.job_id for lease in claim.leases] == ["good"]
    assert await lane.finish(claim.unreadable) == [True]
    events = await events_of(queue, "bad")
    assert (events[-1].status, events[-1].error and events[-1].error.code) == ("failed", "invalid_request")


async def test_an_id_that_is_not_utf_8_holds_up_no_other(redis: Redis, queue: JobQueue, lane: LaneQueue) -> None:
    await queue.enqueue(a_job(id="good"))
    odd = keys.job("\udcff")
    assert odd.encode("utf-8", "surrogateescape") == keys.job("").encode() + b"\xff"
    fields = {"v": "1", "kind": "tables", "lane": "upload", "status": "queued", "enqueued_at": "1"}
    await redis.hset(odd, mapping=fields)  # type: ignore[misc]  # as above
    await redis.expire(odd, 600)
    await redis.zadd(keys.queue("upload"), {b"\xff": 1})
    leases = (await lane.claim(10)).leases
    assert [lease.job_id for lease in leases][1:] == ["good"]
    assert await lane.renew(leases) == ["held", "held"]
    assert await lane.finish([lease.failed(PERMANENT) for lease in leases]) == [True, True]
    assert await redis.hget(odd, "status") == "failed"  # type: ignore[misc]  # as above


async def test_an_unreadable_record_says_whose_it_is_and_what_to_do(redis: Redis, queue: JobQueue) -> None:
    await queue.enqueue(a_job(id="j"))
    await write(redis, "j", result="[]", status="succeeded")
    with pytest.raises(InvalidRequest, match=r"^the record of job j cannot be read: result: .*; upgrade ") as raised:
        await queue.record("j")
    assert raised.value.details == {"field": "result"}
    await let_expire(redis, "j")


async def test_an_end_without_an_outcome_is_an_unreadable_record(redis: Redis, queue: JobQueue) -> None:
    await queue.enqueue(a_job(id="j"))
    for status in ("succeeded", "failed"):
        await write(redis, "j", status=status)
        with pytest.raises(InvalidRequest, match=f"^the record of job j cannot be read: it has {status} without "):
            await queue.result("j", timeout_s=5)
    await let_expire(redis, "j")


async def test_text_of_a_record_that_is_not_utf_8_can_be_printed(
    redis: Redis, queue: JobQueue, overview: QueueOverview
) -> None:
    await queue.enqueue(a_job(id="j", session_id="s"))
    odd = {"worker": b"w\xff", "unique": b"\xff", "id": b"other"}
    await redis.hset(keys.job("j"), mapping=odd)  # type: ignore[misc]  # redis-py knows no bytes here
    records = [await queue.record("j"), *await queue.history("s"), *await overview.jobs()]
    assert [(record.id, record.worker, record.unique) for record in records] == [("j", "w\ufffd", "\ufffd")] * 3
    assert records[0].model_dump_json()


async def test_a_key_of_another_program_hides_no_other_job(
    redis: Redis, queue: JobQueue, overview: QueueOverview
) -> None:
    await queue.enqueue_many([a_job(id="good", session_id="s"), a_job(id="bad", session_id="s")])
    await redis.delete(keys.job("bad"))
    await redis.set(keys.job("bad"), "mine", ex=60)
    assert [record.id for record in await queue.history("s")] == ["good"]
    assert [record.id for record in await overview.jobs()] == ["good"]


async def test_attempts_that_cannot_be_read_are_left_out(redis: Redis, queue: JobQueue, lane: LaneQueue) -> None:
    await queue.enqueue(a_job(id="j"))
    await end(lane, (await take(lane)).failed(PERMANENT))
    await redis.rpush(keys.job_attempts("j"), UNREADABLE, "[]", TOO_DEEP, '{"number":"first"}')  # type: ignore[misc]  # as above
    assert [attempt.number for attempt in await queue.attempts("j")] == [1]


# --- sources -------------------------------------------------------------------------------------------------------

CSV = FileSource(
    filename="a.csv",
    s3_uri="s3://b/sessions/s/csv/a.csv",
    size_bytes=3,
    rows=1,
    columns=(Column(name="x", type=ColumnType.INTEGER, native_type="int64"),),
    job_id="j",
)


async def test_a_source_of_a_newer_version_is_kept_beside_the_others(redis: Redis) -> None:
    store = SourceStore(redis)
    await store.put("s", [CSV])
    await redis.hset(keys.session_sources("s"), "iceberg:sales", NEWER_SOURCE)  # type: ignore[misc]  # as above
    first, second = await store.all("s")
    assert first == CSV
    assert isinstance(second, OpaqueSource)
    assert await store.clear("s", [CSV]) == 1
    assert await store.all("s") == [second]


@pytest.mark.parametrize("value", [UNREADABLE, TOO_DEEP, "[]", "7"])
async def test_a_source_that_cannot_be_read_is_an_error_that_names_it(redis: Redis, value: str) -> None:
    store = SourceStore(redis)
    await store.put("s", [CSV])
    await redis.hset(keys.session_sources("s"), "csv:b.csv", value)  # type: ignore[misc]  # as above
    with pytest.raises(InvalidRequest, match=r"source csv:b\.csv of session s cannot be read; reset"):
        await store.all("s")


async def test_a_source_whose_name_is_not_utf_8_is_an_error_that_can_be_printed(redis: Redis) -> None:
    await redis.hset(keys.session_sources("s"), b"csv:\xff", "{")  # type: ignore[misc, arg-type]  # as above
    await redis.expire(keys.session_sources("s"), 60)
    with pytest.raises(InvalidRequest, match="source csv:\ufffd of session s") as raised:
        await SourceStore(redis).all("s")
    assert raised.value.info().model_dump_json()


async def test_other_text_that_is_not_utf_8_can_be_printed(redis: Redis, overview: QueueOverview) -> None:
    await redis.hset(keys.settings, "ray.public_url", b"http://\xff")  # type: ignore[misc, arg-type]  # as above
    await redis.zadd(keys.workers("ray"), {b"\xff": 9e15})
    await redis.expire(keys.workers("ray"), 60)
    assert await SettingsStore(redis).all() == {"ray.public_url": "http://\ufffd"}
    assert [lane.workers for lane in await overview.lanes() if lane.workers] == [("\ufffd",)]
