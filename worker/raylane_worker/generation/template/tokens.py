"""Splits a prompt into tokens: words, numbers, dates, signs and quoted text."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from unicodedata import normalize

if TYPE_CHECKING:
    from collections.abc import Iterable

# In this order: quoted text, date or time, number, word, sign.
_TOKEN: Final = re.compile(
    r"""
      (?<!\w) (?: "([^"]*)" | '([^']*)' | `([^`]*)` | \u201c([^\u201c\u201d]*)\u201d | \u2018([^\u2018\u2019]*)\u2019 )
        (?!\w)
    | ( [0-9]{4}-[0-9]{2}-[0-9]{2} (?: [T ] [0-9]{2}:[0-9]{2} (?: :[0-9]{2} (?: \.[0-9]{1,6} )? )? )? (?![\w:])
      | (?<![\w.:]) [0-9]{1,2}:[0-9]{2} (?: :[0-9]{2} (?: \.[0-9]{1,6} )? )? (?![\w:]) )
    | ( (?<![\w.]) [-+]? (?: (?: [0-9]{1,3} (?: ,[0-9]{3} )+ (?! ,[0-9] ) | [0-9]+ ) (?: \.[0-9]+ )? | \.[0-9]+ )
        (?: [eE][-+]?[0-9]+ )? (?! \w | \.\w ) )
    | ( \w+ (?: [-.'\u2019/] \w+ )* )
    | ( [<>!=]= | <> | \S )
    """,
    re.VERBOSE,
)


@dataclass(frozen=True)
class Token:
    """One word, number, date, sign or quoted text.

    `key` is compared with keywords; it is empty for quoted text. A time of day counts as a date. `attached`
    says that no white space precedes it.
    """

    text: str
    key: str
    quoted: bool = False
    is_number: bool = False
    is_date: bool = False
    attached: bool = False

    @property
    def is_word(self) -> bool:
        """Whether it begins with a letter, a digit or '_', unlike a sign."""
        return self.text[:1].isalnum() or self.text.startswith("_")

    @property
    def is_text(self) -> bool:
        """Whether it is a word without quotes."""
        return self.is_word and not (self.quoted or self.is_number or self.is_date)

    @property
    def is_lower(self) -> bool:
        """Whether it is written in lower case, unlike an abbreviation such as US."""
        return self.text == self.text.lower()

    @property
    def number(self) -> str:
        """A number's text without separators of thousands."""
        return self.text.replace(",", "")


def split_tokens(text: str) -> list[Token]:
    """Returns the tokens of the text. Every character except white space belongs to exactly one token.

    A letter and its accent are one character (NFC), as keyboards write them; a file of macOS may have two.
    """
    tokens: list[Token] = []
    end = -1
    for match in _TOKEN.finditer(normalize("NFC", text)):
        *quoted, date, number, _word, _sign = match.groups()
        inside = next((group for group in quoted if group is not None), None)
        attached = match.start() == end
        end = match.end()
        if inside is not None:
            tokens.append(Token(inside, "", quoted=True, attached=attached))
        else:
            found = match.group()
            is_date, is_number = date is not None, number is not None
            tokens.append(Token(found, found.casefold(), is_date=is_date, is_number=is_number, attached=attached))
    return tokens


def split_prompt(text: str) -> tuple[list[Token], str]:
    """Returns the tokens without the punctuation at the end, and that punctuation if it is attached to the last one."""
    tokens = split_tokens(text)
    ending: list[Token] = []
    while tokens and tokens[-1].key in {"?", ".", "!"}:
        ending.insert(0, tokens.pop())
    return tokens, ending[0].text if ending and ending[0].attached else ""


def join_tokens(tokens: Iterable[Token]) -> str:
    """Returns the tokens as a person would write them."""
    return " ".join(repr(token.text) if token.quoted else token.text for token in tokens)
