"""The room that an answer has where it is printed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

MAX_ROWS: Final = 20
"""The rows of a table on a terminal: what a reader sees without scrolling."""


@dataclass(frozen=True)
class Layout:
    """How wide and long a text may be, and of which characters.

    `width` is in columns of a terminal; None means that nothing is cut. `max_rows` limits the rows of a table.
    `blocks` says whether the output can show characters such as `█` and `…`. `command` is the one that writes
    a table to a file.
    """

    width: int | None = None
    max_rows: int | None = None
    blocks: bool = True
    command: str = "raylane result JOB"

    @property
    def cut(self) -> str:
        """The sign for a part that is left out."""
        return "…" if self.blocks else "..."
