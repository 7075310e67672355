"""A scripted model for the agents, and tasks for it to work on."""

from __future__ import annotations

import asyncio
import copy
import json
from typing import TYPE_CHECKING, NoReturn, TypeAlias

from strands.models import Model

from raylane_common.settings import GenerationSettings
from raylane_common.wire.generate import Engine
from raylane_common.wire.sources import Column, ColumnType, FileSource
from raylane_worker.generation.agents.generator import AgentGenerator
from raylane_worker.generation.port import WritingTask

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence

    from strands.types.content import Messages
    from strands.types.streaming import StreamEvent
    from strands.types.tools import ToolSpec

    from raylane_common.wire.generate import CodeVersion, Predecessor
    from raylane_common.wire.sources import Source
    from raylane_worker.generation.port import Draft

Call = tuple[str, dict[str, object]]
Turn: TypeAlias = "str | list[Call] | Exception | Callable[[Messages], Turn]"

DELEGATE: Turn = [("code_generation_agent", {"notes": "mind the nulls"})]
LOOK: Turn = [("get_data_sources", {})]
SUBMIT: Turn = [("submit_code", {"code": "print(1)", "interpreted_as": "one  is\nprinted"})]


class ScriptedModel(Model):
    """Answers as both agents, turn by turn. It keeps no state of a job and records its requests.

    `received` is all that was sent to it, as text.
    """

    def __init__(self, code_agent: Sequence[Turn], supervisor: Sequence[Turn] = (DELEGATE,)) -> None:
        self.turns = {"code": code_agent, "supervisor": supervisor}
        self.requests: list[tuple[str, Messages, list[ToolSpec]]] = []
        self.received = ""

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
        self.received += json.dumps([messages, specs, system_prompt, kwargs], ensure_ascii=False, default=repr)
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


def csv(session: str = "sess-a", filename: str = "weather.csv") -> FileSource:
    return FileSource(
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
    *sources: Source,
    prompt: str = "average temp_max by weather",
    engine: Engine = Engine.LOCAL,
    continues: Predecessor | None = None,
    previous: CodeVersion | None = None,
) -> WritingTask:
    return WritingTask(
        job_id="job-1",
        prompt=prompt,
        sources=sources or (csv(),),
        engine=engine,
        continues=continues,
        previous=previous,
    )


async def say_nothing(piece: str) -> None:
    """Drops the text."""


async def write(
    task: WritingTask,
    model: Model,
    say: Callable[[str], Awaitable[None]] = say_nothing,
    *,
    settings: GenerationSettings | None = None,
    **limits: float,
) -> Draft:
    """Has the agents write one version, with `settings` or with the defaults and these limits."""
    generator = AgentGenerator(model, settings or GenerationSettings.model_validate(limits))
    return await generator.write(task, say)
