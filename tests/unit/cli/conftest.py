"""The command line against a real server, and a worker that answers by script."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner
from typer.testing import Result as CliResult

from raylane.cli.app import app
from raylane_common.errors import RaylaneError
from raylane_common.jobs import Checkpoint, JobRecord, Progress
from raylane_common.queue import LaneQueue
from raylane_common.requests import Lane
from raylane_common.results import GenerateResult, Result, UploadResult
from raylane_common.sources import SourceStore
from tests.unit.producer.samples import CSV

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from redis.asyncio import Redis

    from raylane_common.queue import Lease
    from raylane_worker.embedded import EmbeddedValkey

    Cli = Callable[..., Awaitable[CliResult]]


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: os.PathLike[str]) -> None:
    """No setting of this machine holds: neither from the environment nor from a `.env`."""
    for name in [name for name in os.environ if name.startswith("RAYLANE_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def cli(redis: Redis, valkey: EmbeddedValkey) -> Cli:
    """Runs one command line beside the test's own loop."""

    async def invoke(*arguments: str, **env: str) -> CliResult:
        environment = {"RAYLANE_REDIS__URL": valkey.url, **env}
        return await asyncio.to_thread(CliRunner().invoke, app, arguments, env=environment)

    return invoke


class ScriptedWorker:
    """Ends every job as `outcomes` says for its action, or its kind; a job without an outcome stays running."""

    def __init__(self, redis: Redis) -> None:
        self.outcomes: dict[str, Result | RaylaneError] = {}
        self.claimed: list[JobRecord] = []
        self.stopping = False
        self._redis = redis

    async def run(self) -> None:
        lanes = [LaneQueue(self._redis, lane, worker="w", lease_s=10, max_attempts=3, result_ttl_s=60) for lane in Lane]
        while not self.stopping:
            for lane in lanes:
                for lease in (await lane.claim(10)).leases:
                    self.claimed.append(lease.record)
                    await self._end(lease)
            await asyncio.sleep(0.01)

    async def _end(self, lease: Lease) -> None:
        await lease.progress(Progress(stage="working", message="on it"))
        outcome = self.outcomes.get(str(lease.record.payload.get("action") or lease.record.kind))
        if isinstance(outcome, RaylaneError):
            await lease.fail(outcome)
        elif outcome is not None:
            if isinstance(outcome, UploadResult) and lease.record.session_id is not None:
                await SourceStore(self._redis).put(lease.record.session_id, [CSV])
            if isinstance(outcome, GenerateResult):
                await lease.checkpoint(Checkpoint(sources_used=outcome.sources_used, generator=outcome.generator))
            await lease.succeed(outcome)


@pytest.fixture
async def worker(redis: Redis) -> AsyncIterator[ScriptedWorker]:
    scripted = ScriptedWorker(redis)
    running = asyncio.create_task(scripted.run())
    yield scripted
    scripted.stopping = True
    await running
