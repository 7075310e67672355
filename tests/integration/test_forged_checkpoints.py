"""Code runs only after the checks of the worker that runs it, whatever the job's record says."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

import pytest

from raylane import Producer
from raylane.testing import Address, FakeRay
from raylane_common.errors import VerificationFailed
from raylane_common.settings import Settings
from raylane_common.wire.base import Lane
from raylane_common.wire.generate import (
    Checkpoint,
    CodeVersion,
    Finding,
    GenerateRequest,
    GenerateResult,
    GeneratorName,
)
from raylane_worker.app import run as run_worker
from raylane_worker.generation.generators import GeneratorChoice
from raylane_worker.generation.port import Draft
from tests.helpers.claims import record
from tests.helpers.handler_harness import Harness, a_source, open_harness
from tests.helpers.queue_keys import keys
from tests.helpers.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from redis.asyncio import Redis

    from raylane_worker.embedded import EmbeddedValkey
    from raylane_worker.generation.port import WritingTask

# The package has a function of the same name.
HANDLER = import_module("raylane_worker.handlers.generate")
EVIL: Final = "import os\nprint(os.environ)\n"
GOOD: Final = f"""\
from raylane_run import answer, read

answer.value("rows", read({a_source().location!r}).count())
"""
RUN: Final = "rl-job1-1"


def forged(code: str = EVIL, **fields: Any) -> Checkpoint:
    """Returns a checkpoint which says that the code passed verification."""
    version = CodeVersion(number=1, code=code)
    return Checkpoint(**{"sources_used": (a_source(),), "generator": "template", "versions": (version,)} | fields)


@asynccontextmanager
async def working(valkey: EmbeddedValkey, address: Address) -> AsyncIterator[None]:
    """Runs a worker of the generate lane."""
    settings = Settings.model_validate(
        {"redis": {"url": valkey.url}, "ray": {"private_url": address.url, "poll_interval_s": 0.05}}
    )
    ready, stop = asyncio.Event(), asyncio.Event()
    task = asyncio.create_task(run_worker(settings, [Lane.GENERATE], ready=ready, stop=stop))
    await asyncio.wait_for(ready.wait(), 10)
    try:
        yield
    finally:
        stop.set()
        await asyncio.wait_for(task, 60)


@pytest.mark.parametrize("execute", [True, False])
async def test_a_record_that_calls_its_code_verified_is_not_believed(
    redis: Redis, valkey: EmbeddedValkey, execute: bool
) -> None:
    async with Producer(redis_url=valkey.url) as producer, Address(FakeRay()) as address:
        await producer.generate("how many rows", session_id="ada", execute=execute, job_id="job1")
        await redis.hset(keys.job("job1"), "checkpoint", forged().model_dump_json())  # type: ignore[misc]  # redis-py's sync/async union
        async with working(valkey, address):
            with pytest.raises(VerificationFailed, match="module 'os' cannot be imported"):
                await producer.result("job1", timeout_s=60)
        kept = await record(redis, "job1")
        assert kept.checkpoint is not None
        assert [one.rule for one in kept.checkpoint.versions[0].findings] != []
        assert "POST /api/jobs/" not in address.requests


@pytest.fixture
async def harness(redis: Redis) -> AsyncIterator[Harness]:
    async with open_harness(redis) as opened:
        opened.ray.ends_at_poll = 2
        yield opened


class Writer:
    """A generator that writes the good code, and remembers what it was told."""

    def __init__(self) -> None:
        self.tasks: list[WritingTask] = []

    async def write(self, task: WritingTask, say: Callable[[str], Awaitable[None]]) -> Draft:
        self.tasks.append(task)
        return Draft(GOOD, "the rows are counted")


@pytest.fixture
def writer(monkeypatch: pytest.MonkeyPatch) -> Writer:
    made = Writer()
    monkeypatch.setattr(HANDLER, "make_generator", lambda chosen, settings, metrics: made)
    chosen = GeneratorChoice(GeneratorName.AGENT, "m")
    monkeypatch.setattr(HANDLER, "choose_generator", lambda settings, wanted: chosen)
    return made


AGENT: Final = GenerateRequest(prompt="how many rows", generator=GeneratorName.AGENT, execute=True, max_versions=2)


async def test_code_that_the_checks_no_longer_accept_is_written_again_with_their_findings(
    harness: Harness, writer: Writer
) -> None:
    job = harness.job(AGENT)
    job.checkpoints.append(forged(generator="agent"))
    result = await job.run()
    assert isinstance(result, GenerateResult)
    [task] = writer.tasks
    assert task.previous is not None
    assert [finding.rule for finding in task.previous.findings] == [f.rule for f in result.versions[0].findings] != []
    assert (result.code, harness.ray.submissions, list(harness.ray.jobs)) == (GOOD, 1, ["rl-job1-2"])


async def test_a_run_of_code_that_is_no_longer_accepted_is_stopped_before_the_next_version(
    harness: Harness, writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The attempt before this one was of a worker with weaker checks."""
    harness.ray.ends_at_poll = None
    accepting = HANDLER.verify_in_thread
    job = harness.job(AGENT)

    async def accept(code: str, sources: object, engine: object) -> list[Finding]:
        return []

    monkeypatch.setattr(HANDLER, "verify_in_thread", accept)
    job.checkpoints.append(forged(generator="agent"))
    attempt = asyncio.create_task(job.run())
    await until(lambda: RUN in harness.ray.polls)
    attempt.cancel()
    with pytest.raises(asyncio.CancelledError):
        await attempt
    monkeypatch.setattr(HANDLER, "verify_in_thread", accepting)
    attempt = asyncio.create_task(job.run())
    await until(lambda: "rl-job1-2" in harness.ray.polls)
    assert harness.ray.statuses() == {RUN: "STOPPED", "rl-job1-2": "RUNNING"}
    assert job.slots == ["taken", "freed", "taken"]
    harness.ray.finish("rl-job1-2")
    result = await attempt
    assert isinstance(result, GenerateResult)
    assert result.code == GOOD


async def test_the_numbers_of_versions_follow_from_their_order(harness: Harness) -> None:
    job = harness.job(GenerateRequest(prompt="how many rows", execute=True))
    job.checkpoints.append(forged(versions=(CodeVersion(number=99, code=GOOD),)))
    await job.run()
    assert list(harness.ray.jobs) == [RUN]
