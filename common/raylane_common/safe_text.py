"""Makes outside text harmless to print: shows what would control a terminal, hide, or change the order of other text.

Every text for a terminal, a log or an error goes through this module, once. See docs/decisions/0021.
"""

from __future__ import annotations

import json
import re
from typing import Final

_COLOUR: Final = re.compile(r"\x1b\[[0-9;]*m")
# Control characters, line and paragraph separators, lone surrogates and noncharacters. Then what Unicode lists as
# invisible (Default_Ignorable_Code_Point), all other format characters (Cf) except visible signs of Arabic and Kaithi,
# and with them all that change the direction of text.
_UNSAFE: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff"
    "\u00ad\u034f\u061c\u070f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U000e0fff]"
)
# The scripts that write with joiners: Arabic and its neighbours, those of India and Sri Lanka, Mongolian.
_JOINED_LETTER: Final = re.compile("[\u0620-\u070e\u0710-\u0dff\u1820-\u18aa]")
_PICTURE: Final = re.compile("[\u203c\u2049\u2122\u2139\u2190-\u2bff\u3030\u303d\u3297\u3299\U0001f000-\U0001faff]")
_HAS_STYLES: Final = re.compile("[#*0-9\u00a9\u00ae]")
_IDEOGRAPH: Final = re.compile("[\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")


def safe_line(text: str) -> str:
    r"""Returns the text on one line, without colours. Unsafe characters appear as in Python: `\n`, `\x1b`, `\u202e`.

    Joiners within words and emoji, and selectors of a character's style, stay where they belong.
    """
    if text.isascii() and text.isprintable():
        return text
    return _UNSAFE.sub(_shown, _COLOUR.sub("", text))


def safe_lines(text: str) -> list[str]:
    """Returns the lines of the text, each made safe by `safe_line`, but with its tabs. CR and CRLF also end a line."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return ["\t".join(map(safe_line, line.split("\t"))) for line in lines]


def safe_text(text: str) -> str:
    """Returns the `safe_lines` of the text as one text."""
    return "\n".join(safe_lines(text))


def safe_json(document: str) -> str:
    """Returns a JSON document with every unsafe character escaped as JSON does it. Its value is the same."""
    if document.isascii() and document.isprintable():
        return document
    return _UNSAFE.sub(lambda match: json.dumps(match[0])[1:-1], document)


def _shown(match: re.Match[str]) -> str:
    character, text, at = match[0], match.string, match.start()
    before, after = text[max(0, at - 2) : at], text[at + 1 : at + 2]
    return character if _belongs(character, before, after) else ascii(character)[1:-1]


def _belongs(character: str, before: str, after: str) -> bool:
    """Returns whether the character changes the look of its neighbours as it should. `before` has two characters."""
    base = before[-1:]
    match character:
        case "\u200c":  # keeps letters apart
            return bool(_JOINED_LETTER.match(base) and _JOINED_LETTER.match(after))
        case "\u200d":  # joins letters, or pictures to an emoji
            letters = _JOINED_LETTER.match(base) and _JOINED_LETTER.match(after)
            return bool(letters or (_PICTURE.match(before.rstrip("\ufe0f")[-1:]) and _PICTURE.match(after)))
        case "\ufe0e" | "\ufe0f":  # as text, as an emoji
            return bool(_PICTURE.match(base) or _HAS_STYLES.match(base))
        case _:  # a variant of an ideograph
            return "\U000e0100" <= character <= "\U000e01ef" and bool(_IDEOGRAPH.match(base))
