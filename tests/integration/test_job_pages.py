"""Lists of jobs, page by page, while jobs arrive, start and end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from raylane_common.errors import InvalidRequest
from raylane_common.redis.queue.pages import Place
from raylane_common.wire.jobs import JobStatus, NewJob
from raylane_common.wire.tables import ListDatabasesRequest
from tests.helpers.claims import claimed, run
from tests.helpers.lanes import DONE, a_job
from tests.helpers.queue_keys import keys

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from raylane_common.redis.queue import JobQueue, LaneQueue, QueueOverview


async def names(
    overview: QueueOverview, arrive: JobQueue | None = None, *, limit: int = 3, **filters: str
) -> list[str]:
    """Turns all pages, and returns the ids on them. Before each further page, another job arrives."""
    found: list[str] = []
    cursor = None
    while True:
        page = await overview.page(limit=limit, cursor=cursor, **filters)  # type: ignore[arg-type]  # the values are right
        assert len(page.jobs) <= limit
        found += [job.id for job in page.jobs]
        if page.next_cursor is None:
            assert page.complete
            return found
        cursor = page.next_cursor
        if arrive is not None:
            await arrive.enqueue(a_job(session_id="ada"))


async def test_the_pages_of_a_session_have_each_job_once_in_order(queue: JobQueue, overview: QueueOverview) -> None:
    await queue.enqueue_many([a_job(id=f"j{number:02}", session_id="ada") for number in range(10)])
    await queue.enqueue(a_job(id="other", session_id="bob"))
    expected = [f"j{number:02}" for number in reversed(range(10))]
    assert await names(overview, session_id="ada") == expected
    assert await names(overview, queue, session_id="ada") == expected, "what arrived meanwhile moves no page"


async def test_jobs_of_the_same_moment_are_on_one_page_each(
    redis: Redis, queue: JobQueue, overview: QueueOverview
) -> None:
    ids = [f"j{number}" for number in range(9)]
    await queue.enqueue_many([a_job(id=each, session_id="ada") for each in ids])
    await redis.zadd(keys.session_jobs("ada"), dict.fromkeys(ids, 5))
    assert await names(overview, limit=2, session_id="ada") == ids[::-1]


async def test_the_pages_of_all_jobs_have_each_job_once(
    queue: JobQueue, lane: LaneQueue, overview: QueueOverview
) -> None:
    await queue.enqueue_many([a_job(id=f"ended{number}", session_id="ada") for number in range(4)])
    for _ in range(4):
        await run(lane)
    await queue.enqueue_many([a_job(id=f"running{number}") for number in range(2)])
    await claimed(lane, 2)
    await queue.enqueue(NewJob(request=ListDatabasesRequest(), id="look"))
    jobs = [a_job(id="queued"), a_job(id="late", delay_s=3600), a_job(id="waiting", after=("queued",))]
    await queue.enqueue_many(jobs)
    expected = {f"ended{number}" for number in range(4)} | {"running0", "running1", "queued", "late", "waiting"}
    for limit in (1, 2, 9, 10):
        found = await names(overview, limit=limit)
        assert (len(found), set(found)) == (9, expected)
    assert set(await names(overview, queue, limit=2)) == expected
    assert set(await names(overview, status=JobStatus.RUNNING)) == {"running0", "running1"}
    assert set(await names(overview, status=JobStatus.SUCCEEDED, limit=1)) == {f"ended{number}" for number in range(4)}
    assert await names(overview, status=JobStatus.SUCCEEDED, session_id="bob") == []


async def test_a_job_that_ends_meanwhile_is_on_no_page_twice(
    queue: JobQueue, lane: LaneQueue, overview: QueueOverview
) -> None:
    await queue.enqueue_many([a_job(id=f"j{number}") for number in range(6)])
    leases = (await lane.claim(6)).leases
    first = await overview.page(limit=3)
    await lane.finish([lease.succeeded(DONE) for lease in leases])
    second = await overview.page(limit=3, cursor=first.next_cursor)
    assert not {job.id for job in first.jobs} & {job.id for job in second.jobs}
    assert {job.id for job in (await overview.page(limit=6)).jobs} == {f"j{number}" for number in range(6)}


async def test_what_another_program_has_written_breaks_no_page(
    redis: Redis, queue: JobQueue, overview: QueueOverview
) -> None:
    await queue.enqueue_many([a_job(id=f"j{number}", session_id="ada") for number in range(4)])
    await redis.zadd(keys.session_jobs("ada"), {"gone": 1e300, "below": -5, "j1": float("inf")})
    await redis.hset(keys.job("j2"), "status", "?")  # type: ignore[misc]  # redis-py's sync/async union
    await redis.set(keys.job("j3"), "x", ex=60)
    assert sorted(await names(overview, limit=1, session_id="ada")) == ["j0", "j1"]


@pytest.mark.parametrize(
    "cursor",
    ["", "x", "é", "W10", "bnVsbA", "WyIiLDEsMl0", "WyIiLC0xLCJhIl0", "W1tbW1tb" * 100, "MTIz", "WyIiLHRydWUsMV0"],
)
async def test_a_cursor_that_no_page_has_given_is_refused(cursor: str, overview: QueueOverview) -> None:
    with pytest.raises(InvalidRequest, match=r"^cursor: must be"):
        await overview.page(cursor=cursor)


async def test_a_cursor_leads_through_its_own_list_only(queue: JobQueue, overview: QueueOverview) -> None:
    await queue.enqueue_many([a_job(session_id="ada"), a_job(session_id="ada")])
    for first, other in (("ada", "bob"), ("ada", None), (None, "ada")):
        page = await overview.page(session_id=first, limit=1)
        assert page.next_cursor
        with pytest.raises(InvalidRequest, match=r"^cursor: belongs to another list"):
            await overview.page(session_id=other, cursor=page.next_cursor)


def test_a_place_survives_its_way_to_the_client() -> None:
    for place in (Place(0, ""), Place(2**53 - 1, "x" * 56), Place(5, "\udc80é")):
        assert Place.of(place.cursor("ada"), "ada") == place
