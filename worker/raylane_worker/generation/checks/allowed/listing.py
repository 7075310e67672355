"""Reads a list of names that is written as words."""

from __future__ import annotations


def listed(text: str) -> frozenset[str]:
    """Returns the words of the text."""
    return frozenset(text.split())
