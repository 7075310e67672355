"""A worker is silent for longer than its lease, by a stopped process or a dead route, and then comes back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from raylane_common.ray.models import RunStatus
from raylane_common.wire.jobs import JobStatus
from tests.faults.proxy import Proxy
from tests.helpers.waiting import until

if TYPE_CHECKING:
    from raylane import JobHandle, Producer
    from raylane.testing import FakeRay
    from raylane_common.wire.ray import RaySubmitResult
    from tests.faults.processes import WorkerProcess, Workers
    from tests.faults.server import Server

RECOVERY_S = 15


@pytest.mark.parametrize("how", ["its process is stopped", "its route is dead"])
@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_another_worker_takes_the_jobs_and_no_late_write_is_accepted_when(
    how: str, server: Server, workers: Workers, producer: Producer, cluster: FakeRay
) -> None:
    by_process = how == "its process is stopped"
    # Shorter than the default, so that the jobs change hands sooner. With a dead route the silent worker also needs
    # time for the answers that arrive together when the route is back.
    workers.settings |= {"lanes__lease_s": 2 if by_process else 4}
    async with Proxy(server.port) as proxy:
        silent = await workers.start(redis__url=proxy.url)
        short, long, *others = [await producer.cluster.submit(f"print({number})") for number in range(6)]
        jobs = [short, long, *others]
        await until(lambda: all_follow_their_runs(jobs, silent))
        taker = await workers.start()

        (silent.pause if by_process else proxy.freeze)()
        try:
            # With a dead route to Redis, the silent worker sees this end and has a result that it cannot write.
            cluster.end(run_id_of(short))
            await until(lambda: all_run_on(jobs, taker), timeout_s=RECOVERY_S)
            assert (await short.result(RECOVERY_S)).run.status is RunStatus.SUCCEEDED
            ended = await short.record()
        finally:
            (silent.resume if by_process else proxy.mend)()
        await until(lambda: silent.log_text.count("another worker has") >= len(jobs), timeout_s=60)
        assert await short.record() == ended
        assert await all_run_on([long, *others], taker)
        for job in (long, *others):
            cluster.end(run_id_of(job))
        for job in jobs:
            record = await job.wait(60)
            assert (record.status, record.attempt, record.worker) == (JobStatus.SUCCEEDED, 2, taker.name)
            finals = [
                event.status async for event in job.follow() if event.status is not None and event.status.is_final
            ]
            assert finals == [JobStatus.SUCCEEDED]
        assert cluster.submissions == len(jobs)

        taker.terminate()
        assert await taker.ended() == 0
        again = await producer.cluster.status()
        assert (await again.wait(60)).worker == silent.name
        silent.terminate()
        assert await silent.ended() == 0


async def all_follow_their_runs(jobs: list[JobHandle[RaySubmitResult]], worker: WorkerProcess) -> bool:
    records = [await job.record() for job in jobs]
    stages = {record.progress.stage for record in records if record.progress is not None}
    return stages == {"running"} and all(record.worker == worker.name for record in records)


async def all_run_on(jobs: list[JobHandle[RaySubmitResult]], worker: WorkerProcess) -> bool:
    return {(await job.record()).worker for job in jobs} == {worker.name}


def run_id_of(job: JobHandle[RaySubmitResult]) -> str:
    return f"rl-{job.id}-1"
