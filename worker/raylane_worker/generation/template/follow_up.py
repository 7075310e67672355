"""Reads a follow-up: a prompt that changes one part of an earlier question, such as "now only 2024" or "by city".

A prompt that is a whole question of its own is one. See docs/decisions/0036.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from raylane_common.errors import AmbiguousSource, GenerationError, NeedsModel, NotUnderstood
from raylane_common.wire.sources import ColumnType
from raylane_worker.generation.columns import columns_of
from raylane_worker.generation.template.change_grammar import parse_change
from raylane_worker.generation.template.choose_source import parse_prompt
from raylane_worker.generation.template.names import NameIndex
from raylane_worker.generation.template.prompt import Prompt
from raylane_worker.generation.template.question import numeric_columns
from raylane_worker.generation.template.readings import find_question
from raylane_worker.generation.template.tokens import split_tokens
from raylane_worker.generation.template.write_prompt import quote

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pydantic import JsonValue

    from raylane_common.wire.sources import Source
    from raylane_worker.generation.template.question import Question
    from raylane_worker.generation.template.tokens import Token


def parse_follow_up(tokens: Sequence[Token], sources: Sequence[Source], ending: str, *, earlier: str) -> Question:
    """Returns the question of a follow-up. `earlier` is the whole earlier question in one prompt.

    Raises what `find_question` raises, and `NotUnderstood` with the forms of follow-ups if the prompt is neither a
    question nor a change of the earlier one, or if the earlier question cannot be read.
    """
    before = _earlier(earlier, sources)
    try:
        return _whole(tokens, sources, ending, before)
    except GenerationError as error:
        refusal = error
    prompt = about(before.source, tokens, sources, ending)
    try:
        return find_question(prompt, lambda cursor: parse_change(cursor, before))
    except (NotUnderstood, NeedsModel) as error:
        raise _with_changes(refusal, error, before, sources) from None


def _earlier(earlier: str, sources: Sequence[Source]) -> Question:
    try:
        return parse_prompt(split_tokens(earlier), sources)
    except GenerationError as error:
        raise NotUnderstood(
            f"the template generator cannot read the earlier question {earlier!r}, so it cannot change it; ask a whole "
            f"question ({error.message})",
            details={"unconsumed": [], "earlier": earlier},
        ) from None


def _whole(tokens: Sequence[Token], sources: Sequence[Source], ending: str, before: Question) -> Question:
    """Returns the question if the prompt is a whole one; about the earlier source if it names none."""
    try:
        return parse_prompt(tokens, sources, ending)
    except AmbiguousSource:
        return find_question(about(before.source, tokens, sources, ending))


def about(source: Source, tokens: Sequence[Token], sources: Sequence[Source], ending: str = "") -> Prompt:
    """Returns the prompt about this one of the sources."""
    return Prompt(tokens, source, NameIndex([(one.name, one) for one in sources]), ending)


def _with_changes(
    whole: GenerationError, change: GenerationError, before: Question, sources: Sequence[Source]
) -> GenerationError:
    """Returns the error that says most, with the forms of changes."""
    if not isinstance(whole, NotUnderstood | NeedsModel):
        return whole
    forms = list(_forms(before, sources))
    supported: list[JsonValue] = [{"form": form, "example": example} for form, example in forms]
    examples = ", ".join(repr(example) for _, example in forms)
    return type(change)(
        f"{change.message}; a follow-up is a whole question, or changes the earlier one, as in {examples}",
        details={**change.details, "supported": supported},
    )


def _forms(before: Question, sources: Sequence[Source]) -> Iterator[tuple[str, str]]:
    """Yields each form of a change that the earlier question allows, with an example."""
    for form, example in _examples(before.source):
        prompt = about(before.source, split_tokens(example), sources)
        try:
            find_question(prompt, lambda cursor: parse_change(cursor, before))
        except GenerationError:
            continue
        yield form, example


def _examples(source: Source) -> Iterator[tuple[str, str]]:
    columns = columns_of(source)
    keys = [one for one in columns if one.type in (ColumnType.STRING, ColumnType.BOOLEAN)]
    numbers = numeric_columns(source)
    for one in numbers[:1]:
        yield "rows", f"only where {quote(one.name)} > 1"
    yield "year", "only 2024"
    for one in keys[:2]:
        yield "groups", f"by {quote(one.name)} instead"
    yield "statistic", "median instead"
    for one in numbers[-1:]:
        yield "column", f"of {quote(one.name)} instead"
    yield "chart", "as a line chart"
    yield "chart", "as a histogram"
    yield "largest or smallest", "top 5"
    yield "order", "largest first"
