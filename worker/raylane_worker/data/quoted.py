"""Names and cells in messages, which may be of any length."""

from __future__ import annotations

from typing import Final

_MAX_CHARACTERS: Final = 100


def clipped(text: str) -> str:
    """Returns the beginning of the text, at most 100 characters."""
    return text[:_MAX_CHARACTERS]


def quoted(text: str) -> str:
    """Returns the beginning of the text between quotes, with control characters escaped."""
    return repr(clipped(text))
