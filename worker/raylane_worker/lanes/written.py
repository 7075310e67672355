"""Keeps the outcomes that a lane has written lately, so that they can be written again if the server has lost them.

See docs/decisions/0015.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from raylane_common.redis.queue import AttemptOutcome

# Longer than a server takes to write to its disk (a second), or sentinels to replace a dead server by a replica.
_KEPT_S: Final = 60.0
# At 3,000 small jobs a second, these are the outcomes of five seconds.
_MOST_BYTES: Final = 8 * 1024 * 1024
_BYTES_WITHOUT_VALUE: Final = 500


class WrittenOutcomes:
    """Outcomes by job and token, oldest first."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], tuple[AttemptOutcome, float]] = {}
        self._bytes = 0

    def __bool__(self) -> bool:
        return bool(self._kept)

    def add(self, outcome: AttemptOutcome, now_s: float) -> None:
        """Keeps an outcome that was written at the loop time `now_s`. Forgets the oldest ones if there are too many."""
        self.forget([outcome])
        self._kept[outcome.job_id, outcome.token] = outcome, now_s
        self._bytes += _size_bytes(outcome)
        while self._bytes > _MOST_BYTES:
            self.forget([self._oldest()[0]])

    def all(self) -> list[AttemptOutcome]:
        """Returns the outcomes that are kept."""
        return [outcome for outcome, _ in self._kept.values()]

    def forget(self, outcomes: Iterable[AttemptOutcome]) -> None:
        """Drops these outcomes, as far as they are kept."""
        for outcome in outcomes:
            if self._kept.pop((outcome.job_id, outcome.token), None) is not None:
                self._bytes -= _size_bytes(outcome)

    def forget_old(self, now_s: float) -> None:
        """Drops the outcomes that were written too long ago to be lost."""
        while self._kept and self._oldest()[1] < now_s - _KEPT_S:
            self.forget([self._oldest()[0]])

    def _oldest(self) -> tuple[AttemptOutcome, float]:
        return next(iter(self._kept.values()))


def _size_bytes(outcome: AttemptOutcome) -> int:
    return _BYTES_WITHOUT_VALUE + len(outcome.value)
