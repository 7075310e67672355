"""What commands say about workers, and what a look prints."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from raylane.backend import RedisBackend
from raylane.cli import awaiting
from raylane.cli.terminal import Terminal
from raylane.producer import Producer
from raylane_common.errors import JobNotFound
from raylane_common.wire.jobs import LaneWorkers
from raylane_common.wire.names import Lane
from raylane_common.wire.tables import DatabasesResult
from tests.helpers.lanes import lane_queue
from tests.helpers.waiting import until
from tests.unit.producer.claiming import claim_all
from tests.unit.producer.samples import CSV_BYTES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from redis.asyncio import Redis

    from tests.unit.cli.conftest import Cli, ScriptedWorker

DATABASES = DatabasesResult(databases=("shop",))


def _missing(lane: str) -> str:
    return f"no worker takes the lane {lane}; the job waits; start one with raylane-worker run"


@pytest.fixture(autouse=True)
def _looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(awaiting, "_FIRST_LOOK_S", 0.05)
    monkeypatch.setattr(awaiting, "_NEXT_LOOK_S", 0.05)


async def test_a_job_that_nobody_takes_is_told_at_once(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(CSV_BYTES)
    generated = await cli("generate", "count", "-s", "s1", "--job-id", "j")
    assert (generated.exit_code, generated.stdout) == (0, "j\n")
    assert generated.stderr.splitlines() == ["enqueued; raylane follow j", _missing("generate")]
    both = await cli("run", "a.csv", "count", "-s", "s1", "--no-wait", "--json")
    assert both.stderr.splitlines() == [_missing("upload"), _missing("generate")]


async def test_a_job_that_a_worker_takes_is_enqueued_without_more_words(
    cli: Cli, worker: ScriptedWorker, redis: Redis
) -> None:
    await lane_queue(redis, of=Lane.GENERATE).beat(ttl_s=60)
    ran = await cli("generate", "count", "-s", "s1", "--job-id", "j")
    assert ran.stderr.splitlines() == ["enqueued; raylane follow j"]


class Notes(Terminal):
    """Remembers the notes."""

    def __init__(self) -> None:
        super().__init__(as_json=False)
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.fixture
async def producer(redis: Redis) -> AsyncIterator[CountingProducer]:
    async with CountingProducer(backend=RedisBackend(redis)) as producer:
        yield producer


class CountingProducer(Producer):
    """Counts how often it was asked for the workers of a job."""

    asked = 0

    async def workers(self, job_id: str) -> LaneWorkers:
        found = await super().workers(job_id)
        self.asked += 1
        return found


async def test_whoever_waits_is_told_once_that_nobody_works_and_again_when_the_workers_vanish(
    redis: Redis, producer: CountingProducer
) -> None:
    terminal, lane = Notes(), lane_queue(redis, name="w")
    job = await producer.tables.select("s1", [("shop", "orders")])

    async def looked_again() -> None:
        asked = producer.asked
        await until(lambda: producer.asked > asked + 2)

    async with awaiting.watched(producer, job.id, terminal):
        await looked_again()
        assert terminal.notes == [_missing("upload")]
        await lane.beat(ttl_s=60)
        await looked_again()
        assert terminal.notes == [_missing("upload")]
        await lane.stop_beating()
        await looked_again()
    assert terminal.notes == [_missing("upload")] * 2


async def test_the_job_of_a_worker_that_drains_is_not_said_to_wait(redis: Redis, producer: CountingProducer) -> None:
    terminal = Notes()
    job = await producer.generate("count", session_id="s1")
    [held] = await claim_all(redis, Lane.GENERATE)
    await held.lane.stop_beating()
    assert await job.workers() == LaneWorkers("generate", (), is_held=True)
    async with awaiting.watched(producer, job.id, terminal):
        await until(lambda: producer.asked > 2)
    assert terminal.notes == []


async def test_an_unknown_job_has_no_workers(producer: CountingProducer) -> None:
    with pytest.raises(JobNotFound):
        await producer.workers("unknown")


async def test_a_large_upload_says_that_no_worker_can_begin_it(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(CSV_BYTES)
    ran = await cli(
        *("upload", "a.csv", "-s", "s1"),
        RAYLANE_UPLOADS__STAGED_BYTES="1",
        RAYLANE_UPLOADS__START_TIMEOUT_S="0.5",
    )
    assert ran.exit_code == 4
    assert ran.stderr.splitlines()[0] == _missing("upload").replace("the job", "the upload")


@pytest.mark.parametrize("options", [[], ["--json"]])
async def test_a_look_prints_its_result_and_nothing_else(cli: Cli, worker: ScriptedWorker, options: list[str]) -> None:
    worker.outcomes["databases"] = DATABASES
    ran = await cli("tables", "databases", *options)
    assert ran.stdout == (f"{DATABASES.model_dump_json()}\n" if options else "shop\n")
    assert ran.stderr == ""


async def test_a_look_is_listed_only_with_all(cli: Cli, worker: ScriptedWorker) -> None:
    worker.outcomes["databases"] = DATABASES
    await cli("tables", "databases", "--job-id", "look")
    await cli("generate", "count", "-s", "s1", "--job-id", "work")
    assert [line.split()[-5] for line in (await cli("jobs")).stdout.splitlines()[1:]] == ["generate"]
    assert {"look", "work"} <= set((await cli("jobs", "--all")).stdout.split())
    assert {"look"} <= set((await cli("jobs", "--all", "--state", "succeeded")).stdout.split())
