"""Finds the names that are most similar to one that does not exist, for the hint in an error message."""

from __future__ import annotations

import heapq
from itertools import islice
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

# A header may name 10,000 columns with thousands of characters each, and to read them all would take too long.
_MAX_NAMES: Final = 1000
_MAX_CHARACTERS: Final = 64
# Names with less likeness have little more than a syllable in common.
_MIN_LIKENESS: Final = 0.4


class NearestNames:
    """Finds which of some names look like another one.

    The time is proportional to the length of the names, unlike that of `difflib.get_close_matches`.
    """

    def __init__(self, names: Iterable[str], *, most: int = 5) -> None:
        """Only the first `most` calls of `find` search: a reader needs no more hints."""
        self._names = list(islice(names, _MAX_NAMES))
        self._pairs: list[set[str]] = []
        self._left = most

    def find(self, name: str, count: int = 3) -> list[str]:
        """Returns at most `count` names that look like `name`, the most similar first. Case does not matter."""
        if self._left == 0:
            return []
        self._left -= 1
        wanted = _pairs(name)
        self._pairs = self._pairs or list(map(_pairs, self._names))
        likeness = [_likeness(wanted, pairs) for pairs in self._pairs]
        similar = [(-one, each) for one, each in zip(likeness, self._names, strict=True) if one >= _MIN_LIKENESS]
        return [each for _, each in heapq.nsmallest(count, similar)]


def _pairs(name: str) -> set[str]:
    """Returns the pairs of adjacent characters, with a space before the first and after the last one."""
    text = f" {name[:_MAX_CHARACTERS].casefold()} "
    return {text[index : index + 2] for index in range(len(text) - 1)}


def _likeness(pairs: set[str], others: set[str]) -> float:
    """Returns Dice's coefficient: 1 for the same pairs, 0 if they have none in common."""
    return 2 * len(pairs & others) / (len(pairs) + len(others))
