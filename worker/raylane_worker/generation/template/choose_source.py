"""Finds the source that a prompt is about, and parses the prompt for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from raylane_common.errors import AmbiguousSource, GenerationError, NeedsModel, NotUnderstood, UnknownSource
from raylane_common.wire.sources import TableSource
from raylane_worker.generation.template.forms import with_forms
from raylane_worker.generation.template.names import NameIndex
from raylane_worker.generation.template.prompt import Prompt
from raylane_worker.generation.template.readings import find_question
from raylane_worker.generation.template.tokens import join_tokens

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from raylane_common.wire.sources import Source
    from raylane_worker.generation.template.question import Question
    from raylane_worker.generation.template.tokens import Token

# A name after one of these words is the name of a source.
_INTRODUCTIONS: Final = frozenset({"in", "from", "of", "for", "on", "the", "this", "file", "table", "dataset"})


def parse_prompt(tokens: Sequence[Token], sources: Sequence[Source], ending: str = "") -> Question:
    """Returns the question about the source that the prompt names, or about the only source.

    `ending` is the punctuation that is attached to the last token. Raises what `find_question` raises, with the
    supported forms, and `AmbiguousSource` if the prompt may be about several sources.
    """
    try:
        return parse_without_forms(tokens, sources, ending)
    except GenerationError as error:
        candidates = mentioned_sources(tokens, source_names(sources)) or sources
        raise with_forms(error, candidates[0]) from None


def parse_without_forms(tokens: Sequence[Token], sources: Sequence[Source], ending: str = "") -> Question:
    """Does what `parse_prompt` does, and raises its errors without the supported forms, which take 20 ms."""
    names = source_names(sources)
    candidates = mentioned_sources(tokens, names) or sources
    prompts = [Prompt(tokens, source, names, ending) for source in candidates]
    if len(prompts) == 1:
        question = find_question(prompts[0])
        # What looked like the name of the source may have been a value.
        if question.names_source or len(sources) == 1:
            return question
    refusals = [refusal for prompt in prompts if (refusal := _refusal(prompt)) is not None]
    if len(refusals) == len(prompts):
        raise refusals[0]
    raise AmbiguousSource(
        f"the session has several sources: {', '.join(source.name for source in sources)}; "
        f"name one of them, as in 'first 5 rows of {sources[0].name}'",
        details={"sources": [source.name for source in sources]},
    )


def _refusal(prompt: Prompt) -> GenerationError | None:
    """Returns the error that does not depend on the source; None if there is none."""
    try:
        find_question(prompt)
    except (NotUnderstood, NeedsModel, UnknownSource) as error:
        return error
    except GenerationError:
        return None
    return None


def source_names(sources: Sequence[Source]) -> NameIndex[Source]:
    """Returns the index of what the sources may be called."""
    return NameIndex([pair for source in sources for pair in _names_of(source)])


def _names_of(source: Source) -> Iterator[tuple[str, Source]]:
    yield source.name, source
    short = source.table if isinstance(source, TableSource) else source.filename.rpartition(".")[0]
    if short and short != source.name:
        yield short, source


def mentioned_sources(tokens: Sequence[Token], names: NameIndex[Source]) -> list[Source]:
    """Returns the sources that the prompt names: after a preposition or a noun, or by a name with a dot."""
    return [*{source.name: source for source in _mentioned_sources(tokens, names)}.values()]


def _mentioned_sources(tokens: Sequence[Token], names: NameIndex[Source]) -> Iterator[Source]:
    position = 0
    while position < len(tokens):
        match = names.find(tokens, position)
        if match is not None:
            is_introduced = position > 0 and tokens[position - 1].key in _INTRODUCTIONS
            written = join_tokens(tokens[position : position + match.length])
            if is_introduced or "." in written:
                yield from match.things
                position += match.length
                continue
        position += 1
