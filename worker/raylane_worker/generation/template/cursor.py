"""Reads a prompt token by token for one source; a refusal reports the tokens that are left."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NoReturn

from raylane_common.errors import NotUnderstood
from raylane_worker.generation.template.phrases import NUMBERS
from raylane_worker.generation.template.prompt import Prompt, Role, Span, match_phrases
from raylane_worker.generation.template.tokens import join_tokens

if TYPE_CHECKING:
    from collections.abc import Sequence

    from raylane_worker.generation.template.choices import Choices
    from raylane_worker.generation.template.tokens import Token

# How much of a long prompt an error message quotes. The error's details have all of it.
_MAX_QUOTED_CHARACTERS: Final = 200


class TokenCursor:
    """A position in a prompt. Phrases are alternatives separated by '|'.

    Whatever can be read in several ways is read as `choices` says, so the same prompt can be read in every way.
    """

    def __init__(self, prompt: Prompt, choices: Choices) -> None:
        self.prompt = prompt
        self.tokens = prompt.tokens
        self.source = prompt.source
        self.position = 0
        self.spans: list[Span] = []
        self._choices = choices

    @property
    def at_end(self) -> bool:
        """Whether every token has been taken."""
        return self.position >= len(self.tokens)

    def choose(self, options: int) -> int:
        """Returns a number below `options`, another one in each run of the parser."""
        return self._choices.choose(options)

    def is_next(self, phrases: str, skip: int = 0) -> bool:
        """Returns whether one of the phrases follows, after `skip` tokens."""
        return bool(match_phrases(phrases, self.tokens, self.position + skip))

    def has_ahead(self, word: str) -> bool:
        """Returns whether the word, without quotes, is one of those that follow."""
        return any(token.key == word for token in self.tokens[self.position :])

    def take(self, phrases: str, role: Role = Role.FIXED) -> bool:
        """Takes one of the phrases that follow, the longest first. Returns whether it took one."""
        return self._take_one_of(match_phrases(phrases, self.tokens, self.position), role)

    def take_noun(self, phrases: str) -> bool:
        """Takes one of the phrases, of which only the last word could be a name: `rows` in "count rows"."""
        start = self.position
        if not self.take(phrases, Role.WORD):
            return False
        self.spans[-1:] = [
            Span(start, self.position - 1, Role.FIXED),
            Span(self.position - 1, self.position, Role.WORD),
        ]
        return True

    def take_before_number(self, phrases: str) -> bool:
        """Takes one of the phrases if a number follows it."""
        lengths = match_phrases(phrases, self.tokens, self.position)
        return self._take_one_of(
            [one for one in lengths if self._number_at(self.position + one) is not None], Role.FIXED
        )

    def take_courtesy(self, phrases: str) -> bool:
        """Takes one of the phrases, which have no meaning, if it is written in lower case or begins the prompt.

        What is written otherwise, such as ME or IT, may be an abbreviation or a value, and is not skipped.
        """
        lengths = [
            length
            for length in match_phrases(phrases, self.tokens, self.position)
            if all(
                token.is_lower or (position == 0 and token.text[1:] == token.text[1:].lower())
                for position, token in enumerate(self.tokens[self.position : self.position + length], self.position)
            )
        ]
        return self._take_one_of(lengths, Role.WORD)

    def _take_one_of(self, lengths: Sequence[int], role: Role) -> bool:
        if not lengths:
            return False
        length = (*lengths, 0)[self.choose(len(lengths) + 1)]
        self._advance(length, role)
        return length > 0

    def _advance(self, length: int, role: Role, *, is_source: bool = False) -> None:
        if length:
            self.spans.append(Span(self.position, self.position + length, role, is_source))
            self.position += length

    def expect(self, phrases: str) -> None:
        """Takes one of the phrases. Raises `NotUnderstood` if none follows."""
        if not self.take(phrases):
            self.refuse(f"expected {' or '.join(map(repr, phrases.split('|')[:2]))}")

    def take_and(self) -> bool:
        """Takes the "and" or comma between two items of a list."""
        return self.take(", and|,|and")

    def take_token(self) -> Token:
        """Takes one token as a value. Raises `NotUnderstood` at the end of the prompt."""
        if self.at_end:
            self.refuse("the prompt is incomplete")
        self._advance(1, Role.VALUE)
        return self.tokens[self.position - 1]

    def take_number(self) -> int | None:
        """Takes a whole number, in digits or as a word up to ten. Returns None if none follows."""
        number = self._number_at(self.position)
        if number is not None:
            self._advance(1, Role.VALUE)
        return number

    def _number_at(self, position: int) -> int | None:
        token = self.tokens[position] if position < len(self.tokens) else None
        if token is None or token.quoted:
            return None
        is_whole = token.is_number and token.number.isdigit() and len(token.number) < 10
        return int(token.number) if is_whole else NUMBERS.get(token.key)

    @property
    def is_after_text(self) -> bool:
        """Whether the last token was taken as a text without quotes."""
        last = self.spans[-1] if self.spans else None
        return last is not None and last.role is Role.VALUE and self.tokens[last.start].is_text

    def is_at_column(self, skip: int = 0) -> bool:
        """Returns whether the name of a column follows, after `skip` tokens."""
        return bool(self.prompt.columns_at(self.position + skip))

    def refuse(self, hint: str = "") -> NoReturn:
        """Raises `NotUnderstood` with the tokens from here on."""
        rest = self.tokens[self.position :]
        what = f"the words {clip(join_tokens(rest))!r}" if rest else "the end of the prompt"
        raise NotUnderstood(
            f"the template generator does not understand {what}{f' ({hint})' if hint else ''}",
            details={"unconsumed": [token.text for token in rest]},
        )


def clip(text: str) -> str:
    """Returns the text, or the beginning of a long one."""
    return text if len(text) <= _MAX_QUOTED_CHARACTERS else f"{text[:_MAX_QUOTED_CHARACTERS]}…"
