"""A lane on a real server, with a handler from the test."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, ClassVar

from arq.connections import ArqRedis

from raylane_common.redis.connection import keys_of
from raylane_common.redis.queue import LaneQueue
from raylane_common.redis.queue.wake import listen
from raylane_common.settings import LaneSettings, LanesSettings, Settings
from raylane_common.wire.base import JobKind, Lane, RetryPolicy
from raylane_common.wire.jobs import NewJob
from raylane_common.wire.registry import lane_of
from raylane_common.wire.tables import DatabasesResult, ListDatabasesRequest
from raylane_worker.context import Handler, Resources
from raylane_worker.lanes.worker import LaneWorker

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

    from redis.asyncio import Redis

    from raylane_common.wire.kinds import Result
    from raylane_worker.context import JobContext

    Run = Callable[[Any, JobContext], Awaitable[Result]]
    CleanUp = Callable[[Any, JobContext], Awaitable[None]]

DONE = DatabasesResult(databases=("sales",))
LANES = LanesSettings.model_validate({"lease_s": 2, "poll_s": 0.2})


def lane_queue(
    redis: Redis,
    *,
    of: Lane = Lane.UPLOAD,
    name: str = "w1",
    max_attempts: int = 3,
    per_session: int = 0,
    **more: Any,
) -> LaneQueue:
    """Returns a lane as a worker sees it."""
    options = {"lease_s": LANES.lease_s, "result_ttl_s": 3600} | more
    kinds = {kind.value: max_attempts for kind in JobKind}
    return LaneQueue(redis, of, worker=name, max_attempts=kinds, per_session=per_session, **options)


@asynccontextmanager
async def worker(
    redis: Redis,
    run: Run,
    *,
    of: Lane = Lane.UPLOAD,
    drain_s: float = 0,
    name: str = "w1",
    max_attempts: int = 3,
    cleanups: Mapping[JobKind, CleanUp] | None = None,
    **lane: Any,
) -> AsyncIterator[LaneWorker]:
    """Runs a worker of one lane that handles every job with `run`; `lane` changes the lane's settings."""
    settings = LaneSettings(**{"concurrency": 5, "timeout_s": 30, "per_session": 0} | lane)
    policy = RetryPolicy(max_attempts=max_attempts, backoff_base_s=0.01, backoff_cap_s=0.02)
    kinds = [kind for kind in JobKind if lane_of(kind) is of]
    handlers = {kind: Handler(run, (cleanups or {}).get(kind)) for kind in kinds}
    running = LaneWorker(
        lane_queue(redis, of=of, name=name, max_attempts=max_attempts, per_session=settings.per_session),
        ArqRedis(redis.connection_pool),
        handlers,
        # The handlers of these tests use no resources.
        Resources(Settings(), None, None, None),  # type: ignore[arg-type]  # as above
        lane=settings,
        lanes=LANES,
        retries=dict.fromkeys(kinds, policy),
        on_drain=lambda: None,
    )
    keys = keys_of(redis)
    channels: dict[str, Callable[[str], None]] = {
        keys.wake(of): running.wake,
        keys.cancel(of): running.cancel,
    }
    tasks = [asyncio.create_task(running.async_run()), asyncio.create_task(listen(redis, channels))]
    try:
        yield running
    finally:
        await running.drain(drain_s)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class Work(ListDatabasesRequest):
    """The smallest request, as a job that is listed: no look."""

    is_look: ClassVar[bool] = False


def a_job(**fields: Any) -> NewJob:
    return NewJob(request=Work(), **fields)


async def succeed(request: Any, ctx: JobContext) -> DatabasesResult:
    return DONE
