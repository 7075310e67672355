"""Reads a follow-up: a prompt that changes parts of an earlier question, such as "now only 2024" or "by city".

A prompt that is a whole question of its own is one. See docs/decisions/0042.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from raylane_common.errors import AmbiguousPrompt, AmbiguousSource, GenerationError, NeedsModel, NotUnderstood
from raylane_common.wire.sources import ColumnType
from raylane_worker.generation.columns import columns_of
from raylane_worker.generation.template.change_grammar import parse_change
from raylane_worker.generation.template.choose_source import (
    mentioned_sources,
    parse_prompt,
    parse_without_forms,
    source_names,
)
from raylane_worker.generation.template.forms import with_forms
from raylane_worker.generation.template.prompt import Prompt
from raylane_worker.generation.template.question import numeric_columns
from raylane_worker.generation.template.readings import Outcome, ambiguous, find_question, read_prompt
from raylane_worker.generation.template.tokens import split_prompt, split_tokens
from raylane_worker.generation.template.write_prompt import quote, write_prompts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pydantic import JsonValue

    from raylane_common.wire.sources import Source
    from raylane_worker.generation.template.name_cursor import NameCursor
    from raylane_worker.generation.template.question import Question
    from raylane_worker.generation.template.tokens import Token

_KEY_TYPES: Final = (ColumnType.STRING, ColumnType.BOOLEAN, ColumnType.DATE)


def parse_follow_up(
    tokens: Sequence[Token], sources: Sequence[Source], ending: str, *, earlier: Sequence[str]
) -> Question:
    """Returns the question of a follow-up. `earlier` are the prompts before it, the last of which it changes.

    Raises what `find_question` raises, and `NotUnderstood` with the forms of follow-ups if the prompt is neither a
    question nor a change of the earlier one, or if the earlier prompts cannot be read.
    """
    return _change(tokens, sources, ending, _earlier(earlier, sources))


def _earlier(prompts: Sequence[str], sources: Sequence[Source]) -> Question:
    """Returns the question of the last prompt: a whole one, or a change of those before it."""
    refusal: GenerationError | None = None
    for start in reversed(range(len(prompts))):
        try:
            question = parse_prompt(*_split(prompts[start], sources))
            for prompt in prompts[start + 1 :]:
                tokens, _, ending = _split(prompt, sources)
                question = _change(tokens, sources, ending, question)
        except GenerationError as error:
            refusal = refusal or error
        else:
            return question
    assert refusal is not None
    raise NotUnderstood(
        f"the template generator cannot read the earlier question {prompts[-1]!r}, so it cannot change it; ask a whole "
        f"question ({refusal.message})",
        details={"unconsumed": [], "earlier": prompts[-1]},
    )


def _split(prompt: str, sources: Sequence[Source]) -> tuple[Sequence[Token], Sequence[Source], str]:
    tokens, ending = split_prompt(prompt)
    return tokens, sources, ending


def _change(tokens: Sequence[Token], sources: Sequence[Source], ending: str, before: Question) -> Question:
    prompt = about(before.source, tokens, sources, ending)
    mentioned = mentioned_sources(tokens, prompt.sources)
    source = mentioned[0] if mentioned else before.source
    try:
        return _whole(tokens, sources, ending, before)
    except AmbiguousPrompt as error:
        raise with_forms(error, source) from None
    except GenerationError as error:
        refusal = error
    others = [one for one in mentioned if one != before.source]
    outcomes = [read_prompt(prompt, lambda cursor: parse_change(cursor, before))]
    outcomes += [_about_other(prompt.about(one), before) for one in others]
    questions = dict.fromkeys(one.question for one in outcomes if one.question is not None)
    if len(questions) == 1:
        return next(iter(questions))
    if questions:
        raise ambiguous(prompt, questions)
    # A change that names another source is no change of the question about the earlier one.
    about_sources = outcomes[1:] if others and outcomes[0].position == len(tokens) else outcomes
    furthest = max(about_sources, key=lambda one: (one.position, not isinstance(one.error, NotUnderstood)))
    if not isinstance(refusal, NotUnderstood | NeedsModel) and read_prompt(prompt).position > furthest.position:
        raise with_forms(refusal, source)
    raise _with_changes(furthest.error, before, sources)


def _whole(tokens: Sequence[Token], sources: Sequence[Source], ending: str, before: Question) -> Question:
    """Returns the question if the prompt is a whole one; about the earlier source if it names none."""
    try:
        return parse_without_forms(tokens, sources, ending)
    except AmbiguousSource:
        return find_question(about(before.source, tokens, sources, ending))


def about(source: Source, tokens: Sequence[Token], sources: Sequence[Source], ending: str = "") -> Prompt:
    """Returns the prompt about this one of the sources."""
    return Prompt(tokens, source, source_names(sources), ending)


def _about_other(prompt: Prompt, before: Question) -> Outcome:
    """Reads the prompt as a change of the question that names another source, which must have the same columns."""
    found = [read_prompt(prompt.rewritten(written)) for written in write_prompts(replace(before, source=prompt.source))]
    moved = next((one.question for one in found if one.question is not None), None)
    if moved is None:
        return Outcome(None, found[0].error, len(prompt.tokens))
    return read_prompt(prompt, lambda cursor: _parse_moved(cursor, moved))


def _parse_moved(cursor: NameCursor, moved: Question) -> Question:
    question = parse_change(cursor, moved)
    if not cursor.has_named_source:
        cursor.refuse()
    return question


def _with_changes(error: GenerationError, before: Question, sources: Sequence[Source]) -> GenerationError:
    """Returns the error with the forms of changes, or with those of questions if it says what would be right."""
    if not isinstance(error, NotUnderstood | NeedsModel):
        return with_forms(error, before.source)
    forms = list(_forms(before, sources))
    supported: list[JsonValue] = [{"form": form, "example": example} for form, example in forms]
    message = error.message
    if not error.details.get("fits"):
        examples = ", ".join(repr(example) for _, example in forms)
        message += f"; a follow-up is a whole question, or changes the earlier one, as in {examples}"
    return type(error)(message, details={**error.details, "supported": supported})


def _forms(before: Question, sources: Sequence[Source]) -> Iterator[tuple[str, str]]:
    """Yields each form of a change that the earlier question allows, with an example."""
    for form, examples in _examples(before.source):
        for example in examples:
            prompt = about(before.source, split_tokens(example), sources)
            if read_prompt(prompt, lambda cursor: parse_change(cursor, before)).question is not None:
                yield form, example
                break


def _examples(source: Source) -> Iterator[tuple[str, Sequence[str]]]:
    """Yields the forms of changes, with examples of each about columns of the source."""
    columns, numbers = columns_of(source), numeric_columns(source)
    keys = [quote(one.name) for one in columns if one.type in _KEY_TYPES]
    yield "rows", [f"only where {quote(one.name)} > 1" for one in numbers[:1]]
    yield "rows of years", ["only 2024"]
    yield "all rows", ["for all rows"]
    yield "groups", [f"by {one} instead" for one in keys]
    yield "statistic", ["median instead", "maximum instead"]
    yield "another statistic", ["also the median", "also the maximum"]
    yield "column", [f"{quote(one.name)} instead" for one in reversed(numbers)]
    yield "largest or smallest", ["top 5"]
    yield "chart", ["as a line chart", "as a bar chart"]
    yield "chart of values", ["as a histogram", "as a box plot"]
    yield "no chart", ["without a chart"]
