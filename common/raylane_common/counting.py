"""Says how many there are of something, for messages."""

from __future__ import annotations


def counted(number: int, noun: str, plural: str = "") -> str:
    """Returns the number with its noun: `1 row`, `0 rows`, `1,200 rows`. Without a `plural`, the noun gets an s."""
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"
