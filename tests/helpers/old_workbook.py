"""A workbook as Excel 5 to 95 wrote it: records in a stream of a compound file."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_SECTOR: Final = 512
# A shorter stream would have to be in another place.
_LEAST_BYTES: Final = 4096
_FREE, _END, _FAT = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD
# The formats of cells: a number as it is, a time of day, a date.
PLAIN, CLOCK, DATE = 0, 1, 2
_FORMATS: Final = (0, 20, 14)

Cell = tuple[float, int] | str


def old_workbook(rows: Iterable[Sequence[Cell]], *, from_1904: bool = False, has_password: bool = False) -> bytes:
    """Returns a workbook with one sheet. A number has one of the formats above."""
    before = _record(0x0809, struct.pack("<HHHH", 0x0500, 0x0005, 0, 0))
    before += _record(0x002F, b"\x12\x34\x56\x78") if has_password else b""
    before += _record(0x0022, struct.pack("<H", from_1904))
    before += b"".join(_record(0x00E0, struct.pack("<HH12x", 0, number)) for number in _FORMATS)
    name = b"Old"
    start = len(before) + 4 + 7 + len(name) + 4
    before += _record(0x0085, struct.pack("<IBBB", start, 0, 0, len(name)) + name) + _record(0x000A, b"")
    sheet = _record(0x0809, struct.pack("<HHHH", 0x0500, 0x0010, 0, 0))
    for row, cells in enumerate(rows):
        for column, cell in enumerate(cells):
            if isinstance(cell, str):
                text = cell.encode("cp1252")
                sheet += _record(0x0204, struct.pack("<HHHH", row, column, PLAIN, len(text)) + text)
            else:
                sheet += _record(0x0203, struct.pack("<HHHd", row, column, cell[1], cell[0]))
    return compound_file("Book", before + sheet + _record(0x000A, b""))


def _record(kind: int, data: bytes) -> bytes:
    return struct.pack("<HH", kind, len(data)) + data


def compound_file(name: str, stream: bytes) -> bytes:
    """Returns a compound file with one stream. Its sectors: the table of sectors, the directory, the stream."""
    stream = stream.ljust(_LEAST_BYTES, b"\0")
    count = -(-len(stream) // _SECTOR)
    table = [_FAT, _END, *range(3, count + 2), _END]
    assert len(table) <= _SECTOR // 4
    table += [_FREE] * (_SECTOR // 4 - len(table))
    header = bytes.fromhex("d0cf11e0a1b11ae1") + bytes(16) + struct.pack("<HHHHH6x", 0x3E, 3, 0xFFFE, 9, 6)
    header += struct.pack("<IIIIIIIIII", 0, 1, 1, 0, _LEAST_BYTES, _END, 0, _END, 0, 0)
    header += struct.pack("<108I", *[_FREE] * 108)
    directory = _entry("Root Entry", 5, 1, _END, 0) + _entry(name, 2, _FREE, 2, len(stream)) + bytes(2 * 128)
    return header + struct.pack("<128I", *table) + directory + stream.ljust(count * _SECTOR, b"\0")


def _entry(name: str, kind: int, child: int, start: int, size_bytes: int) -> bytes:
    text = name.encode("utf-16-le") + b"\0\0"
    place = struct.pack("<HBBIII", len(text), kind, 1, _FREE, _FREE, child)
    return text.ljust(64, b"\0") + place + bytes(36) + struct.pack("<IQ", start, size_bytes)
