"""The port that every generator implements: a writing task in, a draft of the code out.

See docs/decisions/0009.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from raylane_common.wire.generate import CodeVersion, Predecessor, Usage
    from raylane_common.wire.names import Engine
    from raylane_common.wire.sources import Source


@dataclass(frozen=True)
class WritingTask:
    """The request to write one version of one job's code.

    `sources` is the job's snapshot. `chart` says whether templates draw a chart. `continues` is the job whose question
    the prompt changes. `previous` is the version that failed, with its findings, its run or the doubt about its answer;
    None for the first version.
    """

    job_id: str
    prompt: str
    sources: Sequence[Source]
    engine: Engine
    chart: bool = True
    continues: Predecessor | None = None
    previous: CodeVersion | None = None


@dataclass(frozen=True)
class Draft:
    """Code as the generator wrote it, before verification.

    `interpreted_as` is one sentence on how the prompt was read. `question` is the whole question in one prompt, which a
    follow-up changes; only templates write it. `usage` is the tokens of all agents; None if there is no model or it
    does not report them.
    """

    code: str
    interpreted_as: str
    question: str = ""
    usage: Usage | None = None


class Generator(Protocol):
    """Writes code for a prompt and its sources. One generator may serve any number of tasks at once."""

    async def write(self, task: WritingTask, say: Callable[[str], Awaitable[None]]) -> Draft:
        """Writes one version of the code, which must still be verified.

        Passes text for the followers of the job to `say`, if there is any. Raises a `GenerationError`, and what `say`
        raises.
        """
