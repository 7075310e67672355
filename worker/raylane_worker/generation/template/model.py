"""The template generator as a strands `Model`: the same agents, tools and limits, with no model behind them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, TypeVar

from pydantic import BaseModel, JsonValue
from strands.models import Model

from raylane_common.errors import InternalError, RaylaneError
from raylane_worker.generation.agents.briefing import read_source
from raylane_worker.generation.agents.team import CODE_AGENT, GET_DATA_SOURCES, SUBMIT_CODE
from raylane_worker.generation.template import write

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from strands.types.content import Messages
    from strands.types.streaming import StreamEvent
    from strands.types.tools import ToolSpec

_Output = TypeVar("_Output", bound=BaseModel)


class _Refused(Exception):
    """Takes a refusal past strands, which puts the text of an exception into traces; `explain` unpacks it."""

    def __init__(self, refusal: RaylaneError) -> None:
        super().__init__(refusal.code)
        self.original_exception = refusal


class TemplateModel(Model):
    """Plays both agents by rule: delegates, looks the sources up, writes the code from what the tool answered.

    It has no model id and reports no usage. What `template.write` raises for a prompt that it refuses reaches the
    caller of `write_code` as it is.
    """

    def update_config(self, **model_config: object) -> None:
        """There is nothing to configure."""

    def get_config(self) -> dict[str, object]:
        """Only what strands asks of every model."""
        return {"context_window_limit": 1_000_000}

    def structured_output(
        self, output_model: type[_Output], prompt: Messages, system_prompt: str | None = None, **kwargs: object
    ) -> AsyncGenerator[dict[str, _Output], None]:
        """Not used: answers come through tools."""
        raise NotImplementedError("the template generator answers through tools only")

    async def stream(
        self,
        messages: Messages,
        tool_specs: list[ToolSpec] | None = None,
        system_prompt: str | None = None,
        **kwargs: object,
    ) -> AsyncGenerator[StreamEvent, None]:
        """One answer: always one call of one tool."""
        try:
            name, arguments = _next_call(messages, {spec["name"] for spec in tool_specs or []})
        except RaylaneError as refusal:
            raise _Refused(refusal) from None
        yield {"messageStart": {"role": "assistant"}}
        yield {"contentBlockStart": {"start": {"toolUse": {"name": name, "toolUseId": name}}}}
        yield {"contentBlockDelta": {"delta": {"toolUse": {"input": json.dumps(arguments)}}}}
        yield {"contentBlockStop": {}}
        yield {"messageStop": {"stopReason": "tool_use"}}


def _next_call(messages: Messages, tools: set[str]) -> tuple[str, Mapping[str, JsonValue]]:
    if CODE_AGENT in tools:
        return CODE_AGENT, {}
    found = _answer_of(GET_DATA_SOURCES, messages)
    if found is None:
        return GET_DATA_SOURCES, {}
    answer = json.loads(found)
    prompt = messages[0]["content"][0]["text"]
    sources = [read_source(described) for described in answer["sources"]]
    draft = write(prompt, sources, small=answer["small_data"])
    return SUBMIT_CODE, {"code": draft.code, "interpreted_as": draft.interpreted_as}


def _answer_of(tool_use_id: str, messages: Messages) -> str | None:
    for message in messages:
        for block in message["content"]:
            if "toolResult" in block and block["toolResult"]["toolUseId"] == tool_use_id:
                if block["toolResult"]["status"] != "success":
                    raise InternalError(f"{tool_use_id} failed")
                return block["toolResult"]["content"][0]["text"]
    return None
