"""The generator `template`: writes code for prompts of a strict grammar, without a model and always the same.

See docs/decisions/0009.
"""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from raylane_common.errors import NoSources, NotUnderstood
from raylane_common.wire.names import Engine
from raylane_worker.generation.port import Draft
from raylane_worker.generation.template.choose_source import parse_prompt
from raylane_worker.generation.template.emit import emit_script
from raylane_worker.generation.template.follow_up import about, parse_follow_up
from raylane_worker.generation.template.forms import with_forms
from raylane_worker.generation.template.readings import write_question
from raylane_worker.generation.template.sentence import write_sentence
from raylane_worker.generation.template.tokens import split_prompt

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from raylane_common.wire.sources import Source
    from raylane_worker.generation.port import WritingTask

# Far more than any form needs; it bounds the time that parsing takes.
_MAX_TOKENS: Final = 200


@dataclass(frozen=True)
class TemplateScript:
    """A script, one sentence on how the prompt was read, the name of the template, and the question as one prompt."""

    code: str
    interpreted_as: str
    template_id: str
    question: str


class TemplateGenerator:
    """Writes code from templates, without a model. It never calls `say`."""

    async def write(self, task: WritingTask, say: Callable[[str], Awaitable[None]]) -> Draft:
        """Writes the script, in a thread: with many sources and columns, finding names takes a while.

        The code depends only on the prompt and the sources, so `task.previous` is not used. Raises what the function
        `write` raises.
        """
        earlier: Sequence[str] = ()
        if task.continues is not None:
            earlier = [task.continues.question] if task.continues.question else task.continues.prompts
        script = await asyncio.to_thread(
            write, task.prompt, task.sources, engine=task.engine, chart=task.chart, earlier=earlier
        )
        return Draft(code=script.code, interpreted_as=script.interpreted_as, question=script.question)


def write(
    prompt: str,
    sources: Sequence[Source],
    *,
    engine: Engine = Engine.LOCAL,
    chart: bool = True,
    earlier: Sequence[str] = (),
) -> TemplateScript:
    """Returns the script that answers the prompt from one of the sources, for this engine.

    It draws a chart that fits the answer, unless `chart` is false; one that the prompt asks for is always drawn.
    `earlier` are the prompts before this one, if it is a follow-up: then it may also change parts of the question that
    the last of them asks.

    Raises `NoSources`, `AmbiguousPrompt` (details: `choices`, prompts that have one reading), `NotUnderstood` (details:
    `unconsumed` words, `supported` forms with an example each), `NeedsModel`, `UnknownColumn` (details: `nearest`
    names), `AmbiguousColumn`, `TypeMismatch`, `UnknownSource`, `AmbiguousSource`.
    """
    if not sources:
        raise NoSources("the session has no sources; upload a file or select a table first")
    tokens, ending = split_prompt(prompt)
    if len(tokens) > _MAX_TOKENS:
        too_long = NotUnderstood(
            f"the prompt has {len(tokens)} words; the template generator accepts at most {_MAX_TOKENS}",
            details={"unconsumed": [token.text for token in tokens[_MAX_TOKENS:]]},
        )
        raise with_forms(too_long, sources[0])
    if earlier:
        question = parse_follow_up(tokens, sources, ending, earlier=earlier)
    else:
        question = parse_prompt(tokens, sources, ending)
    digest = hashlib.sha256(prompt.encode(errors="surrogatepass")).hexdigest()[:16]
    header = f"# Written by Raylane's template generator: template {question.template_id}, prompt sha256:{digest}."
    return TemplateScript(
        code=emit_script(question, header, engine=engine, chart=chart),
        interpreted_as=write_sentence(question),
        template_id=question.template_id,
        question=write_question(about(question.source, (), sources), question),
    )
