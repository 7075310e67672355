"""Which generator a job gets, and what the template generator does behind the port."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from raylane_common.errors import GenerationError
from raylane_common.settings import Settings
from raylane_common.wire.generate import CodeVersion, Engine, Finding, GeneratorName
from raylane_worker.generation.generators import GeneratorChoice, choose_generator, make_generator
from raylane_worker.generation.providers.models import DEFAULT_MODEL
from raylane_worker.generation.template.generator import TemplateGenerator, write
from tests.unit.generation.scripted_model import csv, say_nothing, task

if TYPE_CHECKING:
    from raylane_worker.generation.port import Generator

AGENT, TEMPLATE, AUTO = GeneratorName.AGENT, GeneratorName.TEMPLATE, GeneratorName.AUTO
NOVA = "bedrock:amazon.nova-pro-v1:0"


def settings(**generation: object) -> Settings:
    return Settings.model_validate({"generation": generation})


@pytest.mark.parametrize(
    ("requested", "setting", "model", "expected"),
    [
        (None, "auto", None, GeneratorChoice(TEMPLATE)),
        (None, "auto", NOVA, GeneratorChoice(AGENT, NOVA)),
        (AUTO, "template", NOVA, GeneratorChoice(AGENT, NOVA)),
        (AUTO, "agent", None, GeneratorChoice(TEMPLATE)),
        (None, "template", NOVA, GeneratorChoice(TEMPLATE)),
        (None, "agent", None, GeneratorChoice(AGENT, DEFAULT_MODEL)),
        (TEMPLATE, "agent", NOVA, GeneratorChoice(TEMPLATE)),
        (AGENT, "template", NOVA, GeneratorChoice(AGENT, NOVA)),
        (AGENT, "auto", None, GeneratorChoice(AGENT, DEFAULT_MODEL)),
    ],
)
def test_a_request_wins_over_the_setting_and_auto_needs_a_model(
    requested: GeneratorName | None, setting: str, model: str | None, expected: GeneratorChoice
) -> None:
    assert choose_generator(settings(generator=setting, model=model), requested) == expected


def template() -> Generator:
    return make_generator(GeneratorChoice(TEMPLATE), settings(model=NOVA))


def test_the_template_generator_needs_no_model() -> None:
    assert isinstance(template(), TemplateGenerator)


@pytest.mark.parametrize("engine", Engine)
async def test_the_template_generator_writes_the_script_of_its_template(engine: Engine) -> None:
    draft = await template().write(task(engine=engine), say_nothing)
    script = write("average temp_max by weather", [csv()], engine=engine)
    assert (draft.code, draft.interpreted_as) == (script.code, script.interpreted_as)
    assert "s3://bucket/sessions/sess-a/csv/weather.csv" in draft.code
    assert draft.usage is None


async def test_the_template_generator_makes_no_text_events() -> None:
    said: list[str] = []

    async def say(piece: str) -> None:
        said.append(piece)

    await template().write(task(), say)
    assert said == []


async def test_the_template_generator_does_not_use_the_previous_version() -> None:
    previous = CodeVersion(number=1, code="old", findings=(Finding(rule="r", message="count rows"),))
    with_feedback = await template().write(task(previous=previous), say_nothing)
    assert with_feedback == await template().write(task(), say_nothing)


@pytest.mark.parametrize("prompt", ["predict the weather", "average price by weather", "mean of weather", "xyzzy"])
async def test_a_refusal_of_the_template_generator_is_a_typed_error(prompt: str) -> None:
    with pytest.raises(GenerationError) as direct:
        write(prompt, [csv()])
    with pytest.raises(GenerationError) as caught:
        await template().write(task(prompt=prompt), say_nothing)
    assert type(caught.value) is type(direct.value)
    assert caught.value.info() == direct.value.info()


async def test_concurrent_template_jobs_see_only_their_own_sources() -> None:
    generator = template()
    sessions = [f"sess-{number}" for number in range(20)]
    drafts = await asyncio.gather(*(generator.write(task(csv(session)), say_nothing) for session in sessions))
    for session, draft in zip(sessions, drafts, strict=True):
        assert f"/{session}/" in draft.code
        assert draft.code.count("s3://") == drafts[0].code.count("s3://")


TEMPLATE_JOB = """
import asyncio, sys
from types import SimpleNamespace
from raylane_common.settings import Settings
from raylane_common.wire.generate import GenerateRequest
from raylane_common.wire.jobs import JobRecord
from raylane_common.wire.sources import Column, ColumnType, FileSource
from raylane_worker.context import JobContext, Resources
from raylane_worker.handlers import HANDLERS

column = Column(name="x", type=ColumnType.NUMBER, native_type="double")
source = FileSource(filename="a.csv", s3_uri="s3://b/a.csv", size_bytes=1, rows=1, columns=(column,), job_id="upload-1")
request = GenerateRequest(prompt="sum of x")
record = JobRecord(
    id="job-1", v=1, kind="generate", lane="generate", session_id="s1", status="running", enqueued_at=1
)

async def answer(value=None):
    return value

port = SimpleNamespace(
    progress=lambda progress: answer(), text=lambda piece: answer(), checkpoint=lambda checkpoint: answer()
)
sources = SimpleNamespace(all=lambda session_id: answer([source]))
context = JobContext(record, port, Resources(settings=Settings(), ray=None, sources=sources, run_slots=None))
result = asyncio.run(HANDLERS[request.kind].run(request, context))
assert "answer.value(" in result.code, result.code
print(sorted({"strands", "boto3", "ray"} & set(sys.modules)))
"""


def test_a_template_job_imports_neither_strands_nor_an_aws_client_for_the_model() -> None:
    done = subprocess.run([sys.executable, "-c", TEMPLATE_JOB], check=False, capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr
