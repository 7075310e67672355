"""Each line that a worker logs has the ids of the job that it is about, and of no other."""

from __future__ import annotations

import asyncio
import io
import json
import logging
from typing import TYPE_CHECKING, Any

import pytest

from raylane_common.ray.tasks import BackgroundTasks
from raylane_common.redis.queue import JobQueue
from raylane_common.telemetry.ids import bound, bound_ids
from raylane_common.telemetry.logs import JsonFormatter, SafeHandler
from raylane_worker.lanes.outbox import Outbox
from tests.helpers.claims import patient_lane, take
from tests.helpers.lanes import DONE, a_job, worker

if TYPE_CHECKING:
    from collections.abc import Iterator

    from redis.asyncio import Redis

    from raylane_common.wire.tables import DatabasesResult
    from raylane_worker.context import JobContext


@pytest.fixture
def lines() -> Iterator[list[dict[str, Any]]]:
    """What is logged meanwhile, as a worker writes it where stderr is no terminal."""
    written = Written()
    handler = SafeHandler(written)
    handler.setFormatter(JsonFormatter())
    root, ours = logging.getLogger(), logging.getLogger("raylane")
    before = ours.level
    root.addHandler(handler)
    ours.setLevel(logging.INFO)
    try:
        yield written.lines
    finally:
        root.removeHandler(handler)
        ours.setLevel(before)


class Written(io.StringIO):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[dict[str, Any]] = []

    def write(self, text: str) -> int:
        self.lines += [json.loads(line) for line in text.splitlines()]
        return len(text)


async def test_each_line_of_an_attempt_has_its_ids_also_those_of_libraries_and_threads(
    redis: Redis, lines: list[dict[str, Any]]
) -> None:
    async def handle(request: Any, ctx: JobContext) -> DatabasesResult:
        for number in range(3):
            await asyncio.sleep(0)
            logging.getLogger("botocore").warning("%s of %s", number, ctx.job_id)
        await asyncio.to_thread(logging.getLogger("pyarrow").warning, "of %s", ctx.job_id)
        return DONE

    queue = JobQueue(redis)
    with bound(worker="w1"):
        async with worker(redis, handle):
            ids = [f"job{number}" for number in range(5)]
            await queue.enqueue_many([a_job(id=job_id, session_id=f"s-{job_id}") for job_id in ids])
            for job_id in ids:
                await queue.result(job_id, timeout_s=30)
    about = [line for line in lines if line["logger"] in ("botocore", "pyarrow")]
    assert len(about) == 4 * len(ids)
    for line in about:
        job_id = line["message"].split()[-1]
        found = {name: line[name] for name in ("job_id", "session_id", "lane", "attempt", "worker")}
        expected = {"session_id": f"s-{job_id}", "lane": "upload", "attempt": "1", "worker": "w1"}
        assert found == {"job_id": job_id, **expected}
    ends = [line for line in lines if "succeeded" in line["message"]]
    assert [line["job_id"] in line["message"] for line in ends] == [True] * len(ids)
    assert "job_id" not in bound_ids()


async def test_what_serves_all_jobs_logs_without_the_ids_of_the_one_that_started_it(
    redis: Redis, lines: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    lane = patient_lane(redis)
    await JobQueue(redis).enqueue(a_job(id="a"))
    lease = await take(lane)

    async def refused(outcomes: Any) -> list[bool]:
        return [False for _ in outcomes]

    monkeypatch.setattr(lane, "finish", refused)
    outbox, tasks = Outbox(lane), BackgroundTasks()

    async def fail() -> None:
        raise OSError("broken")

    with bound(job_id="another"):
        assert not await outbox.write(lease.succeeded(DONE))
        await asyncio.gather(tasks.start(fail()), return_exceptions=True)
    await tasks.aclose()
    assert [line["message"] for line in lines] == [
        "job a: outcome dropped; another worker has the job",
        "a background probe of Ray's endpoints failed",
    ]
    assert all("job_id" not in line for line in lines)
