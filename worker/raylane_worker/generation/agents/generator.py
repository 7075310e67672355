"""The generator `agent`: a supervisor and a coder, made for one version of the code and then discarded.

What the agents may see is fixed when they are made. No tool takes a session or a source as an argument, so no model can
ask for another session's data. See docs/decisions/0004 and 0009.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from raylane_common.errors import GenerationRefused, ModelUnavailable
from raylane_common.telemetry.metrics import NO_METRICS
from raylane_worker.generation.agents.agent import last_text, run_agent, total_usage
from raylane_worker.generation.agents.briefing import clip
from raylane_worker.generation.agents.coder import CODER, MAX_SENTENCE_CHARACTERS, Submission, make_coder
from raylane_worker.generation.agents.measured import ModelMetrics
from raylane_worker.generation.agents.request import request_blocks
from raylane_worker.generation.agents.supervisor import Delegation, make_supervisor
from raylane_worker.generation.agents.text_stream import TextStream
from raylane_worker.generation.providers.errors import explain

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from strands import Agent
    from strands.agent import AgentResult
    from strands.models import Model

    from raylane_common.settings import GenerationSettings
    from raylane_worker.generation.port import Draft, WritingTask

# The setting to raise, by the reason why strands stopped the agent.
_HINTS: Final = {
    "limit_turns": "raise RAYLANE_GENERATION__MAX_TURNS if the request needs more",
    "limit_total_tokens": "raise RAYLANE_GENERATION__MAX_TOTAL_TOKENS if the request needs more",
}


class AgentGenerator:
    """Writes code with two agents on one model, within the limits of the settings."""

    def __init__(self, model: Model, settings: GenerationSettings, metrics: ModelMetrics | None = None) -> None:
        """`metrics` counts the calls of the model."""
        self._model = model
        self._settings = settings
        self._metrics = metrics or ModelMetrics(NO_METRICS, "")

    async def write(self, task: WritingTask, say: Callable[[str], Awaitable[None]]) -> Draft:
        """Makes the agents write one version of the code. Passes what the model says to `say`, in pieces.

        Raises `GenerationRefused` if the agents end without submitting code, `ModelUnavailable` if the model's service
        fails or `version_timeout_s` passes, and `ModelMisconfigured` if the service refuses the request.
        """
        submission, delegation, text = Submission(), Delegation(), TextStream(say)
        share_samples = self._settings.share_samples
        coder = make_coder(task, self._model, submission, share_samples=share_samples)

        async def run_coder(notes: str) -> AgentResult:
            return await run_agent(
                coder, request_blocks(task, notes, share_samples=share_samples), self._settings, text
            )

        supervisor = make_supervisor(task, self._model, delegation, run_coder)
        for agent in (supervisor, coder):
            self._metrics.watch(agent)
        try:
            async with asyncio.timeout(self._settings.version_timeout_s) as deadline:
                result = await run_agent(
                    supervisor, request_blocks(task, share_samples=share_samples), self._settings, text
                )
        except Exception as error:  # any client of any provider; `explain` returns an unknown exception unchanged
            if deadline.expired():
                raise ModelUnavailable(
                    f"no code after {self._settings.version_timeout_s:g} s; raise "
                    "RAYLANE_GENERATION__VERSION_TIMEOUT_S if the model needs longer"
                ) from None
            raise self._explain(error) from None  # the client's message may quote credentials, so it is not chained
        finally:
            # A client's thread may still be reading and stops at this signal. strands clears it when an agent returns.
            supervisor.cancel()
            coder.cancel()
            self._metrics.used(total_usage(supervisor, coder))
        if delegation.error is not None:
            raise self._explain(delegation.error) from None
        if submission.draft is not None:
            return replace(submission.draft, usage=total_usage(supervisor, coder))
        if submission.refusal is not None:
            raise GenerationRefused(f"the model declined: {submission.refusal}", details={"agent": CODER})
        if delegation.started:
            raise _no_code(coder, delegation.stop_reason)
        raise _no_code(supervisor, result.stop_reason)

    def _explain(self, error: Exception) -> Exception:
        key = self._settings.model_api_key
        return explain(error, hide=key.get_secret_value() if key else None)


def _no_code(agent: Agent, stop_reason: str) -> GenerationRefused:
    quoted = clip(last_text(agent), MAX_SENTENCE_CHARACTERS) or "none"
    hint = f"; {_HINTS[stop_reason]}" if stop_reason in _HINTS else ""
    return GenerationRefused(
        f"the {agent.name} ended without submitting code ({stop_reason}){hint}. Its last message: {quoted}",
        details={"agent": agent.name, "stop_reason": stop_reason},
    )
