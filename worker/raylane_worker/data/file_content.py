"""What a file holds. Imports no pyarrow, so that a worker can have it from another process."""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel, ConfigDict

from raylane_common.wire.reading import Reading
from raylane_common.wire.sources import Column


class FileContent(BaseModel):
    """What a file holds and how it was read.

    `rows` is exact. `preview` has the first 5 rows, with all cells as text; long cells are cut and end with '…'.
    `reasons` says why there is a prepared copy; it is empty if there is none.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True)

    reading: Reading
    rows: int
    columns: tuple[Column, ...]
    preview: tuple[tuple[str, ...], ...]
    warnings: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
