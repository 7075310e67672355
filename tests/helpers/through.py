"""Runs jobs on two workers while something happens to Redis, and checks that each job ended once."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from raylane_common.errors import WriteNotConfirmed
from raylane_common.redis.connection import connect
from raylane_common.redis.queue import JobQueue
from raylane_common.settings import RedisSettings
from tests.helpers.claims import finals
from tests.helpers.lanes import DONE, a_job, worker
from tests.helpers.waiting import until

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Any

    from raylane_common.wire.tables import DatabasesResult
    from raylane_worker.context import JobContext

logger = logging.getLogger("tests.through")

# A bound for a failover on a busy machine. Measured: 2 to 5 s.
ENDS_WITHIN_S = 90.0


@dataclass
class Seen:
    """What happened to the jobs: how often each was run, and the loop times at which attempts began."""

    runs: Counter[str] = field(default_factory=Counter)
    began_s: list[float] = field(default_factory=list)

    @property
    def longest_pause_s(self) -> float:
        """The longest time in which no attempt began: how long Redis was away for the workers."""
        return max(later - earlier for earlier, later in zip(self.began_s, self.began_s[1:], strict=False))

    @property
    def run_again(self) -> list[str]:
        """The jobs that were run more than once."""
        return [job_id for job_id, count in self.runs.items() if count > 1]


async def jobs_through(url: str, happens: Callable[[], Awaitable[object]], *, jobs: int = 240, **settings: Any) -> Seen:
    """Runs jobs on `url`. About a third of them end before `happens`, a third is enqueued meanwhile, and some after it.

    `settings` are those of Redis. Fails unless every job succeeds, with one final event. Clients, the follower and
    workers are not restarted.
    """
    seen = Seen()

    async def run(_: Any, ctx: JobContext) -> DatabasesResult:
        seen.runs[ctx.record.id] += 1
        seen.began_s.append(asyncio.get_running_loop().time())
        await asyncio.sleep(0.02)
        return DONE

    async with AsyncExitStack() as stack:
        redis = RedisSettings.model_validate({"url": url, **settings})
        first, second, mine = [await stack.enter_async_context(connect(redis)) for _ in range(3)]
        queue = JobQueue(mine, block_s=1)
        names = [f"j{number}" for number in range(jobs)]
        half = jobs * 2 // 3
        await queue.enqueue_many([a_job(id=name, session_id="s") for name in names[:half]])
        await mine.wait(1, 5000)
        following = asyncio.create_task(_follow(queue, names[half - 1]))
        await stack.enter_async_context(worker(first, run, name="w1", concurrency=2))
        await stack.enter_async_context(worker(second, run, name="w2", concurrency=2))
        await until(lambda: len(seen.runs) >= jobs // 3)
        enqueueing = asyncio.create_task(_enqueue_each(queue, names[half:]))
        await happens()
        async with asyncio.timeout(ENDS_WITHIN_S):
            await enqueueing
            later = [f"late{number}" for number in range(20)]
            await _enqueue_each(queue, later)
            names += later
            for name in names:
                assert await queue.result(name) == DONE
            assert (await following)[-1] == "succeeded"
        ends = {name: await finals(mine, name) for name in names}
        assert {name: found for name, found in ends.items() if found != ["succeeded"]} == {}
    logger.info("longest pause %.1f s, %d jobs run again", seen.longest_pause_s, len(seen.run_again))
    return seen


async def _enqueue_each(queue: JobQueue, names: list[str]) -> None:
    for name in names:
        while True:
            try:
                assert await queue.enqueue(a_job(id=name, session_id="s")) == name
                break
            except WriteNotConfirmed:
                continue  # a replica is still missing after the failover


async def _follow(queue: JobQueue, job_id: str) -> list[str | None]:
    return [event.status async for event in queue.follow(job_id)]
