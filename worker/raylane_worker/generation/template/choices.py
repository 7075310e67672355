"""Runs a parser once for each combination of its choices, so that every reading of a prompt is found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

# Ordinary prompts need about twenty. Names that are made of keywords can need any number.
MAX_RUNS: Final = 500


class Choices:
    """The choices of one run of a parser. The first run takes the first option everywhere."""

    def __init__(self, planned: list[int]) -> None:
        self._planned = planned
        self._made: list[tuple[int, int]] = []

    def choose(self, options: int) -> int:
        """Returns a number below `options`."""
        index = len(self._made)
        choice = self._planned[index] if index < len(self._planned) else 0
        self._made.append((choice, options))
        return choice

    def next_plan(self) -> list[int] | None:
        """Returns the choices of the next run; None if all combinations have been tried."""
        made = list(self._made)
        while made:
            choice, options = made.pop()
            if choice + 1 < options:
                return [*(choice for choice, _ in made), choice + 1]
        return None


def all_choices() -> Iterator[Choices]:
    """Yields the choices of each run, at most `MAX_RUNS`. The parser must have run before the next ones are taken."""
    plan: list[int] = []
    for _ in range(MAX_RUNS):
        choices = Choices(plan)
        yield choices
        following = choices.next_plan()
        if following is None:
            return
        plan = following
