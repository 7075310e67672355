"""What the agents do with a scripted model: tools, limits, refusals, feedback and privacy."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strands.models import Model
from strands.types.exceptions import ModelThrottledException

from raylane_common.errors import GenerationRefused, ModelMisconfigured, ModelUnavailable, NoSources
from raylane_common.settings import GenerationSettings
from raylane_common.wire.generate import CodeVersion, Finding, Usage
from raylane_common.wire.reading import SerDe, TableReading
from raylane_common.wire.sources import Column, ColumnProfile, ColumnType, FileSource, Shape, TableSource, Top
from raylane_worker.generation.agents.briefing import describe_source
from raylane_worker.generation.columns import columns_of
from raylane_worker.telemetry.logs import keep_content_private
from tests.helpers.files import uploaded
from tests.unit.generation.scripted_model import DELEGATE, LOOK, SUBMIT, ScriptedModel, csv, task, write

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from strands.types.content import ContentBlock, Messages
    from strands.types.streaming import StreamEvent
    from strands.types.tools import ToolSpec

    from raylane_common.wire.sources import Source
    from tests.unit.generation.scripted_model import Turn


FREQUENT = Top(value="Secret", count=3)


def tool_results(messages: Messages) -> list[str]:
    results = [block["toolResult"] for message in messages for block in message["content"] if "toolResult" in block]
    return [content["text"] for result in results for content in result["content"]]


def texts(content: list[ContentBlock]) -> list[str]:
    return [block["text"] for block in content]


async def test_the_tool_lists_the_sources_of_the_task() -> None:
    model = ScriptedModel([LOOK, SUBMIT])
    draft = await write(task(), model)
    assert draft.code == "print(1)"
    assert draft.interpreted_as == "one is printed"
    (answer,) = tool_results(model.asked("code")[-1])
    assert json.loads(answer) == {
        "engine": "local",
        "sources": [
            {
                "name": "weather.csv",
                "location": "s3://bucket/sessions/sess-a/csv/weather.csv",
                "size_bytes": 1000,
                "rows": 10,
                "columns": [
                    {"name": "weather", "type": "string", "native_type": "string"},
                    {"name": "temp_max", "type": "number", "native_type": "double"},
                ],
            }
        ],
    }


async def test_usage_counts_both_agents_and_the_model_is_not_called_after_the_submission() -> None:
    model = ScriptedModel([LOOK, SUBMIT])
    draft = await write(task(), model)
    assert [role for role, _, _ in model.requests] == ["supervisor", "code", "code"]
    assert draft.usage == Usage(input_tokens=30, output_tokens=15)


async def test_both_agents_get_the_prompt_word_for_word_and_the_notes_in_a_block_of_their_own() -> None:
    prompt = "average  temp_max\n\tby weather?"
    model = ScriptedModel([LOOK, SUBMIT])
    await write(task(prompt=prompt), model)
    assert texts(model.asked("supervisor")[0][0]["content"]) == [prompt]
    first, notes = texts(model.asked("code")[0][0]["content"])
    assert first == prompt
    assert notes.endswith("mind the nulls")


async def test_no_tool_has_an_argument_for_a_session() -> None:
    model = ScriptedModel([LOOK, SUBMIT])
    await write(task(), model)
    specs = {spec["name"]: spec["inputSchema"]["json"] for _, _, specs in model.requests for spec in specs}
    assert specs.keys() == {"code_generation_agent", "get_data_sources", "submit_code", "cannot"}
    assert specs["get_data_sources"].get("properties", {}) == {}
    assert set(specs["submit_code"]["properties"]) == {"code", "interpreted_as"}


@pytest.mark.parametrize("extra", [{"session_id": "sess-b"}, {"agent": "x", "tool_context": {"session": "sess-b"}}])
async def test_a_model_that_names_another_session_gets_the_sources_of_its_own(extra: dict[str, object]) -> None:
    model = ScriptedModel([[("get_data_sources", extra)], SUBMIT])
    await write(task(csv("sess-a")), model)
    (answer,) = tool_results(model.asked("code")[-1])
    assert "sessions/sess-a/" in answer
    assert "sess-b" not in answer


async def test_concurrent_jobs_on_one_model_see_only_their_own_sources() -> None:
    def submit_what_was_listed(messages: Messages) -> Turn:
        return [("submit_code", {"code": tool_results(messages)[0], "interpreted_as": ""})]

    model = ScriptedModel([[("get_data_sources", {"session_id": "sess-0"})], submit_what_was_listed])
    sessions = [f"sess-{number}" for number in range(20)]
    drafts = await asyncio.gather(*(write(task(csv(session)), model) for session in sessions))
    for session, draft in zip(sessions, drafts, strict=True):
        (source,) = json.loads(draft.code)["sources"]
        assert source["location"] == f"s3://bucket/sessions/{session}/csv/weather.csv"


async def test_a_refusal_contains_the_reason_of_the_model() -> None:
    model = ScriptedModel([LOOK, [("cannot", {"reason": "there is no column\n'price'"})]])
    with pytest.raises(GenerationRefused, match="there is no column 'price'"):
        await write(task(), model)


async def test_only_the_first_submission_counts() -> None:
    both: Turn = [
        ("submit_code", {"code": "first", "interpreted_as": ""}),
        ("submit_code", {"code": "second", "interpreted_as": ""}),
        ("cannot", {"reason": "third"}),
    ]
    assert (await write(task(), ScriptedModel([both]))).code == "first"


async def test_a_second_delegation_in_the_same_turn_is_ignored() -> None:
    model = ScriptedModel([LOOK, SUBMIT], supervisor=[[("code_generation_agent", {}), ("code_generation_agent", {})]])
    await write(task(), model)
    assert len(model.asked("code")) == 2


async def test_empty_code_is_sent_back_to_the_model() -> None:
    empty: Turn = [("submit_code", {"code": " \n", "interpreted_as": ""})]
    model = ScriptedModel([empty, SUBMIT])
    assert (await write(task(), model)).code == "print(1)"
    assert tool_results(model.asked("code")[-1]) == ["Error: code must not be empty"]


async def test_code_with_half_a_character_is_sent_back_to_the_model_and_a_sentence_with_one_is_mended() -> None:
    half: Turn = [("submit_code", {"code": "print('\ud83d')", "interpreted_as": ""})]
    whole: Turn = [("submit_code", {"code": "print(1)", "interpreted_as": "prints \ud83d"})]
    model = ScriptedModel([half, whole])
    assert (await write(task(), model)).interpreted_as == "prints \ufffd"
    [refusal] = tool_results(model.asked("code")[-1])
    assert refusal.startswith("Error: code is not valid text: surrogates not allowed at position 7")


async def test_plain_text_is_never_used_as_code() -> None:
    words = "Here you are:\n```python\nimport ray\n```"
    with pytest.raises(GenerationRefused, match="import ray") as caught:
        await write(task(), ScriptedModel([LOOK, words]))
    assert caught.value.details == {"agent": "code_generation_agent", "stop_reason": "end_turn"}


async def test_the_quoted_last_message_is_clipped() -> None:
    with pytest.raises(GenerationRefused) as caught:
        await write(task(), ScriptedModel(["x" * 100_000]))
    assert len(caught.value.message) < 1000


async def test_a_supervisor_that_does_not_delegate_refuses() -> None:
    with pytest.raises(GenerationRefused, match="I only talk") as caught:
        await write(task(), ScriptedModel([], supervisor=["I only talk."]))
    assert caught.value.details["agent"] == "supervisor"


async def test_an_endless_tool_loop_of_the_code_agent_ends_at_the_turn_limit() -> None:
    model = ScriptedModel([LOOK])
    with pytest.raises(GenerationRefused, match="MAX_TURNS") as caught:
        await write(task(), model, max_turns=4)
    assert caught.value.details["stop_reason"] == "limit_turns"
    assert len(model.asked("code")) == 4


async def test_an_endless_tool_loop_of_the_supervisor_ends_at_the_turn_limit() -> None:
    model = ScriptedModel([], supervisor=[[("no_such_tool", {})]])
    with pytest.raises(GenerationRefused, match="limit_turns"):
        await write(task(), model, max_turns=4)
    assert len(model.asked("supervisor")) == 4


async def test_the_token_limit_ends_the_writing() -> None:
    settings = GenerationSettings().model_copy(update={"max_total_tokens": 30})
    model = ScriptedModel([LOOK])
    with pytest.raises(GenerationRefused, match="MAX_TOTAL_TOKENS"):
        await write(task(), model, settings=settings)
    assert len(model.asked("code")) == 2


class Waiting(Model):
    """Never answers. Sets `asked` when it is called and `left` when the caller stops waiting."""

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
    writing = asyncio.create_task(write(task(), model))
    await asyncio.wait_for(model.asked.wait(), 10)
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    assert model.left.is_set()


async def test_a_model_that_does_not_answer_in_time_is_unavailable() -> None:
    model = Waiting()
    with pytest.raises(ModelUnavailable, match="VERSION_TIMEOUT_S") as caught:
        await write(task(), model, model_timeout_s=0.2, version_timeout_s=0.2)
    assert caught.value.retryable
    assert model.left.is_set()


async def test_throttling_is_retried_and_then_unavailable() -> None:
    model = ScriptedModel([LOOK, ModelThrottledException("slow down")])
    with pytest.raises(ModelUnavailable, match="throttles"):
        await write(task(), model)
    assert len(model.asked("code")) == 1 + 3


class AuthenticationError(Exception):
    """The shape of what the clients of openai, anthropic and others raise."""

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
        (NoSources("typed errors are unchanged"), NoSources),
        (ZeroDivisionError("a defect"), ZeroDivisionError),
    ],
)
async def test_an_exception_of_the_client_becomes_a_typed_error_for_either_agent(
    raised: Exception, expected: type[Exception], by_supervisor: bool
) -> None:
    model = ScriptedModel([raised], supervisor=[raised if by_supervisor else DELEGATE])
    with pytest.raises(expected) as caught:
        await write(task(), model)
    assert "sk-abcdef" not in str(caught.value)
    assert caught.value.__cause__ is None


async def test_neither_prompt_nor_code_is_logged_at_any_level(caplog: pytest.LogCaptureFixture) -> None:
    keep_content_private()
    caplog.set_level(logging.DEBUG)
    submit: Turn = [("submit_code", {"code": "print('private code')", "interpreted_as": ""})]
    await write(task(prompt="private prompt"), ScriptedModel([LOOK, submit]))
    with pytest.raises(GenerationRefused):
        await write(task(prompt="private prompt"), ScriptedModel(["private words"]))
    assert "private" not in caplog.text


names = st.text(min_size=1, max_size=20)
columns = st.lists(
    st.builds(Column, name=st.text(max_size=20), type=st.sampled_from(ColumnType), native_type=names), max_size=4
).map(tuple)
sources = st.one_of(
    st.builds(
        FileSource,
        type=st.just("file"),
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
        reading=st.builds(TableReading, serde=st.sampled_from(SerDe), delimiter=names),
        columns=columns,
        partition_keys=columns,
        size_bytes=st.none() | st.integers(0),
        job_id=st.just(""),
    ),
)


@pytest.mark.parametrize("share_samples", [False, True])
def test_frequent_texts_reach_the_model_only_if_samples_are_shared(share_samples: bool) -> None:
    profile = ColumnProfile(nulls=1, distinct=2, longest=6, shapes=(Shape(shape="Aaa", count=3),), top=(FREQUENT,))
    column = Column(
        name="n", type=ColumnType.STRING, native_type="string", original_name="N ", written="percent", profile=profile
    )
    source = csv().model_copy(update={"columns": (column,), "warnings": ("Secret",)})
    described = describe_source(source, share_samples=share_samples)
    assert ("Secret" in json.dumps(described)) is share_samples
    assert described["columns"] == [
        {
            "name": "n",
            "type": "string",
            "native_type": "string",
            "original_name": "N ",
            "written": "percent",
            "profile": {"nulls": 1, "distinct": 2, "longest": 6, "shapes": [{"shape": "Aaa", "count": 3}]}
            | ({"top": [{"value": "Secret", "count": 3}]} if share_samples else {}),
        }
    ]


@pytest.mark.parametrize("share_samples", [False, True])
async def test_no_text_of_a_cell_reaches_the_model_except_frequent_ones_that_may_be_shared(share_samples: bool) -> None:
    names = [f"Person{letter}" for letter in "abcdefghij"]
    rows = [f"{name};{number},5;note{number}!;{number % 3}/02/2024" for number, name in enumerate(names * 2, start=1)]
    data = "\n".join(["Confidential", "name;amount;note;day", *rows, "N/A;1,5;NULL;"])
    source, _ = uploaded("a.csv", data.encode(), bucket="b", session_id="s", share_samples=True)
    assert "Confidential" in " ".join(source.warnings)
    failed = CodeVersion(number=1, code="print(1)", findings=(Finding(rule="r", message="m"),))
    model = ScriptedModel([LOOK, SUBMIT])
    asked = task(source, prompt="how many rows", previous=failed)
    await write(asked, model, settings=GenerationSettings(share_samples=share_samples))
    texts = {
        *names,
        "Confidential",
        *(f"note{number}!" for number in range(1, 21)),
        *(f"{n}/02/2024" for n in range(3)),
    }
    frequent = {top.value for column in source.columns if column.profile for top in column.profile.top} & texts
    assert len(frequent & set(names)) == 5
    assert {text for text in texts if text in model.received} == (frequent if share_samples else set())


def test_only_columns_of_text_share_frequent_values() -> None:
    profile = ColumnProfile(nulls=0, distinct=1, top=(FREQUENT,))
    columns = tuple(Column(name="n", type=one, native_type="", profile=profile) for one in ColumnType)
    described = describe_source(csv().model_copy(update={"columns": columns}), share_samples=True)
    assert json.dumps(described).count("Secret") == 1


@given(sources)
def test_the_description_of_a_source_has_its_columns_and_not_how_or_by_whom_it_was_written(source: Source) -> None:
    described = json.loads(json.dumps(describe_source(source)))
    given = (source.name, source.location, source.size_bytes)
    assert (described["name"], described["location"], described["size_bytes"]) == given
    assert described.get("rows") == getattr(source, "rows", None)
    assert [one["name"] for one in described["columns"]] == [one.name for one in columns_of(source)]
    keys = source.partition_keys if isinstance(source, TableSource) else ()
    assert [one for one in described["columns"] if one.pop("partition_key", False)] == [
        column.model_dump(mode="json", include={"name", "type", "native_type"}) for column in keys
    ]
    assert described.keys() <= {"name", "location", "size_bytes", "rows", "columns"}
