"""The coder: looks up the sources, writes the script, and submits it or declines.

See docs/decisions/0004.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from strands import tool

from raylane_common.rules import not_utf_8
from raylane_common.valid_text import valid_text
from raylane_common.wire.names import Engine
from raylane_worker.generation.agents.agent import make_agent
from raylane_worker.generation.agents.briefing import clip, describe_source, load_prompt
from raylane_worker.generation.checks.cluster import MISSING_PACKAGES
from raylane_worker.generation.checks.names import importable
from raylane_worker.generation.port import Draft

if TYPE_CHECKING:
    from strands import Agent
    from strands.models import Model

    from raylane_worker.generation.port import WritingTask

CODER: Final = "code_generation_agent"
# The longest text of a model that is kept in a record or quoted in an error. A sentence is shorter.
MAX_SENTENCE_CHARACTERS: Final = 500


def _coder_prompt(engine: Engine) -> str:
    """Returns the system prompt for scripts of this engine."""
    return load_prompt(
        "code_generation",
        engine=load_prompt(f"engine_{engine}").rstrip(),
        imports=importable(engine),
        missing=", ".join(MISSING_PACKAGES),
    )


PROMPTS: Final = {engine: _coder_prompt(engine) for engine in Engine}
_ALREADY_SUBMITTED: Final = "The work was submitted or declined already; this call is ignored."


@dataclass
class Submission:
    """What the coder submitted: a draft, or the reason why it declined. Only the first call counts."""

    draft: Draft | None = None
    refusal: str | None = None

    @property
    def is_made(self) -> bool:
        """Whether there is a draft or a refusal."""
        return self.draft is not None or self.refusal is not None


def make_coder(task: WritingTask, model: Model, submission: Submission, *, share_samples: bool = False) -> Agent:
    """Makes the coder. Its tools know only the sources of `task`, and fill in `submission`."""
    sources = [describe_source(source, share_samples=share_samples) for source in task.sources]
    listed = json.dumps({"engine": task.engine, "sources": sources}, ensure_ascii=False)

    @tool(name="get_data_sources")
    async def get_data_sources() -> str:
        """Lists the sources that the script may read: location, and columns with types. Takes no arguments."""
        return listed

    @tool(name="submit_code")
    async def submit_code(code: str, interpreted_as: str) -> str:
        """Submits the script and ends the work.

        Args:
            code: The whole Python script, without a Markdown fence.
            interpreted_as: One sentence on how the request was read: source, columns, operation.
        """
        if submission.is_made:
            return _ALREADY_SUBMITTED
        if not code.strip():
            raise ValueError("code must not be empty")
        problem = not_utf_8(code)
        if problem is not None:
            raise ValueError(f"code {problem}; write the character as an escape")
        submission.draft = Draft(code, _sentence(interpreted_as))
        return "Submitted."

    @tool(name="cannot")
    async def cannot(reason: str) -> str:
        """Declines the request and ends the work.

        Args:
            reason: One or two sentences for the user: what is missing or unclear.
        """
        if submission.is_made:
            return _ALREADY_SUBMITTED
        submission.refusal = _sentence(reason) or "no reason given"
        return "Declined."

    return make_agent(
        model,
        CODER,
        PROMPTS[task.engine],
        [get_data_sources, submit_code, cannot],
        job_id=task.job_id,
        is_done=lambda: submission.is_made,
    )


def _sentence(text: str) -> str:
    """Returns what a model wrote on one line, short and fit for a record."""
    return clip(" ".join(valid_text(text).split()), MAX_SENTENCE_CHARACTERS)
