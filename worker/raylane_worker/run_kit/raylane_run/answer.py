"""Takes the answer of a script."""

from __future__ import annotations


class _Answer:
    def note(self, text: str) -> None:
        """Prints a sentence."""
        print(text)  # noqa: T201

    def finish(self) -> None:
        """Writes nothing."""


answer = _Answer()
