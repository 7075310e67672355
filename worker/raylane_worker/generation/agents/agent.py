"""Makes one agent, runs it within limits, and reads its token usage and its last text."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING, Any, cast

from strands import Agent, ModelRetryStrategy
from strands.agent.conversation_manager import NullConversationManager
from strands.hooks import AfterToolsEvent

from raylane_common.wire.generate import Usage

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping, Sequence

    from strands.agent import AgentResult
    from strands.models import Model
    from strands.types.content import ContentBlock

    from raylane_common.settings import GenerationSettings
    from raylane_worker.generation.agents.text_stream import TextStream


def make_agent(
    model: Model,
    name: str,
    system_prompt: str,
    tools: Sequence[object],
    *,
    job_id: str,
    is_done: Callable[[], bool],
) -> Agent:
    """Makes an agent with an empty history.

    `name` identifies it in errors and traces, and `tools` are functions with strands' decorator. The agent stops as
    soon as `is_done()` is true after a tool call, without asking the model again. `job_id` is added to its traces.
    """

    def end_turn(event: AfterToolsEvent) -> None:
        if is_done():
            event.end_turn = "Done."

    agent = Agent(
        name=name,
        model=model,
        tools=list(tools),
        system_prompt=system_prompt,
        callback_handler=None,  # the default prints to stdout
        load_tools_from_directory=False,
        # The default shortens tool results, and so the list of sources.
        conversation_manager=NullConversationManager(),
        # The default waits for up to two minutes in total, and its waits cannot be cancelled.
        retry_strategy=ModelRetryStrategy(max_attempts=3, initial_delay=1, max_delay=4),
        trace_attributes={"raylane.job.id": job_id},
    )
    agent.add_hook(end_turn, AfterToolsEvent)
    return agent


async def run_agent(
    agent: Agent, request: Sequence[ContentBlock], settings: GenerationSettings, text: TextStream
) -> AgentResult:
    """Runs the agent until it ends or reaches a limit of the settings. Adds what the model says to `text`.

    `request` is the first message. Raises what the model's client raises. Reaching a limit is not an error: it is the
    stop reason of the result.
    """
    events = agent.stream_async(
        list(request),
        limits={"turns": settings.max_turns, "total_tokens": settings.max_total_tokens},
    )
    event: Mapping[str, Any] = {}
    async with aclosing(cast("AsyncGenerator[Mapping[str, Any], None]", events)) as stream:
        async for event in stream:
            await text.add(event.get("data", ""))
            if "message" in event:
                text.end_line()
    await text.flush()
    return cast("AgentResult", event["result"])


def total_usage(*agents: Agent) -> Usage | None:
    """Returns the tokens that the agents used together; None if the model reports none."""
    total = Usage()
    for agent in agents:
        used = agent.event_loop_metrics.accumulated_usage
        total += Usage(input_tokens=used["inputTokens"], output_tokens=used["outputTokens"])
    return total if total != Usage() else None


def last_text(agent: Agent) -> str:
    """Returns the model's last text on one line; empty if it only called tools."""
    for message in reversed(agent.messages):
        if message["role"] == "assistant":
            text = " ".join(" ".join(block["text"].split()) for block in message["content"] if "text" in block)
            if text:
                return text
    return ""
