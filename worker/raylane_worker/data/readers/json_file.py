"""Reads JSON: an array of records, one record per line, or an object that holds one array of records."""

from __future__ import annotations

import io
import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, cast

from raylane_common.errors import InvalidFile
from raylane_common.wire.names import FileFormat
from raylane_worker.data.readers import Decide
from raylane_worker.data.readers.plain import open_text
from raylane_worker.data.readers.typed_rows import typed_rows

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pyarrow as pa

    from raylane_common.wire.reading import Reading
    from raylane_worker.data.readers.typed_rows import Value

Record = dict[str, object]

# An object that is not in an array must be in memory as a whole.
_MAX_OBJECT_BYTES: Final = 64 * 1024 * 1024
_CHUNK_CHARACTERS: Final = 1024 * 1024
_MAX_RECORD_CHARACTERS: Final = 16 * 1024 * 1024
_MAX_COLUMNS: Final = 10_000
# The names of a nested field: `address` and `city`.
Path_ = tuple[str, ...]


class JsonBatches:
    """The records of a JSON file. The fields of an object in a record are columns: `address.city`.

    Objects and arrays further down are JSON text. A field that a record does not have is missing.
    """

    decide = Decide.DATES

    def __init__(self, path: Path, reading: Reading) -> None:
        """Reads the file once for the names of the columns, in the order in which they appear. Raises `InvalidFile`."""
        self._path = path
        self._reading = reading
        self.warnings: list[str] = []
        self._places: dict[Path_, int] = {}
        for record in self._records():
            for place in _flat(record):
                self._places.setdefault(place, len(self._places))
            if len(self._places) > _MAX_COLUMNS:
                raise InvalidFile(f"the records have more than {_MAX_COLUMNS:,} different fields")
        if not self._places:
            raise InvalidFile("the file has no records with fields")
        self.names = [".".join(place) for place in self._places]

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        """Yields the batches."""
        with typed_rows(len(self._places)) as rows:
            for record in self._records():
                row: list[Value] = [None] * len(self._places)
                for place, value in _flat(record).items():
                    row[self._places[place]] = value
                rows.add(row)
            yield from rows.batches()

    def _records(self) -> Iterator[Record]:
        with open_text(self._path, self._reading.compression, self._reading.encoding) as file:
            text = io.TextIOWrapper(file, "utf-8", newline="")
            if self._reading.format is FileFormat.JSON_LINES:
                yield from _lines(text)
            else:
                yield from _array(text)


@contextmanager
def open_file(path: Path, reading: Reading) -> Iterator[JsonBatches]:
    """Opens a JSON file. Raises `InvalidFile`."""
    yield JsonBatches(path, reading)


def _lines(text: io.TextIOWrapper) -> Iterator[Record]:
    for number, line in enumerate(text, start=1):
        if line.strip():
            try:
                value = _DECODER.decode(line)
            except ValueError as error:
                raise InvalidFile(f"line {number} is not JSON: {error}", details={"line": number}) from error
            yield _record(value, f"line {number}")


def _array(text: io.TextIOWrapper) -> Iterator[Record]:
    """Yields the records of an array, of which only a part is in memory at once."""
    rest = text.read(_CHUNK_CHARACTERS).lstrip()
    if not rest.startswith("["):
        yield from _object(rest + text.read(_MAX_OBJECT_BYTES), is_whole=not text.read(1))
        return
    rest, number = rest[1:].lstrip(), 0
    while not rest.startswith("]"):
        number += 1
        value, rest = _next_value(rest, text, number)
        yield _record(value, f"record {number}")
        rest = rest.lstrip() or text.read(_CHUNK_CHARACTERS).lstrip()
        if rest.startswith(","):
            rest = rest[1:].lstrip() or text.read(_CHUNK_CHARACTERS).lstrip()
        elif not rest.startswith("]"):
            raise InvalidFile(f"after record {number} there is neither ',' nor ']': the file may be cut off")
    if (rest[1:] + text.read(_CHUNK_CHARACTERS)).strip():
        raise InvalidFile("there is more text after the end of the array; write one record per line instead")


def _next_value(rest: str, text: io.TextIOWrapper, number: int) -> tuple[object, str]:
    while True:
        try:
            value, end = _DECODER.raw_decode(rest)
            return value, rest[end:]
        except ValueError as error:
            more = text.read(max(len(rest), _CHUNK_CHARACTERS)) if len(rest) < _MAX_RECORD_CHARACTERS else ""
            if not more:
                raise InvalidFile(f"record {number} is not JSON: {error}") from error
            rest += more


def _object(text: str, *, is_whole: bool) -> Iterator[Record]:
    """Yields the records of the only array in an object, or the object itself if it has none."""
    if not is_whole:
        raise InvalidFile(f"the object is larger than {_MAX_OBJECT_BYTES // 1024**2} MiB; write one record per line")
    try:
        value = _record(_DECODER.decode(text), "the file")
    except ValueError as error:
        raise InvalidFile(f"the file is not JSON: {error}") from error
    arrays = [each for each in value.values() if isinstance(each, list) and each and isinstance(each[0], dict)]
    if len(arrays) > 1:
        names = ", ".join(repr(name) for name, each in value.items() if each in arrays)
        raise InvalidFile(f"the object holds several arrays of records ({names}); upload one of them")
    if not arrays:
        yield value
        return
    for number, each in enumerate(arrays[0], start=1):
        yield _record(each, f"record {number}")


def _record(value: object, where: str) -> Record:
    if not isinstance(value, dict):
        raise InvalidFile(f'{where} is not an object with fields, such as {{"name": "Ada"}}')
    return value


def _flat(record: Record) -> dict[Path_, Value]:
    found: dict[Path_, Value] = {}
    for name, value in record.items():
        if isinstance(value, dict) and value:
            found |= {(name, inner): _value(each) for inner, each in value.items()}
        else:
            found[(name,)] = _value(value)
    return found


def _value(value: object) -> Value:
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False) if value else None
    return cast("Value", value)


def _unique(pairs: list[tuple[str, object]]) -> Record:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"an object has the field {twice!r} twice")
    return found


def _constant(name: str) -> None:
    """NaN and infinity are not JSON, but Python and JavaScript programs write them for missing values."""
    del name


_DECODER: Final = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_constant)
