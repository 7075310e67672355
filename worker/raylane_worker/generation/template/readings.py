"""Finds every reading of a prompt for one source. A prompt with several readings is refused as ambiguous.

See docs/decisions/0026.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Final, TypeAlias

from raylane_common.errors import AmbiguousPrompt, GenerationError, NeedsModel, NotUnderstood
from raylane_worker.generation.template import phrases
from raylane_worker.generation.template.choices import MAX_RUNS, all_choices
from raylane_worker.generation.template.grammar import parse_question
from raylane_worker.generation.template.name_cursor import NameCursor
from raylane_worker.generation.template.prompt import Prompt, Role
from raylane_worker.generation.template.tokens import join_tokens
from raylane_worker.generation.template.type_check import check_types
from raylane_worker.generation.template.write_prompt import write_prompts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pydantic import JsonValue

    from raylane_worker.generation.template.question import Question

# How many readings an error lists.
_MAX_CHOICES: Final = 6


@dataclass(frozen=True)
class Reading:
    """One way to read a prompt.

    `shadowed` are words of the prompt that are the name of a column and were read as something else. A guess completes
    what the prompt does not say: it is never the answer, but it makes other readings doubtful.
    """

    question: Question
    shadowed: tuple[str, ...]
    is_guess: bool


@dataclass(frozen=True)
class Outcome:
    """The only question that a prompt may ask, or the error that says most: of the reading that came furthest.

    `position` is the token to which it came.
    """

    question: Question | None
    error: GenerationError
    position: int


Parser: TypeAlias = Callable[[NameCursor], "Question"]


def find_question(prompt: Prompt, parse: Parser = parse_question) -> Question:
    """Returns the only question that the prompt may ask about its source. `parse` reads it in one way.

    Raises `AmbiguousPrompt` (details: `choices`, prompts with one reading each), `NotUnderstood` (details: the tokens
    that are left), `NeedsModel`, `UnknownColumn`, `AmbiguousColumn`, `TypeMismatch`, `UnknownSource`,
    `AmbiguousSource`.
    """
    outcome = read_prompt(prompt, parse)
    if outcome.question is None:
        raise outcome.error
    return outcome.question


def read_prompt(prompt: Prompt, parse: Parser = parse_question) -> Outcome:
    """Returns what `find_question` returns or raises. Raises `NotUnderstood` for a prompt with too many readings."""
    readings, refusal, position = _all_readings(prompt, parse)
    question = _only_question(readings)
    if question is None and readings:
        return Outcome(None, ambiguous(prompt, dict.fromkeys(one.question for one in readings), readings), position)
    return Outcome(question, refusal, position)


def write_question(prompt: Prompt, question: Question) -> str:
    """Returns the whole question as one prompt about the source of `prompt`, with no other reading if there is one."""
    return next(
        (one for one in write_prompts(question) if _means(prompt, one, question)), next(write_prompts(question))
    )


def _only_question(readings: Iterable[Reading]) -> Question | None:
    certain = {one.question for one in readings if not (one.is_guess or one.shadowed)}
    return certain.pop() if len(certain) == 1 and certain == {one.question for one in readings} else None


def _all_readings(prompt: Prompt, parse: Parser = parse_question) -> tuple[list[Reading], GenerationError, int]:
    """Returns the readings, and the refusal of the run that came furthest, with the token to which it came."""
    readings: list[Reading] = []
    refusal: GenerationError = NotUnderstood("the prompt cannot be read")
    rank = (-1, False)
    runs = 0
    for choices in all_choices():
        runs += 1
        cursor = NameCursor(prompt, choices)
        try:
            question = parse(cursor)
            check_types(question)
        except GenerationError as error:
            # After the same words, an error about a column says more than that its name is expected.
            its_rank = (cursor.position, not isinstance(error, NotUnderstood))
            if its_rank > rank and not cursor.is_guess:
                refusal, rank = error, its_rank
            continue
        readings.append(Reading(question, tuple(_shadowed(cursor)), is_guess=cursor.is_guess))
    if runs == MAX_RUNS:
        words: list[JsonValue] = [token.text for token in prompt.tokens]
        raise NotUnderstood(
            "the prompt can be read in too many ways; put the names of its columns between quotes",
            details={"unconsumed": words},
        )
    return readings, _needs_model(prompt, rank[0]) or refusal, rank[0]


def _shadowed(cursor: NameCursor) -> Iterator[str]:
    """Yields the words of the prompt that are the name of a column and were not read as such.

    A part of another name or of a value is not meant as a name, and neither is a keyword where no name could be.
    """
    roles = {position: span for span in cursor.spans for position in range(span.start, span.end)}
    for start, token in enumerate(cursor.tokens):
        for match in () if token.quoted else cursor.prompt.columns_at(start):
            spans = {roles[position] for position in range(start, start + match.length)}
            is_within_one = len(spans) == 1 and next(iter(spans)).role is not Role.WORD
            if not is_within_one and not all(span.role is Role.FIXED for span in spans):
                yield join_tokens(cursor.tokens[start : start + match.length])


def _needs_model(prompt: Prompt, start: int) -> NeedsModel | None:
    """Returns the refusal of a word that no template can do, if one is not understood from `start` on."""
    for position, token in enumerate(prompt.tokens):
        if position >= start and token.key in phrases.NEEDS_MODEL.split("|") and not prompt.columns_at(position):
            return NeedsModel(
                f"the template generator cannot handle {token.text!r}; configure a model, or use a supported form",
                details={"word": token.text},
            )
    return None


def ambiguous(prompt: Prompt, questions: Iterable[Question], readings: Sequence[Reading] = ()) -> AmbiguousPrompt:
    """Returns the error of a prompt that may ask each of the questions (details: `choices`, a prompt for each)."""
    choices: list[JsonValue] = [*islice(_writable(prompt, questions), _MAX_CHOICES)]
    shadowed: list[JsonValue] = [*sorted({name for one in readings for name in one.shadowed})]
    reason = f", because {' and '.join(map(repr, shadowed))} may be a column" if shadowed else ""
    advice = f"write what you mean: {' or '.join(map(str, choices))}" if choices else "put its names between quotes"
    return AmbiguousPrompt(
        f"{join_tokens(prompt.tokens)!r} can be read in several ways{reason}; {advice}",
        details={"choices": choices, "columns": shadowed, "source": prompt.source.name},
    )


def _writable(prompt: Prompt, questions: Iterable[Question]) -> Iterator[str]:
    """Yields a prompt for each question that has no other reading. Names with control characters have none."""
    for question in questions:
        for written in write_prompts(question):
            if written.isprintable() and _means(prompt, written, question):
                yield written
                break


def _means(prompt: Prompt, written: str, question: Question) -> bool:
    try:
        readings, *_ = _all_readings(prompt.rewritten(written))
    except NotUnderstood:  # it has too many readings
        return False
    return _only_question(readings) == question
