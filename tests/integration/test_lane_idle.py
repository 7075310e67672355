"""How many commands a lane sends while it is idle or full: a fixed number per claim."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from raylane_common.redis.queue import JobQueue
from raylane_worker.lanes.worker import LaneWorker
from tests.helpers.lanes import DONE, a_job, succeed, worker
from tests.helpers.queue_keys import keys
from tests.helpers.waiting import until

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from raylane_common.redis.queue import Claim
    from raylane_common.wire.tables import DatabasesResult
    from raylane_worker.context import JobContext

CLAIMS = 5
# The commands that the claim script runs inside the server, however many jobs the lane has.
MOST_WITHIN_A_CLAIM = 17


@pytest.fixture
def _no_heartbeat(monkeypatch: pytest.MonkeyPatch) -> None:
    """Heartbeats come at any moment, so they are counted in a test of their own."""

    async def nothing(_: LaneWorker) -> None:
        pass

    monkeypatch.setattr(LaneWorker, "heart_beat", nothing)


async def _calls(redis: Redis) -> Counter[str]:
    stats: dict[str, dict[str, int]] = await redis.info("commandstats")
    return Counter({name.removeprefix("cmdstat_"): each["calls"] for name, each in stats.items()})


async def _spent(redis: Redis, running: LaneWorker, monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Returns how often each command ran from the end of one claim to the end of the fifth claim after it."""
    claim, marks = running.lane_queue.claim, list[Counter[str]]()

    async def counted(limit: int) -> Claim:
        answer = await claim(limit)
        marks.append(await _calls(redis))
        return answer

    monkeypatch.setattr(running.lane_queue, "claim", counted)
    await until(lambda: len(marks) > CLAIMS)
    spent = marks[CLAIMS] - marks[0]
    del spent["info"]
    return spent


@pytest.mark.usefixtures("_no_heartbeat")
async def test_an_idle_lane_sends_one_command_per_claim(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    async with worker(redis, succeed) as running:
        spent = await _spent(redis, running, monkeypatch)
    assert spent.pop("evalsha") == CLAIMS
    assert sum(spent.values()) <= CLAIMS * MOST_WITHIN_A_CLAIM, spent


@pytest.mark.usefixtures("_no_heartbeat")
async def test_a_claim_costs_the_same_however_many_jobs_are_scheduled_or_waiting(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = JobQueue(redis)
    await queue.enqueue_many([a_job(id=f"later{number}", delay_s=3600, expires_s=7200) for number in range(500)])
    await queue.enqueue_many([a_job(id=f"waiting{number}", after=("later0",)) for number in range(500)])
    async with worker(redis, succeed) as running:
        spent = await _spent(redis, running, monkeypatch)
    assert spent.pop("evalsha") == CLAIMS
    assert sum(spent.values()) <= CLAIMS * MOST_WITHIN_A_CLAIM, spent


async def test_a_heartbeat_sends_a_handful_of_commands(redis: Redis) -> None:
    async with worker(redis, succeed) as running:
        await running.heart_beat()
        running.allow_pick_jobs = False
        await redis.delete(keys.janitor("upload"))
        before = await _calls(redis)
        await running.heart_beat()
        spent = await _calls(redis) - before
    # The heartbeat, the janitor's lock, sweep and scan, and perhaps a last claim of the lane in between.
    sent = {name: spent[name] for name in ("evalsha", "set", "scan")}
    assert sum(sent.values()) <= 7, sent


async def test_a_full_lane_claims_nothing_and_renews_its_leases(redis: Redis) -> None:
    started = 0
    gate = asyncio.Event()

    async def hold(request: Any, ctx: JobContext) -> DatabasesResult:
        nonlocal started
        started += 1
        await gate.wait()
        return DONE

    queue = JobQueue(redis)
    job_ids = [f"j{number}" for number in range(20)]
    async with worker(redis, hold, concurrency=10) as running:
        await queue.enqueue_many([a_job(id=job_id) for job_id in job_ids])
        await until(lambda: started == 10)
        claims = 0
        claim, renew = running.lane_queue.claim, running.lane_queue.renew
        renewed: list[int] = []

        async def counted_claim(limit: int) -> Any:
            nonlocal claims
            claims += 1
            return await claim(limit)

        async def counted_renew(leases: Any) -> Any:
            renewed.append(len(leases))
            return await renew(leases)

        running.lane_queue.claim = counted_claim  # type: ignore[method-assign]  # the real one, counted
        running.lane_queue.renew = counted_renew  # type: ignore[method-assign]  # as above
        await until(lambda: len(renewed) >= 2)
        assert (claims, renewed[:2]) == (0, [10, 10])
        gate.set()
        await asyncio.gather(*(queue.wait(job_id, timeout_s=10) for job_id in job_ids))
