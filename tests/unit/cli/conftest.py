"""The command line with a real server, and a worker whose results are scripted."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner
from typer.testing import Result as CliResult

from raylane.cli.app import app
from raylane_common.errors import JobCancelled, RaylaneError
from raylane_common.redis.source_store import SourceStore
from raylane_common.wire.base import Lane
from raylane_common.wire.generate import Checkpoint, GenerateResult
from raylane_common.wire.jobs import JobRecord, Progress
from raylane_common.wire.upload import UploadResult
from tests.unit.producer.claiming import claim_all
from tests.unit.producer.samples import CSV

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from redis.asyncio import Redis

    from raylane_common.wire.kinds import Result
    from raylane_worker.embedded import EmbeddedValkey
    from tests.unit.producer.claiming import ClaimedJob

    Cli = Callable[..., Awaitable[CliResult]]


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: os.PathLike[str]) -> None:
    """Removes the settings of this machine: those of the environment, of a `.env` file, and the user's contexts."""
    for name in [name for name in os.environ if name.startswith("RAYLANE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", os.path.join(tmp_path, "config"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def cli(redis: Redis, valkey: EmbeddedValkey) -> Cli:
    """Runs one command line in a thread, so that the test's own loop keeps running."""

    async def invoke(*arguments: str, **env: str) -> CliResult:
        environment = {"RAYLANE_REDIS__URL": valkey.url, **env}
        return await asyncio.to_thread(CliRunner().invoke, app, arguments, env=environment)

    return invoke


class ScriptedWorker:
    """Ends every job with the outcome of its action or kind; a job without an outcome runs until it is cancelled."""

    def __init__(self, redis: Redis) -> None:
        self.outcomes: dict[str, Result | RaylaneError] = {}
        self.claimed: list[JobRecord] = []
        self.message = "on it"
        self.texts: list[str] = []
        self.log_lines: list[str] = []
        self.ignores_cancels = False
        self.stopping = False
        self._redis = redis
        self._running: list[ClaimedJob] = []

    async def run(self) -> None:
        while not self.stopping:
            for lane in Lane:
                for held in await claim_all(self._redis, lane):
                    self.claimed.append(held.record)
                    await self._end(held)
            for held in [held for held in self._running if await held.is_cancelled() and not self.ignores_cancels]:
                self._running.remove(held)
                await held.fail(JobCancelled("stopped on request"))
            await asyncio.sleep(0.01)

    async def _end(self, held: ClaimedJob) -> None:
        await held.lease.progress(Progress(stage="working", message=self.message, done=1, total=3, unit="rows"))
        for text in self.texts:
            await held.lease.text(text)
        for lines in self.log_lines:
            await held.lease.log(lines)
        outcome = self.outcomes.get(str(held.record.payload.get("action") or held.record.kind))
        if isinstance(outcome, RaylaneError):
            await held.fail(outcome)
        elif outcome is None:
            self._running.append(held)
        else:
            if isinstance(outcome, UploadResult) and held.record.session_id is not None:
                await SourceStore(self._redis).put(held.record.session_id, [CSV])
            if isinstance(outcome, GenerateResult):
                await held.lease.checkpoint(Checkpoint(sources_used=outcome.sources_used, generator=outcome.generator))
            await held.succeed(outcome)


@pytest.fixture
async def worker(redis: Redis) -> AsyncIterator[ScriptedWorker]:
    scripted = ScriptedWorker(redis)
    running = asyncio.create_task(scripted.run())
    yield scripted
    scripted.stopping = True
    await running
