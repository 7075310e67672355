"""Splits a prompt into tokens: words, numbers, dates, signs and quoted text."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

# In this order: quoted text, date or time, number, word, sign.
_TOKEN: Final = re.compile(
    r"""
      (?<!\w) (?: "([^"]*)" | '([^']*)' | `([^`]*)` | \u201c([^\u201d]*)\u201d | \u2018([^\u2019]*)\u2019 ) (?!\w)
    | ( [0-9]{4}-[0-9]{2}-[0-9]{2} (?: [T ] [0-9]{2}:[0-9]{2} (?: :[0-9]{2} (?: \.[0-9]{1,6} )? )? )? (?![\w:]) )
    | ( (?<![\w.]) [-+]? [0-9]+ (?: \.[0-9]+ )? (?: [eE][-+]?[0-9]+ )? (?! \w | \.\w ) )
    | ( \w+ (?: [-.'\u2019/] \w+ )* )
    | ( [<>!=]= | <> | \S )
    """,
    re.VERBOSE,
)


@dataclass(frozen=True)
class Token:
    """One word, number, date, sign or quoted text. `key` is compared with keywords; it is empty for quoted text."""

    text: str
    key: str
    quoted: bool = False
    is_number: bool = False
    is_date: bool = False

    @property
    def is_word(self) -> bool:
        """Whether it begins with a letter, a digit or '_', unlike a sign."""
        return self.text[:1].isalnum() or self.text.startswith("_")


def split_tokens(text: str) -> list[Token]:
    """Returns the tokens of the text. Every character except white space belongs to exactly one token."""
    tokens = []
    for match in _TOKEN.finditer(text):
        *quoted, date, number, _word, _sign = match.groups()
        inside = next((group for group in quoted if group is not None), None)
        if inside is not None:
            tokens.append(Token(inside, "", quoted=True))
        else:
            found = match.group()
            tokens.append(Token(found, found.casefold(), is_date=date is not None, is_number=number is not None))
    return tokens


def join_tokens(tokens: Iterable[Token]) -> str:
    """Returns the tokens as a person would write them."""
    return " ".join(repr(token.text) if token.quoted else token.text for token in tokens)
