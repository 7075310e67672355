"""What another program writes to Redis harms its own job, session or lane, and nothing else."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from raylane.operator import OperatorActions
from raylane.options import Enqueuer
from raylane_common.errors import ErrorInfo, InvalidRequest, RaylaneError
from raylane_common.redis.audit import AuditLog
from raylane_common.redis.queue.scripts import MOST_COUNTS, RECORD_MAX_BYTES
from raylane_common.wire.jobs import JobStatus
from tests.helpers import queue_keys
from tests.helpers.claims import (
    TRANSIENT,
    claimed,
    die,
    end,
    error_code,
    expire,
    fail,
    patient_lane,
    run,
    statuses,
    take,
)
from tests.helpers.garbage import NOT_UTF_8, overwrite, sweep
from tests.helpers.lanes import DONE, a_job
from tests.helpers.queue_keys import keys
from tests.integration.test_queue_newer_versions import events_of, write

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis.asyncio import Redis

    from raylane_common.redis.queue import JobQueue, LaneQueue, QueueOverview

# --- keys of one job or session ------------------------------------------------------------------------------------

OF_A_JOB: dict[str, str] = {
    "events": keys.job_events("bad"),
    "body": keys.job_body("bad"),
    "attempts": keys.job_attempts("bad"),
    "after": queue_keys.job_after("bad"),
    "dependents": queue_keys.job_dependents("bad"),
    "arq_job": queue_keys.arq_job("bad"),
    "lease": queue_keys.lease("bad"),
    "unique": queue_keys.unique("tables", "u"),
    "slots": queue_keys.session_slots("s", "upload"),
    "parked": queue_keys.session_parked("s", "upload"),
    "history": keys.session_jobs("s"),
    "counts": keys.counts,
}


async def test_kinds_and_codes_that_nobody_knows_are_counted_and_take_no_more_room(
    redis: Redis, queue: JobQueue, overview: QueueOverview
) -> None:
    await redis.hset(keys.counts, mapping={f"upload kind{n} failed odd": 1 for n in range(MOST_COUNTS - 1)})  # type: ignore[misc]  # redis-py's sync/async union
    for job_id, kind in (("a", "tables"), ("b", "a kind\nof none"), ("c", "x" * 100), ("d", "")):
        await queue.enqueue(a_job(id=job_id))
        await write(redis, job_id, kind=kind)
        await queue.cancel(job_id)
    assert await redis.hlen(keys.counts) == MOST_COUNTS + 1  # type: ignore[misc]  # as above
    found = {(it.lane, it.kind, it.outcome, it.code): it.count for it in await overview.ended_jobs()}
    assert found["upload", "tables", "cancelled", "job_cancelled"] == 1
    assert found["other", "other", "cancelled", "other"] == 3


@pytest.mark.parametrize("name", OF_A_JOB)
async def test_an_overwritten_key_of_a_job_or_session_stops_no_job(redis: Redis, queue: JobQueue, name: str) -> None:
    """The key is overwritten again before every step of the job's life."""
    lane, key = patient_lane(redis, per_session=1), OF_A_JOB[name]
    await queue.enqueue(a_job(id="first"))
    await overwrite(redis, key)
    options: dict[str, Any] = {"session_id": "s", "unique": "u", "expires_s": 600}
    outcomes = await queue.enqueue_many(
        [
            a_job(id="bad", after=("first",), **options),
            a_job(id="good", session_id="s"),
            a_job(id="next", after=("bad",)),
        ]
    )
    assert [outcome.error for outcome in outcomes] == [None] * 3
    for _ in range(12):
        await overwrite(redis, key)
        await sweep(redis, lane)
        await overwrite(redis, key)
        leases = (await lane.claim(2)).leases
        for lease in leases:
            await overwrite(redis, key)
            assert await lane.renew([lease]) == ["held"]
            await lease.log("a line")
            await overwrite(redis, key)
            again = lease.record.attempt == 1
            await end(lane, lease.retried(TRANSIENT, 0) if again else lease.succeeded(DONE))
    assert await statuses(redis, "first", "bad", "good", "next") == ["succeeded"] * 4
    await overwrite(redis, key)
    assert await queue.enqueue(a_job(id="later", session_id="s", unique="u")) == "later"
    await overwrite(redis, key)
    assert await queue.cancel("later") is JobStatus.CANCELLED
    await overwrite(redis, key)
    await queue.requeue("later")


@pytest.mark.parametrize("key", [keys.run_slots("c"), keys.run_line("c"), keys.run_limits])
async def test_an_overwritten_key_of_a_cluster_stops_no_run(
    redis: Redis, queue: JobQueue, lane: LaneQueue, key: str
) -> None:
    await queue.enqueue_many([a_job(id="a"), a_job(id="b")])
    first, second = (await lane.claim(2)).leases
    await overwrite(redis, key)
    assert (await first.take_run_slot("c", 1)).is_held
    assert not (await second.take_run_slot("c", 1)).is_held
    await overwrite(redis, key)
    await sweep(redis, lane)
    await first.free_run_slot()
    await end(lane, first.succeeded(DONE))
    assert (await second.take_run_slot("c", 1)).is_held
    await overwrite(redis, key)
    await end(lane, second.succeeded(DONE))


async def test_an_event_stream_that_is_full_stops_neither_its_job_nor_the_lane(
    redis: Redis, queue: JobQueue, lane: LaneQueue
) -> None:
    await queue.enqueue(a_job(id="j"))
    await redis.xadd(keys.job_events("j"), {"x": "y"}, id=f"{2**64 - 1}-{2**64 - 1}")
    await redis.expire(keys.job_events("j"), 600)
    lease = await take(lane)
    await lease.log("a line")
    await end(lane, lease.succeeded(DONE))
    assert (await events_of(queue, "j"))[-1].status is JobStatus.SUCCEEDED


async def test_an_event_with_the_last_possible_id_can_be_read(redis: Redis, queue: JobQueue) -> None:
    await queue.enqueue(a_job(id="j"))
    await redis.xadd(keys.job_events("j"), {"type": "metric"}, id=f"{2**64 - 1}-1")
    await redis.expire(keys.job_events("j"), 600)
    assert (await anext(queue.follow("j"))).type == "metric"


@pytest.mark.parametrize("change", ["overwrite", "delete"])
async def test_a_job_still_waits_when_its_list_of_dependencies_is_lost(
    redis: Redis, queue: JobQueue, lane: LaneQueue, change: str
) -> None:
    await queue.enqueue_many([a_job(id="a"), a_job(id="b", after=("a",))])
    key = queue_keys.job_after("b")
    await (overwrite(redis, key) if change == "overwrite" else redis.delete(key))
    await sweep(redis, lane)
    assert await claimed(lane) == ["a"]
    assert await statuses(redis, "b") == ["waiting"]


@pytest.mark.parametrize("circle", [["a"], ["a", "b"], ["a", "b", "c"]])
async def test_jobs_that_wait_for_each_other_fail(
    redis: Redis, queue: JobQueue, lane: LaneQueue, circle: list[str]
) -> None:
    await queue.enqueue_many([a_job(id="x"), *(a_job(id=name, after=("x",)) for name in circle)])
    for name, other in zip(circle, [*circle[1:], circle[0]], strict=True):
        await redis.sadd(queue_keys.job_after(name), other)  # type: ignore[misc]  # redis-py's sync/async union
    assert await run(lane) == "x"
    for _ in circle:
        await sweep(redis, lane)
    assert await statuses(redis, *circle) == ["failed"] * len(circle)
    assert await error_code(redis, circle[0]) in ("invalid_request", "dependency_failed")


async def test_a_job_that_waits_for_a_job_with_an_odd_id_fails_with_a_readable_error(
    redis: Redis, queue: JobQueue, lane: LaneQueue
) -> None:
    await queue.enqueue_many([a_job(id="a"), a_job(id="b", after=("a",))])
    await redis.sadd(queue_keys.job_after("b"), NOT_UTF_8 * 1000)  # type: ignore[misc]  # redis-py's sync/async union
    await sweep(redis, lane)
    assert await error_code(redis, "b") == "dependency_failed"


# --- fields of a record --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [None, "", "dancing", NOT_UTF_8])
@pytest.mark.parametrize("place", [keys.queue, keys.schedule, keys.running, keys.waiting, keys.parked])
async def test_a_job_with_an_unknown_status_fails_wherever_it_is_found(
    redis: Redis, queue: JobQueue, lane: LaneQueue, place: Callable[[str], str], status: str | None
) -> None:
    assert await claimed(lane) == []
    await queue.enqueue_many([a_job(id="bad", session_id="s"), a_job(id="good", session_id="s")])
    await redis.zrem(keys.queue("upload"), "bad")
    await (write(redis, "bad", status=status) if status is not None else _forget_status(redis))
    await redis.zadd(place("upload"), {"bad": 1})
    await sweep(redis, lane)
    assert await claimed(lane) == ["good"]
    assert await statuses(redis, "bad") == ["failed"]
    assert await error_code(redis, "bad") == "invalid_request"
    assert await redis.zscore(place("upload"), "bad") is None
    assert (await events_of(queue, "bad"))[-1].status is JobStatus.FAILED


async def _forget_status(redis: Redis) -> None:
    await redis.hdel(keys.job("bad"), "status")  # type: ignore[misc]  # redis-py's sync/async union


async def test_a_job_that_is_in_no_set_ends_whatever_its_status_and_lane(
    redis: Redis, queue: JobQueue, lane: LaneQueue
) -> None:
    await queue.enqueue_many([a_job(id="bad"), a_job(id="lost")])
    await redis.delete(keys.queue("upload"))
    await write(redis, "bad", status="dancing", lane="nowhere")
    await write(redis, "lost", lane="nowhere")
    await sweep(redis, lane)
    assert await run(lane) == "lost"
    assert await redis.hget(keys.job("bad"), "status") == "failed"  # type: ignore[misc]  # redis-py's sync/async union


@pytest.mark.parametrize("status", ["scheduled", "waiting"])
async def test_a_job_in_the_set_of_another_status_returns_to_its_own(
    redis: Redis, queue: JobQueue, lane: LaneQueue, status: str
) -> None:
    await queue.enqueue(a_job(id="j"))
    await write(redis, "j", status=status)
    assert await claimed(lane) == []
    await sweep(redis, lane)
    assert await claimed(lane) == ["j"]


NUMBERS = ["-1", "nan", "inf", "-inf", "1e400", "0x7fffffffffffffff", "9" * 5000, "1.5", "", NOT_UTF_8, str(2**63)]


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("field", ["at", "expires_at", "enqueued_at", "attempt", "max_attempts", "started_at", "round"])
async def test_a_field_that_is_no_usable_number_fails_its_job_alone(
    redis: Redis, queue: JobQueue, overview: QueueOverview, field: str, number: str
) -> None:
    lane = patient_lane(redis, per_session=1)
    await queue.enqueue_many([a_job(id="bad", session_id="s"), a_job(id="good", session_id="s")])
    await write(redis, "bad", **{field: number})
    async with asyncio.timeout(20):
        await _until_all_have_ended(redis, lane, "bad", "good")
    assert await statuses(redis, "good") == ["succeeded"]
    status = await redis.hget(keys.job("bad"), "status")  # type: ignore[misc]  # redis-py's sync/async union
    if status == "failed":
        error = ErrorInfo.model_validate_json(await redis.hget(keys.job("bad"), "error"))  # type: ignore[misc]  # as above
        assert (error.code, error.details) == ("invalid_request", {"field": field})
    assert [each.dead for each in await overview.lanes()] == [0] * 3


async def _until_all_have_ended(redis: Redis, lane: LaneQueue, *job_ids: str) -> None:
    """Runs jobs of a lane with success until none of these is left."""
    while True:
        claim = await lane.claim(10)
        await lane.finish([*claim.unreadable, *(lease.succeeded(DONE) for lease in claim.leases)])
        ended = [await redis.hget(keys.job(job_id), "status") for job_id in job_ids]  # type: ignore[misc]  # as above
        if all(status in ("succeeded", "failed") for status in ended):
            return


async def test_a_record_that_is_too_large_fails_before_a_worker_gets_it(
    redis: Redis, queue: JobQueue, lane: LaneQueue
) -> None:
    await queue.enqueue_many([a_job(id="bad"), a_job(id="good")])
    await write(redis, "bad", payload="[" * RECORD_MAX_BYTES)
    assert await claimed(lane) == ["good"]
    stored = await redis.hget(keys.job("bad"), "error")  # type: ignore[misc]  # redis-py's sync/async union
    assert ErrorInfo.model_validate_json(stored or "").code == "invalid_request"


@pytest.mark.parametrize("owner", ["", "another program", NOT_UTF_8, "-"])
async def test_an_owner_that_no_worker_wrote_is_not_a_lost_worker(
    redis: Redis, queue: JobQueue, lane: LaneQueue, owner: str
) -> None:
    await queue.enqueue(a_job(id="j", max_attempts=1))
    await write(redis, "j", owner=owner, attempt="1")
    assert await run(lane) == "j"


async def test_the_loss_of_a_worker_with_an_odd_name_can_be_read(
    redis: Redis, queue: JobQueue, lane: LaneQueue
) -> None:
    await queue.enqueue(a_job(id="j", max_attempts=1))
    await take(lane)
    await write(redis, "j", worker=NOT_UTF_8 * 1000)
    await die(redis, "j")
    assert await claimed(lane) == []
    assert await error_code(redis, "j") == "worker_lost"
    assert [attempt.worker for attempt in await queue.attempts("j")] == ["w???" * 25]


async def test_a_job_whose_lane_was_changed_runs_where_it_is(redis: Redis, queue: JobQueue, lane: LaneQueue) -> None:
    await queue.enqueue_many([a_job(id="a"), a_job(id="b", after=("a",)), a_job(id="c", after=("a",))])
    await write(redis, "a", lane=NOT_UTF_8)
    await write(redis, "b", lane="nowhere")
    await write(redis, "c", lane="ray")
    assert await run(lane) == "a"
    await sweep(redis, lane)
    assert {await run(lane), await run(lane)} == {"b", "c"}


async def test_a_job_whose_lane_is_changed_while_it_runs_is_tried_again_in_its_lane(
    redis: Redis, queue: JobQueue, lane: LaneQueue
) -> None:
    await queue.enqueue(a_job(id="j"))
    lease = await take(lane)
    await write(redis, "j", lane="nowhere")
    await end(lane, lease.retried(TRANSIENT, 0))
    assert await fail(lane) == "j"
    await write(redis, "j", lane="nowhere")
    with pytest.raises(InvalidRequest, match="lane: tables jobs belong in another lane") as raised:
        await queue.requeue("j")
    assert raised.value.details == {"field": "lane"}


async def test_a_started_job_without_a_lane_can_be_cancelled(redis: Redis, queue: JobQueue, lane: LaneQueue) -> None:
    await queue.enqueue(a_job(id="j"))
    await end(lane, (await take(lane)).retried(TRANSIENT, 600))
    await redis.hdel(keys.job("j"), "lane")  # type: ignore[misc]  # redis-py's sync/async union
    assert await queue.cancel("j") is JobStatus.CANCELLED
    assert await redis.exists(keys.queue("none")) == 0


async def test_a_job_whose_deadline_is_in_another_lane_fails_where_it_is(
    redis: Redis, queue: JobQueue, lane: LaneQueue
) -> None:
    await queue.enqueue(a_job(id="j", expires_s=600))
    await write(redis, "j", lane="ray")
    await expire(redis, "j")
    await overwrite(redis, keys.ended("ray"))
    assert await claimed(lane) == []
    assert await error_code(redis, "j") == "expired"


async def test_a_job_without_a_kind_ends_although_it_has_a_unique_key(
    redis: Redis, queue: JobQueue, lane: LaneQueue
) -> None:
    await queue.enqueue_many([a_job(id="bad", unique="u"), a_job(id="good")])
    await redis.hdel(keys.job("bad"), "kind")  # type: ignore[misc]  # redis-py's sync/async union
    claim = await lane.claim(10)
    assert [lease.job_id for lease in claim.leases] == ["good"]
    assert await lane.finish(claim.unreadable) == [True]
    assert await redis.hget(keys.job("bad"), "status") == "failed"  # type: ignore[misc]  # as above
    await redis.delete(queue_keys.unique("tables", "u"))


async def test_a_job_with_a_broken_list_of_dependencies_can_be_requeued_and_fails_alone(
    redis: Redis, queue: JobQueue, lane: LaneQueue
) -> None:
    await queue.enqueue_many([a_job(id="a"), a_job(id="b", after=("a",))])
    assert await fail(lane) == "a"
    await write(redis, "a", after=f'["b","a",{"[" * 2000}]')
    with pytest.raises(InvalidRequest, match="after"):
        await queue.requeue("a")
    await write(redis, "a", after='["b"]')
    await write(redis, "b", after='["a"]')
    audit, jobs = AuditLog(redis), Enqueuer(queue)
    operator = OperatorActions(queue, _AllDead(queue), audit, jobs)  # type: ignore[arg-type]  # its dead() only
    requeued = await operator.requeue_dead()
    assert sorted((each.id, each.error.code if each.error else "") for each in requeued) == [
        ("a", "job_not_requeued"),
        ("b", "job_not_requeued"),
    ]


class _AllDead:
    def __init__(self, queue: JobQueue) -> None:
        self._queue = queue

    async def dead(self, **_: object) -> list[Any]:
        return [await self._queue.record(name) for name in ("a", "b")]


@pytest.mark.parametrize("seconds", ["1e400", "9" * 400, "-5", '"5"', "null"])
def test_an_error_with_an_odd_pause_has_none(seconds: str) -> None:
    text = f'{{"code":"storage_unavailable","message":"m","details":{{"retry_after_s":{seconds}}}}}'
    assert RaylaneError.from_info(ErrorInfo.model_validate_json(text)).retry_after_s is None


# --- scores --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("score", ["inf", "-inf", "1e300", "-1e300"])
@pytest.mark.parametrize(
    ("place", "status"),
    [(keys.queue, "queued"), (keys.schedule, "scheduled"), (keys.running, "running"), (keys.waiting, "waiting")],
)
async def test_a_job_with_an_odd_score_still_runs(
    redis: Redis, queue: JobQueue, place: Callable[[str], str], status: str, score: str
) -> None:
    lane = patient_lane(redis, lease_s=1)
    await queue.enqueue_many([a_job(id="odd"), a_job(id="good")])
    await redis.zrem(keys.queue("upload"), "odd")
    await write(redis, "odd", status=status)
    await redis.zadd(place("upload"), {"odd": float(score)})
    await redis.zadd(queue_keys.expiring("upload"), {"odd": float("inf")})
    await sweep(redis, lane)
    if status == "running":
        await die(redis, "odd")
        await redis.delete(queue_keys.pulse("upload"))
        await lane.claim(0)
        await die(redis, "odd")
    assert set(await claimed(lane)) == {"odd", "good"}
