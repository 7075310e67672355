"""Jobs that only look at the cluster or the catalog: they fill no list, and are soon forgotten."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raylane_common.redis.queue.scripts import LOOK_TTL_MS
from raylane_common.wire.jobs import JobStatus, NewJob
from raylane_common.wire.kinds import KINDS
from raylane_common.wire.tables import ListDatabasesRequest
from tests.helpers.claims import PERMANENT, TRANSIENT, die, end, error_code, expire, patient_lane, run, statuses, take
from tests.helpers.lanes import a_job
from tests.helpers.queue_keys import keys

if TYPE_CHECKING:
    from typing import Any

    from redis.asyncio import Redis

    from raylane_common.redis.queue import JobQueue, LaneQueue, QueueOverview


def a_look(**fields: Any) -> NewJob:
    return NewJob(request=ListDatabasesRequest(), **fields)


async def _ids(overview: QueueOverview, **filters: Any) -> list[str]:
    return sorted(job.id for job in await overview.jobs(**filters))


def test_the_requests_that_change_nothing_are_looks() -> None:
    looks = {request.__name__ for kind in KINDS.values() for request in kind.requests if request.is_look}
    assert looks == {
        *("ListDatabasesRequest", "ListTablesRequest", "RayStatusRequest", "RayEndpointsRequest"),
        *("RayClusterRequest", "RayRunsRequest", "RayRunRequest", "RayLogsRequest"),
        *("UploadChecksRequest", "GenerateChecksRequest", "RayChecksRequest"),
    }


async def test_a_look_is_in_no_list_unless_it_is_asked_for(
    queue: JobQueue, lane: LaneQueue, overview: QueueOverview
) -> None:
    await queue.enqueue_many([a_look(id="ended"), a_job(id="work"), a_look(id="running"), a_look(id="queued")])
    assert [await run(lane), await run(lane)] == ["ended", "work"]
    await take(lane)
    assert await _ids(overview) == ["work"]
    assert await _ids(overview, looks=True) == ["ended", "queued", "running", "work"]
    for status in ("running", "queued"):
        assert await _ids(overview, status=JobStatus(status)) == []
        assert await _ids(overview, status=JobStatus(status), looks=True) == [status]
    assert [lane.queued for lane in await overview.lanes()] == [1, 0, 0]


async def test_looks_at_the_head_of_a_list_hide_no_job(queue: JobQueue, overview: QueueOverview) -> None:
    await queue.enqueue_many([a_job(id="work"), *(a_look(id=f"look{number}") for number in range(7))])
    assert await _ids(overview, limit=2) == ["work"]


async def test_a_look_of_a_session_is_not_in_its_history(
    queue: JobQueue, lane: LaneQueue, overview: QueueOverview
) -> None:
    await queue.enqueue_many([a_look(id="look", session_id="s1"), a_job(id="work", session_id="s1")])
    assert [record.id for record in await queue.history("s1")] == ["work"]
    assert await _ids(overview, session_id="s1") == ["work"]
    assert (await queue.record("look")).session_id == "s1"


async def test_the_record_of_a_look_is_kept_for_minutes(redis: Redis, queue: JobQueue, lane: LaneQueue) -> None:
    await queue.enqueue_many([a_look(id="look"), a_job(id="work")])
    assert await redis.pttl(keys.job("look")) == -1
    await run(lane)
    await run(lane)
    for key in (keys.job("look"), keys.job_events("look"), keys.looks("upload")):
        assert 0 < await redis.pttl(key) <= LOOK_TTL_MS
    assert await redis.pttl(keys.job("work")) > LOOK_TTL_MS


async def test_a_short_time_for_results_holds_for_looks_too(redis: Redis, queue: JobQueue) -> None:
    await queue.enqueue(a_look(id="look"))
    await run(patient_lane(redis, result_ttl_s=61))
    assert await redis.pttl(keys.job("look")) <= 61_000


async def test_looks_that_have_expired_leave_the_list(
    redis: Redis, queue: JobQueue, lane: LaneQueue, overview: QueueOverview
) -> None:
    await queue.enqueue_many([a_look(id="old"), a_look(id="new")])
    assert [await run(lane), await run(lane)] == ["old", "new"]
    await redis.zincrby(keys.looks("upload"), -LOOK_TTL_MS - 1, "old")
    await lane.janitor().sweep()
    assert await redis.zrange(keys.looks("upload"), 0, -1) == ["new"]


async def test_a_look_that_failed_is_no_dead_letter_but_a_job_after_it_may_be(
    redis: Redis, queue: JobQueue, overview: QueueOverview
) -> None:
    lane = patient_lane(redis, max_attempts=1)
    await queue.enqueue_many([a_look(id="outage"), a_look(id="lost"), a_job(id="after", after=("outage",))])
    await end(lane, (await take(lane)).failed(TRANSIENT))
    assert (await take(lane)).job_id == "lost"
    await die(redis, "lost")
    await lane.claim(1)
    assert await statuses(redis, "outage", "lost", "after") == ["failed"] * 3
    assert await error_code(redis, "lost") == "worker_lost"
    assert [job.id for job in await overview.dead()] == ["after"]
    assert await redis.pttl(keys.job_attempts("lost")) <= LOOK_TTL_MS


async def test_a_look_can_be_cancelled_can_expire_and_can_be_requeued(
    redis: Redis, queue: JobQueue, lane: LaneQueue, overview: QueueOverview
) -> None:
    await queue.enqueue_many([a_look(id="cancelled"), a_look(id="late", expires_s=60), a_look(id="again")])
    await queue.cancel("cancelled")
    await expire(redis, "late")
    await end(lane, (await take(lane)).failed(PERMANENT))
    assert await statuses(redis, "cancelled", "late", "again") == ["cancelled", "failed", "failed"]
    await queue.requeue("again")
    assert await redis.pttl(keys.job("again")) == -1
    assert await redis.zrange(keys.looks("upload"), 0, -1) == ["cancelled", "late"]
    assert await run(lane) == "again"
    assert await _ids(overview, looks=True) == ["again", "cancelled", "late"]


async def test_what_another_program_wrote_for_the_mark_of_a_look_is_no_look(
    redis: Redis, queue: JobQueue, lane: LaneQueue, overview: QueueOverview
) -> None:
    await queue.enqueue(a_job(id="work"))
    await redis.hset(keys.job("work"), "look", "0")  # type: ignore[misc]  # redis-py's sync/async union
    await run(lane)
    assert await _ids(overview) == ["work"]
