"""Thirty sessions want a run at once, and the cluster may have four: two worker processes, one of which is killed."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

import pytest

from raylane_common.errors import JobCancelled
from raylane_common.wire.jobs import JobStatus
from tests.helpers.profiles import by_profile
from tests.helpers.queue_keys import keys
from tests.helpers.waiting import until

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from raylane import Producer
    from raylane.testing import FakeRay
    from tests.faults.processes import Workers

LIMIT = 4
SESSIONS = 30


class Watched:
    """Counts the runs of a fake cluster that are under way, and remembers the order of their starts."""

    def __init__(self, cluster: FakeRay) -> None:
        self.cluster = cluster
        self.started: list[str] = []
        self.peak = 0
        cluster.on_start = self._starts

    def under_way(self) -> list[str]:
        return [name for name, job in self.cluster.jobs.items() if job["status"] == "RUNNING"]

    def _starts(self, submission_id: str) -> None:
        self.started.append(submission_id.removeprefix("rl-").removesuffix("-1"))
        self.peak = max(self.peak, len(self.under_way()))


# Both kinds wait in the same code; `make chaos` tries both.
@pytest.mark.slow
@pytest.mark.chaos
@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", ["generate", "ray"][: by_profile(fast=1, ci=1, deep=2)])
async def test_thirty_sessions_share_four_runs_though_a_worker_is_killed(
    workers: Workers, producer: Producer, redis: Redis, cluster: FakeRay, kind: str
) -> None:
    watched = Watched(cluster)
    line = keys.run_line(str(cluster.session_name))
    workers.settings |= {"ray__max_runs": LIMIT, f"lanes__{kind}__concurrency": SESSIONS}
    first, second = await workers.start_many(2)
    names = [f"j{number:02}" for number in range(SESSIONS)]
    for name in names:
        await enqueue(producer, kind, name)

    async def in_line(*, of: int) -> None:
        """Returns once so many jobs are left, and all of them that have no run wait for one."""

        async def reached() -> bool:
            return bool(await redis.zcard(line) == max(0, of - LIMIT)) and len(watched.under_way()) == min(LIMIT, of)

        await until(reached, timeout_s=60)

    await in_line(of=30)
    # Whoever came first got the first slots. From here on the order is that of the line.
    at_once = len(watched.started)
    for left in (29, 28):
        cluster.end(watched.under_way()[0])
        await in_line(of=left)
    cancelled = max(set(names) - set(watched.started))
    await producer.cancel(cancelled)
    with pytest.raises(JobCancelled):
        await producer.result(cancelled, timeout_s=60)
    await in_line(of=27)

    killed_s = monotonic()
    first.kill()
    await first.ended()
    lost = [name for name in names if (await producer.record(name)).worker == first.name]

    async def taken_over() -> bool:
        found = [await producer.record(name) for name in lost]
        return all(record.status.is_final or record.worker == second.name for record in found)

    await until(taken_over, timeout_s=60)
    await in_line(of=27)
    recovered_s = monotonic() - killed_s
    for left in reversed(range(27)):
        cluster.end(watched.under_way()[0])
        await in_line(of=left)
    records = [await producer.wait(name, timeout_s=60) for name in names]
    assert {record.id for record in records if record.status is not JobStatus.SUCCEEDED} == {cancelled}
    assert sorted([*watched.started, cancelled]) == names, "each run started once, and that of the cancelled job never"
    assert watched.started[at_once:] == sorted(watched.started[at_once:]), "first come, first served"
    assert (at_once, watched.peak) == (LIMIT, LIMIT)
    print(
        f"{kind}: {len(watched.started)} runs, at most {watched.peak} at once; {len(lost)} jobs of the killed worker, "
        f"its places in line were taken again after {recovered_s:.1f} s"
    )
    second.terminate()
    assert await second.ended() == 0


async def enqueue(producer: Producer, kind: str, name: str) -> None:
    """Enqueues a job of a session of its own, whose run takes one of the slots."""
    session_id = f"session-{name}"
    if kind == "ray":
        await producer.cluster.submit("print(1)", job_id=name, session_id=session_id)
        return
    upload = await producer.upload_bytes("n\n1\n2\n", filename="n.csv", session_id=session_id)
    await producer.generate("sum of n", job_id=name, session_id=session_id, execute=True, after=[upload.id])
