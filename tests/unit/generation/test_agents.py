from __future__ import annotations

import asyncio
import copy
import json
import logging
from typing import TYPE_CHECKING, NoReturn, TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strands.models import Model
from strands.types.exceptions import ModelThrottledException

from raylane_common.errors import GenerationError, GenerationRefused, ModelMisconfigured, ModelUnavailable, NoSources
from raylane_common.ray.models import RayJobStatus, Run
from raylane_common.settings import GenerationSettings
from raylane_common.wire.generate import CodeVersion, Finding, Usage
from raylane_common.wire.sources import Column, ColumnType, CsvSource, TableFormat, TableSource
from raylane_worker.generation import template
from raylane_worker.generation.agents.briefing import describe, read_source
from raylane_worker.generation.agents.team import WritingTask, write_code
from raylane_worker.generation.template.model import TemplateModel

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence

    from strands.types.content import ContentBlock, Messages
    from strands.types.streaming import StreamEvent
    from strands.types.tools import ToolSpec

Call = tuple[str, dict[str, object]]
Turn: TypeAlias = "str | list[Call] | Exception | Callable[[Messages], Turn]"

DELEGATE: Turn = [("code_generation_agent", {"notes": "mind the nulls"})]
LOOK: Turn = [("get_data_sources", {})]
SUBMIT: Turn = [("submit_code", {"code": "print(1)", "interpreted_as": "one  is\nprinted"})]


class ScriptedModel(Model):
    """Plays both agents turn by turn, holds no state of a job, and remembers what it was asked."""

    def __init__(self, code_agent: Sequence[Turn], supervisor: Sequence[Turn] = (DELEGATE,)) -> None:
        self.turns = {"code": code_agent, "supervisor": supervisor}
        self.requests: list[tuple[str, Messages, list[ToolSpec]]] = []

    def update_config(self, **model_config: object) -> None:
        pass

    def get_config(self) -> dict[str, object]:
        return {"context_window_limit": 100_000}

    def structured_output(self, *args: object, **kwargs: object) -> NoReturn:
        raise NotImplementedError

    def asked(self, role: str) -> list[Messages]:
        return [messages for asked, messages, _ in self.requests if asked == role]

    async def stream(
        self,
        messages: Messages,
        tool_specs: list[ToolSpec] | None = None,
        system_prompt: str | None = None,
        **kwargs: object,
    ) -> AsyncGenerator[StreamEvent, None]:
        specs = tool_specs or []
        role = "supervisor" if [spec["name"] for spec in specs] == ["code_generation_agent"] else "code"
        self.requests.append((role, copy.deepcopy(messages), specs))
        turns = self.turns[role]
        turn = turns[min(sum(message["role"] == "assistant" for message in messages), len(turns) - 1)]
        while callable(turn):
            turn = turn(messages)
        await asyncio.sleep(0)
        if isinstance(turn, Exception):
            raise turn
        yield {"messageStart": {"role": "assistant"}}
        if isinstance(turn, str):
            yield {"contentBlockStart": {"start": {}}}
            yield {"contentBlockDelta": {"delta": {"text": turn}}}
            yield {"contentBlockStop": {}}
        else:
            for number, (name, arguments) in enumerate(turn):
                identity = f"call-{len(messages)}-{number}"
                yield {"contentBlockStart": {"start": {"toolUse": {"name": name, "toolUseId": identity}}}}
                yield {"contentBlockDelta": {"delta": {"toolUse": {"input": json.dumps(arguments)}}}}
                yield {"contentBlockStop": {}}
        yield {"messageStop": {"stopReason": "end_turn" if isinstance(turn, str) else "tool_use"}}
        yield {
            "metadata": {
                "usage": {"inputTokens": 10, "outputTokens": 5, "totalTokens": 15},
                "metrics": {"latencyMs": 1},
            }
        }


def csv(session: str = "sess-a", filename: str = "weather.csv") -> CsvSource:
    return CsvSource(
        filename=filename,
        s3_uri=f"s3://bucket/sessions/{session}/csv/{filename}",
        size_bytes=1000,
        rows=10,
        columns=(
            Column(name="weather", type=ColumnType.STRING, native_type="string"),
            Column(name="temp_max", type=ColumnType.NUMBER, native_type="double"),
        ),
        job_id="upload-1",
    )


def task(
    *sources: CsvSource | TableSource,
    prompt: str = "average temp_max by weather",
    small: bool = True,
    previous: CodeVersion | None = None,
    **limits: float,
) -> WritingTask:
    return WritingTask(
        job_id="job-1",
        prompt=prompt,
        sources=sources or (csv(),),
        small=small,
        limits=GenerationSettings.model_validate(limits),
        previous=previous,
    )


def tool_results(messages: Messages) -> list[str]:
    results = [block["toolResult"] for message in messages for block in message["content"] if "toolResult" in block]
    return [content["text"] for result in results for content in result["content"]]


def texts(content: list[ContentBlock]) -> list[str]:
    return [block["text"] for block in content]


async def test_code_is_written_from_the_sources_that_the_tool_lists() -> None:
    model = ScriptedModel([LOOK, SUBMIT])
    draft = await write_code(task(), model)
    assert draft.code == "print(1)"
    assert draft.interpreted_as == "one is printed"
    (answer,) = tool_results(model.asked("code")[-1])
    assert json.loads(answer) == {
        "small_data": True,
        "sources": [
            {
                "name": "weather.csv",
                "type": "csv",
                "location": "s3://bucket/sessions/sess-a/csv/weather.csv",
                "format": "csv",
                "size_bytes": 1000,
                "rows": 10,
                "columns": [
                    {"name": "weather", "type": "string", "native_type": "string"},
                    {"name": "temp_max", "type": "number", "native_type": "double"},
                ],
            }
        ],
    }


async def test_usage_is_that_of_both_agents_and_no_answer_is_asked_for_after_the_submission() -> None:
    model = ScriptedModel([LOOK, SUBMIT])
    draft = await write_code(task(), model)
    assert [role for role, _, _ in model.requests] == ["supervisor", "code", "code"]
    assert draft.usage == Usage(input_tokens=30, output_tokens=15)


async def test_both_agents_are_given_the_prompt_word_for_word_and_the_notes_come_apart_from_it() -> None:
    prompt = "average  temp_max\n\tby weather?"
    model = ScriptedModel([LOOK, SUBMIT])
    await write_code(task(prompt=prompt), model)
    assert texts(model.asked("supervisor")[0][0]["content"]) == [prompt]
    first, notes = texts(model.asked("code")[0][0]["content"])
    assert first == prompt
    assert notes.endswith("mind the nulls")


async def test_the_tools_offer_no_way_to_name_a_session() -> None:
    model = ScriptedModel([LOOK, SUBMIT])
    await write_code(task(), model)
    specs = {spec["name"]: spec["inputSchema"]["json"] for _, _, specs in model.requests for spec in specs}
    assert specs.keys() == {"code_generation_agent", "get_data_sources", "submit_code", "cannot"}
    assert specs["get_data_sources"].get("properties", {}) == {}
    assert set(specs["submit_code"]["properties"]) == {"code", "interpreted_as"}


@pytest.mark.parametrize("extra", [{"session_id": "sess-b"}, {"agent": "x", "tool_context": {"session": "sess-b"}}])
async def test_a_model_that_names_another_session_is_answered_for_its_own(extra: dict[str, object]) -> None:
    model = ScriptedModel([[("get_data_sources", extra)], SUBMIT])
    await write_code(task(csv("sess-a")), model)
    (answer,) = tool_results(model.asked("code")[-1])
    assert "sessions/sess-a/" in answer
    assert "sess-b" not in answer


async def test_concurrent_jobs_on_one_model_see_only_their_own_sources() -> None:
    def submit_what_was_listed(messages: Messages) -> Turn:
        return [("submit_code", {"code": tool_results(messages)[0], "interpreted_as": ""})]

    model = ScriptedModel([[("get_data_sources", {"session_id": "sess-0"})], submit_what_was_listed])
    sessions = [f"sess-{number}" for number in range(20)]
    drafts = await asyncio.gather(*(write_code(task(csv(session)), model) for session in sessions))
    for session, draft in zip(sessions, drafts, strict=True):
        (source,) = json.loads(draft.code)["sources"]
        assert source["location"] == f"s3://bucket/sessions/{session}/csv/weather.csv"


async def test_a_refusal_carries_the_models_reason() -> None:
    model = ScriptedModel([LOOK, [("cannot", {"reason": "there is no column\n'price'"})]])
    with pytest.raises(GenerationRefused, match="there is no column 'price'"):
        await write_code(task(), model)


async def test_only_the_first_thing_handed_in_counts() -> None:
    both: Turn = [
        ("submit_code", {"code": "first", "interpreted_as": ""}),
        ("submit_code", {"code": "second", "interpreted_as": ""}),
        ("cannot", {"reason": "third"}),
    ]
    assert (await write_code(task(), ScriptedModel([both]))).code == "first"


async def test_a_second_delegation_in_the_same_turn_is_not_run() -> None:
    model = ScriptedModel([LOOK, SUBMIT], supervisor=[[("code_generation_agent", {}), ("code_generation_agent", {})]])
    await write_code(task(), model)
    assert len(model.asked("code")) == 2


async def test_empty_code_is_sent_back_to_the_model() -> None:
    empty: Turn = [("submit_code", {"code": " \n", "interpreted_as": ""})]
    model = ScriptedModel([empty, SUBMIT])
    assert (await write_code(task(), model)).code == "print(1)"
    assert tool_results(model.asked("code")[-1]) == ["Error: code must not be empty"]


async def test_free_text_is_never_taken_for_code() -> None:
    words = "Here you are:\n```python\nimport ray\n```"
    with pytest.raises(GenerationRefused, match="import ray") as caught:
        await write_code(task(), ScriptedModel([LOOK, words]))
    assert caught.value.details == {"agent": "code_generation_agent", "stop_reason": "end_turn"}


async def test_last_words_are_clipped() -> None:
    with pytest.raises(GenerationRefused) as caught:
        await write_code(task(), ScriptedModel(["x" * 100_000]))
    assert len(caught.value.message) < 1000


async def test_a_supervisor_that_does_not_delegate_is_a_refusal() -> None:
    with pytest.raises(GenerationRefused, match="I only talk") as caught:
        await write_code(task(), ScriptedModel([], supervisor=["I only talk."]))
    assert caught.value.details["agent"] == "supervisor"


async def test_an_endless_tool_loop_of_the_code_agent_ends_at_the_turn_limit() -> None:
    model = ScriptedModel([LOOK])
    with pytest.raises(GenerationRefused, match="MAX_TURNS") as caught:
        await write_code(task(max_turns=4), model)
    assert caught.value.details["stop_reason"] == "limit_turns"
    assert len(model.asked("code")) == 4


async def test_an_endless_tool_loop_of_the_supervisor_ends_at_the_turn_limit() -> None:
    model = ScriptedModel([], supervisor=[[("no_such_tool", {})]])
    with pytest.raises(GenerationRefused, match="limit_turns"):
        await write_code(task(max_turns=4), model)
    assert len(model.asked("supervisor")) == 4


async def test_the_token_limit_ends_the_work() -> None:
    limits = GenerationSettings().model_copy(update={"max_total_tokens": 30})
    work = WritingTask("job-1", "average temp_max", (csv(),), True, limits)
    model = ScriptedModel([LOOK])
    with pytest.raises(GenerationRefused, match="MAX_TOTAL_TOKENS"):
        await write_code(work, model)
    assert len(model.asked("code")) == 2


class Waiting(Model):
    """Never answers; tells when it is asked and when it is no longer waited for."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.left = asyncio.Event()

    update_config = ScriptedModel.update_config
    get_config = ScriptedModel.get_config
    structured_output = ScriptedModel.structured_output

    async def stream(
        self, messages: Messages, tool_specs: list[ToolSpec] | None = None, *args: object, **kwargs: object
    ) -> AsyncGenerator[StreamEvent, None]:
        if [spec["name"] for spec in tool_specs or []] == ["code_generation_agent"]:
            async for event in ScriptedModel([]).stream(messages, tool_specs):
                yield event
            return
        self.asked.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.left.set()


async def test_cancellation_reaches_the_model_call_and_is_not_swallowed() -> None:
    model = Waiting()
    writing = asyncio.create_task(write_code(task(), model))
    await asyncio.wait_for(model.asked.wait(), 10)
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    assert model.left.is_set()


async def test_a_model_that_does_not_answer_in_time_is_unavailable() -> None:
    model = Waiting()
    with pytest.raises(ModelUnavailable, match="VERSION_TIMEOUT_S") as caught:
        await write_code(task(model_timeout_s=0.2, version_timeout_s=0.2), model)
    assert caught.value.retryable
    assert model.left.is_set()


async def test_throttling_is_tried_again_and_then_unavailable() -> None:
    model = ScriptedModel([LOOK, ModelThrottledException("slow down")])
    with pytest.raises(ModelUnavailable, match="throttles"):
        await write_code(task(), model)
    assert len(model.asked("code")) == 1 + 3


class AuthenticationError(Exception):
    """What openai, anthropic and others raise, by shape."""

    status_code = 401


class NotFoundError(Exception):
    status_code = 404


class OverloadedError(Exception):
    status_code = 529


@pytest.mark.parametrize("by_supervisor", [True, False])
@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (ConnectionResetError("peer"), ModelUnavailable),
        (TimeoutError(), ModelUnavailable),
        (OverloadedError("overloaded"), ModelUnavailable),
        (NotFoundError("no model 'gpt-x'"), ModelMisconfigured),
        (AuthenticationError("Incorrect API key provided: sk-abcdef123456"), ModelMisconfigured),
        (NoSources("typed errors stay what they are"), NoSources),
        (ZeroDivisionError("a defect"), ZeroDivisionError),
    ],
)
async def test_what_a_client_raises_arrives_typed_from_either_agent(
    raised: Exception, expected: type[Exception], by_supervisor: bool
) -> None:
    model = ScriptedModel([raised], supervisor=[raised if by_supervisor else DELEGATE])
    with pytest.raises(expected) as caught:
        await write_code(task(), model)
    assert "sk-abcdef" not in str(caught.value)
    assert caught.value.__cause__ is None


async def test_findings_of_the_previous_version_reach_both_agents() -> None:
    finding = Finding(rule="unknown_column", message="no column 'temp'", line=3)
    previous = CodeVersion(number=1, code="the old code", findings=(finding,))
    model = ScriptedModel([LOOK, SUBMIT])
    await write_code(task(previous=previous), model)
    for messages in (model.asked("supervisor")[0], model.asked("code")[0]):
        feedback = texts(messages[0]["content"])[1]
        assert "the old code" in feedback
        assert "line 3: no column 'temp'" in feedback


async def test_the_end_of_a_failed_runs_output_reaches_the_agents_clipped() -> None:
    run = Run(
        submission_id="rl-job-1-1",
        status=RayJobStatus.FAILED,
        endpoint="private",
        exit_code=1,
        output_tail="first line\n" + "x" * 100_000 + "\nKeyError: 'temp'",
        message="Job entrypoint command failed",
    )
    model = ScriptedModel([LOOK, SUBMIT])
    await write_code(task(previous=CodeVersion(number=2, code="the old code", run=run)), model)
    feedback = texts(model.asked("code")[0][0]["content"])[1]
    assert "FAILED: Job entrypoint command failed" in feedback
    assert feedback.endswith("KeyError: 'temp'")
    assert "first line" not in feedback
    assert len(feedback) < 10_000


async def test_neither_prompt_nor_code_is_logged_at_any_level(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    submit: Turn = [("submit_code", {"code": "print('private code')", "interpreted_as": ""})]
    await write_code(task(prompt="private prompt"), ScriptedModel([LOOK, submit]))
    with pytest.raises(GenerationRefused):
        await write_code(task(prompt="private prompt"), ScriptedModel(["private words"]))
    assert "private" not in caplog.text


names = st.text(min_size=1, max_size=20)
columns = st.lists(
    st.builds(Column, name=st.text(max_size=20), type=st.sampled_from(ColumnType), native_type=names), max_size=4
).map(tuple)
sources = st.one_of(
    st.builds(
        CsvSource,
        type=st.just("csv"),
        filename=names,
        s3_uri=names,
        size_bytes=st.integers(0),
        rows=st.integers(0),
        columns=columns,
        job_id=st.just(""),
    ),
    st.builds(
        TableSource,
        type=st.just("table"),
        database=names,
        table=names,
        location=names,
        format=st.sampled_from(TableFormat),
        delimiter=names,
        has_header=st.booleans(),
        columns=columns,
        partition_keys=columns,
        size_bytes=st.none() | st.integers(0),
        job_id=st.just(""),
    ),
)


@given(sources)
def test_the_description_of_a_source_loses_nothing(source: CsvSource | TableSource) -> None:
    assert read_source(json.loads(json.dumps(describe(source)))) == source


@pytest.mark.parametrize("small", [True, False])
async def test_the_template_generator_writes_what_its_templates_write_for_the_listed_sources(small: bool) -> None:
    draft = await write_code(task(small=small), TemplateModel())
    written = template.write("average temp_max by weather", [csv()], small=small)
    assert (draft.code, draft.interpreted_as) == (written.code, written.interpreted_as)
    assert "s3://bucket/sessions/sess-a/csv/weather.csv" in draft.code
    assert draft.usage is None


async def test_the_template_generator_reads_the_prompt_alone_when_there_is_feedback() -> None:
    previous = CodeVersion(number=1, code="old", findings=(Finding(rule="r", message="count rows"),))
    with_feedback = await write_code(task(previous=previous), TemplateModel())
    assert with_feedback == await write_code(task(), TemplateModel())


@pytest.mark.parametrize("prompt", ["predict the weather", "average price by weather", "mean of weather", "xyzzy"])
async def test_a_refusal_of_the_template_generator_arrives_as_it_is(prompt: str) -> None:
    with pytest.raises(GenerationError) as direct:
        template.write(prompt, [csv()])
    with pytest.raises(GenerationError) as caught:
        await write_code(task(prompt=prompt), TemplateModel())
    assert type(caught.value) is type(direct.value)
    assert caught.value.info() == direct.value.info()


async def test_concurrent_template_jobs_see_only_their_own_sources() -> None:
    model = TemplateModel()
    sessions = [f"sess-{number}" for number in range(20)]
    drafts = await asyncio.gather(*(write_code(task(csv(session)), model) for session in sessions))
    for session, draft in zip(sessions, drafts, strict=True):
        assert f"/{session}/" in draft.code
        assert draft.code.count("s3://") == drafts[0].code.count("s3://")
