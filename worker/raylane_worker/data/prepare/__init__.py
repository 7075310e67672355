"""Reads a file as its owner means it, and writes a prepared copy if Ray would read it differently.

Two passes: the first decides the types by all cells, the second converts them. See docs/decisions/0030.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from raylane_worker.data.prepare.as_ray import differences_for_ray
from raylane_worker.data.prepare.typed_file import TypedFile
from raylane_worker.data.sniff import sniff

if TYPE_CHECKING:
    from pathlib import Path

    from raylane_common.wire.reading import Reading, ReadingOptions
    from raylane_common.wire.sources import Column

# Ray's reader decompresses files with these names, whatever they contain.
READ_AS_COMPRESSED: Final = (".gz", ".bz2", ".zst", ".lz4", ".snappy")
_MAX_WARNINGS: Final = 50


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
    """Reads the file at `path`. Blocks for as long as that takes: call it in a thread or in another process.

    `filename` is the name that the user gave to it, and `options` what the user says about it. Writes the prepared copy
    to `copy_to` if there is a reason for one. With `share_samples`, the profile holds frequent values. Raises
    `InvalidFile`, and `InvalidRequest` if an option does not fit the file.
    """
    sniffed = sniff(path, options)
    file = TypedFile(path, sniffed.reading, options, share_samples=share_samples)
    reasons, schema = differences_for_ray(path, file.reading, file.names, file.table)
    if filename.lower().endswith(READ_AS_COMPRESSED) and not reasons:
        reasons = ["Ray would take the file for a compressed one because of its name"]
    if reasons:
        schema = file.write(copy_to)
    elif not file.is_profiled:
        for _ in file.batches():
            pass
    return FileContent(
        reading=file.reading,
        rows=file.rows,
        columns=file.columns(schema),
        preview=file.preview,
        warnings=tuple(dict.fromkeys((*sniffed.warnings, *file.warnings)))[:_MAX_WARNINGS],
        reasons=tuple(reasons),
    )
