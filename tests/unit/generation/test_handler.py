"""The `generate` handler: its snapshot, the generator of an attempt, and the failure of the last version."""

from __future__ import annotations

import asyncio
import threading
from importlib import import_module
from typing import TYPE_CHECKING

import pytest
from fakeredis import FakeAsyncRedis

from raylane_common.errors import ModelMisconfigured, SourceReplaced, UnsupportedFormat, VerificationFailed
from raylane_common.ray.client import RayClient
from raylane_common.ray.models import Run, RunStatus
from raylane_common.redis.source_store import SourceStore
from raylane_common.settings import Settings
from raylane_common.wire.generate import (
    Checkpoint,
    CodeVersion,
    Finding,
    GenerateRequest,
    GenerateResult,
    GeneratorName,
    Rerun,
)
from raylane_common.wire.sources import OpaqueSource
from raylane_worker.context import Resources
from raylane_worker.generation.port import Draft
from raylane_worker.run_slots import RunSlots
from tests.helpers.handler_harness import Cut, Job, a_source
from tests.helpers.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from raylane_common.wire.sources import AnySource, FileSource
    from raylane_worker.context import JobContext
    from raylane_worker.generation.generators import GeneratorChoice
    from raylane_worker.generation.port import Generator, WritingTask
    from raylane_worker.runs.run import RunOrder

# The package has a function of the same name.
HANDLER = import_module("raylane_worker.handlers.generate")
SETTINGS = Settings.model_validate({"ray": {"small_source_bytes": 1500}})
NEWER = OpaqueSource.model_validate({"type": "parquet", "filename": "x.parquet", "job_id": "up9"})
AGENT = GenerateRequest(prompt="how many rows?", generator=GeneratorName.AGENT, max_versions=3)


@pytest.fixture
async def resources() -> AsyncIterator[Resources]:
    async with FakeAsyncRedis(decode_responses=True) as redis, RayClient(SETTINGS.ray) as ray:
        yield Resources(settings=SETTINGS, ray=ray, sources=SourceStore(redis), run_slots=RunSlots(ray))


async def job(resources: Resources, *sources: AnySource, request: GenerateRequest | None = None) -> Job:
    await resources.sources.put("s1", sources)
    return Job(request or GenerateRequest(prompt="how many rows?"), resources, Cut())


class Writer:
    """A generator that writes the same code again and again."""

    def __init__(self, code: str) -> None:
        self.code = code
        self.tasks: list[WritingTask] = []
        self.made = 0

    def make(self, chosen: GeneratorChoice, settings: Settings) -> Generator:
        self.made += 1
        return self

    async def write(self, task: WritingTask, say: Callable[[str], Awaitable[None]]) -> Draft:
        self.tasks.append(task)
        return Draft(self.code, "the rows are counted")


async def test_a_source_of_a_newer_version_is_refused_by_name_before_anything_is_kept(resources: Resources) -> None:
    asked = await job(resources, a_source(), NEWER)
    with pytest.raises(UnsupportedFormat, match=r"source x\.parquet is of type parquet, .* upgrade the worker"):
        await asked.run()
    assert asked.checkpoints == []


async def test_a_snapshot_of_a_newer_worker_is_refused_by_name(resources: Resources) -> None:
    asked = await job(resources)
    asked.checkpoints.append(Checkpoint(sources_used=(NEWER,), generator=GeneratorName.TEMPLATE))
    with pytest.raises(UnsupportedFormat, match=r"source x\.parquet is of type parquet, .* upgrade the worker"):
        await asked.run()


@pytest.mark.parametrize(("uploads", "small"), [(["weather.csv"], True), (["weather.csv", "more.csv"], False)])
async def test_the_snapshot_says_whether_the_sources_together_are_small(
    resources: Resources, uploads: list[str], small: bool
) -> None:
    sources = [a_source().model_copy(update={"filename": name}) for name in uploads]
    asked = await job(resources, *sources, request=GenerateRequest(prompt="how many rows in weather.csv"))
    result = await asked.run()
    assert isinstance(result, GenerateResult)
    assert [checkpoint.small for checkpoint in asked.checkpoints] == [small] * 2
    assert ("override_num_blocks=1" in result.code) is small
    assert asked.texts == [result.code]


async def test_one_attempt_makes_its_generator_once_and_reports_the_last_failure(
    resources: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = Writer("print(1)\n")
    monkeypatch.setattr(HANDLER, "make_generator", writer.make)
    asked = await job(resources, a_source(), request=AGENT)
    with pytest.raises(VerificationFailed, match="version 3 of the code may not run: the script reads no source"):
        await asked.run()
    assert writer.made == 1
    assert [task.previous and task.previous.number for task in writer.tasks] == [None, 1, 2]
    assert [task.small for task in writer.tasks] == [True] * 3


async def test_an_attempt_that_writes_no_version_makes_no_generator(
    resources: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    def make(chosen: GeneratorChoice, settings: Settings) -> Generator:
        raise ModelMisconfigured("no model")

    monkeypatch.setattr(HANDLER, "make_generator", make)
    asked = await job(resources, request=AGENT)
    code = f"import ray\nray.init()\nprint(ray.data.read_csv({a_source().location!r}).count())\n"
    verified = CodeVersion(number=1, code=code)
    asked.checkpoints.append(
        Checkpoint(sources_used=(a_source(),), generator=GeneratorName.AGENT, model="m", versions=(verified,))
    )
    result = await asked.run()
    assert isinstance(result, GenerateResult)
    assert (result.code, result.model) == (code, "m")


async def test_other_jobs_continue_while_code_is_verified(
    resources: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, released = threading.Event(), threading.Event()

    def verify(code: str, sources: object) -> list[Finding]:
        begun.set()
        assert released.wait(10), "the event loop waits for verification"
        return []

    monkeypatch.setattr(import_module("raylane_worker.generation.verify"), "verify", verify)
    attempt = asyncio.create_task((await job(resources, a_source())).run())
    await until(begun.is_set)
    # The work of another job, as far as the loop is concerned.
    for _ in range(100):
        await asyncio.sleep(0)
    assert not attempt.done()
    released.set()
    assert isinstance(await attempt, GenerateResult)


CODE = f"import ray\nray.init()\nprint(ray.data.read_csv({a_source().location!r}).count())\n"


def rerun_of(code: str, *, execute: bool = False, source: FileSource | None = None) -> GenerateRequest:
    sources = (source or a_source(),)
    given = Rerun(job_id="gen", code=code, sources_used=sources, generator=GeneratorName.AGENT, model="m")
    return GenerateRequest(prompt="how many rows?", execute=execute, keep_sources=True, rerun=given)


async def test_given_code_is_verified_and_no_generator_is_needed(
    resources: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    def choose(settings: Settings, requested: GeneratorName | None) -> GeneratorChoice:
        raise ModelMisconfigured("no model")

    monkeypatch.setattr(HANDLER, "choose_generator", choose)
    result = await (await job(resources, request=rerun_of(CODE))).run()
    assert isinstance(result, GenerateResult)
    assert (result.code, result.model, result.sources_used) == (CODE, "m", (a_source(),))
    with pytest.raises(VerificationFailed, match="version 1 of the code may not run"):
        await (await job(resources, request=rerun_of("import os\n"))).run()


async def test_code_does_not_run_on_a_file_that_was_uploaded_again(resources: Resources) -> None:
    older = a_source().model_copy(update={"enqueued_ms": 5})
    newer = a_source("up2").model_copy(update={"enqueued_ms": 7})
    asked = await job(resources, newer, request=rerun_of(CODE, execute=True, source=older))
    with pytest.raises(SourceReplaced, match=r"weather\.csv was uploaded again by job up2"):
        await asked.run()
    assert asked.slots == []
    assert await resources.sources.all("s1") == [newer]


@pytest.mark.parametrize("status", [RunStatus.SUCCEEDED, RunStatus.FAILED])
async def test_an_answer_of_a_run_whose_file_was_uploaded_again_meanwhile_is_refused(
    resources: Resources, monkeypatch: pytest.MonkeyPatch, status: RunStatus
) -> None:
    older = a_source().model_copy(update={"enqueued_ms": 5})
    newer = a_source("up2").model_copy(update={"enqueued_ms": 7})

    async def run(order: RunOrder, ctx: JobContext) -> Run:
        await resources.sources.put("s1", [newer])
        return Run(submission_id="rl-1", status=status, endpoint="public", output_tail="Rome | -498.25")

    monkeypatch.setattr(HANDLER, "run_to_end", run)
    asked = await job(resources, older, request=rerun_of(CODE, execute=True, source=older))
    with pytest.raises(SourceReplaced, match=r"weather\.csv was uploaded again by job up2"):
        await asked.run()
    assert await resources.sources.all("s1") == [newer]
