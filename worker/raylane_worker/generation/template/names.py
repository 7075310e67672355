"""Finds the names of columns and sources among tokens. A name may contain spaces, signs and keywords."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from raylane_worker.generation.template.tokens import split_tokens

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from raylane_worker.generation.template.tokens import Token

T = TypeVar("T")

# Letters and digits without '_', so that `temp_max`, `temp-max` and `temp max` have the same parts.
_PART: Final = re.compile(r"[^\W_]+")


@dataclass(frozen=True)
class NameMatch(Generic[T]):
    """The things that a name may refer to, and how many tokens it takes. With several things it is ambiguous."""

    things: tuple[T, ...]
    length: int


class NameIndex(Generic[T]):
    """Finds things by name: an exact match, or one that differs only in case, spaces, '_' and other signs."""

    def __init__(self, named: Iterable[tuple[str, T]]) -> None:
        self._things: list[T] = []
        self._by_name: dict[str, list[T]] = {}
        self._by_tokens: dict[tuple[tuple[str, bool], ...], list[T]] = {}
        self._by_parts: dict[tuple[str, ...], list[T]] = {}
        for name, thing in named:
            self._by_name.setdefault(name, []).append(thing)
            if written := _written(split_tokens(name)):
                self._by_tokens.setdefault(written, []).append(thing)
            if parts := _parts_of([name]):
                self._by_parts.setdefault(parts, []).append(thing)
            self._things.append(thing)
        self._longest = max((len(key) for key in (*self._by_tokens, *self._by_parts)), default=1)

    @property
    def has_several(self) -> bool:
        """Whether it knows more than one thing."""
        return any(thing != self._things[0] for thing in self._things)

    def find(self, tokens: Sequence[Token], start: int) -> NameMatch[T] | None:
        """Returns the longest name that begins at `start`; None if there is none."""
        return next(self.find_all(tokens, start), None)

    def find_all(self, tokens: Sequence[Token], start: int) -> Iterator[NameMatch[T]]:
        """Yields the names that begin at `start`, the longest first. Of two of one length, prefers an exact match."""
        for length in range(min(self._longest, len(tokens) - start), 0, -1):
            things = self._look_up(tokens[start : start + length])
            if things:
                yield NameMatch(tuple(things), length)

    def _look_up(self, tokens: Sequence[Token]) -> list[T] | None:
        texts = [token.text for token in tokens]
        if len(tokens) == 1 and tokens[0].quoted:
            return self._by_name.get(texts[0]) or self._by_parts.get(_parts_of(texts))
        if exact := self._by_tokens.get(_written(tokens)):
            return exact
        if any(token.quoted or not token.is_word for token in tokens):
            return None
        return self._by_parts.get(_parts_of(texts))


def _written(tokens: Iterable[Token]) -> tuple[tuple[str, bool], ...]:
    return tuple((token.text, token.quoted) for token in tokens)


def _parts_of(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(part for text in texts for part in _PART.findall(text.casefold()))
