"""The supervisor: reads the request and delegates it to the coder, once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from strands import tool

from raylane_worker.generation.agents.agent import make_agent
from raylane_worker.generation.agents.briefing import load_prompt
from raylane_worker.generation.agents.coder import CODER

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from strands import Agent
    from strands.agent import AgentResult
    from strands.models import Model

    from raylane_worker.generation.port import WritingTask

_PROMPT: Final = load_prompt("supervisor")


@dataclass
class Delegation:
    """Whether the supervisor called the coder, and how the coder ended: with a stop reason or an exception."""

    started: bool = False
    stop_reason: str = ""
    error: Exception | None = None


def make_supervisor(
    task: WritingTask, model: Model, delegation: Delegation, run_coder: Callable[[str], Awaitable[AgentResult]]
) -> Agent:
    """Makes the supervisor. Its only tool calls `run_coder` with the supervisor's notes, and fills in `delegation`."""

    # Agent.as_tool() would ignore the limits and turn every exception into text for the model.
    @tool(name=CODER)
    async def delegate(notes: str = "") -> str:
        """Has the script written. Call it once; what the agent submits is the answer.

        Args:
            notes: What helps the agent beyond the request, which it receives word for word. May be empty.
        """
        if delegation.started:
            return "The agent was called already; call it only once."
        delegation.started = True
        try:
            result = await run_coder(notes)
        except Exception as error:  # strands would show it to the model and continue, but the caller must get it
            delegation.error = error
            return "The agent failed."
        delegation.stop_reason = result.stop_reason
        return "The agent has finished."

    return make_agent(
        model,
        "supervisor",
        _PROMPT,
        [delegate],
        job_id=task.job_id,
        is_done=lambda: delegation.started,
    )
