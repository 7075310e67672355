"""The agents of one job: a supervisor, and the code-generation agent that it delegates to.

Both are made for one version of the code and thrown away. What they may see is bound when they are made: no tool takes
a session or a source as an argument, so no model can name another one's.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing
from dataclasses import dataclass, replace
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final, cast

from raylane_common.errors import GenerationRefused, ModelUnavailable
from raylane_common.wire.generate import Usage
from raylane_worker.generation.agents.briefing import describe, head, request_blocks
from raylane_worker.generation.agents.text_stream import TextStream
from raylane_worker.generation.providers.errors import explain

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence

    from strands import Agent
    from strands.agent import AgentResult
    from strands.hooks import AfterToolsEvent
    from strands.models import Model

    from raylane_common.settings import GenerationSettings
    from raylane_common.wire.generate import CodeVersion
    from raylane_common.wire.sources import CsvSource, TableSource

CODE_AGENT: Final = "code_generation_agent"
GET_DATA_SOURCES: Final = "get_data_sources"
SUBMIT_CODE: Final = "submit_code"
CANNOT: Final = "cannot"

_PROMPTS: Final = files("raylane_worker.generation.agents") / "prompts"
_SUPERVISOR_PROMPT: Final = (_PROMPTS / "supervisor.md").read_text("utf-8")
_CODE_PROMPT: Final = (_PROMPTS / "code_generation.md").read_text("utf-8")

_MAX_WORDS: Final = 500
_MAX_NOTES: Final = 4_000
_HINTS: Final = {
    "limit_turns": "raise RAYLANE_GENERATION__MAX_TURNS if the request needs more",
    "limit_total_tokens": "raise RAYLANE_GENERATION__MAX_TOTAL_TOKENS if the request needs more",
}


@dataclass(frozen=True)
class WritingTask:
    """One version of one job's code, to be written.

    `sources` is the job's own snapshot; `small` says that together they are small enough for Ray's small-data settings;
    `previous` is the version that failed, if there is one, with its findings or its run.
    """

    job_id: str
    prompt: str
    sources: Sequence[CsvSource | TableSource]
    small: bool
    limits: GenerationSettings
    previous: CodeVersion | None = None


@dataclass(frozen=True)
class Draft:
    """Code as the generator handed it in, not verified. `usage` counts all agents; None if the model reports none."""

    code: str
    interpreted_as: str
    usage: Usage | None = None


@dataclass
class _Writing:
    """One call of `write_code`: what the agents are made from, and what they hand in. The first to hand in counts."""

    task: WritingTask
    model: Model
    words: TextStream
    delegated: bool = False
    stop_reason: str = "end_turn"
    error: Exception | None = None
    draft: Draft | None = None
    refusal: str | None = None

    @property
    def settled(self) -> bool:
        return self.draft is not None or self.refusal is not None

    async def run(self, agent: Agent, notes: str = "") -> AgentResult:
        task, limits = self.task, self.task.limits
        request = request_blocks(task.prompt, task.previous)
        if notes.strip():
            request.append({"text": "Notes of the supervisor:\n" + head(notes.strip(), _MAX_NOTES)})
        events = agent.stream_async(
            request,
            limits={"turns": limits.max_turns, "total_tokens": limits.max_total_tokens},
        )
        event: Mapping[str, Any] = {}
        async with aclosing(cast("AsyncGenerator[Mapping[str, Any], None]", events)) as telling:
            async for event in telling:
                await self.words.add(event.get("data", ""))
                if "message" in event:
                    self.words.end_line()
        await self.words.flush()
        return cast("AgentResult", event["result"])

    def explain(self, error: Exception) -> Exception:
        key = self.task.limits.model_api_key
        return explain(error, hide=key.get_secret_value() if key else None)


async def _unheard(piece: str) -> None:
    """For those who do not ask for the model's words."""


async def write_code(task: WritingTask, model: Model, *, say: Callable[[str], Awaitable[None]] = _unheard) -> Draft:
    """Has one version of the code written; it still has to be verified. `say` is given what the model says meanwhile.

    Raises `GenerationRefused` if the agents end without submitting code, `ModelUnavailable` if the model's service
    fails or `version_timeout_s` passes, `ModelMisconfigured` if it refuses, and whatever typed refusal the template
    generator has.
    """
    writing = _Writing(task, model, TextStream(say))
    code_agent = _code_agent(writing)
    supervisor = _supervisor(writing, code_agent)
    try:
        async with asyncio.timeout(task.limits.version_timeout_s) as deadline:
            result = await writing.run(supervisor)
    except Exception as error:  # any client of any provider; `explain` returns what it does not know
        if deadline.expired():
            raise ModelUnavailable(
                f"no code after {task.limits.version_timeout_s:g} s (RAYLANE_GENERATION__VERSION_TIMEOUT_S)"
            ) from None
        raise writing.explain(error) from None  # a client's own text may quote credentials, so it ends here
    finally:
        # A client's thread may still be reading; it looks at this signal, which strands clears when an agent returns.
        supervisor.cancel()
        code_agent.cancel()
    if writing.error is not None:
        raise writing.explain(writing.error) from None
    if writing.draft is not None:
        return replace(writing.draft, usage=_usage(supervisor, code_agent))
    if writing.refusal is not None:
        raise GenerationRefused(f"the model declined: {writing.refusal}", details={"agent": CODE_AGENT})
    if writing.delegated:
        raise _ended_without_code(code_agent, writing.stop_reason)
    raise _ended_without_code(supervisor, result.stop_reason)


def _supervisor(writing: _Writing, code_agent: Agent) -> Agent:
    from strands import tool

    # Agent.as_tool() would drop the limits and turn every error into text for the model.
    @tool(name=CODE_AGENT)
    async def delegate(notes: str = "") -> str:
        """Has the script written. Call it once; what the agent submits is the answer.

        Args:
            notes: What helps the agent beyond the request, which it is given word for word. May be empty.
        """
        if writing.delegated:
            return "The agent was called already; call it once only."
        writing.delegated = True
        try:
            result = await writing.run(code_agent, notes)
        except Exception as error:  # strands would show it to the model and go on; the caller must have it
            writing.error = error
            return "The agent failed."
        writing.stop_reason = result.stop_reason
        return "The agent has ended."

    return _agent(writing, "supervisor", _SUPERVISOR_PROMPT, [delegate], ends_when=lambda: writing.delegated)


def _code_agent(writing: _Writing) -> Agent:
    from strands import tool

    task = writing.task
    found = json.dumps(
        {"small_data": task.small, "sources": [describe(source) for source in task.sources]}, ensure_ascii=False
    )

    @tool(name=GET_DATA_SOURCES)
    async def get_data_sources() -> str:
        """Lists the sources that the script may read: location, format, columns with types. Takes no arguments."""
        return found

    @tool(name=SUBMIT_CODE)
    async def submit_code(code: str, interpreted_as: str) -> str:
        """Hands in the script and ends the work.

        Args:
            code: The whole Python script, without a Markdown fence.
            interpreted_as: One sentence on how the request was read: source, columns, operation.
        """
        if writing.settled:
            return "Something was handed in already; this is ignored."
        if not code.strip():
            raise ValueError("code must not be empty")
        writing.draft = Draft(code, head(" ".join(interpreted_as.split()), _MAX_WORDS))
        return "Submitted."

    @tool(name=CANNOT)
    async def cannot(reason: str) -> str:
        """Declines the request and ends the work.

        Args:
            reason: One or two sentences for the user: what is missing or unclear.
        """
        if writing.settled:
            return "Something was handed in already; this is ignored."
        writing.refusal = head(" ".join(reason.split()), _MAX_WORDS) or "no reason given"
        return "Declined."

    tools = [get_data_sources, submit_code, cannot]
    return _agent(writing, CODE_AGENT, _CODE_PROMPT, tools, ends_when=lambda: writing.settled)


def _agent(
    writing: _Writing, name: str, system_prompt: str, tools: Sequence[object], *, ends_when: Callable[[], bool]
) -> Agent:
    """An agent whose turn ends, without another answer of the model, once `ends_when` is true."""
    from strands import Agent, ModelRetryStrategy
    from strands.agent.conversation_manager import NullConversationManager
    from strands.hooks import AfterToolsEvent

    def end(event: AfterToolsEvent) -> None:
        if ends_when():
            event.end_turn = "Done."

    agent = Agent(
        name=name,
        model=writing.model,
        tools=list(tools),
        system_prompt=system_prompt,
        callback_handler=None,
        load_tools_from_directory=False,
        # The default one shortens tool results, and with them the list of sources.
        conversation_manager=NullConversationManager(),
        retry_strategy=ModelRetryStrategy(max_attempts=3, initial_delay=1, max_delay=4),
        trace_attributes={"raylane.job_id": writing.task.job_id},
    )
    agent.add_hook(end, AfterToolsEvent)
    return agent


def _usage(*agents: Agent) -> Usage | None:
    total = Usage()
    for agent in agents:
        spent = agent.event_loop_metrics.accumulated_usage
        total += Usage(input_tokens=spent["inputTokens"], output_tokens=spent["outputTokens"])
    return total if total != Usage() else None


def _ended_without_code(agent: Agent, stop_reason: str) -> GenerationRefused:
    words = head(_last_words(agent), _MAX_WORDS) or "none"
    hint = f"; {_HINTS[stop_reason]}" if stop_reason in _HINTS else ""
    return GenerationRefused(
        f"the {agent.name} ended without submitting code ({stop_reason}){hint}. Its last words: {words}",
        details={"agent": agent.name, "stop_reason": stop_reason},
    )


def _last_words(agent: Agent) -> str:
    for message in reversed(agent.messages):
        if message["role"] == "assistant":
            words = " ".join(" ".join(block["text"].split()) for block in message["content"] if "text" in block)
            if words:
                return words
    return ""
