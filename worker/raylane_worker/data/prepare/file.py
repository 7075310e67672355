"""A file that is being read, with the names of its columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from raylane_common.wire.reading import Reading, ReadingOptions


@dataclass(frozen=True)
class File:
    """A file, how it is written, and what the user says about it.

    `given` are the names of the columns as in the file, and `names` their final ones.
    """

    path: Path
    reading: Reading
    options: ReadingOptions
    given: tuple[str, ...]
    names: tuple[str, ...]
    share_samples: bool = False
