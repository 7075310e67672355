"""Whatever is done to them: the queue in memory and the queue in Redis stand alike afterwards."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

import fakeredis
from hypothesis import given, settings
from hypothesis import strategies as st

from raylane.options import new_job, new_upload
from raylane_common.errors import JobCancelled, JobNotFound, NotUnderstood, QueueError, RaylaneError, StorageUnavailable
from raylane_common.wire.generate import GenerateRequest
from raylane_common.wire.jobs import JobStatus
from raylane_common.wire.tables import DatabasesResult, ListDatabasesRequest
from tests.unit.producer.rig import MemoryRig, RedisRig
from tests.unit.producer.samples import CSV_BYTES

if TYPE_CHECKING:
    from raylane.producer import Producer
    from raylane_common.wire.jobs import NewJob
    from raylane_common.wire.kinds import Result
    from tests.unit.producer.rig import Rig

OUTCOMES: dict[str, Result | RaylaneError] = {
    "succeeds": DatabasesResult(databases=()),
    "fails by itself": NotUnderstood("what?"),
    "is given up": StorageUnavailable("no answer"),
    "has stopped": JobCancelled("stopped"),
}
IDS = [f"j{number}" for number in range(6)]


@dataclass(frozen=True)
class Step:
    does: str
    job_id: str
    kind: str = "tables"
    after: tuple[str, ...] = ()
    unique: str | None = None
    deferred: bool = False

    def job(self) -> NewJob:
        delay_s = 3600 if self.deferred else None
        if self.kind == "upload":
            return new_upload(
                CSV_BYTES,
                filename="a.csv",
                session_id="s1",
                job_id=self.job_id,
                after=self.after,
                unique=self.unique,
                delay_s=delay_s,
            )
        request = ListDatabasesRequest() if self.kind == "tables" else GenerateRequest(prompt="count")
        session_id = None if self.kind == "tables" else "s1"
        return new_job(
            request, session_id=session_id, job_id=self.job_id, after=self.after, unique=self.unique, delay_s=delay_s
        )


ENQUEUE = st.builds(
    Step,
    does=st.just("enqueue"),
    job_id=st.sampled_from(IDS),
    kind=st.sampled_from(["tables", "upload", "generate"]),
    after=st.lists(st.sampled_from(IDS), max_size=2).map(tuple),
    unique=st.none() | st.sampled_from(["k", "l"]),
    deferred=st.booleans(),
)
OTHER = st.builds(
    Step, does=st.sampled_from(["start", "cancel", "requeue", "requeue all", *OUTCOMES]), job_id=st.sampled_from(IDS)
)


@settings(max_examples=60, deadline=None)
@given(st.lists(ENQUEUE, min_size=1, max_size=6), st.lists(ENQUEUE | OTHER | OTHER, max_size=14))
def test_memory_and_redis_stand_alike_after_any_steps(first: list[Step], then: list[Step]) -> None:
    asyncio.run(_compare([*first, *then]))


async def _compare(steps: list[Step]) -> None:
    redis = fakeredis.FakeAsyncRedis(decode_responses=True)
    rigs: list[Rig] = [MemoryRig(), RedisRig(redis)]
    try:
        for step in steps:
            in_memory, in_redis = [await _do(rig, step) for rig in rigs]
            assert in_memory == in_redis, step
            in_memory, in_redis = [await _stand(rig.producer) for rig in rigs]
            assert in_memory == in_redis, step
    finally:
        await redis.aclose()


async def _do(rig: Rig, step: Step) -> object:
    """What the step answers, or how it is refused."""
    try:
        if step.does == "enqueue":
            [outcome] = await rig.producer.enqueue_many([step.job()])
            return outcome.id, outcome.created, type(outcome.error)
        if step.does == "cancel":
            return await rig.producer.cancel(step.job_id)
        if step.does == "requeue":
            await rig.producer.requeue(step.job_id)
        if step.does == "requeue all":
            outcomes = await rig.producer.operator.requeue_dead()
            return {(outcome.id, type(outcome.error)) for outcome in outcomes}
        status = (await rig.producer.record(step.job_id)).status
        if step.does == "start" and status is JobStatus.QUEUED:
            await rig.start(step.job_id)
        elif step.does in OUTCOMES and status in (JobStatus.QUEUED, JobStatus.RUNNING):
            await rig.end(step.job_id, OUTCOMES[step.does])
    except (JobNotFound, QueueError) as error:
        return type(error)
    return None


async def _stand(producer: Producer) -> object:
    """All that a caller may see of it, but times, workers and words."""
    jobs = []
    for record in sorted(await producer.operator.jobs(), key=lambda record: record.id):
        attempts = [(attempt.number, attempt.error.code) for attempt in await producer.attempts(record.id)]
        error = record.error and (record.error.code, record.error.details)
        ended = record.finished_at is not None, record.cancel_requested_at is not None, record.at is not None
        jobs.append((record.id, record.kind, record.status, record.attempt, record.round, error, ended, attempts))
    lanes = [
        (lane.lane, lane.waiting, lane.scheduled, lane.queued, lane.running, lane.dead)
        for lane in await producer.operator.lanes()
    ]
    dead = {record.id for record in await producer.operator.dead_letters()}
    return jobs, lanes, dead
