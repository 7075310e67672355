"""Pauses between tries that grow up to a limit; jitter keeps many callers from trying at the same moment."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(slots=True)
class Backoff:
    """Each pause is `factor` times the one before, from `first_s` up to `cap_s` seconds.

    `jitter` is the largest fraction by which a pause is randomly shortened: 0 for none, 0.5 for "equal jitter", 1 for
    "full jitter". `chance` returns random numbers in [0, 1).
    """

    first_s: float
    cap_s: float
    factor: float = 2.0
    jitter: float = 0.0
    chance: Callable[[], float] = field(default=random.random, repr=False)
    _pauses: int = field(default=0, init=False, repr=False)

    def next_s(self) -> float:
        """Returns the seconds to pause now; the next call returns a longer pause."""
        self._pauses += 1
        return self.nth_s(self._pauses)

    def nth_s(self, n: int) -> float:
        """Returns the seconds of the n-th pause, for a caller that counts its tries. `n` starts at 1."""
        try:
            longest_s = self.first_s * self.factor ** (n - 1)
        except OverflowError:
            longest_s = self.cap_s
        return min(longest_s, self.cap_s) * (1.0 - self.jitter * self.chance())

    def reset(self) -> None:
        """Starts again with the first pause. Call it after a try that succeeded."""
        self._pauses = 0
