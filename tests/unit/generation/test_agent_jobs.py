"""Jobs whose code the agents write, up to the answer. The model is scripted, and the runs are played."""

from __future__ import annotations

import json
from importlib import import_module
from typing import TYPE_CHECKING

import pytest
from fakeredis import FakeAsyncRedis

from raylane.follow_up import predecessor
from raylane_common.ray.client import RayClient
from raylane_common.ray.models import Run, RunStatus
from raylane_common.redis.source_store import SourceStore
from raylane_common.settings import Settings
from raylane_common.wire.answer import Answer, AnswerColumn, AnswerTable, CellType
from raylane_common.wire.generate import Engine, GenerateRequest, GenerateResult, GeneratorName
from raylane_worker.context import Resources
from raylane_worker.generation.agents.generator import AgentGenerator
from raylane_worker.run_slots import RunSlots
from tests.helpers.handler_harness import Cut, Job, a_source
from tests.unit.generation.scripted_model import LOOK, ScriptedModel

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from strands.types.content import Messages

    from raylane_common.telemetry.metrics import Metrics
    from raylane_worker.context import JobContext
    from raylane_worker.generation.generators import GeneratorChoice
    from raylane_worker.runs.run import RunOrder
    from tests.unit.generation.scripted_model import Turn

# The package has a function of the same name.
HANDLER = import_module("raylane_worker.handlers.generate")
LOCATION = a_source().location
READ = f"from raylane_run import answer, read, require_text\n\nweather = read({LOCATION!r})\n"
MEANS = 'weather.groupby("weather", dropna=False, as_index=False).agg(mean=("temp_max", "mean"))'
LOCAL = f"{READ}answer.table({MEANS})\n"
FILTERED = f'{READ}require_text(weather, "weather", "Sun")\nanswer.table(weather[weather["weather"] == "Sun"])\n'
OLD = f"import ray\n\nray.init()\nprint(ray.data.read_csv({LOCATION!r}).mean('temp_max'))\n"
COLUMNS = (AnswerColumn(name="weather", type=CellType.STRING), AnswerColumn(name="mean", type=CellType.NUMBER))
FULL = Answer(items=(AnswerTable(columns=COLUMNS, rows=(("sun", 20.5),), total_rows=1),))
NO_ROWS = Answer(items=(AnswerTable(columns=COLUMNS, rows=(), total_rows=0),))


class Agents:
    """Jobs of one session, for which a model writes code, and whose runs give these answers, one after another."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, resources: Resources, *answers: Answer) -> None:
        self.orders: list[RunOrder] = []
        self.model = ScriptedModel([], supervisor=[[("code_generation_agent", {})]])
        self._resources = resources
        self._answers = iter(answers)
        monkeypatch.setattr(HANDLER, "make_generator", self._make)
        monkeypatch.setattr(HANDLER, "run_to_end", self._run)
        monkeypatch.setattr(HANDLER, "collect_answer", self._collect)

    async def ask(self, request: GenerateRequest, code_for: Callable[[str], str]) -> tuple[Job, GenerateResult]:
        """Runs a job. `code_for` writes the code, from the first message to the agent that writes."""

        def submit(messages: Messages) -> Turn:
            code = code_for("\n\n".join(block["text"] for block in messages[0]["content"]))
            return [("submit_code", {"code": code, "interpreted_as": "The mean of temp_max, by weather."})]

        self.model.turns["code"] = [LOOK, submit]
        job = Job(request, self._resources, Cut())
        result = await job.run()
        assert isinstance(result, GenerateResult)
        return job, result

    def _make(self, chosen: GeneratorChoice, settings: Settings, metrics: Metrics) -> AgentGenerator:
        return AgentGenerator(self.model, settings.generation)

    async def _run(self, order: RunOrder, ctx: JobContext) -> Run:
        self.orders.append(order)
        return Run(submission_id=f"rl-{order.number}", status=RunStatus.SUCCEEDED, endpoint="private")

    async def _collect(self, run: Run, ctx: JobContext) -> Answer:
        return next(self._answers)


@pytest.fixture
async def resources() -> AsyncIterator[Resources]:
    settings = Settings()
    async with FakeAsyncRedis(decode_responses=True) as redis, RayClient(settings.ray) as ray:
        store = SourceStore(redis)
        await store.put("s1", [a_source()])
        yield Resources(settings=settings, ray=ray, sources=store, run_slots=RunSlots(ray))


def asked(prompt: str, **fields: object) -> GenerateRequest:
    given = {"prompt": prompt, "execute": True, "keep_sources": True, "generator": GeneratorName.AGENT}
    return GenerateRequest.model_validate(given | fields)


async def test_a_local_script_is_accepted_the_first_time(resources: Resources, monkeypatch: pytest.MonkeyPatch) -> None:
    agents = Agents(monkeypatch, resources, FULL)
    _, result = await agents.ask(asked("average temp_max by weather"), lambda first: LOCAL)
    assert (result.code, result.engine, result.answer, len(result.versions)) == (LOCAL, Engine.LOCAL, FULL, 1)
    listed = json.loads(agents.model.asked("code")[-1][-1]["content"][0]["toolResult"]["content"][0]["text"])
    assert (listed["engine"], listed["sources"][0]["location"]) == ("local", LOCATION)
    assert [order.engine for order in agents.orders] == [Engine.LOCAL]


async def test_an_old_reader_gets_a_finding_that_names_the_new_one(
    resources: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    agents = Agents(monkeypatch, resources, FULL)

    def corrects(first: str) -> str:
        return LOCAL if "from raylane_run" in first else OLD

    _, result = await agents.ask(asked("average temp_max by weather"), corrects)
    old, new = result.versions
    assert (old.code, old.run, bool(old.findings)) == (OLD, None, True)
    assert (new.code, new.findings, result.answer) == (LOCAL, (), FULL)
    assert len(agents.orders) == 1
    feedback = agents.model.asked("code")[-1][0]["content"][1]["text"]
    for finding in old.findings:
        assert finding.message in feedback
    assert f"read({LOCATION!r})" in feedback


async def test_an_empty_answer_is_questioned_once_and_then_taken(
    resources: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    explained = Answer(items=NO_ROWS.items, notes=("No day was sunny.",))
    agents = Agents(monkeypatch, resources, NO_ROWS, explained)
    noted = f'{FILTERED}answer.note("No day was sunny.")\n'

    def explains(first: str) -> str:
        return noted if "Its answer was not taken: the answer is empty" in first else FILTERED

    _, result = await agents.ask(asked("sunny days"), explains)
    assert [bool(version.doubt) for version in result.versions] == [True, False]
    assert (result.code, result.answer) == (noted, explained)


async def test_a_follow_up_of_a_follow_up_carries_both_earlier_prompts(
    resources: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    agents = Agents(monkeypatch, resources, FULL, FULL, FULL)
    codes = [LOCAL, f"{LOCAL}# only 2014\n", f"{LOCAL}# a line chart\n"]
    firsts: list[str] = []
    earlier = None
    for prompt, code in zip(("average temp_max by weather", "now only 2014", "as a line chart"), codes, strict=True):

        def write(first: str, code: str = code) -> str:
            firsts.append(first)
            return code

        request = asked(prompt, continues=earlier) if earlier else asked(prompt)
        job, result = await agents.ask(request, write)
        record = job.context().record
        assert result.code == code
        earlier = predecessor(record.model_copy(update={"result": result, "payload": request.model_dump()}), "s1")
    first, second, third = firsts
    assert first == "average temp_max by weather"
    assert second.endswith("\n\nnow only 2014")
    assert third.endswith("\n\nas a line chart")
    assert '"prompts": ["average temp_max by weather"]' in second
    assert '"prompts": ["average temp_max by weather", "now only 2014"]' in third
    assert codes[1] in third
    assert '{"name": "mean", "type": "number"}' in third
