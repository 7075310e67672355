"""Reads JSON: an array of records, one record per line, or an object that holds one array of records."""

from __future__ import annotations

import io
import json
import tempfile
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO, Final, cast

from raylane_common.errors import InvalidFile
from raylane_common.wire.names import FileFormat
from raylane_worker.data.readers import Decide
from raylane_worker.data.readers.json_text import records_of_lines, records_of_text
from raylane_worker.data.readers.plain import open_text
from raylane_worker.data.readers.row_file import RowFile
from raylane_worker.data.readers.typed_rows import has_numbers_as_text, is_mixed, typed_batches

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pyarrow as pa

    from raylane_common.wire.reading import Reading
    from raylane_worker.data.readers.json_text import Record
    from raylane_worker.data.readers.row_file import Value

_MAX_COLUMNS: Final = 10_000
_MAX_LISTED: Final = 5
_SHOWN_CHARACTERS: Final = 100


class JsonBatches:
    """The records of a JSON file. The fields of an object in a record are columns: `address.city`.

    Objects and arrays further down are JSON text. A field that a record does not have is missing.
    """

    decide = Decide.DATES

    def __init__(self, path: Path, reading: Reading, written: BinaryIO) -> None:
        """Writes the records to `written` as rows. Raises `InvalidFile`."""
        self._written = written
        self._rows = rows = RowFile(written)
        self.warnings: list[str] = []
        # A field, or a field of an object in a field, and the position of its column.
        places: dict[str | tuple[str, str], int] = {}
        with open_text(path, reading.compression, reading.encoding) as file:
            text = io.TextIOWrapper(file, "utf-8", errors="surrogatepass", newline="")
            is_lines = reading.format is FileFormat.JSON_LINES
            for record in records_of_lines(text) if is_lines else records_of_text(text, self.warnings):
                rows.add(_row(record, places))
                if len(places) > _MAX_COLUMNS:
                    problem = f"the records have more than {_MAX_COLUMNS:,} different fields"
                    raise InvalidFile(f"{problem}; write keys that are data, such as ids, as values")
        if not places:
            raise InvalidFile('the file has no records with fields; write at least one, such as [{"name": "Ada"}]')
        self.names = [place if isinstance(place, str) else ".".join(place) for place in places]
        self.numbers = frozenset(place for place, kinds in enumerate(rows.kinds) if has_numbers_as_text(kinds))
        each = zip(self.names, rows.kinds, strict=True)
        if mixed := [repr(name[:_SHOWN_CHARACTERS]) for name, kinds in each if is_mixed(kinds)]:
            shown = ", ".join(mixed[:_MAX_LISTED]) + (" …" if len(mixed) > _MAX_LISTED else "")
            self.warnings.append(f"columns with values of several types are text: {shown}")
        if rows.has_broken_text:
            self.warnings.append("some texts hold halves of characters, which are read as '\N{REPLACEMENT CHARACTER}'")

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        """Yields the batches."""
        return typed_batches(self._written, self._rows.kinds, self._rows.parts)


@contextmanager
def open_file(path: Path, reading: Reading) -> Iterator[JsonBatches]:
    """Opens a JSON file. Raises `InvalidFile`."""
    with tempfile.TemporaryFile(prefix="raylane-") as written:
        yield JsonBatches(path, reading, cast("BinaryIO", written))


def _row(record: Record, places: dict[str | tuple[str, str], int]) -> list[Value]:
    """Returns the cells of a record. Adds its new fields to `places`."""
    row: list[Value] = [None] * len(places)
    for name, value in record.items():
        # An object without fields is one whose fields are all missing.
        fields = {(name, inner): each for inner, each in value.items()} if isinstance(value, dict) else {name: value}
        for field, each in fields.items():
            place = places.setdefault(field, len(places))
            if place == len(row):
                row.append(None)
            row[place] = json.dumps(each, ensure_ascii=False) if isinstance(each, dict | list) else cast("Value", each)
    return row
