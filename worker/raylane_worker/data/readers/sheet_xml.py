"""Searches a sheet of .xlsx or .xlsm for what the library hides.

The library gives errors as empty cells, and also formulas without a stored value, which a program wrote and Excel never
computed. It reads a negative time as another time.
"""

from __future__ import annotations

import re
import string
import zipfile
from contextlib import suppress
from typing import TYPE_CHECKING, Final
from xml.etree import ElementTree

from raylane_worker.data.readers.refused import Refused

if TYPE_CHECKING:
    from collections.abc import Iterator

_MAIN: Final = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_OFFICE: Final = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
_CHUNK_BYTES: Final = 1024 * 1024
# Excel allows 8,192 characters for a formula, of which each may be written as several.
_LONGEST_BYTES: Final = 128 * 1024
# It holds the names of the sheets.
_MAX_INDEX_BYTES: Final = 16 * 1024 * 1024
# Names may have a prefix, as in <x:c>.
_FORMULA: Final = re.compile(
    rb"<(?:\w+:)?c\b([^<>]*)>\s*<(?:\w+:)?f\b(?:[^<>]*/>|[^<>]*>[^<]*</(?:\w+:)?f>)\s*"
    rb"(?P<value><(?:\w+:)?v\s*/>|<(?:\w+:)?v>\s*</(?:\w+:)?v>|<(?:\w+:)?v\b)?"
)
_NEGATIVE: Final = re.compile(
    rb"<(?:\w+:)?c\b([^<>]*)>\s*(?:<(?:\w+:)?f\b(?:[^<>]*/>|[^<>]*>[^<]*</(?:\w+:)?f>)\s*)?"
    rb"<(?:\w+:)?v>\s*(-[0-9.eE+-]+)\s*<"
)
_ERROR: Final = re.compile(rb'<(?:\w+:)?c\b([^<>]*\bt="e"[^<>]*)>')
_REFERENCE: Final = re.compile(rb'\br="([A-Z]+[0-9]+)"')
_LETTERS: Final = string.ascii_uppercase.encode()
_TEXT: Final = re.compile(rb'\bt="str"')
# Half a millisecond in days. A difference of equal times may be a little less than 0.
_LEAST_TIME: Final = 0.0005 / 86_400


def hidden_in(path: str, sheet: str) -> list[str]:
    """Returns warnings about errors in cells, and about formulas whose stored values may be wrong.

    Raises `Refused` for a formula without a stored value.
    """
    errors, formulas, without = _Cells(), _Cells(), _Cells()
    is_old = False
    # The library refuses damaged workbooks. Other formats are not archives, or have other members.
    with suppress(zipfile.BadZipFile, KeyError, ElementTree.ParseError, OSError), zipfile.ZipFile(path) as archive:
        index = _parsed(archive, "xl/workbook.xml")
        properties = index.find(f"{_MAIN}calcPr")
        is_old = properties is not None and properties.get("fullCalcOnLoad") in ("1", "true")
        for found in _matches(archive, _member(archive, index, sheet), (_FORMULA, _ERROR)):
            if found.re is _ERROR:
                errors.add(found[1])
                continue
            formulas.add(found[1])
            value = found["value"] or b""
            # A formula may give an empty text.
            if not value.endswith(b"v") and not (value and _TEXT.search(found[1])):
                without.add(found[1])
    if without.count:
        raise Refused(
            f"the formula in {without} has no stored value, because a program wrote it; "
            "open the workbook in Excel or LibreOffice and save it"
        )
    warnings = [f"cells with errors such as #N/A count as missing values: {errors}"] if errors.count else []
    if formulas.count and is_old:
        doubt = "open the workbook in Excel or LibreOffice and save it"
        warnings.append(f"a program wrote the formulas, and their stored values may be wrong: {formulas}; {doubt}")
    return warnings


def is_xml(path: str) -> bool:
    """Returns whether the sheets are XML, as in .xlsx and .ods, and not binary as in .xls and .xlsb."""
    with suppress(zipfile.BadZipFile, OSError), zipfile.ZipFile(path) as archive:
        return not {"xl/workbook.xml", "content.xml"}.isdisjoint(archive.namelist())
    return False


def negative_in(path: str, sheet: str) -> Iterator[str]:
    """Yields the references of the cells with negative numbers, such as `B7`."""
    with suppress(zipfile.BadZipFile, KeyError, ElementTree.ParseError, OSError), zipfile.ZipFile(path) as archive:
        member = _member(archive, _parsed(archive, "xl/workbook.xml"), sheet)
        for found in _matches(archive, member, (_NEGATIVE,)):
            with suppress(ValueError):
                reference = _REFERENCE.search(found[1])
                if reference and float(found[2]) <= -_LEAST_TIME:
                    yield reference[1].decode()


def rows_with_errors(path: str, sheet: str) -> frozenset[int] | None:
    """Returns the numbers of the rows in which a cell has an error; None for a format that is not searched."""
    with suppress(zipfile.BadZipFile, KeyError, ElementTree.ParseError, OSError), zipfile.ZipFile(path) as archive:
        member = _member(archive, _parsed(archive, "xl/workbook.xml"), sheet)
        references = (_REFERENCE.search(found[1]) for found in _matches(archive, member, (_ERROR,)))
        return frozenset(int(found[1].lstrip(_LETTERS)) for found in references if found)
    return None


class _Cells:
    """The first of some cells, and how many there are."""

    def __init__(self) -> None:
        self.count = 0
        self._first = ""

    def add(self, attributes: bytes) -> None:
        """Adds the cell with these attributes."""
        if not self.count and (reference := _REFERENCE.search(attributes)):
            self._first = reference[1].decode()
        self.count += 1

    def __str__(self) -> str:
        return self._first + (f" and {self.count - 1:,} more" if self.count > 1 else "")


def _member(archive: zipfile.ZipFile, index: ElementTree.Element, sheet: str) -> str:
    """Returns the name of the file that holds the sheet. Raises `KeyError`."""
    identity = {one.get("name"): one.get(f"{_OFFICE}id") for one in index.iter(f"{_MAIN}sheet")}[sheet]
    relations = _parsed(archive, "xl/_rels/workbook.xml.rels")
    target = {one.get("Id"): one.get("Target") or "" for one in relations}[identity]
    return target.removeprefix("/") if target.startswith("/") else f"xl/{target}"


def _parsed(archive: zipfile.ZipFile, name: str) -> ElementTree.Element:
    with archive.open(name) as file:
        # This process has limits, so what the parser may be made to do ends with them.
        return ElementTree.fromstring(file.read(_MAX_INDEX_BYTES))  # noqa: S314


def _matches(archive: zipfile.ZipFile, name: str, patterns: tuple[re.Pattern[bytes], ...]) -> Iterator[re.Match[bytes]]:
    """Yields the cells that match. Cells at the border of two pieces are looked for in both together."""
    with archive.open(name) as file:
        text, done = b"", dict.fromkeys(patterns, 0)
        while chunk := file.read(_CHUNK_BYTES):
            dropped = max(0, len(text) - _LONGEST_BYTES)
            text = text[dropped:] + chunk
            border = len(text) - (_LONGEST_BYTES if len(chunk) == _CHUNK_BYTES else 0)
            for pattern, place in done.items():
                start = max(0, place - dropped)
                for match in pattern.finditer(text, start):
                    if match.start() >= border:
                        break
                    start = match.end()
                    yield match
                done[pattern] = start
