"""Reads a file as a user expects, and writes a prepared copy if Ray would read it differently.

See docs/decisions/0030.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pyarrow as pa

from raylane_common.wire.names import ColumnType
from raylane_common.wire.sources import Column
from raylane_worker.data.column_types.column import column_type
from raylane_worker.data.file_content import FileContent
from raylane_worker.data.prepare.as_ray import reasons_at_sight
from raylane_worker.data.prepare.cell_warnings import century_warnings, formula_warning, spelling_warnings
from raylane_worker.data.prepare.file import File
from raylane_worker.data.prepare.names import check_names, rename_warnings, unique_names
from raylane_worker.data.prepare.passes import Converted, convert_file
from raylane_worker.data.prepare.preview import preview
from raylane_worker.data.prepare.total_rows import last_row_warning, total_warning
from raylane_worker.data.profile import MAX_COLUMNS
from raylane_worker.data.readers import open_batches
from raylane_worker.data.sniff import sniff

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from raylane_common.wire.reading import ReadingOptions

# Ray reads a CSV in one task, which takes seconds for a file of this size.
MAX_ORIGINAL_BYTES: Final = 64 * 1024 * 1024
_MAX_WARNINGS: Final = 50
_NUMBERS: Final = (ColumnType.INTEGER, ColumnType.NUMBER)


def read_file(
    path: Path,
    filename: str,
    options: ReadingOptions,
    *,
    copy_to: Path,
    share_samples: bool = False,
    max_original_bytes: int = MAX_ORIGINAL_BYTES,
) -> FileContent:
    """Reads the file at `path`. Blocks for as long as that takes: call it in a thread.

    `filename` is its name on S3 or its whole URI: how Ray reads a file depends on it. `options` is what the user says
    about the file. Writes the prepared copy to `copy_to` if there is a reason for one, such as more than
    `max_original_bytes`. With `share_samples`, the profile holds frequent values. Raises `InvalidFile`, and
    `InvalidRequest` if an option does not fit the file.
    """
    sniffed = sniff(path, options)
    reading = sniffed.reading
    with open_batches(path, reading) as batches:
        given = tuple(batches.names)
        first_rows = preview(batches)
    names = tuple(unique_names(given))
    check_names(options.types, names)
    file = File(path, reading, options, given, names, share_samples)
    reasons = reasons_at_sight(path, filename, reading, given, names, max_original_bytes)
    found = convert_file(file, reasons, copy_to)
    columns = tuple(_columns(file, found))
    warnings = dict.fromkeys((*sniffed.warnings, *found.warnings, *_warnings(file, found, columns)))
    return FileContent(
        reading=reading,
        rows=found.rows,
        columns=columns,
        preview=tuple(tuple(row[index] for index in found.kept) for row in first_rows),
        warnings=tuple(warnings)[:_MAX_WARNINGS],
        reasons=tuple(found.reasons),
    )


def _columns(file: File, found: Converted) -> Iterator[Column]:
    for index, field, profile in zip(found.kept, found.schema, found.profile.result(), strict=True):
        form, given, name = found.decided.forms[index], file.given[index], file.names[index]
        yield Column(
            name=name,
            type=column_type(field.type),
            native_type=str(field.type),
            original_name=given if given != name else None,
            written=form.written if form is not None else None,
            profile=profile,
        )


def _warnings(file: File, found: Converted, columns: tuple[Column, ...]) -> Iterator[str]:
    names = [file.names[index] for index in found.kept]
    yield from rename_warnings([file.given[index] for index in found.kept], names)
    yield from found.decided.warnings
    yield from found.markers.warnings()
    for place, name in enumerate(names):
        yield from spelling_warnings(name, found.profile.texts(place))
    for index, column in zip(found.kept, columns, strict=True):
        if column.profile is not None:
            yield from century_warnings(column.name, found.decided.forms[index], column.profile.max)
    texts = _texts(found, names)
    profiles = [column.profile for column in columns]
    if warning := total_warning(texts) or last_row_warning(found.last_rows, profiles, found.rows):
        yield warning
    if warning := formula_warning(texts):
        yield warning
    if found.profile.is_left_out:
        yield f"the file has {len(names):,} columns; with more than {MAX_COLUMNS:,}, it has no profile"
    if found.rows == 0:
        yield "there are no rows below the header"


def _texts(found: Converted, names: Sequence[str]) -> dict[str, list[str]]:
    """Returns the different texts of each column, and those of the last rows; none if no column has numbers."""
    if found.last_rows is None or not any(column_type(each) in _NUMBERS for each in found.schema.types):
        return {}
    columns = zip(names, found.last_rows.columns, strict=True)
    return {
        name: [*found.profile.texts(place), *column.drop_null().to_pylist()]
        for place, (name, column) in enumerate(columns)
        if pa.types.is_string(column.type)
    }
