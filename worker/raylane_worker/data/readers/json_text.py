"""Splits JSON text into records, of which only a few are in memory at once."""

from __future__ import annotations

import json
import re
import sys
from typing import TYPE_CHECKING, Final, NoReturn, cast

from raylane_common.errors import InvalidFile
from raylane_worker.data.column_types.plain import LONG_CHARACTERS, is_other
from raylane_worker.data.readers.row_file import Digits

if TYPE_CHECKING:
    import io
    from collections.abc import Iterator

Record = dict[str, object]

_CHUNK_CHARACTERS: Final = 1024 * 1024
# A record is in memory several times: as text, as an object, and as the cells of a row.
_MAX_RECORD_CHARACTERS: Final = 16 * 1024 * 1024
# An object that holds an array must be in memory as a whole.
_MAX_OBJECT_CHARACTERS: Final = 64 * 1024 * 1024
_MAX_LISTED: Final = 5
_SPACE: Final = re.compile(r"[ \t\r\n]*")
_HOW: Final = 'write an array of records, such as [{"name": "Ada"}], or one record per line'


def records_of_lines(text: io.TextIOWrapper) -> Iterator[Record]:
    """Yields the record on each line. Raises `InvalidFile` that names the line."""
    number = 0
    while line := text.readline(_MAX_RECORD_CHARACTERS):
        number += 1
        if len(line) == _MAX_RECORD_CHARACTERS:
            _refuse(f"line {number} is longer than {_MAX_RECORD_CHARACTERS // 1024**2} MiB", number)
        if not line.isspace():
            try:
                value = _DECODER.decode(line)
            except (ValueError, RecursionError) as error:
                _refuse(f"line {number} is not JSON: {_problem(error)}", number, error)
            yield _record(value, f"line {number}")


def records_of_text(text: io.TextIOWrapper, warnings: list[str]) -> Iterator[Record]:
    """Yields the records of an array, those of the only array in an object, or several objects one after the other.

    Adds what else the object holds to `warnings`. Raises `InvalidFile` that names the record.
    """
    scanner = _Scanner(text)
    if scanner.next_sign() != "[":
        yield from _records_of_object(scanner, warnings)
        return
    scanner.skip()
    number = 0
    while scanner.next_sign() != "]":
        number += 1
        yield _record(scanner.take_value(f"record {number}"), f"record {number}")
        match scanner.next_sign():
            case ",":
                scanner.skip()
            case "]":
                break
            case _:
                scanner.refuse(f"after record {number} there is neither ',' nor ']': the file may be cut off")
    scanner.skip()
    if scanner.next_sign():
        scanner.refuse("there is more text after the end of the array; write one record per line instead")


class _Scanner:
    """Text that is read piece by piece."""

    def __init__(self, file: io.TextIOWrapper) -> None:
        self._file = file
        self._text = ""
        self._place = 0
        self._lines_before = 0

    def next_sign(self) -> str:
        """Returns the next character that is not a space; '' at the end."""
        while True:
            space = _SPACE.match(self._text, self._place)
            assert space is not None, "the pattern fits nothing, too"
            self._place = space.end()
            if self._place < len(self._text):
                return self._text[self._place]
            if not self._read_more(_CHUNK_CHARACTERS):
                return ""

    def skip(self) -> None:
        """Skips the next character."""
        self._place += 1

    def take_value(self, what: str, limit: int = _MAX_RECORD_CHARACTERS) -> object:
        """Takes a whole value. Raises `InvalidFile` if `what` is not JSON, or is longer than `limit`."""
        while True:
            try:
                value, end = _DECODER.raw_decode(self._text, self._place)
            except ValueError as error:
                # The value may only be cut off by the end of the piece.
                length = len(self._text) - self._place
                if length < limit and self._read_more(max(length, _CHUNK_CHARACTERS)):
                    continue
                if length >= limit:
                    self.refuse(f"{what} is longer than {limit // 1024**2} MiB, or not JSON")
                self._place = getattr(error, "pos", self._place)
                self.refuse(f"{what} is not JSON: {_problem(error)}", error)
            except RecursionError as error:
                self.refuse(f"{what} is not JSON: {_problem(error)}", error)
            else:
                if end - self._place > limit:
                    self.refuse(f"{what} is longer than {limit // 1024**2} MiB")
                self._place = end
                return value

    def refuse(self, problem: str, cause: Exception | None = None) -> NoReturn:
        """Raises `InvalidFile` with the line of the place."""
        line = self._lines_before + self._text.count("\n", 0, self._place) + 1
        _refuse(f"{problem} (line {line})", line, cause)

    def _read_more(self, characters: int) -> bool:
        more = self._file.read(characters)
        self._lines_before += self._text.count("\n", 0, self._place)
        self._text, self._place = self._text[self._place :] + more, 0
        return bool(more)


def _records_of_object(scanner: _Scanner, warnings: list[str]) -> Iterator[Record]:
    value = _record(scanner.take_value("the object", _MAX_OBJECT_CHARACTERS), "the file")
    if scanner.next_sign():
        # Lines that are longer than what is seen of a file to recognise it, or objects of several lines, as jq writes.
        yield value
        yield from _more_objects(scanner)
        return
    arrays = [name for name, each in value.items() if isinstance(each, list) and each and isinstance(each[0], dict)]
    if len(arrays) > 1:
        raise InvalidFile(f"the object holds several arrays of records ({_listed(arrays)}); upload one of them")
    if arrays:
        if others := [name for name in value if name not in arrays]:
            warnings.append(f"the records are those in {arrays[0]!r}; what is in {_listed(others)} is left out")
        for number, each in enumerate(cast("list[object]", value[arrays[0]]), start=1):
            yield _record(each, f"record {number} of {arrays[0]!r}")
        return
    # `DataFrame.to_json` of pandas writes columns by default.
    if all(isinstance(each, list | dict) for each in value.values()):
        raise InvalidFile(f"the file holds no records, but an object of arrays or objects, perhaps columns; {_HOW}")
    warnings.append("the file holds a single record, so the table has one row")
    yield value


def _more_objects(scanner: _Scanner) -> Iterator[Record]:
    number = 1
    while sign := scanner.next_sign():
        number += 1
        if sign != "{":
            scanner.refuse(f"after record {number - 1} there is no object; {_HOW}")
        yield _record(scanner.take_value(f"record {number}"), f"record {number}")


def _record(value: object, where: str) -> Record:
    if not isinstance(value, dict):
        raise InvalidFile(f"{where} is not an object with fields; {_HOW}")
    return value


def _refuse(problem: str, line: int, cause: Exception | None = None) -> NoReturn:
    raise InvalidFile(problem, details={"line": line}) from cause


def _problem(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "its arrays and objects are nested too deeply"
    if "int_max_str_digits" in str(error):
        return "a number has more than 4,300 digits"
    return getattr(error, "msg", None) or str(error)


def _listed(names: list[str]) -> str:
    return ", ".join(repr(name[:60]) for name in names[:_MAX_LISTED]) + (" …" if len(names) > _MAX_LISTED else "")


def _unique(pairs: list[tuple[str, object]]) -> Record:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"an object has the field {twice!r} twice")
    return found


def _fraction(text: str) -> float | str:
    """Returns the number, or its text if no float holds it."""
    number = float(text)
    if number in _INFINITE.values():
        return text
    is_held = repr(number) == text or (len(text) < LONG_CHARACTERS and abs(number) >= sys.float_info.min)
    return number if is_held or not is_other(text) else Digits(text)


def _constant(name: str) -> float | None:
    """Returns the meaning of a word that Python writes although it is not JSON: `NaN` is missing, infinity a number."""
    return _INFINITE.get(name)


_INFINITE: Final = {"Infinity": float("inf"), "-Infinity": float("-inf")}
_DECODER: Final = json.JSONDecoder(object_pairs_hook=_unique, parse_float=_fraction, parse_constant=_constant)
