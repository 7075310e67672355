"""Finds the names of columns and sources among tokens. A name may contain spaces, signs and keywords."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Generic, TypeVar
from unicodedata import normalize

from raylane_worker.generation.template.tokens import split_tokens

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Sequence

    from raylane_worker.generation.template.tokens import Token

T = TypeVar("T")

# Letters and digits without '_', so that `temp_max`, `temp-max` and `temp max` have the same parts.
_PART: Final = re.compile(r"[^\W_]+")


@dataclass(frozen=True)
class NameMatch(Generic[T]):
    """The things that a name may refer to, and how many tokens it takes. With several things it is ambiguous."""

    things: tuple[T, ...]
    length: int


class _Node(Generic[T]):
    """A node of a tree of names: what is called so far, and the nodes for what may follow."""

    def __init__(self) -> None:
        self.things: list[T] = []
        self.next: dict[Hashable, _Node[T]] = {}

    def add(self, keys: Iterable[Hashable], thing: T) -> None:
        node = self
        for key in keys:
            node = node.next.setdefault(key, _Node())
        # Two names of one thing may have the same parts.
        if thing not in node.things:
            node.things.append(thing)

    def find(self, keys: Iterable[Hashable]) -> _Node[T] | None:
        node: _Node[T] | None = self
        for key in keys:
            node = node.next.get(key) if node else None
        return node


class NameIndex(Generic[T]):
    """Finds things by name: an exact match, or one that differs only in case, spaces, '_' and other signs."""

    def __init__(self, named: Iterable[tuple[str, T]]) -> None:
        self._things: list[T] = []
        self._by_name: dict[str, list[T]] = {}
        self._by_tokens: _Node[T] = _Node()
        self._by_parts: _Node[T] = _Node()
        for written, thing in named:
            name = normalize("NFC", written)  # as tokens are
            self._things.append(thing)
            self._by_name.setdefault(name, []).append(thing)
            if tokens := split_tokens(name):
                self._by_tokens.add(map(_key, tokens), thing)
            if parts := _PART.findall(name.casefold()):
                self._by_parts.add(parts, thing)

    @property
    def has_several(self) -> bool:
        """Whether it knows more than one thing."""
        return any(thing != self._things[0] for thing in self._things)

    def find(self, tokens: Sequence[Token], start: int) -> NameMatch[T] | None:
        """Returns the longest name that begins at `start`; None if there is none."""
        return next(iter(self.find_all(tokens, start)), None)

    def find_all(self, tokens: Sequence[Token], start: int) -> list[NameMatch[T]]:
        """Returns the names that begin at `start`, the longest first. Of two of one length, prefers an exact match."""
        found: list[NameMatch[T]] = []
        exact: _Node[T] | None = self._by_tokens
        similar: _Node[T] | None = self._by_parts
        for length, token in enumerate(tokens[start:], start=1):
            # A text between quotes is a whole name. Signs and further quotes belong only to an exact name.
            is_whole = token.quoted and length == 1
            exact = exact.find([_key(token)]) if exact else None
            if similar and (is_whole or (token.is_word and not token.quoted)):
                similar = similar.find(_PART.findall(token.text.casefold()))
            else:
                similar = None
            things = self._by_name.get(token.text, []) if is_whole else exact.things if exact else []
            if things := things or (similar.things if similar else []):
                found.insert(0, NameMatch(tuple(things), length))
            if is_whole:
                similar = None
            if not (exact or similar):
                break
        return found


def _key(token: Token) -> Hashable:
    return token.text, token.quoted
