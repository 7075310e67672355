"""The tokens of a prompt, what they may name, and what they were read as."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from enum import Enum, auto
from functools import lru_cache
from typing import TYPE_CHECKING

from raylane_worker.generation.columns import named_columns
from raylane_worker.generation.template.names import NameIndex, NameMatch
from raylane_worker.generation.template.tokens import split_tokens

if TYPE_CHECKING:
    from collections.abc import Sequence

    from raylane_common.wire.sources import Column, Source
    from raylane_worker.generation.template.tokens import Token


class Role(Enum):
    """What the tokens of a span were read as."""

    NAME = auto()
    """The name of a column or source."""
    VALUE = auto()
    """A value, or a number of rows."""
    WORD = auto()
    """A keyword or courtesy that could be a name as well, such as "count"."""
    FIXED = auto()
    """A keyword where no name could be meant, such as "where"."""


@dataclass(frozen=True)
class Span:
    """Consecutive tokens and what they were read as."""

    start: int
    end: int
    role: Role
    is_source: bool = False


class Prompt:
    """The tokens of a prompt, with the names of one source and of all sources of the session that occur in them.

    `ending` is the punctuation at the end of the prompt, if it is attached to the last token.
    """

    def __init__(self, tokens: Sequence[Token], source: Source, sources: NameIndex[Source], ending: str = "") -> None:
        self.tokens = tokens
        self.source = source
        self.sources = sources
        self.ending = ending
        self._index = NameIndex(named_columns(source))
        self._found: dict[int, tuple[NameMatch[Column], ...]] = {}

    def rewritten(self, text: str) -> Prompt:
        """Returns another prompt about the same source."""
        other = copy(self)
        other.tokens, other.ending, other._found = split_tokens(text), "", {}
        return other

    def about(self, source: Source) -> Prompt:
        """Returns the same prompt about another source."""
        return Prompt(self.tokens, source, self.sources, self.ending)

    def columns_at(self, position: int) -> tuple[NameMatch[Column], ...]:
        """Returns the names of columns that begin at the position, the longest first."""
        if position not in self._found:
            self._found[position] = tuple(self._index.find_all(self.tokens, position))
        return self._found[position]


def match_phrases(phrases: str, tokens: Sequence[Token], start: int) -> tuple[int, ...]:
    """Returns the numbers of tokens that the matching phrases take, the largest first."""
    if start >= len(tokens):
        return ()
    found = dict.fromkeys(
        len(phrase)
        for phrase in _phrases_by_first_word(phrases).get(tokens[start].key, ())
        if len(phrase) <= len(tokens) - start
        and all(token.key == key for token, key in zip(tokens[start : start + len(phrase)], phrase, strict=True))
    )
    return tuple(found)


@lru_cache(maxsize=256)
def _phrases_by_first_word(phrases: str) -> dict[str, tuple[tuple[str, ...], ...]]:
    split = sorted((tuple(phrase.split()) for phrase in phrases.split("|")), key=len, reverse=True)
    return {first: tuple(phrase for phrase in split if phrase[0] == first) for first in {phrase[0] for phrase in split}}
