"""Text with all that a file name, a cell or a server may contain to control, hide or reorder what is printed."""

from __future__ import annotations

import unicodedata
from typing import Final

FORGED: Final = "FORGED error: all is well"
"""Must not stand at the beginning of a line."""

# Without lone surrogates, which JSON in Redis cannot hold.
HOSTILE: Final = (
    f"a\x00\x07\x08\x1b[31m\x1b[2J\x1b]8;;http://evil.example\x1b\\link\x7f\x9b31m\r\n{FORGED}\r{FORGED}\n{FORGED}"
    f"\x85{FORGED}\u2028{FORGED}\u2029{FORGED}\x0b{FORGED}\x0c{FORGED} [red]b[/red] [link=x]c[/link] \u00ad\u034f\u061c"
    "\u115f\u3164\u180e\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2064\u2066\u2067\u2068\u2069\u206f"
    "\ufe0f\ufeff\ufff9\uffa0\U0001d173\U000e0001\U000e0041\U000e007f\U000e0100z"
)
# For code and output, whose lines are printed as lines.
HOSTILE_LINES: Final = HOSTILE.replace(FORGED, "more")
_BLANK: Final = set("\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0")


def is_safe(printed: str) -> bool:
    """Returns whether the text has no character that controls, hides or reorders, and no forged line."""
    # Joiners and selectors may stay between letters, pictures and ideographs; `test_safe_text` says where.
    unsafe = {
        character
        for character in set(printed) - set("\n\t\u200c\u200d")
        if unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp") or character in _BLANK
    } - set(map(chr, (*range(0x600, 0x606), 0x6DD, 0x890, 0x891, 0x8E2, 0x110BD, 0x110CD)))
    return not unsafe and not any(line.startswith(FORGED) for line in printed.splitlines())
