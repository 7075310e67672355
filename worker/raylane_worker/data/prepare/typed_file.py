"""A file whose columns have types: the first pass decides the types, and the second converts the cells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pyarrow as pa
from pyarrow import parquet

from raylane_common.errors import InvalidRequest
from raylane_common.wire.sources import Column, ColumnType
from raylane_worker.data.column_types.cells import Markers
from raylane_worker.data.column_types.decider import TEXT, Decider, file_mark
from raylane_worker.data.prepare.names import rename_warnings, unique_names
from raylane_worker.data.prepare.text_hints import TextHints
from raylane_worker.data.profile import ColumnProfiler
from raylane_worker.data.readers import Decide, open_batches

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from raylane_common.wire.reading import Reading, ReadingOptions
    from raylane_worker.data.column_types.decider import Decision
    from raylane_worker.data.readers import Batches

# Enough to recognise a file. The preview is part of the result, which stays in Redis for days.
PREVIEW_ROWS: Final = 5
PREVIEW_CELL_CHARACTERS: Final = 1000
# The sources of a session, with their profiles, are in Redis.
_MAX_PROFILED_COLUMNS: Final = 1000
# A row group is what one process of Ray reads at once.
_ROW_GROUP_BYTES: Final = 64 * 1024 * 1024
_MAX_LISTED: Final = 5


class TypedFile:
    """The columns of a file with the types that all their cells have. Making it reads the file once."""

    def __init__(self, path: Path, reading: Reading, options: ReadingOptions, *, share_samples: bool) -> None:
        """Decides the types of the file at `path`, which is written as `reading` says; `options` are the user's.

        Raises `InvalidFile`, and `InvalidRequest` if a type is for a column that the file does not have.
        """
        self.reading = reading
        self.rows = 0
        self.preview: tuple[tuple[str, ...], ...] = ()
        self.warnings: list[str] = []
        self.is_profiled = False
        self._path = path
        self._markers = Markers(reading.null_markers)
        with open_batches(path, reading) as batches:
            self._decide = batches.decide
            given = list(batches.names)
            names = unique_names(given)
            if unknown := options.types.keys() - set(names):
                listed = ", ".join(map(repr, names[:_MAX_LISTED]))
                problem = f"the file has no column {min(unknown)!r}; it has {listed}"
                raise InvalidRequest.field(f"reading.types.{min(unknown)}", problem)
            only_dates = batches.decide is Decide.DATES
            deciders = [Decider(name, options.types.get(name), only_dates=only_dates) for name in names]
            hints = [TextHints(name, self._markers) for name in names]
            is_text = self._observe(batches, deciders, hints)
            self.warnings += batches.warnings
        mark = file_mark(deciders, reading.decimal, options.decimal, reading.delimiter)
        kept = [
            place for place, decider in enumerate(deciders) if given[place].strip() or decider.has_values or not is_text
        ]
        self.names = [names[place] for place in kept]
        self._given = [given[place] for place in kept]
        self._places = kept
        self._decisions: list[Decision | None] = [
            deciders[place].decide(mark, options.date_order) if place in is_text else None for place in kept
        ]
        rows: tuple[tuple[str, ...], ...] = self.preview
        self.preview = tuple(tuple(row[place] for place in kept) for row in rows)
        self.warnings += [
            warning
            for place, decision in zip(kept, self._decisions, strict=True)
            if decision is not None and decision.form is TEXT and batches.decide is Decide.ALL
            for warning in hints[place].warnings()
        ]
        self.warnings += rename_warnings(self._given, self.names)
        self.warnings += [warning for each in self._decisions if each is not None for warning in each.warnings]
        self._profilers: list[ColumnProfiler] = []
        self._share_samples = share_samples
        if self.rows == 0:
            self.warnings.append("there are no rows below the header")

    def _observe(self, batches: Batches, deciders: list[Decider], hints: list[TextHints]) -> set[int]:
        """Shows all cells of text to the deciders. Returns the places of the columns of text."""
        is_text: set[int] = set(range(len(deciders)))
        preview: list[tuple[str, ...]] = []
        for batch in batches:
            self.rows += batch.num_rows
            is_text &= {place for place, column in enumerate(batch.columns) if pa.types.is_string(column.type)}
            if len(preview) < PREVIEW_ROWS:
                head = batch.slice(0, PREVIEW_ROWS - len(preview))
                preview += zip(*([_shown(cell) for cell in column.to_pylist()] for column in head.columns), strict=True)
            for place in is_text:
                deciders[place].observe(self._cells(batch.column(place)))
                if deciders[place].is_text:
                    hints[place].observe(batch.column(place))
        self.preview = tuple(preview)
        return is_text if self._decide is not Decide.NOTHING else set()

    def _cells(self, cells: pa.Array) -> pa.Array:
        return self._markers.as_null(cells) if self._decide is Decide.ALL else cells

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yields the rows with their types, and profiles the columns."""
        with open_batches(self._path, self.reading) as batches:
            for batch in batches:
                columns = [
                    batch.column(place) if decision is None else decision.convert(self._cells(batch.column(place)))
                    for place, decision in zip(self._places, self._decisions, strict=True)
                ]
                self._profile(columns)
                yield pa.RecordBatch.from_arrays(columns, names=self.names)
        self.is_profiled = True

    def table(self) -> pa.Table:
        """Returns all rows."""
        batches = list(self.batches())
        return pa.Table.from_batches(batches, schema=batches[0].schema if batches else self._empty_schema())

    def write(self, path: Path) -> pa.Schema:
        """Writes all rows to a Parquet file, in row groups of bounded size. Returns its schema."""
        batches = self.batches()
        first = next(batches, None)
        schema = first.schema if first is not None else self._empty_schema()
        with parquet.ParquetWriter(path, schema, compression="zstd") as writer:
            waiting, size = ([first], first.nbytes) if first is not None else ([], 0)
            for batch in batches:
                if size > _ROW_GROUP_BYTES:
                    writer.write_table(pa.Table.from_batches(waiting, schema))
                    waiting, size = [], 0
                waiting.append(batch)
                size += batch.nbytes
            if waiting:
                writer.write_table(pa.Table.from_batches(waiting, schema))
        return schema

    def columns(self, schema: pa.Schema | None) -> tuple[Column, ...]:
        """Returns the columns, with the types of `schema`: those with which a run reads them."""
        found = []
        for place, name in enumerate(self.names):
            arrow_type = (schema or self._empty_schema()).field(place).type
            decision = self._decisions[place]
            given = self._given[place]
            found.append(
                Column(
                    name=name,
                    type=column_type(arrow_type),
                    native_type=str(arrow_type),
                    original_name=given if given != name else None,
                    written=(decision.form.written or None) if decision is not None else None,
                    profile=self._profilers[place].profile() if place < len(self._profilers) else None,
                )
            )
        return tuple(found)

    def _profile(self, columns: list[pa.Array]) -> None:
        if len(columns) > _MAX_PROFILED_COLUMNS:
            return
        if not self._profilers:
            self._profilers = [ColumnProfiler(each.type, share_samples=self._share_samples) for each in columns]
        for profiler, column in zip(self._profilers, columns, strict=True):
            profiler.observe(column)

    def _empty_schema(self) -> pa.Schema:
        types = [pa.string() if each is None else each.arrow_type for each in self._decisions]
        return pa.schema(list(zip(self.names, types, strict=True)))


def column_type(arrow_type: pa.DataType) -> ColumnType:
    """Returns the type of a column with this Arrow type."""
    kinds = (
        (pa.types.is_boolean, ColumnType.BOOLEAN),
        (pa.types.is_integer, ColumnType.INTEGER),
        (pa.types.is_floating, ColumnType.NUMBER),
        (pa.types.is_string, ColumnType.STRING),
        (pa.types.is_date, ColumnType.DATE),
        (pa.types.is_time, ColumnType.TIME),
        (pa.types.is_timestamp, ColumnType.TIMESTAMP),
    )
    if pa.types.is_decimal(arrow_type):
        return ColumnType.INTEGER if arrow_type.scale == 0 else ColumnType.NUMBER
    return next((kind for fits, kind in kinds if fits(arrow_type)), ColumnType.OTHER)


def _shown(value: object) -> str:
    text = "" if value is None else str(value)
    return text if len(text) <= PREVIEW_CELL_CHARACTERS else f"{text[: PREVIEW_CELL_CHARACTERS - 1]}…"
