"""The template generator: code for prompts of a strict grammar, the same code for the same prompt, without a model."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from raylane_common.errors import AmbiguousSource, GenerationError, NeedsModel, NoSources, NotUnderstood, UnknownSource
from raylane_common.wire.sources import CsvSource, TableSource
from raylane_worker.generation.template import vocabulary as prompt_words
from raylane_worker.generation.template.cursor import supported
from raylane_worker.generation.template.emit import emit
from raylane_worker.generation.template.grammar import read
from raylane_worker.generation.template.intent import check, say

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from raylane_worker.generation.template.intent import Request
    from raylane_worker.generation.template.vocabulary import Names, Word

_MAX_WORDS: Final = 200
_INTRODUCTIONS: Final = frozenset({"in", "from", "of", "for", "on", "the", "this", "file", "table", "dataset"})


@dataclass(frozen=True)
class TemplateDraft:
    """A script and the sentence that says how the prompt was read."""

    code: str
    interpreted_as: str
    template_id: str


def write(prompt: str, sources: Sequence[CsvSource | TableSource], *, small: bool = False) -> TemplateDraft:
    """The script that answers the prompt from one of the sources. `small`: it is read as one block.

    Raises `NoSources`, `NotUnderstood` (details: `unconsumed` words, `supported` forms with an example each),
    `NeedsModel`, `UnknownColumn` (details: `nearest` names), `AmbiguousColumn`, `TypeMismatch`, `UnknownSource`,
    `AmbiguousSource`, `UnsupportedFormat`.
    """
    if not sources:
        raise NoSources("there is no source to read; upload a CSV or select a table first")
    request = _read(_words(prompt), sources)
    check(request)
    digest = hashlib.sha256(prompt.encode(errors="surrogatepass")).hexdigest()[:16]
    header = f"# Written by Raylane's template generator: template {request.template_id}, prompt sha256:{digest}."
    return TemplateDraft(
        code=f"{header}\n{emit(request, small=small)}",
        interpreted_as=say(request, small=small),
        template_id=request.template_id,
    )


def _words(prompt: str) -> list[Word]:
    found = prompt_words.split(prompt)
    while found and found[-1].key in {"?", ".", "!"}:
        found.pop()
    if len(found) > _MAX_WORDS:
        raise NotUnderstood(
            f"the prompt has {len(found)} words; the template generator takes at most {_MAX_WORDS}",
            details={"unconsumed": [word.text for word in found[_MAX_WORDS:]], "supported": supported()},
        )
    return found


def _read(words: Sequence[Word], sources: Sequence[CsvSource | TableSource]) -> Request:
    """The request, against the source that the prompt names or the only one there is."""
    names = prompt_words.Names([pair for source in sources for pair in _names(source)])
    mentioned = list({source.name: source for source in _mentioned(words, names)}.values())
    candidates = mentioned or sources
    if len(candidates) == 1:
        request = read(words, candidates[0], names)
        # What looked like the source's name may have been a value.
        if request.names_source or len(sources) == 1:
            return request
    refusals = [refusal for source in candidates if (refusal := _refusal(words, source, names)) is not None]
    if len(refusals) == len(candidates):
        raise refusals[0]
    raise AmbiguousSource(
        f"the session has several sources: {', '.join(source.name for source in sources)}; "
        f"name one of them, as in 'first 5 rows of {sources[0].name}'",
        details={"sources": [source.name for source in sources]},
    )


def _refusal(
    words: Sequence[Word], source: CsvSource | TableSource, names: Names[CsvSource | TableSource]
) -> GenerationError | None:
    """What is wrong with the prompt whatever its source is, if anything is."""
    try:
        read(words, source, names)
    except (NotUnderstood, NeedsModel, UnknownSource) as error:
        return error
    except GenerationError:
        return None
    return None


def _names(source: CsvSource | TableSource) -> Iterator[tuple[str, CsvSource | TableSource]]:
    yield source.name, source
    short = source.table if isinstance(source, TableSource) else source.filename.rpartition(".")[0]
    if short and short != source.name:
        yield short, source


def _mentioned(words: Sequence[Word], names: Names[CsvSource | TableSource]) -> Iterator[CsvSource | TableSource]:
    """The sources that the prompt names: with a preposition before the name, or a dot in it."""
    position = 0
    while position < len(words):
        hit = names.find(words, position)
        if hit is not None:
            introduced = position > 0 and words[position - 1].key in _INTRODUCTIONS
            said = prompt_words.join(words[position : position + hit.length])
            if introduced or "." in said:
                yield from hit.things
                position += hit.length
                continue
        position += 1
