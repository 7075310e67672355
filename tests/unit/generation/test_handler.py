"""The `generate` handler: its snapshot, the generator of an attempt, and the failure of the last version."""

from __future__ import annotations

import asyncio
import threading
from importlib import import_module
from typing import TYPE_CHECKING

import pytest
from fakeredis import FakeAsyncRedis

from raylane_common.errors import (
    InvalidAnswer,
    ModelMisconfigured,
    NoAnswer,
    SourceReplaced,
    UnsupportedFormat,
    VerificationFailed,
)
from raylane_common.ray.client import RayClient
from raylane_common.ray.models import Run, RunStatus
from raylane_common.redis.source_store import SourceStore
from raylane_common.settings import Settings
from raylane_common.wire.answer import Answer, AnswerValue, CellType
from raylane_common.wire.generate import (
    Checkpoint,
    CodeVersion,
    Engine,
    Finding,
    GenerateRequest,
    GenerateResult,
    GeneratorName,
    Predecessor,
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

    from raylane_common.telemetry.metrics import Metrics
    from raylane_common.wire.sources import AnySource, FileSource
    from raylane_worker.context import JobContext
    from raylane_worker.generation.generators import GeneratorChoice
    from raylane_worker.generation.port import Generator, WritingTask
    from raylane_worker.runs.run import RunOrder

# The package has a function of the same name.
HANDLER = import_module("raylane_worker.handlers.generate")
SETTINGS = Settings.model_validate({"ray": {"local_source_bytes": 1500, "local_source_rows": 25}})
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

    def make(self, chosen: GeneratorChoice, settings: Settings, metrics: Metrics) -> Generator:
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


@pytest.mark.parametrize(
    ("changes", "asked", "engine"),
    [
        ({}, None, Engine.LOCAL),
        ({"size_bytes": 2000}, None, Engine.DISTRIBUTED),
        ({"rows": 26}, None, Engine.DISTRIBUTED),
        ({"rows": 26}, Engine.LOCAL, Engine.LOCAL),
        ({}, Engine.DISTRIBUTED, Engine.DISTRIBUTED),
    ],
)
async def test_the_engine_follows_from_the_sources_unless_the_request_names_one(
    resources: Resources, changes: dict[str, int], asked: Engine | None, engine: Engine
) -> None:
    source = a_source().model_copy(update=changes)
    begun = await job(resources, source, request=GenerateRequest(prompt="how many rows", engine=asked))
    result = await begun.run()
    assert isinstance(result, GenerateResult)
    assert result.engine is engine
    assert [checkpoint.engine for checkpoint in begun.checkpoints] == [engine] * 2
    assert begun.texts == [result.code]


async def test_all_sources_together_choose_the_engine(resources: Resources) -> None:
    sources = [a_source().model_copy(update={"filename": name}) for name in ("weather.csv", "more.csv")]
    asked = await job(resources, *sources, request=GenerateRequest(prompt="how many rows in weather.csv"))
    result = await asked.run()
    assert isinstance(result, GenerateResult)
    assert result.engine is Engine.DISTRIBUTED


async def test_one_attempt_makes_its_generator_once_and_reports_the_last_failure(
    resources: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = Writer("print(1)\n")
    monkeypatch.setattr(HANDLER, "make_generator", writer.make)
    asked = await job(resources, a_source(), request=AGENT)
    with pytest.raises(VerificationFailed, match=r"version 3 of the code may not run: .*the script reads no source"):
        await asked.run()
    assert writer.made == 1
    assert [task.previous and task.previous.number for task in writer.tasks] == [None, 1, 2]
    assert [task.engine for task in writer.tasks] == [Engine.LOCAL] * 3


async def test_an_attempt_that_writes_no_version_makes_no_generator(
    resources: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    def make(chosen: GeneratorChoice, settings: Settings, metrics: Metrics) -> Generator:
        raise ModelMisconfigured("no model")

    monkeypatch.setattr(HANDLER, "make_generator", make)
    asked = await job(resources, request=AGENT)
    verified = CodeVersion(number=1, code=CODE)
    asked.checkpoints.append(
        Checkpoint(sources_used=(a_source(),), generator=GeneratorName.AGENT, model="m", versions=(verified,))
    )
    result = await asked.run()
    assert isinstance(result, GenerateResult)
    assert (result.code, result.model) == (CODE, "m")


async def test_other_jobs_continue_while_code_is_verified(
    resources: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, released = threading.Event(), threading.Event()

    def verify(code: str, sources: object, engine: Engine) -> list[Finding]:
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


CODE = f"""\
from raylane_run import answer, read

weather = read({a_source().location!r})
answer.value("rows", weather.count())
"""


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


async def test_code_of_the_caller_gets_the_engine_by_the_size_of_its_sources(resources: Resources) -> None:
    own = Rerun(code=CODE, sources_used=(a_source(),), engine=None, generator=GeneratorName.AUTO)
    result = await (await job(resources, request=GenerateRequest(prompt="run the given code", rerun=own))).run()
    assert isinstance(result, GenerateResult)
    assert (result.engine, result.generator) == (Engine.LOCAL, GeneratorName.AUTO)


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


FULL = Answer(items=(AnswerValue(name="rows", value=3, value_type=CellType.INTEGER),))
EMPTY = Answer(items=(AnswerValue(name="mean", value=None, value_type=CellType.NUMBER),))
ONLY_NOTES = Answer(notes=("no row has 'Female'; the nearest is 'female'",))


class Runs:
    """Runs that succeed, with these answers one after another."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *answers: Answer | InvalidAnswer | None) -> None:
        self.orders: list[RunOrder] = []
        self._answers = iter(answers)
        monkeypatch.setattr(HANDLER, "run_to_end", self._run)
        monkeypatch.setattr(HANDLER, "collect_answer", self._collect)

    async def _run(self, order: RunOrder, ctx: JobContext) -> Run:
        self.orders.append(order)
        return Run(submission_id=f"rl-{order.number}", status=RunStatus.SUCCEEDED, endpoint="public")

    async def _collect(self, run: Run, ctx: JobContext) -> Answer | None:
        answer = next(self._answers)
        if isinstance(answer, InvalidAnswer):
            raise answer
        return answer


ASKED = AGENT.model_copy(update={"execute": True, "keep_sources": True})


@pytest.mark.parametrize("first", [EMPTY, ONLY_NOTES, Answer(), None, InvalidAnswer("a row has 2 cells, not 3")])
async def test_an_answer_that_is_none_goes_back_to_the_generator(
    resources: Resources, monkeypatch: pytest.MonkeyPatch, first: Answer | InvalidAnswer | None
) -> None:
    writer = Writer(CODE)
    monkeypatch.setattr(HANDLER, "make_generator", writer.make)
    runs = Runs(monkeypatch, first, FULL)
    result = await (await job(resources, a_source(), request=ASKED)).run()
    assert isinstance(result, GenerateResult)
    assert (result.answer, len(result.versions), len(runs.orders)) == (FULL, 2, 2)
    previous = writer.tasks[1].previous
    assert previous is not None
    assert previous.doubt
    assert previous.doubt == result.versions[0].doubt


async def test_an_empty_answer_is_questioned_only_once(resources: Resources, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(HANDLER, "make_generator", Writer(CODE).make)
    Runs(monkeypatch, EMPTY, ONLY_NOTES)
    result = await (await job(resources, a_source(), request=ASKED)).run()
    assert isinstance(result, GenerateResult)
    assert (result.answer, [bool(version.doubt) for version in result.versions]) == (ONLY_NOTES, [True, False])
    for what in ("empty", "spelling", "join", "dates", "answer.note"):
        assert what in str(result.versions[0].doubt)


async def test_the_empty_answer_of_the_last_version_is_taken(
    resources: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(HANDLER, "make_generator", Writer(CODE).make)
    Runs(monkeypatch, EMPTY)
    only = ASKED.model_copy(update={"max_versions": 1})
    result = await (await job(resources, a_source(), request=only)).run()
    assert isinstance(result, GenerateResult)
    assert result.answer == EMPTY


async def test_a_template_is_not_asked_again(resources: Resources, monkeypatch: pytest.MonkeyPatch) -> None:
    Runs(monkeypatch, EMPTY)
    request = GenerateRequest(prompt="how many rows?", execute=True, generator=GeneratorName.TEMPLATE)
    result = await (await job(resources, a_source(), request=request)).run()
    assert isinstance(result, GenerateResult)
    assert (result.answer, len(result.versions)) == (EMPTY, 1)


@pytest.mark.parametrize(
    ("last", "error", "message"),
    [
        (None, NoAnswer, r"version 3 of 3 ran, but the script ended without an answer"),
        (InvalidAnswer("a row has 2 cells"), InvalidAnswer, r"version 3 of 3 ran, but a row has 2 cells"),
    ],
)
async def test_a_last_version_without_a_valid_answer_fails_the_job(
    resources: Resources,
    monkeypatch: pytest.MonkeyPatch,
    last: InvalidAnswer | None,
    error: type[Exception],
    message: str,
) -> None:
    monkeypatch.setattr(HANDLER, "make_generator", Writer(CODE).make)
    Runs(monkeypatch, None, Answer(), last)
    with pytest.raises(error, match=message):
        await (await job(resources, a_source(), request=ASKED)).run()


async def test_a_local_run_reserves_a_cpu_and_memory_for_its_sources(
    resources: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(HANDLER, "make_generator", Writer(CODE).make)
    runs = Runs(monkeypatch, FULL, FULL)
    await (await job(resources, a_source(), request=ASKED)).run()
    await (await job(resources, request=ASKED.model_copy(update={"engine": Engine.DISTRIBUTED}))).run()
    local, distributed = runs.orders
    assert (local.engine, local.num_cpus, local.memory_bytes) == (Engine.LOCAL, 1, 256 * 1024 * 1024 + 6 * 1000)
    assert (distributed.engine, distributed.num_cpus, distributed.memory_bytes) == (Engine.DISTRIBUTED, None, None)


async def test_a_follow_up_reads_the_snapshot_of_the_job_that_it_continues(
    resources: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = Writer(CODE)
    monkeypatch.setattr(HANDLER, "make_generator", writer.make)
    Runs(monkeypatch, FULL)
    earlier = Predecessor(job_id="gen", prompts=("how many rows?",), code=CODE, sources_used=(a_source(),))
    asked = await job(resources, request=ASKED.model_copy(update={"continues": earlier}))
    result = await asked.run()
    assert isinstance(result, GenerateResult)
    assert result.sources_used == (a_source(),)
    assert [task.continues for task in writer.tasks] == [earlier]
