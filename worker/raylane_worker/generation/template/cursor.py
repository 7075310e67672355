"""Reads a prompt token by token for one source; a refusal reports the tokens that are left."""

from __future__ import annotations

import difflib
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NoReturn

from raylane_common.errors import AmbiguousColumn, AmbiguousSource, NotUnderstood, UnknownColumn, UnknownSource
from raylane_worker.generation.columns import columns_of
from raylane_worker.generation.template.forms import examples, supported_forms
from raylane_worker.generation.template.names import NameIndex
from raylane_worker.generation.template.phrases import (
    COLUMN_NOUN,
    NAME_BOUNDARY,
    NUMBERS,
    SOURCE_NOUN,
    SOURCE_PREPOSITION,
)
from raylane_worker.generation.template.tokens import join_tokens

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydantic import JsonValue

    from raylane_common.wire.sources import Column, Source
    from raylane_worker.generation.template.tokens import Token

# How much of a long prompt an error message quotes. The error's details have all of it.
_MAX_QUOTED_CHARACTERS: Final = 200


class TokenCursor:
    """A position in the tokens of one prompt, which is read for one source.

    `sources` finds all sources of the session by name. Phrases are alternatives separated by '|'.
    """

    def __init__(self, tokens: Sequence[Token], source: Source, sources: NameIndex[Source]) -> None:
        self.tokens = tokens
        self.source = source
        self.position = 0
        self.has_named_source = False
        self._columns = NameIndex((column.name, column) for column in columns_of(source))
        self._sources = sources

    @property
    def at_end(self) -> bool:
        """Whether every token has been taken."""
        return self.position >= len(self.tokens)

    def is_next(self, phrases: str, skip: int = 0) -> bool:
        """Returns whether one of the phrases follows, after `skip` tokens."""
        return _match_phrases(phrases, self.tokens, self.position + skip) > 0

    def take(self, phrases: str) -> bool:
        """Takes the longest of the phrases that follows. Returns whether there was one."""
        length = _match_phrases(phrases, self.tokens, self.position)
        self.position += length
        return length > 0

    def take_all(self, phrases: str) -> None:
        """Takes phrases for as long as one of them follows."""
        while self.take(phrases):
            pass

    def expect(self, phrases: str) -> None:
        """Takes one of the phrases. Raises `NotUnderstood` if none follows."""
        if not self.take(phrases):
            self.refuse(f"expected {' or '.join(map(repr, phrases.split('|')[:2]))}")

    def take_and(self) -> bool:
        """Takes the "and" or comma between two items of a list, unless a condition follows."""
        return not self.is_next(", where") and self.take(", and|,|and")

    def take_token(self) -> Token:
        """Takes one token of any kind. Raises `NotUnderstood` at the end of the prompt."""
        if self.at_end:
            self.refuse("the prompt is incomplete")
        self.position += 1
        return self.tokens[self.position - 1]

    def take_number(self) -> int | None:
        """Takes a whole number, in digits or as a word up to ten. Returns None if none follows."""
        token = None if self.at_end else self.tokens[self.position]
        if token is None or token.quoted:
            return None
        is_whole = token.is_number and token.text.isdigit() and len(token.text) < 10
        number = int(token.text) if is_whole else NUMBERS.get(token.key)
        if number is not None:
            self.position += 1
        return number

    def is_at_column(self, skip: int = 0) -> bool:
        """Returns whether the name of a column follows, after `skip` tokens."""
        return self._columns.find(self.tokens, self.position + skip) is not None

    def take_column(self) -> Column:
        """Takes the name of a column. Raises `UnknownColumn` (details: the nearest names) or `AmbiguousColumn`."""
        if not self.is_at_column():
            self.take_all(f"the|each|{COLUMN_NOUN}|of")
        match = self._columns.find(self.tokens, self.position)
        if match is None:
            self._refuse_column()
        written = join_tokens(self.tokens[self.position : self.position + match.length])
        if len(match.things) > 1:
            names: list[JsonValue] = [column.name for column in match.things]
            raise AmbiguousColumn(
                f"{written!r} may be any of the columns {', '.join(map(repr, names))} of {self.source.name}; "
                "write the name exactly",
                details={"column": written, "candidates": names, "source": self.source.name},
            )
        self.position += match.length
        if not self.is_at_column():
            self.take(COLUMN_NOUN)
        return match.things[0]

    def take_columns(self) -> tuple[Column, ...]:
        """Takes a list of columns, each once. Raises the same errors as `take_column`."""
        columns = [self.take_column()]
        while self.take_and():
            columns.append(self.take_column())
        return tuple(dict.fromkeys(columns))

    def take_source(self) -> bool:
        """Takes a phrase that names a source, or only says "in the file". Returns whether there was one.

        Raises `UnknownSource` for a file name that no source has, `AmbiguousSource` for a name that several have.
        """
        start = self.position
        has_preposition = self.take(SOURCE_PREPOSITION)
        if has_preposition:
            self.take("this")
        has_noun = has_preposition and self.take(SOURCE_NOUN)
        if length := self._source_length(has_preposition=has_preposition):
            self.position += length
            self.has_named_source = True
            self.take(SOURCE_NOUN)
            return True
        if has_noun:
            return True
        if has_preposition and not self.at_end:
            text = self.tokens[self.position].text
            if "." in text and not text[0].isdigit():
                raise UnknownSource(f"the session has no source named {text!r}", details={"source": text})
        self.position = start
        return False

    def _source_length(self, *, has_preposition: bool) -> int:
        """Returns how many tokens form the name of a source here. Without a preposition it must contain a dot."""
        match = self._sources.find(self.tokens, self.position)
        if match is None:
            return 0
        written = join_tokens(self.tokens[self.position : self.position + match.length])
        if not has_preposition and "." not in written:
            return 0
        if len(match.things) > 1:
            names: list[JsonValue] = [source.name for source in match.things]
            raise AmbiguousSource(
                f"{written!r} may be any of the sources {', '.join(map(repr, names))}; write the whole name",
                details={"sources": names},
            )
        return match.length

    def refuse(self, hint: str = "") -> NoReturn:
        """Raises `NotUnderstood` with the tokens from here on."""
        rest = self.tokens[self.position :]
        what = f"the words {_clip(join_tokens(rest))!r}" if rest else "the end of the prompt"
        raise NotUnderstood(
            f"the template generator does not understand {what}{f' ({hint})' if hint else ''}; "
            f"it understands prompts such as {examples()}",
            details={"unconsumed": [token.text for token in rest], "supported": supported_forms()},
        )

    def _refuse_column(self) -> NoReturn:
        tokens: list[Token] = []
        for token in self.tokens[self.position :]:
            if self.is_next(NAME_BOUNDARY, skip=len(tokens)) or not (token.quoted or token.is_word):
                break
            tokens.append(token)
        if not tokens:
            self.refuse("expected the name of a column")
        written = _clip(" ".join(token.text for token in tokens))
        names = {column.name.casefold(): column.name for column in columns_of(self.source)}
        close = difflib.get_close_matches(written.casefold(), names, n=3, cutoff=0.4)
        nearest: list[JsonValue] = [names[name] for name in close]
        hint = f"did you mean {', '.join(map(repr, nearest))}?" if nearest else "ask for its columns with 'columns'"
        raise UnknownColumn(
            f"{self.source.name} has no column {written!r}; {hint}",
            details={
                "column": written,
                "nearest": nearest,
                "source": self.source.name,
                "supported": supported_forms(),
            },
        )


def _clip(text: str) -> str:
    return text if len(text) <= _MAX_QUOTED_CHARACTERS else f"{text[:_MAX_QUOTED_CHARACTERS]}…"


def _match_phrases(phrases: str, tokens: Sequence[Token], start: int) -> int:
    """Returns the number of tokens that the longest matching phrase takes, or 0."""
    for phrase in _split_phrases(phrases):
        if len(phrase) <= len(tokens) - start and all(
            token.key == key for token, key in zip(tokens[start : start + len(phrase)], phrase, strict=True)
        ):
            return len(phrase)
    return 0


@lru_cache(maxsize=256)
def _split_phrases(phrases: str) -> tuple[tuple[str, ...], ...]:
    return tuple(sorted((tuple(phrase.split()) for phrase in phrases.split("|")), key=len, reverse=True))
