"""The words of a prompt, and names found among them: a name may hold blanks, signs and keywords."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

T = TypeVar("T")

_WORD: Final = re.compile(
    r"""
      (?<!\w) (?: "([^"]*)" | '([^']*)' | `([^`]*)` | \u201c([^\u201d]*)\u201d | \u2018([^\u2019]*)\u2019 ) (?!\w)
    | ( [0-9]{4}-[0-9]{2}-[0-9]{2} (?: [T ] [0-9]{2}:[0-9]{2} (?: :[0-9]{2} (?: \.[0-9]{1,6} )? )? )? (?![\w:]) )
    | ( (?<![\w.]) [-+]? [0-9]+ (?: \.[0-9]+ )? (?: [eE][-+]?[0-9]+ )? (?! \w | \.\w ) )
    | ( \w+ (?: [-.'\u2019/] \w+ )* )
    | ( [<>!=]= | <> | \S )
    """,
    re.VERBOSE,
)
_ATOM: Final = re.compile(r"[^\W_]+")


@dataclass(frozen=True)
class Word:
    """One word, number, date or sign; `key` is what keywords are compared with, empty for quoted text."""

    text: str
    key: str
    quoted: bool = False
    is_number: bool = False
    is_date: bool = False


def split(text: str) -> list[Word]:
    """The words of the text. Every character that is not a blank belongs to one."""
    found = []
    for match in _WORD.finditer(text):
        *quoted, date, number, _word, _sign = match.groups()
        inside = next((group for group in quoted if group is not None), None)
        if inside is not None:
            found.append(Word(inside, "", quoted=True))
        else:
            shown = match.group()
            found.append(Word(shown, shown.casefold(), is_date=date is not None, is_number=number is not None))
    return found


def join(words: Iterable[Word]) -> str:
    """The words as a person would write them."""
    return " ".join(repr(word.text) if word.quoted else word.text for word in words)


def is_wordlike(word: Word) -> bool:
    """Whether it is no sign."""
    return word.text[0].isalnum() or word.text[0] == "_"


@dataclass(frozen=True)
class Hit(Generic[T]):
    """What a name may mean, and how many words it takes. More than one thing: the name is ambiguous."""

    things: tuple[T, ...]
    length: int


class Names(Generic[T]):
    """Things by name: spelled exactly, or else equal but for case, blanks, '_' and other signs."""

    def __init__(self, named: Iterable[tuple[str, T]]) -> None:
        self._spelled: dict[tuple[str, ...], list[T]] = {}
        self._named: dict[str, list[T]] = {}
        self._loose: dict[tuple[str, ...], list[T]] = {}
        for name, thing in named:
            self._named.setdefault(name, []).append(thing)
            if words := tuple(word.text for word in split(name)):
                self._spelled.setdefault(words, []).append(thing)
            if atoms := _atoms([name]):
                self._loose.setdefault(atoms, []).append(thing)
        self._longest = max((len(words) for words in (*self._spelled, *self._loose)), default=1)

    def find(self, words: Sequence[Word], start: int) -> Hit[T] | None:
        """The longest name that begins at `start`; an exact one goes before a loose one of the same length."""
        for length in range(min(self._longest, len(words) - start), 0, -1):
            things = self._lookup(words[start : start + length])
            if things:
                return Hit(tuple(things), length)
        return None

    def _lookup(self, words: Sequence[Word]) -> list[T] | None:
        texts = [word.text for word in words]
        if len(words) == 1 and words[0].quoted:
            return self._named.get(texts[0]) or self._loose.get(_atoms(texts))
        if exact := self._spelled.get(tuple(texts)):
            return exact
        if any(word.quoted or not is_wordlike(word) for word in words):
            return None
        return self._loose.get(_atoms(texts))


def _atoms(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(atom for text in texts for atom in _ATOM.findall(text.casefold()))
