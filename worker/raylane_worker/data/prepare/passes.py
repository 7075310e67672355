"""Passes over a file: its types are decided, its cells converted, profiled, compared with Ray's, and copied.

The first chunk decides the types of most files, so that one pass is enough: each later cell is checked strictly, and a
cell that does not fit starts a pass that decides by all cells, and another one that converts them.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Final

import pyarrow as pa

from raylane_worker.data.column_types import Decided, Form, Misfit, TypeDecider, convert, markers_of, refuses_markers
from raylane_worker.data.column_types.forms import Cast, Missing
from raylane_worker.data.column_types.plain import Wide, decimals
from raylane_worker.data.prepare.as_ray import as_ray_reads
from raylane_worker.data.prepare.asked_types import check_asked, refuse_cast
from raylane_worker.data.prepare.cell_warnings import MarkerCounts
from raylane_worker.data.prepare.chunks import chunks
from raylane_worker.data.prepare.copy import CopyWriter, copy_writer
from raylane_worker.data.profile import TableProfile
from raylane_worker.data.quoted import quoted
from raylane_worker.data.readers import open_batches

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from raylane_worker.data.prepare.as_ray import RaysReader
    from raylane_worker.data.prepare.file import File
    from raylane_worker.data.readers import Batches

# More passes than these cannot be needed: decide, see that Ray reads other values, see that a sum overflows.
_MAX_PASSES: Final = 4
# A table has few totals at its end.
_LAST_ROWS: Final = 5


@dataclass
class Converted:
    """What a pass found. `kept` are the positions of the columns that are not left out.

    `schema` is that of Ray if `reasons` is empty. `last_rows` are a few of them.
    """

    schema: pa.Schema
    decided: Decided
    kept: list[int]
    profile: TableProfile
    markers: MarkerCounts
    reasons: list[str]
    tries_first: list[bool]
    rows: int = 0
    last_rows: pa.RecordBatch | None = None
    warnings: list[str] = field(default_factory=list)


class _Repeat(Exception):
    """Another pass is needed, with these types and reasons."""

    def __init__(self, decided: Decided | None, reasons: Sequence[str]) -> None:
        super().__init__()
        self.decided = decided
        self.reasons = list(reasons)


def convert_file(file: File, reasons: Sequence[str], copy_to: Path) -> Converted:
    """Reads the whole file, and writes it to `copy_to` if there is a reason for a copy.

    `reasons` are those that are known beforehand. Raises `InvalidFile`.
    """
    decided: Decided | None = None
    found = list(reasons)
    for _ in range(_MAX_PASSES):
        try:
            return _pass(file, decided, found, copy_to)
        except _Repeat as again:
            decided, found = again.decided, again.reasons
        if decided is None:
            decided = _decide_by_all(file)
    raise AssertionError("a pass with types that were decided by all cells does not fit them")


def _decide_by_all(file: File) -> Decided:
    with open_batches(file.path, file.reading) as batches:
        decider: TypeDecider | None = None
        for chunk in chunks(batches):
            decider = decider or _decider(file, batches, chunk.schema)
            decider.see(chunk)
    assert decider is not None, "only a cell asks for another pass"
    return decider.decide()


def _decider(file: File, batches: Batches, schema: pa.Schema) -> TypeDecider:
    return TypeDecider(file.names, schema, file.reading, file.options, batches.decide, batches.numbers)


def _pass(file: File, decided: Decided | None, reasons: list[str], copy_to: Path) -> Converted:
    """Converts the file once. Raises `_Repeat` if other types are needed, or a copy."""
    with ExitStack() as stack:
        batches = stack.enter_context(open_batches(file.path, file.reading))
        parts = chunks(batches)
        first = next(parts, None)
        if first is None:
            first = pa.RecordBatch.from_arrays([pa.nulls(0, pa.string()) for _ in file.names], names=list(file.names))
        second = next(parts, None)
        if decided is None:
            decider = _decider(file, batches, first.schema)
            decider.see(first)
            decided = decider.decide()
            if second is not None and not decided.is_final:
                raise _Repeat(None, reasons)
        check_asked(file, decided)
        rest = (second,) if second is not None else ()
        return _convert(file, decided, reasons, copy_to, chain((first, *rest), parts), stack, batches)


def _convert(
    file: File,
    decided: Decided,
    reasons: list[str],
    copy_to: Path,
    parts: Iterator[pa.RecordBatch],
    stack: ExitStack,
    batches: Batches,
) -> Converted:
    first = next(parts)
    kept = _kept(file, decided)
    forms = [(index, decided.forms[index]) for index in kept]
    types = [form.type if form is not None else first.schema.field(index).type for index, form in forms]
    schema = pa.schema(list(zip((file.names[index] for index in kept), types, strict=True)))
    if len(kept) < len(file.names):
        reasons = [*reasons, "columns were left out"]
    rays, writer = None, None
    if not reasons and file.reading.format == "csv":
        rays = stack.enter_context(as_ray_reads(file.path))
        reasons = rays.differing_columns(schema) if rays else ["Ray cannot read its first MiB"]
        rays = None if reasons else rays
    if reasons:
        writer = stack.enter_context(copy_writer(copy_to, schema))
    found = Converted(
        rays.schema if rays is not None else schema,
        decided,
        kept,
        TableProfile(schema, share_samples=file.share_samples),
        MarkerCounts(file.names, markers_of(file.reading)),
        reasons,
        [refuses_markers(form, file.reading.null_markers) for form in decided.forms],
    )
    for part in chain((first,), parts):
        batch = _typed(file, part, found)
        found.rows += batch.num_rows
        found.profile.see(batch)
        found.last_rows = batch.slice(max(0, batch.num_rows - _LAST_ROWS))
        _compare_and_copy(batch, decided, rays, writer)
    if rays is not None and (reason := rays.differing_end()):
        raise _Repeat(decided, [reason])
    found.warnings = list(batches.warnings)
    _check_sums(found)
    return found


def _kept(file: File, decided: Decided) -> list[int]:
    """Returns the positions of the columns with a name or a value. Delimiters at the end of all lines make others."""
    columns = list(enumerate(zip(file.given, decided.forms, strict=True)))
    kept = [index for index, (name, form) in columns if name.strip() or not isinstance(form, Missing)]
    return kept or [index for index, _ in columns]


def _typed(file: File, part: pa.RecordBatch, found: Converted) -> pa.RecordBatch:
    """Returns the rows with their types. Raises `_Repeat` for a cell that is not written as those before it."""
    markers, columns = found.markers, []
    for index, (form, cells) in enumerate(zip(found.decided.forms, part.columns, strict=True)):
        try:
            values = convert(form, cells, markers.markers, tries_first=found.tries_first[index])
        except Misfit:
            if isinstance(form, Cast):
                refuse_cast(file, index)
            raise _Repeat(None, found.reasons) from None
        if form is not None and pa.types.is_string(cells.type) and pa.types.is_string(values.type):
            markers.see(index, cells, values)
        columns.append(values)
    return pa.RecordBatch.from_arrays([columns[index] for index in found.kept], names=found.schema.names)


def _compare_and_copy(
    batch: pa.RecordBatch, decided: Decided, rays: RaysReader | None, writer: CopyWriter | None
) -> None:
    if rays is not None and (reason := rays.differing_values(batch)):
        raise _Repeat(decided, [reason])
    if writer is not None:
        writer.write(batch)


def _check_sums(found: Converted) -> None:
    """Raises `_Repeat` with exact numbers of more than 64 bits for the columns whose sums need them."""
    places = sorted(found.profile.overflowing())
    if not places:
        return
    columns = {found.kept[place] for place in places}
    forms = [_wide(form) if index in columns else form for index, form in enumerate(found.decided.forms)]
    names = [quoted(found.schema.names[place]) for place in places]
    reasons = [f"the sum of column {name} may need more than 64 bits" for name in names]
    decided = Decided(tuple(forms), found.decided.warnings, is_final=True)
    raise _Repeat(decided, [*found.reasons, *reasons])


def _wide(form: Form | None) -> Form:
    if form is None or isinstance(form, Cast):
        return Cast(decimals(0))
    return Wide(form)
